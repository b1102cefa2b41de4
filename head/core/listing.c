#include "head/core/listing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool listing_text_fits(const char *wanted, const char *text)
{
    return wanted == NULL || (text != NULL && strcmp(wanted, text) == 0);
}

/* ---- what was asked for ---- */

static bool name_is_in(const char *const *names, uint32_t n, const char *name)
{
    for (uint32_t i = 0; i < n; i++) {
        if (names[i][0] != '\0' && strcmp(names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static void names_add(struct report *report, const char *const *names, uint32_t n, bool is_first)
{
    for (uint32_t i = 0; i < n; i++) {
        if (names[i][0] != '\0') {
            report_add(report, "%s%s", is_first ? "" : ", ", names[i]);
            is_first = false;
        }
    }
}

static error_code filter_check(const struct listing_kind *kind, const struct view_filter *filter,
                               struct report *report)
{
    const char *state = filter->state, *outcome = filter->outcome;
    if (state != NULL && !name_is_in(kind->states, kind->n_states, state) &&
        !name_is_in(kind->outcomes, kind->n_outcomes, state)) {
        ignore_error(report_fail(report, ERR_INVALID,
                                 "%s have no state '%.64s'; there are: ", kind->what, state),
                     "given below");
        names_add(report, kind->states, kind->n_states, true);
        names_add(report, kind->outcomes, kind->n_outcomes, false);
        return ERR_INVALID;
    }
    if (outcome != NULL && !name_is_in(kind->outcomes, kind->n_outcomes, outcome)) {
        ignore_error(report_fail(report, ERR_INVALID, "%s have no outcome '%.64s'%s", kind->what,
                                 outcome, kind->n_outcomes > 0 ? "; there are: " : ""),
                     "given below");
        names_add(report, kind->outcomes, kind->n_outcomes, true);
        return ERR_INVALID;
    }
    return OK;
}

static error_code sort_check(struct listing *l, struct report *report)
{
    const char *sort = l->filter->sort;
    if (sort == NULL) {
        return OK;
    }
    l->is_descending = sort[0] == '-';
    sort += l->is_descending;
    for (const struct listing_column *c = l->kind->columns; c->name != NULL; c++) {
        if (strcmp(c->name, sort) == 0) {
            l->column = c == l->kind->columns && !l->is_descending ? NULL : c;
            return OK;
        }
    }
    ignore_error(report_fail(report, ERR_INVALID,
                             "%s are not sorted by '%.64s'; columns: ", l->kind->what, sort),
                 "given below");
    for (const struct listing_column *c = l->kind->columns; c->name != NULL; c++) {
        report_add(report, "%s%s", c == l->kind->columns ? "" : ", ", c->name);
    }
    return ERR_INVALID;
}

/* `ID`, or `n:NUMBER|ID`, or `t:TEXT|ID`. */
static error_code cursor_check(struct listing *l, struct report *report)
{
    if (l->filter->cursor == NULL) {
        return OK;
    }
    char *cursor = l->cursor = mem_strdup(l->filter->cursor);
    if (cursor == NULL) {
        return report_fail(report, ERR_NO_MEMORY, "there is no memory for the answer");
    }
    char *bar = strrchr(cursor, '|');
    bool is_good = (bar != NULL) == (l->column != NULL);
    if (is_good && bar != NULL) {
        is_good = strncmp(cursor, "n:", 2) == 0 || strncmp(cursor, "t:", 2) == 0;
    }
    if (is_good && bar != NULL) {
        *bar = '\0';
        bool is_text = cursor[0] == 't';
        l->cursor_value.text = is_text ? cursor + 2 : NULL;
        l->cursor_value.number = is_text ? 0 : strtod(cursor + 2, NULL);
        is_good = is_text == (l->column->value(NULL).text != NULL);
    }
    l->cursor_id = bar != NULL ? bar + 1 : cursor;
    if (!is_good || !l->kind->id_is_good(l->cursor_id)) {
        return report_fail(report, ERR_INVALID,
                           "cursor= is not the `next` of a page of this list in this order");
    }
    return OK;
}

bool listing_begin(struct listing *l, struct core *core, time_ms now, uint64_t request,
                   const struct listing_kind *kind, const struct view_filter *filter)
{
    static const struct view_filter all;
    struct report report = {0};
    *l = (struct listing){.kind = kind, .filter = filter != NULL ? filter : &all};
    error_code error = filter_check(kind, l->filter, &report);
    if (error == OK) {
        error = sort_check(l, &report);
    }
    if (error == OK) {
        error = cursor_check(l, &report);
    }
    if (error != OK) {
        report.code = error;
        core_answer_error(core, request, http_status_of(error), &report);
        mem_free(l->cursor);
        return false;
    }
    view_begin(&l->view, core, request);
    l->view.now = now;
    json_object_begin(&l->view.json, NULL);
    json_str(&l->view.json, "api", "v1");
    json_array_begin(&l->view.json, "items");
    return true;
}

/* ---- order ---- */

static int value_compare(struct listing_value a, struct listing_value b, bool is_descending)
{
    int order = 0;
    if (a.text != NULL && b.text != NULL) {
        order = strcmp(a.text, b.text);
    } else if (isnan(a.number) || isnan(b.number)) {
        return isnan(a.number) - isnan(b.number); /* last, whatever the order */
    } else {
        order = a.number < b.number ? -1 : a.number > b.number;
    }
    return is_descending ? -order : order;
}

static bool is_after_cursor(const struct listing *l, const void *object, struct listing_value value)
{
    if (l->cursor_id == NULL) {
        return true;
    }
    int order = l->column != NULL ? value_compare(value, l->cursor_value, l->is_descending) : 0;
    return order != 0 ? order > 0 : l->kind->id_compare(object, l->cursor_id) > 0;
}

static void listing_write(struct listing *l, const void *object, struct listing_value value)
{
    if (l->skipped < l->filter->offset) {
        l->skipped++;
        return;
    }
    if (l->filter->limit != 0 && l->written == l->filter->limit) {
        l->is_more = true;
        return;
    }
    l->kind->print(&l->view, object);
    arena_reset(&l->view.arena);
    l->kind->id_print(object, l->last);
    l->last_value = value;
    l->written++;
}

static bool listing_keep(struct listing *l, const void *object, struct listing_value value)
{
    if (l->n_items == l->cap) {
        uint32_t cap = l->cap == 0 ? 256 : l->cap * 2;
        struct listing_item *items =
            cap <= LISTING_SORTED_MAX ? mem_realloc(l->items, cap * sizeof *items) : NULL;
        if (items == NULL) {
            l->is_too_long = true;
            return false;
        }
        l->items = items;
        l->cap = cap;
    }
    l->items[l->n_items++] = (struct listing_item){object, value};
    return true;
}

void listing_offer(struct listing *l, const void *object)
{
    l->view.seen++;
    struct listing_value value = {0};
    if (l->column != NULL) {
        value = l->column->value(object);
    }
    if (l->is_too_long || !is_after_cursor(l, object, value)) {
        return;
    }
    if (l->column == NULL) {
        listing_write(l, object, value);
    } else {
        listing_keep(l, object, value);
    }
}

/* Merge sort: it keeps the order of ids between equals, and asks for no context that qsort() has
 * not. */
static bool items_sort(struct listing *l)
{
    struct listing_item *from = l->items;
    struct listing_item *to = mem_calloc(l->n_items > 0 ? l->n_items : 1, sizeof *to);
    struct listing_item *spare = to;
    if (to == NULL) {
        return false;
    }
    for (uint32_t width = 1; width < l->n_items; width *= 2) {
        for (uint32_t low = 0; low < l->n_items; low += 2 * width) {
            uint32_t a = low, middle = low + width < l->n_items ? low + width : l->n_items;
            uint32_t b = middle, high = middle + width < l->n_items ? middle + width : l->n_items;
            for (uint32_t k = low; k < high; k++) {
                bool is_left = a < middle &&
                               (b == high ||
                                value_compare(from[a].value, from[b].value, l->is_descending) <= 0);
                to[k] = is_left ? from[a++] : from[b++];
            }
        }
        struct listing_item *swap = from;
        from = to;
        to = swap;
    }
    if (from != l->items) {
        memcpy(l->items, from, l->n_items * sizeof *from);
    }
    mem_free(spare);
    return true;
}

/* ---- the end ---- */

static void next_print(struct listing *l)
{
    struct buf text;
    error_code error;
    if (!l->is_more) {
        json_out_null(&l->view.json, "next");
        return;
    }
    buf_init(&text, 1 << 20);
    if (l->column == NULL) {
        error = buf_append_text(&text, l->last);
    } else if (l->last_value.text != NULL) {
        error = buf_printf(&text, "t:%s|%s", l->last_value.text, l->last);
    } else {
        error = buf_printf(&text, "n:%.17g|%s", l->last_value.number, l->last);
    }
    json_str(&l->view.json, "next", buf_text(&text));
    if (error != OK) {
        l->view.buf.failed = error;
    }
    buf_fini(&text);
}

void listing_end(struct listing *l)
{
    bool is_sorted = l->column == NULL || (!l->is_too_long && items_sort(l));
    for (uint32_t i = 0; is_sorted && i < l->n_items; i++) {
        listing_write(l, l->items[i].object, l->items[i].value);
    }
    mem_free(l->items);
    mem_free(l->cursor);
    if (!is_sorted) {
        l->view.buf.failed = ERR_LIMIT;
    }
    json_array_end(&l->view.json);
    json_u64(&l->view.json, "total", l->view.seen);
    next_print(l);
    json_object_end(&l->view.json);
    view_end(&l->view);
}
