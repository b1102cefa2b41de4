/* sim/lanes.h -- the agent's shell, for task arrays: what its lanes run. */
#ifndef MUSTER_SIM_LANES_H
#define MUSTER_SIM_LANES_H

#include "sim/calendar.h"

/* The command of an array in a made-up world says how its tasks are: how long they take, how many
 * of a thousand fail, from which position on they take a hundred times as long. */
enum { SIM_ARRAY_WORDS = 4 };
struct sim_array_command {
    char pace_us[16], fail_permille[16], long_from[16];
    const char *words[SIM_ARRAY_WORDS];
};
void sim_array_command_make(struct sim_array_command *command, int64_t pace_us,
                            uint32_t fail_permille, uint32_t long_from);

typedef void sim_effect_take(struct sim *sim, struct sim_node *node, const struct agent_effect *e);
sim_effect_take sim_take_array, sim_take_array_drop, sim_take_lane_open, sim_take_lane_close,
    sim_take_lane_start, sim_take_lane_recall;

/* A free place among the node's processes. */
struct sim_process *sim_process_new(struct sim *sim, struct sim_node *node);
/* A task of an array that is leased alone is as those in lanes. False: it is of none. */
bool sim_lane_task_temper(struct sim *sim, struct sim_node *node, struct sim_process *p);
/* Its process is there, or cannot be. */
void sim_lane_process_started(struct sim *sim, struct sim_node *node, struct sim_process *p);
/* It has ended: the lane goes on with the one behind it. */
void sim_lane_process_ended(struct sim *sim, struct sim_node *node, const struct sim_process *p);
/* The agent is gone, and all that it had. */
void sim_lanes_forget(struct sim_node *node);

#endif
