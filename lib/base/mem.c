#include "base/mem.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static atomic_int_fast64_t live_count;
static atomic_uint_fast64_t fail_countdown; /* 0: off */
static atomic_bool has_failed;

#ifdef MUSTER_FAILPOINTS
static void (*_Atomic watcher)(void);

void mem_watch(void (*on_allocation)(void))
{
    atomic_store(&watcher, on_allocation);
}

static void mem_tell_watcher(void)
{
    void (*on_allocation)(void) = atomic_load_explicit(&watcher, memory_order_relaxed);
    if (on_allocation != NULL) {
        on_allocation();
    }
}
#else
static void mem_tell_watcher(void)
{
}
#endif

static bool mem_must_fail(void)
{
    mem_tell_watcher();
    if (atomic_load_explicit(&fail_countdown, memory_order_relaxed) == 0) {
        return false;
    }
    if (atomic_fetch_sub(&fail_countdown, 1) == 1) {
        atomic_store(&has_failed, true);
        return true;
    }
    return false;
}

static void *mem_counted(void *block)
{
    if (block != NULL) {
        atomic_fetch_add_explicit(&live_count, 1, memory_order_relaxed);
    }
    return block;
}

void *mem_alloc(size_t size_bytes)
{
    return mem_must_fail() ? NULL : mem_counted(malloc(size_bytes > 0 ? size_bytes : 1));
}

void *mem_zalloc(size_t size_bytes)
{
    return mem_calloc(1, size_bytes);
}

void *mem_calloc(size_t count, size_t size_bytes)
{
    size_t total;
    if (__builtin_mul_overflow(count, size_bytes, &total) || mem_must_fail()) {
        return NULL;
    }
    return mem_counted(calloc(count > 0 ? count : 1, size_bytes > 0 ? size_bytes : 1));
}

void *mem_realloc(void *block, size_t size_bytes)
{
    if (block == NULL) {
        return mem_alloc(size_bytes);
    }
    return mem_must_fail() ? NULL : realloc(block, size_bytes > 0 ? size_bytes : 1);
}

char *mem_strdup(const char *text)
{
    return mem_strndup(text, strlen(text));
}

char *mem_strndup(const char *text, size_t length)
{
    size_t n = strnlen(text, length);
    char *copy = mem_alloc(n + 1);
    if (copy != NULL) {
        memcpy(copy, text, n);
        copy[n] = '\0';
    }
    return copy;
}

void mem_free(void *block)
{
    if (block != NULL) {
        atomic_fetch_sub_explicit(&live_count, 1, memory_order_relaxed);
        free(block);
    }
}

int64_t mem_live_count(void)
{
    return atomic_load(&live_count);
}

void mem_fail_at(uint64_t k)
{
    atomic_store(&has_failed, false);
    atomic_store(&fail_countdown, k);
}

bool mem_has_failed(void)
{
    return atomic_load(&has_failed);
}
