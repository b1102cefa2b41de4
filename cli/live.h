/* cli/live.h -- a sweep drawn over itself on the terminal that stderr is: a header, the best trial,
 * the running ones. No line is wider and no picture higher than the terminal. One thread. */
#ifndef MUSTER_CLI_LIVE_H
#define MUSTER_CLI_LIVE_H

#include "cli/cli.h"

enum { LIVE_ROWS_MAX = 12 };

struct live {
    int lines; /* drawn, to be drawn over */
};

/* `why` is a sentence about what it waits for, "" for none. */
void live_draw(struct live *live, const json_t *sweep, json_t *trials, const char *why);
/* One line about a sweep of at most `columns` characters; 0: as long as it gets. */
void live_header(const json_t *sweep, int columns, char *ret_text, size_t size_bytes);
/* "best loss 0.1  trial 12.41  (lr=0.1)", "" without a result; false then. */
bool live_best(const json_t *sweep, char *ret_text, size_t size_bytes);
/* 00:12:33 */
void live_clock(double seconds, char *ret_text, size_t size_bytes);

#endif
