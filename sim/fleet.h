/* sim/fleet.h -- many thousand nodes that do nothing but speak as agents do: enrol, heartbeat,
 * start what they are leased, report, obey, end. For measuring a head's core, not for breaking it:
 * agents as they ship are in node.h. */
#ifndef MUSTER_SIM_FLEET_H
#define MUSTER_SIM_FLEET_H

#include "base/buf.h"
#include "base/id.h"
#include "schema/messages.h"
#include "spec/types.h"

enum { FLEET_STEP_MS = 10, FLEET_HEARTBEAT_MS = 2000, FLEET_REPORT_MS = 10000 };

struct fleet; /* opaque */

/* What a fleet says in a step: frames one after the other. */
typedef void fleet_say(void *context, uint64_t peer, message_type type, struct bytes frame);

struct fleet *fleet_new(uint32_t nodes, uint32_t trials, uint64_t seed);
void fleet_free(struct fleet *fleet);
void fleet_enrol(struct fleet *fleet, uint32_t node, fleet_say *say, void *context);
/* What is due at `now`. */
void fleet_step(struct fleet *fleet, time_ms now, fleet_say *say, void *context);
/* A frame of the head for this peer. */
void fleet_hear(struct fleet *fleet, time_ms now, uint64_t peer, struct bytes frame);
uint32_t fleet_running(const struct fleet *fleet);

struct fleet_totals {
    uint64_t heartbeats, started, rows, milestones, ended;
};
struct fleet_totals fleet_totals(const struct fleet *fleet);

#endif
