#include "stacks.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/mem.h"

/* Deeper callers do not tell stacks apart: what lies that far off is the test's own. */
enum { FRAMES_MAX = 16 };
#define LOG_MAX ((uint64_t)16 << 20)

/* Shared with children; pages that nobody writes cost nothing. */
static struct {
    uint64_t len; /* may be more than LOG_MAX: what did not fit */
    uint64_t hashes[LOG_MAX];
} * stack_log;

void stacks_reserve(void)
{
    if (stack_log != NULL) {
        return;
    }
    void *made = mmap(NULL, sizeof *stack_log, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (made == MAP_FAILED) {
        perror("torture: mmap");
        exit(EXIT_FAILURE);
    }
    stack_log = made;
}

/* ---- the log ---- */

#ifdef MUSTER_FAILPOINTS

/* A process of its own that the test forks counts on by itself. */
static atomic_uint_fast64_t n_logged;

static uintptr_t stack_end(void)
{
    static _Thread_local uintptr_t end;
    pthread_attr_t about;
    void *low = NULL;
    size_t size = 0;
    if (end == 0 && pthread_getattr_np(pthread_self(), &about) == 0) {
        if (pthread_attr_getstack(&about, &low, &size) == 0) {
            end = (uintptr_t)low + size;
        }
        pthread_attr_destroy(&about);
    }
    return end;
}

/* Follows the frame pointers, with which all of ours is compiled. A frame of another's code may
 * leave any number in that register, so each is checked to lie further up on this stack; what is
 * read there then may be nonsense, but the same nonsense for the same stack. The sanitizer would
 * object to it. */
__attribute__((no_sanitize("address", "undefined"))) static uint64_t stack_hash(void)
{
    uint64_t hash = 0xcbf29ce484222325U;
    uintptr_t end = stack_end();
    uintptr_t frame = (uintptr_t)__builtin_frame_address(0);
    for (int i = 0; i < FRAMES_MAX; i++) {
        const uintptr_t *saved = (const uintptr_t *)frame;
        hash = (hash ^ saved[1]) * 0x9e3779b97f4a7c15U;
        hash ^= hash >> 29;
        uintptr_t next = saved[0];
        if (next <= frame || next % sizeof next != 0 || next + 2 * sizeof next > end) {
            break;
        }
        frame = next;
    }
    return hash;
}

static void on_allocation(void)
{
    uint64_t i = atomic_fetch_add(&n_logged, 1);
    if (i < LOG_MAX) {
        stack_log->hashes[i] = stack_hash();
    }
}

bool stacks_can_watch(void)
{
    return true;
}

bool stacks_watch_begin(void)
{
    stacks_reserve();
    stack_log->len = 0;
    atomic_store(&n_logged, 0);
    mem_watch(on_allocation);
    return true;
}

void stacks_watch_end(void)
{
    mem_watch(NULL);
    stack_log->len = atomic_load(&n_logged);
}

#else

bool stacks_can_watch(void)
{
    return false;
}

bool stacks_watch_begin(void)
{
    return false;
}

void stacks_watch_end(void)
{
}

#endif

/* ---- the plan ---- */

struct allocation {
    uint64_t hash, k;
    size_t round; /* 0: the first of its stack, 1: the last, ... */
};

static int by_stack(const void *a, const void *b)
{
    const struct allocation *x = a, *y = b;
    return x->hash != y->hash ? (x->hash < y->hash ? -1 : 1) : (x->k > y->k) - (x->k < y->k);
}

static int by_round(const void *a, const void *b)
{
    const struct allocation *x = a, *y = b;
    return x->round != y->round ? (x->round < y->round ? -1 : 1) : (x->k > y->k) - (x->k < y->k);
}

/* Moves those of one stack that are chosen to `to`, which does not lie behind them. */
static size_t stack_choose(struct allocation *to, const struct allocation *from, size_t count,
                           size_t per_stack)
{
    size_t n = count < per_stack ? count : per_stack;
    for (size_t i = 0; i < n; i++) {
        to[i] = from[n > 1 ? i * (count - 1) / (n - 1) : 0];
        to[i].round = i == 0 ? 0 : i == n - 1 ? 1 : i + 1;
    }
    return n;
}

bool stacks_plan_init(struct stacks_plan *plan, size_t per_stack)
{
    size_t n = (size_t)stack_log->len, n_chosen = 0;
    *plan = (struct stacks_plan){.n_allocations = n};
    if (n > LOG_MAX) {
        return false;
    }
    struct allocation *all = malloc((n + 1) * sizeof *all);
    plan->k = malloc((n + 1) * sizeof *plan->k);
    if (all == NULL || plan->k == NULL) {
        perror("torture: malloc");
        exit(EXIT_FAILURE);
    }
    for (size_t i = 0; i < n; i++) {
        all[i] = (struct allocation){.hash = stack_log->hashes[i], .k = i + 1};
    }
    qsort(all, n, sizeof *all, by_stack);
    for (size_t i = 0, count; i < n; i += count, plan->n_stacks++) {
        for (count = 1; i + count < n && all[i + count].hash == all[i].hash; count++) {
        }
        n_chosen += stack_choose(&all[n_chosen], &all[i], count, per_stack);
    }
    qsort(all, n_chosen, sizeof *all, by_round);
    for (size_t i = 0; i < n_chosen; i++) {
        plan->k[i] = all[i].k;
    }
    plan->len = n_chosen;
    free(all);
    return true;
}

void stacks_plan_fini(struct stacks_plan *plan)
{
    free(plan->k);
    *plan = (struct stacks_plan){0};
}
