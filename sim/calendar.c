/* Chance, the trace, what must hold, and what comes next. */
#include "sim/calendar.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- chance ---- */

uint64_t sim_below(struct sim *sim, uint64_t bound)
{
    return random_below(&sim->random, bound);
}

bool sim_chance(struct sim *sim, uint32_t permille)
{
    return sim_below(sim, 1000) < permille;
}

int64_t sim_delay(struct sim *sim, int64_t max_ms)
{
    int64_t scale = sim_chance(sim, 50) ? max_ms * 4 : sim_chance(sim, 500) ? max_ms : max_ms / 8;
    return (int64_t)sim_below(sim, (uint64_t)scale + 1);
}

/* ---- the trace, and what must hold ---- */

void sim_trace(struct sim *sim, const char *format, ...)
{
    if (!sim->options->is_tracing) {
        return;
    }
    va_list args;
    va_start(args, format);
    printf("%9.3f  ", (double)(sim->now - SIM_START_MS) / 1000.0);
    vprintf(format, args);
    putchar('\n');
    va_end(args);
}

void sim_hash(struct sim *sim, uint64_t word)
{
    sim->hash = (sim->hash ^ word) * 0x100000001b3U;
}

_Noreturn void sim_violation(const struct sim *sim, const char *format, ...)
{
    static char text[4096]; /* one write: several seeds run at once */
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fflush(stdout);
    fprintf(stderr, "seed %llu, t=%.3f s: %s\n", (unsigned long long)sim->seed,
            (double)(sim->now - SIM_START_MS) / 1000.0, text);
    _Exit(SIM_EXIT_VIOLATION);
}

/* ---- the calendar ---- */

static bool sim_is_before(const struct sim_event *a, const struct sim_event *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

void sim_push(struct sim *sim, struct sim_event event)
{
    sim_require(sim, sim->n_events < SIM_EVENTS_MAX, "the calendar is full");
    event.order = ++sim->order;
    uint32_t i = sim->n_events++;
    for (; i > 0 && sim_is_before(&event, &sim->events[(i - 1) / 2]); i = (i - 1) / 2) {
        sim->events[i] = sim->events[(i - 1) / 2];
    }
    sim->events[i] = event;
}

struct sim_event sim_pop(struct sim *sim)
{
    struct sim_event top = sim->events[0], last = sim->events[--sim->n_events];
    uint32_t i = 0;
    for (;;) {
        uint32_t child = 2 * i + 1;
        if (child + 1 < sim->n_events &&
            sim_is_before(&sim->events[child + 1], &sim->events[child])) {
            child++;
        }
        if (child >= sim->n_events || sim_is_before(&last, &sim->events[child])) {
            break;
        }
        sim->events[i] = sim->events[child];
        i = child;
    }
    sim->events[i] = last;
    return top;
}

struct sim_process *sim_process_by_serial(struct sim_node *node, uint64_t serial)
{
    for (uint32_t i = 0; i < SIM_PROCESSES_MAX; i++) {
        if (node->processes[i].is_used && node->processes[i].serial == serial) {
            return &node->processes[i];
        }
    }
    return NULL;
}
