#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "worker/core/lanes.h"

void range_list_fini(struct range_list *list)
{
    mem_free(list->items);
    *list = (struct range_list){0};
}

static error_code range_list_grow(struct range_list *list)
{
    if (list->first > 0) {
        assert(list->items != NULL);
        memmove(list->items, list->items + list->first,
                (list->n - list->first) * sizeof *list->items);
        list->n -= list->first;
        list->first = 0;
        return OK;
    }
    uint32_t cap = list->cap == 0 ? 16 : list->cap * 2;
    struct array_range *items =
        cap <= ARRAY_RANGES_MAX ? mem_realloc(list->items, cap * sizeof *items) : NULL;
    if (items == NULL) {
        return ERR_NO_MEMORY;
    }
    list->items = items;
    list->cap = cap;
    return OK;
}

error_code range_list_push(struct range_list *list, struct array_range range)
{
    if (range.count == 0) {
        return OK;
    }
    struct array_range *last = list->n > list->first ? &list->items[list->n - 1] : NULL;
    if (last != NULL && last->first + last->count == range.first) {
        last->count += range.count;
        return OK;
    }
    error_code error = list->n == list->cap ? range_list_grow(list) : OK;
    if (error == OK) {
        list->items[list->n++] = range;
    }
    return error;
}

bool range_list_take(struct range_list *list, uint32_t *ret_position)
{
    if (list->first == list->n) {
        return false;
    }
    struct array_range *range = &list->items[list->first];
    *ret_position = range->first++;
    if (--range->count == 0) {
        list->first++;
    }
    return true;
}

error_code range_list_put_back(struct range_list *list, uint32_t position)
{
    struct array_range *first = list->n > list->first ? &list->items[list->first] : NULL;
    if (first != NULL && first->first == position + 1) {
        first->first--;
        first->count++;
        return OK;
    }
    if (list->first > 0) {
        list->items[--list->first] = (struct array_range){position, 1};
        return OK;
    }
    return range_list_push(list, (struct array_range){position, 1});
}

bool ranges_have(const struct array_range *ranges, uint32_t n_ranges, uint32_t position)
{
    for (uint32_t i = 0; i < n_ranges; i++) {
        if (position >= ranges[i].first && position - ranges[i].first < ranges[i].count) {
            return true;
        }
    }
    return false;
}

/* The next stretch of `range` from `from` on that is wholly wanted or wholly not. */
static uint32_t stretch_end(const struct array_range *wanted, uint32_t n_wanted, uint32_t from,
                            uint32_t end, bool *ret_is_wanted)
{
    *ret_is_wanted = false;
    for (uint32_t i = 0; i < n_wanted; i++) {
        uint32_t first = wanted[i].first, behind = wanted[i].first + wanted[i].count;
        if (from >= first && from < behind) {
            *ret_is_wanted = true;
            return behind < end ? behind : end;
        }
        if (first > from && first < end) {
            end = first;
        }
    }
    return end;
}

error_code range_list_split(struct range_list *list, const struct array_range *wanted,
                            uint32_t n_wanted, struct range_list *ret_taken)
{
    struct range_list kept = {0};
    error_code error = OK;
    for (uint32_t i = list->first; i < list->n; i++) {
        uint32_t at = list->items[i].first, end = at + list->items[i].count;
        while (error == OK && at < end) {
            bool is_wanted;
            uint32_t next = stretch_end(wanted, n_wanted, at, end, &is_wanted);
            error =
                range_list_push(is_wanted ? ret_taken : &kept, (struct array_range){at, next - at});
            at = next;
        }
    }
    if (error != OK) {
        range_list_fini(&kept);
        return error;
    }
    range_list_fini(list);
    *list = kept;
    return OK;
}
