#include "base/arena.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

/* The first block is small, since most arenas hold one small record and there may be a million of
 * them; each next one is twice as large. */
enum { ARENA_FIRST_BYTES = 256, ARENA_BLOCK_BYTES = 4096, ARENA_ALIGN = 16 };

struct arena_block {
    struct arena_block *next;
    size_t used;
    size_t cap;
    _Alignas(16) uint8_t data[];
};

void arena_init(struct arena *arena, size_t max_bytes)
{
    *arena = (struct arena){.max = max_bytes};
}

void arena_fini(struct arena *arena)
{
    while (arena->blocks != NULL) {
        struct arena_block *next = arena->blocks->next;
        mem_free(arena->blocks);
        arena->blocks = next;
    }
    arena->used = 0;
}

void arena_reset(struct arena *arena)
{
    arena_fini(arena);
}

static size_t block_bytes(const struct arena_block *last, size_t need)
{
    size_t cap = last == NULL                        ? ARENA_FIRST_BYTES
                 : last->cap < ARENA_BLOCK_BYTES / 2 ? last->cap * 2
                                                     : ARENA_BLOCK_BYTES;
    return need > cap ? need : cap;
}

void *arena_alloc(struct arena *arena, size_t size_bytes)
{
    /* What counts against the maximum is what is taken: a million short texts are 16 MB. */
    size_t padding = -size_bytes & (ARENA_ALIGN - 1);
    size_t need = size_bytes + padding;
    if (need < size_bytes || need > arena->max || arena->used > arena->max - need) {
        return NULL;
    }
    struct arena_block *block = arena->blocks;
    if (block == NULL || block->cap - block->used < need) {
        size_t cap = block_bytes(block, need);
        block = cap <= SIZE_MAX - sizeof *block ? mem_alloc(sizeof *block + cap) : NULL;
        if (block == NULL) {
            return NULL;
        }
        *block = (struct arena_block){.next = arena->blocks, .cap = cap};
        arena->blocks = block;
    }
    void *room = block->data + block->used;
    block->used += need;
    arena->used += need;
    memset(room, 0, need);
    return room;
}

void *arena_calloc(struct arena *arena, size_t count, size_t size_bytes)
{
    size_t total;
    if (__builtin_mul_overflow(count, size_bytes, &total)) {
        return NULL;
    }
    return arena_alloc(arena, total);
}

char *arena_strdup(struct arena *arena, const char *text)
{
    return arena_strndup(arena, text, strlen(text));
}

char *arena_strndup(struct arena *arena, const char *text, size_t length)
{
    char *copy = arena_alloc(arena, length + 1);
    if (copy != NULL) {
        memcpy(copy, text, length);
    }
    return copy;
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = n < 0 ? NULL : arena_alloc(arena, (size_t)n + 1);
    if (text != NULL && vsnprintf(text, (size_t)n + 1, format, again) != n) {
        text = NULL;
    }
    va_end(again);
    return text;
}
