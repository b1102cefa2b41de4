/* base/arena.h -- memory that is freed all at once; a decoded message or a parsed file lives in
 * one. Pure. */
#ifndef MUSTER_BASE_ARENA_H
#define MUSTER_BASE_ARENA_H

#include <stddef.h>

#include "base/error.h"

struct arena_block;

struct arena {
    struct arena_block *blocks;
    size_t used; /* bytes handed out, padding to 16 included */
    size_t max;  /* past it: NULL */
};

void arena_init(struct arena *arena, size_t max_bytes); /* allocates nothing */
void arena_fini(struct arena *arena);                   /* takes half-built and fini'd ones */
void arena_reset(struct arena *arena);                  /* frees all, keeps the maximum */

void *arena_alloc(struct arena *arena,
                  size_t size_bytes); /* zeroed, 16-byte aligned; NULL: limit or memory */
void *arena_calloc(struct arena *arena, size_t count, size_t size_bytes);
char *arena_strdup(struct arena *arena, const char *text);
char *arena_strndup(struct arena *arena, const char *text, size_t length);
char *arena_printf(struct arena *arena, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
