/* tests/torture/stacks.h -- which allocations of a run to let fail: each is known by the stack that
 * asked for it, and of each distinct stack a few are chosen. The log may be filled by a child
 * process. One log and one plan at a time; not for threads but the filling, where any thread may
 * allocate. */
#ifndef MUSTER_TESTS_TORTURE_STACKS_H
#define MUSTER_TESTS_TORTURE_STACKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The allocations to let fail, in the order to do it: the first one of each stack, then the last
 * one of each, then those between. */
struct stacks_plan {
    uint64_t *k; /* 1 is the first allocation; owned */
    size_t len;
    uint64_t n_allocations, n_stacks; /* of the watched run */
};

/* Whether this build can watch; STACKS_MISSING says to people what to do if not. */
bool stacks_can_watch(void);
#define STACKS_MISSING                                                                             \
    "this build has no failpoints, and cannot tell which stack allocates: use the preset asan or " \
    "dev, or let every allocation fail (0)"

/* Makes the log, once; exits where there is no memory for it. */
void stacks_reserve(void);

/* Allocations are logged from now until stacks_watch_end(). False: this build cannot. */
bool stacks_watch_begin(void);
void stacks_watch_end(void);

/* Plans from what was logged, by this process or by a child forked after stacks_reserve(): up to
 * `per_stack` of each stack (0: it only counts), its first and, from 2 on, its last among them.
 * False: the run made more allocations than the log holds. The caller ends it by
 * stacks_plan_fini(). */
bool stacks_plan_init(struct stacks_plan *plan, size_t per_stack);
void stacks_plan_fini(struct stacks_plan *plan);

#endif
