/* cli/signals.h -- what Ctrl-C and SIGTERM do to a command that waits for its own work. One thread;
 * the handlers are the process's.
 *
 * By default Ctrl-C detaches, and so does SIGTERM on a terminal; without a terminal, where a
 * scheduler's step is told to leave, SIGTERM cancels. --on-signal says it for both. A second Ctrl-C
 * leaves at once. */
#ifndef MUSTER_CLI_SIGNALS_H
#define MUSTER_CLI_SIGNALS_H

#include <semaphore.h>

#include "cli/cli.h"

/* Before the work is submitted. EXIT_OK, or EXIT_USAGE after the message. */
int cli_signals_catch(struct cli *cli);
/* stdin, stdout or stderr is a terminal: somebody may look, and act elsewhere. */
bool cli_has_terminal(void);
/* The signal that came asks for the work's end, not only for the command's. */
bool cli_signal_cancels(void);
/* Cancels by POST `path`, with --grace if it was given; then the flag is down again, and the work's
 * end is waited for. EXIT_OK or the exit code after the message. */
int cli_signal_cancel(struct cli *cli, struct client **client, const char *what, const char *path);
/* What waits cannot look at the flag: a signal that cancels posts `teller` instead. NULL: no more.
 */
void cli_signal_tell(sem_t *teller);
/* The flag goes up after so long, and then this is true. */
void cli_signal_time_out(int64_t timeout_ms);
bool cli_signal_timed_out(void);

#endif
