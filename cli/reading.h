/* cli/reading.h -- a cluster that was started only to be read: head and store without a worker. It
 * leaves with its last reader, queued work or not, and a command that runs something replaces it.
 * Its supervisor marks it by run/reading.lock, which names it and which readers hold shared. One
 * thread. */
#ifndef MUSTER_CLI_READING_H
#define MUSTER_CLI_READING_H

#include "cli/cli.h"

typedef enum {
    READING_NONE,    /* no such cluster runs in the state folder */
    READING_JOINED,  /* it stays until this process ends */
    READING_LEAVING, /* too late: its last reader is gone */
} reading_state;

/* The supervisor of a cluster for reading (or, with false, of any other) says what it is. The
 * descriptor for reading_is_over(), which lives as long as the process; -1: none. */
int reading_mark(const char *state_dir, bool is_reading);
bool reading_is_read(int fd);
/* Nobody reads, and from then on nobody can join. */
bool reading_is_over(int fd);
/* For a command that reads: never blocks. */
reading_state reading_join(const char *state_dir);
/* Waits until a cluster for reading that leaves has left, at most 10 s. */
void reading_wait(const char *state_dir);
/* Ends a cluster for reading, if one runs, and waits for that, at most 10 s. Its readers find the
 * head that comes after. */
void reading_end(const char *state_dir);

#endif
