/* sim/seeds.h -- many seeds, in processes of their own, so that a failed assertion of a core costs
 * one seed and not the run. */
#ifndef MUSTER_SIM_SEEDS_H
#define MUSTER_SIM_SEEDS_H

#include "sim/world.h"

struct seed_list {
    uint64_t *seeds; /* owned */
    uint32_t n;
};

struct seeds_sum {
    uint32_t n_done, n_failed;
    uint64_t first_failed; /* meaningful if n_failed > 0 */
    uint32_t n_before;     /* seeds of the list before the first that failed */
    uint64_t events, storm_events_min;
    int64_t virtual_ms;
    struct sim_counts counts;
};

/* Appends; false: no memory. */
bool seed_list_add(struct seed_list *list, uint64_t seed);
/* Reads a file of kept seeds: a number a line, the rest of a line and '#' lines are comment. False:
 * it said on stderr what is wrong. */
bool seed_list_read(struct seed_list *list, const char *path);
void seed_list_fini(struct seed_list *list);

/* Runs them all, `jobs` at a time. `is_first_enough`: stops at the first failure. `is_hashing`:
 * prints a line for each seed with the hash of its trace, in the list's order. */
struct seeds_how {
    uint32_t jobs;
    bool is_first_enough;
    bool is_hashing;
};
void seeds_run(const struct seed_list *list, const struct sim_options *options,
               const struct seeds_how *how, struct seeds_sum *ret_sum);

#endif
