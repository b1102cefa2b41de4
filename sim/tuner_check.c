/* A core that is never told anything but records of sweeps and entries of their logs. It goes on
 * with what is new, so that each entry is replayed once a seed and the check costs two dumps. */
#include "sim/tuner_check.h"

#include <stdio.h>
#include <string.h>

#include "sim/records.h"
#include "sim/recovery.h"

enum { FOLLOWED_MAX = 64 };

/* The sweep as it was made: what people set later stands in its log. */
static void sweep_load(struct sim *sim, uint32_t sweep)
{
    char field[16];
    struct report report = {0};
    snprintf(field, sizeof field, "%u", sweep);
    const struct sim_cell *cell = sim_cell_find(&sim->store, "sweeps", field);
    sim_require(sim, cell != NULL, "sweep %u has a log and no record", sweep);
    struct bytes name = {(const uint8_t *)field, strlen(field)};
    error_code error = core_load_record(sim->follower, "sweeps", name,
                                        (struct bytes){cell->value, cell->len}, &report);
    sim_require(sim, error == OK, "%s", report.text);
}

static void entry_follow(struct sim *sim, struct sim_entry *entry)
{
    struct report report = {0};
    if (core_work_find(sim->follower, entry->sweep) == NULL) {
        sweep_load(sim, entry->sweep);
    }
    error_code error = core_load_log(sim->follower, entry->sweep,
                                     (struct bytes){entry->value, entry->len}, &report);
    sim_require(sim, error == OK, "%s", report.text);
    entry->is_followed = true;
}

static void tuner_compare(struct sim *sim, uint32_t sweep)
{
    struct buf live, replayed;
    if (core_work_find(sim->head.core, sweep) == NULL) {
        return; /* its removal is under way */
    }
    buf_init(&live, 1 << 20);
    buf_init(&replayed, 1 << 20);
    sim_require(sim, core_tuner_dump(sim->head.core, sweep, &live) == OK, "dump");
    sim_require(sim, core_tuner_dump(sim->follower, sweep, &replayed) == OK, "dump");
    sim_require(sim, strcmp(buf_text(&live), buf_text(&replayed)) == 0,
                "sweep %u: its tuner\n%s\nis by replay\n%s", sweep, buf_text(&live),
                buf_text(&replayed));
    sim->counts.tuners_compared++;
    buf_fini(&live);
    buf_fini(&replayed);
}

void sim_tuners_compare(struct sim *sim)
{
    struct sim_store *store = &sim->store;
    uint32_t sweeps[FOLLOWED_MAX], n = 0, first = store->n_entries;
    /* New ones stand at the end. */
    while (first > 0 && !store->entries[first - 1].is_followed) {
        first--;
    }
    if (first < store->n_entries && sim->follower == NULL) {
        sim->follower = sim_core_new(sim, 1);
    }
    for (uint32_t i = first; i < store->n_entries; i++) {
        struct sim_entry *entry = &store->entries[i];
        uint32_t k = 0;
        entry_follow(sim, entry);
        while (k < n && sweeps[k] != entry->sweep) {
            k++;
        }
        if (k == n && n < FOLLOWED_MAX) {
            sweeps[n++] = entry->sweep;
        }
    }
    for (uint32_t i = 0; i < n; i++) {
        tuner_compare(sim, sweeps[i]);
    }
}

void sim_tuners_free(struct sim *sim)
{
    core_free(sim->follower);
    sim->follower = NULL;
}
