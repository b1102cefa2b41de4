/* sim/scale.h -- what a cluster of many nodes costs the head's core, in a made-up time. */
#ifndef MUSTER_SIM_SCALE_H
#define MUSTER_SIM_SCALE_H

#include <stdint.h>

struct scale_options {
    uint32_t nodes, trials;
    uint32_t seconds; /* virtual, once all trials run */
    uint64_t seed;
};

/* Prints figures; each result on a line of its own, `name value unit`. Returns an exit status. */
int scale_main(const struct scale_options *options);

#endif
