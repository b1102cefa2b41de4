#include "tune/line.h"

#include <assert.h>

void line_push(struct line *line, struct line_link *links, uint32_t trial)
{
    links[trial - 1] = (struct line_link){.before = line->last};
    if (line->last != 0) {
        links[line->last - 1].behind = trial;
    } else {
        line->first = trial;
    }
    line->last = trial;
    line->n++;
}

void line_remove(struct line *line, struct line_link *links, uint32_t trial)
{
    struct line_link link = links[trial - 1];
    assert(line->n > 0);
    if (link.before != 0) {
        links[link.before - 1].behind = link.behind;
    } else {
        line->first = link.behind;
    }
    if (link.behind != 0) {
        links[link.behind - 1].before = link.before;
    } else {
        line->last = link.before;
    }
    links[trial - 1] = (struct line_link){0};
    line->n--;
}
