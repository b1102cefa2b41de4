/* head/core/listing.h -- a list under construction: what was asked for is checked, then each object
 * that there is is offered; what fits goes out in the order that was asked for, a page at a time.
 * Pure; inside head/core.
 *
 * The cursor names the last object of a page (and what it was sorted by), so that what comes and
 * goes meanwhile moves nobody from one page to another. By id nothing is kept; in any other order
 * LISTING_SORTED_MAX objects can be. */
#ifndef MUSTER_HEAD_CORE_LISTING_H
#define MUSTER_HEAD_CORE_LISTING_H

#include <math.h>

#include "head/core/view.h"

enum { LISTING_SORTED_MAX = 1 << 20, LISTING_ID_MAX = NODE_NAME_MAX + 1 };

/* What an object is sorted by: a number, or a text if it is not NULL. NAN stands last. */
struct listing_value {
    double number;
    const char *text;
};

struct listing_column {
    const char *name; /* NULL ends a table; the first is the id */
    struct listing_value (*value)(const void *object);
};

/* One kind of thing. */
struct listing_kind {
    const char *what;                     /* "sweeps" */
    const struct listing_column *columns; /* for sort= */
    const char *const *states;            /* names; "" is none */
    uint32_t n_states;
    const char *const *outcomes; /* NULL: it has none */
    uint32_t n_outcomes;
    void (*id_print)(const void *object, char *ret_id /* LISTING_ID_MAX */);
    bool (*id_is_good)(const char *text);
    int (*id_compare)(const void *object, const char *id); /* < 0: before */
    void (*print)(struct view *view, const void *object);
};

struct listing_item {
    const void *object;
    struct listing_value value;
};

struct listing {
    struct view view;
    const struct listing_kind *kind;
    const struct view_filter *filter;
    const struct listing_column *column; /* NULL: by id */
    bool is_descending;
    const char *cursor_id; /* NULL: from the start */
    struct listing_value cursor_value;
    char *cursor; /* owned copy, cut in two */
    struct listing_item *items;
    uint32_t n_items, cap;
    uint32_t skipped, written;
    bool is_more;
    bool is_too_long; /* to be sorted */
    char last[LISTING_ID_MAX];
    struct listing_value last_value;
};

/* False: the filter was wrong, the request is answered. */
bool listing_begin(struct listing *listing, struct core *core, time_ms now, uint64_t request,
                   const struct listing_kind *kind, const struct view_filter *filter);
/* In order of id; only what the filter's words select. */
void listing_offer(struct listing *listing, const void *object);
void listing_end(struct listing *listing);

/* For columns. */
static inline struct listing_value listing_number(double number)
{
    return (struct listing_value){.number = number};
}

static inline struct listing_value listing_text(const char *text)
{
    return (struct listing_value){.text = text != NULL ? text : ""};
}

static inline double listing_time(time_ms time)
{
    return time != 0 ? (double)time : NAN;
}

/* lists.c: does the filter's number, owner, name and label select this sweep or job? */
bool core_work_fits(const struct work *work, const struct view_filter *filter);

/* For filters. An empty or NULL wanted: everything. */
bool listing_text_fits(const char *wanted, const char *text);

#endif
