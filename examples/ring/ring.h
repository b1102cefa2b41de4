/* ring.h -- sums over several processes: each has a neighbour to the left and one to the right, and
 * a TCP connection to both. One thread. */
#ifndef RING_H
#define RING_H

#include "examples/nn/nn.h"

struct ring {
    int rank, world;
    int left, right; /* sockets; -1: none */
    real *piece;     /* what comes from the left, before it is added */
    size_t piece_max;
};

/* Listens at the rank's own entry of `peers` ("host:port,host:port,...", in the order of the
 * ranks), and waits up to a minute for both neighbours. A ring of one is nothing but itself, and
 * `peers` may be NULL. 0, or -1 after a line on stderr. */
int ring_open(struct ring *ring, int rank, int world, const char *peers);
/* values[0..n) become their sums over all ranks, the same bits on each. Blocks until the others
 * have come. 0, or -1 after a line on stderr: a neighbour is gone, and nothing can be summed any
 * more. */
int ring_sum(struct ring *ring, real *values, size_t n);
void ring_close(struct ring *ring);

#endif
