/* sim/durable.h -- what a head sends to a node is on disk. */
#ifndef MUSTER_SIM_DURABLE_H
#define MUSTER_SIM_DURABLE_H

#include "sim/calendar.h"

void sim_is_durable(struct sim *sim, struct sim_node *node, message_type type, const void *message);

#endif
