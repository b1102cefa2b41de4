/* base/mem.h -- the one allocation family: it counts, and can be told to fail (tests/torture).
 * Any thread. mem_free(NULL) is fine. */
#ifndef MUSTER_BASE_MEM_H
#define MUSTER_BASE_MEM_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

void *mem_alloc(size_t size_bytes);                /* NULL when out of memory; contents undefined */
void *mem_zalloc(size_t size_bytes);               /* zeroed */
void *mem_calloc(size_t count, size_t size_bytes); /* zeroed; NULL on overflow too */
void *mem_realloc(void *block, size_t size_bytes);
char *mem_strdup(const char *text);
char *mem_strndup(const char *text, size_t length);
void mem_free(void *block);

/* Blocks alive now, over all threads: zero at the end of a test that frees what it made. */
int64_t mem_live_count(void);
/* The k-th allocation from now (1 = the next) fails, once; 0 switches it off. */
void mem_fail_at(uint64_t k);
/* True when the failure asked for with mem_fail_at has happened. */
bool mem_has_failed(void);
#ifdef MUSTER_FAILPOINTS
/* `on_allocation` is called at each allocation from now, failing or not, by the thread that asks;
 * NULL: no more. It may not allocate here. Only in builds with failpoints. */
void mem_watch(void (*on_allocation)(void));
#endif

/* Scope helpers: CLEANUP(mem_freep) char *text = ...; return TAKE(text); */
static inline void mem_freep(void *pointer_to_block)
{
    mem_free(*(void **)pointer_to_block);
}
#define CLEANUP(function) __attribute__((cleanup(function)))
#define TAKE(pointer)                                                                              \
    ({                                                                                             \
        __typeof__(pointer) take_value_ = (pointer);                                               \
        (pointer) = NULL;                                                                          \
        take_value_;                                                                               \
    })

#endif
