/* tune/line.h -- trials in a line: first come, first served, and any may leave it. Pure; one
 * thread. A trial stands in at most one of the lines that share an array of links. */
#ifndef MUSTER_TUNE_LINE_H
#define MUSTER_TUNE_LINE_H

#include <stdint.h>

/* Trial numbers begin at 1; 0: nobody. */
struct line_link {
    uint32_t before, behind;
};

/* Zeroed: empty. */
struct line {
    uint32_t first, last, n;
};

/* links[trial - 1] is the trial's. It stands in no line. */
void line_push(struct line *line, struct line_link *links, uint32_t trial);
/* It stands in this one. */
void line_remove(struct line *line, struct line_link *links, uint32_t trial);

#endif
