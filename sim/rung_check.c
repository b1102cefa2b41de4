#include "sim/rung_check.h"

#include "sim/calendar.h"

enum { RUNGS_MAX = 32 };

struct ladder_count {
    uint32_t n; /* 0: this sweep's scheduler has none */
    int64_t steps[RUNGS_MAX];
    uint64_t told[RUNGS_MAX], counted[RUNGS_MAX];
};

/* [{"step":1,"results":2,...},...] */
static void rungs_read(const char *text, struct ladder_count *ret)
{
    *ret = (struct ladder_count){0};
    while (ret->n < RUNGS_MAX && (text = strstr(text, "\"step\":")) != NULL) {
        const char *results = strstr(text, "\"results\":");
        ret->steps[ret->n] = strtoll(text + strlen("\"step\":"), NULL, 10);
        ret->told[ret->n++] = strtoull(results + strlen("\"results\":"), NULL, 10);
        text = results;
    }
}

static void milestone_count(struct ladder_count *rungs, const struct record_log *entry,
                            int64_t *judged)
{
    for (uint32_t i = rungs->n; i-- > 0;) {
        if (rungs->steps[i] <= entry->step) {
            if (rungs->steps[i] > *judged) {
                rungs->counted[i]++;
                *judged = rungs->steps[i];
            }
            return;
        }
    }
}

static void log_count(struct sim *sim, const struct sweep *sweep, struct ladder_count *rungs)
{
    int64_t *judged = calloc((size_t)sweep->work->n_tasks + 1, sizeof *judged);
    for (uint32_t i = 0; i < sim->store.n_entries; i++) {
        const struct sim_entry *raw = &sim->store.entries[i];
        struct arena arena;
        struct record_log entry;
        if (raw->sweep != sweep->r.number) {
            continue;
        }
        arena_init(&arena, 1 << 20);
        sim_require(sim,
                    record_decode(&record_log_schema, (struct bytes){raw->value, raw->len}, &arena,
                                  &entry, NULL) == OK,
                    "an entry does not decode");
        if (entry.kind == LOG_MILESTONE && entry.trial <= sweep->work->n_tasks) {
            milestone_count(rungs, &entry, &judged[entry.trial]);
        }
        arena_fini(&arena);
    }
    free(judged);
}

void sim_rungs_check(struct sim *sim, const struct sweep *sweep)
{
    struct buf text;
    struct ladder_count rungs;
    if (sweep->spec.schedule.type != SCHEDULE_ASHA) {
        return;
    }
    buf_init(&text, 1 << 20);
    sim_require(sim, tune_rungs_print(sweep->tuner, &text) == OK, "no memory");
    rungs_read(buf_text(&text), &rungs);
    buf_fini(&text);
    log_count(sim, sweep, &rungs);
    for (uint32_t i = 0; i < rungs.n; i++) {
        sim_require(sim, rungs.told[i] == rungs.counted[i],
                    "sweep %u: the rung at step %lld has %llu results, the log has %llu",
                    sweep->r.number, (long long)rungs.steps[i], (unsigned long long)rungs.told[i],
                    (unsigned long long)rungs.counted[i]);
        sim->counts.rungs_counted += rungs.told[i];
    }
}
