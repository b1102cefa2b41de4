/* base/random.h -- counter-based random numbers: a value is a function of (seed, stream, counter),
 * so that a restored sweep draws what the unbroken one would have drawn. Pure. Philox4x32-10:
 * Salmon, Moraes, Dror, Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3", SC'11, section 4.3. */
#ifndef MUSTER_BASE_RANDOM_H
#define MUSTER_BASE_RANDOM_H

#include <stdint.h>

/* One stream of numbers; copy it to fork it. */
struct random {
    uint32_t key[2];     /* the seed */
    uint32_t counter[4]; /* [0],[1]: position; [2],[3]: the stream */
    uint32_t block[4];
    uint32_t used; /* words of `block` handed out; 4: none left */
};

/* The bare function: 4 words from counter and key. */
void random_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t ret_words[4]);

void random_init(struct random *random, uint64_t seed, uint64_t stream);
uint32_t random_u32(struct random *random);
uint64_t random_u64(struct random *random);
double random_unit(struct random *random);                    /* [0, 1), 53 bits */
uint64_t random_below(struct random *random, uint64_t bound); /* [0, bound), unbiased; bound > 0 */

#endif
