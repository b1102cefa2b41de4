/* sim/calendar.h -- chance, the trace, what must hold, and what comes next. */
#ifndef MUSTER_SIM_CALENDAR_H
#define MUSTER_SIM_CALENDAR_H

#include "sim/world.h"

uint64_t sim_below(struct sim *sim, uint64_t bound);
bool sim_chance(struct sim *sim, uint32_t permille);
/* Mostly short, now and then long. */
int64_t sim_delay(struct sim *sim, int64_t max_ms);
/* One line of the trace; nothing unless it is asked for. */
void sim_trace(struct sim *sim, const char *format, ...) PRINTF_LIKE(2, 3);
void sim_hash(struct sim *sim, uint64_t word);
enum { SIM_EXIT_VIOLATION = 3 };
/* Something that must hold does not: says so on stderr and ends the process. */
_Noreturn void sim_violation(const struct sim *sim, const char *format, ...) PRINTF_LIKE(2, 3);
#define sim_require(sim, condition, ...)                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            sim_violation(sim, __VA_ARGS__);                                                       \
        }                                                                                          \
    } while (0)

void sim_push(struct sim *sim, struct sim_event event);
struct sim_event sim_pop(struct sim *sim);
struct sim_process *sim_process_by_serial(struct sim_node *node, uint64_t serial);

#endif
