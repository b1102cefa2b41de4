/* client/connection.h -- the trial socket of one trial: requests out, answers in, in the order of
 * the requests.
 *
 * Called under the trial's lock. Every answer has the number of its request. When nobody waits for
 * an answer any more its number is given up, and it is skipped when it comes. After ten seconds
 * without a byte the connection counts as silent: from then on no call waits, until a byte comes
 * again. */
#ifndef MUSTER_CLIENT_CONNECTION_H
#define MUSTER_CLIENT_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "json.h"

/* A build of the tests has a shorter one. */
#ifndef MUSTER_SILENT_MS
#define MUSTER_SILENT_MS 10000
#endif

enum { LINE_MAX_BYTES = 64 << 10, ERROR_TEXT_MAX = 512 };

struct connection {
    int fd;            /* -1: there is none, or it is gone */
    uint64_t sent;     /* requests written */
    uint64_t answered; /* answers that came */
    uint64_t given_up; /* answers up to this one are skipped */
    bool is_silent;
    char *line;  /* the last answer, NUL terminated */
    char *input; /* what was read, `taken` bytes of it as lines */
    size_t input_bytes;
    size_t taken;
    char error[ERROR_TEXT_MAX]; /* words for the last failure of any kind */
};

/* Memory for the lines, and no connection yet; false without memory. */
bool connection_init(struct connection *c);
void connection_fini(struct connection *c);
/* Connects; false with c->error. Blocks ten seconds at most, if too many wait at that socket. */
bool connection_open(struct connection *c, const char *path);
/* Writes one request, whole or not at all; false with c->error. Waits while muster does not read,
 * until it is silent. */
bool connection_write(struct connection *c, const char *text, size_t n);
/* The next answer is in c->line; false: none is there (can_wait false), or c->error says why none
 * came. */
bool connection_read(struct connection *c, bool can_wait);
/* Answers that somebody still wants. */
uint64_t connection_owed(const struct connection *c);
/* After a silence: the answer to the last request is wanted all the same, whenever it comes. */
void connection_keep_last(struct connection *c);
/* The last answer as a value. */
struct json_span connection_answer(const struct connection *c);
/* c->error, and `code` back. */
__attribute__((format(printf, 3, 4))) int connection_error(struct connection *c, int code,
                                                           const char *format, ...);

#endif
