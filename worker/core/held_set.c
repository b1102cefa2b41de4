#include "worker/core/held_set.h"

#include <assert.h>

#include "base/mem.h"

enum { WORD_BITS = 64, PAGE_WORDS = HELD_PAGE_BITS / WORD_BITS };

struct held_page {
    uint32_t n;
    uint64_t words[PAGE_WORDS];
};

error_code held_set_init(struct held_set *set, uint32_t count)
{
    uint32_t n_pages = (count + HELD_PAGE_BITS - 1) / HELD_PAGE_BITS;
    *set = (struct held_set){.pages = mem_calloc(n_pages, sizeof *set->pages)};
    if (set->pages == NULL) {
        return ERR_NO_MEMORY;
    }
    set->n_pages = n_pages;
    return OK;
}

void held_set_fini(struct held_set *set)
{
    for (uint32_t i = 0; i < set->n_pages; i++) {
        mem_free(set->pages[i]);
    }
    mem_free(set->pages);
    *set = (struct held_set){0};
}

static uint64_t bit_of(uint32_t position)
{
    return (uint64_t)1 << position % WORD_BITS;
}

static uint32_t word_of(uint32_t position)
{
    return position % HELD_PAGE_BITS / WORD_BITS;
}

bool held_set_has(const struct held_set *set, uint32_t position)
{
    uint32_t page = position / HELD_PAGE_BITS;
    return page < set->n_pages && set->pages[page] != NULL &&
           (set->pages[page]->words[word_of(position)] & bit_of(position)) != 0;
}

error_code held_set_add(struct held_set *set, uint32_t position)
{
    assert(position / HELD_PAGE_BITS < set->n_pages);
    struct held_page **page = &set->pages[position / HELD_PAGE_BITS];
    if (*page == NULL) {
        *page = mem_zalloc(sizeof **page);
    }
    if (*page == NULL) {
        return ERR_NO_MEMORY;
    }
    uint64_t *word = &(*page)->words[word_of(position)];
    if ((*word & bit_of(position)) == 0) {
        *word |= bit_of(position);
        (*page)->n++;
        set->n++;
    }
    return OK;
}

void held_set_remove(struct held_set *set, uint32_t position)
{
    if (!held_set_has(set, position)) {
        return;
    }
    struct held_page **page = &set->pages[position / HELD_PAGE_BITS];
    (*page)->words[word_of(position)] &= ~bit_of(position);
    set->n--;
    if (--(*page)->n == 0) {
        mem_free(*page);
        *page = NULL;
    }
}

/* The first position at or after `from` whose membership is `is_member`; the end if there is none.
 */
static uint32_t position_next(const struct held_set *set, uint32_t from, bool is_member)
{
    uint32_t end = set->n_pages * HELD_PAGE_BITS;
    while (from < end) {
        const struct held_page *page = set->pages[from / HELD_PAGE_BITS];
        if (page == NULL) {
            if (!is_member) {
                return from;
            }
            from = (from / HELD_PAGE_BITS + 1) * HELD_PAGE_BITS;
            continue;
        }
        uint64_t word = page->words[word_of(from)];
        word = (is_member ? word : ~word) >> from % WORD_BITS;
        if (word != 0) {
            return from + (uint32_t)__builtin_ctzll(word);
        }
        from = (from / WORD_BITS + 1) * WORD_BITS;
    }
    return end;
}

bool held_set_next(const struct held_set *set, uint32_t from, struct array_range *ret_range)
{
    uint32_t first = position_next(set, from, true);
    if (first >= set->n_pages * HELD_PAGE_BITS) {
        return false;
    }
    *ret_range = (struct array_range){first, position_next(set, first, false) - first};
    return true;
}
