/* sim/seeds.h -- many seeds, in processes of their own, so that a failed assertion of a core costs
 * one seed and not the run. */
#ifndef MUSTER_SIM_SEEDS_H
#define MUSTER_SIM_SEEDS_H

#include "sim/world.h"

/* A seed, and in which of the worlds that it gives it is played. */
struct seed {
    uint64_t number;
    bool is_arrays;  /* also where the run as a whole is not */
    uint64_t events; /* 0: the run's */
};

struct seed_list {
    struct seed *seeds; /* owned */
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
bool seed_list_add(struct seed_list *list, struct seed seed);
/* Reads a file of kept seeds: a line is a number, then `--arrays` and `--events N` as on the
 * command line where they belong to it; the rest of a line and '#' lines are comment. False: it
 * said on stderr what is wrong. */
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
