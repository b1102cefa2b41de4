#include "base/random.h"

#include <assert.h>
#include <string.h>

enum { PHILOX_ROUNDS = 10 };
static const uint32_t philox_multiplier[2] = {0xD2511F53U, 0xCD9E8D57U};
static const uint32_t philox_weyl[2] = {0x9E3779B9U, 0xBB67AE85U};

void random_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t ret_words[4])
{
    uint32_t c[4], k[2];
    memcpy(c, counter, sizeof c);
    memcpy(k, key, sizeof k);
    for (int round = 0; round < PHILOX_ROUNDS; round++) {
        uint64_t p0 = (uint64_t)philox_multiplier[0] * c[0];
        uint64_t p1 = (uint64_t)philox_multiplier[1] * c[2];
        uint32_t next[4] = {(uint32_t)(p1 >> 32) ^ c[1] ^ k[0], (uint32_t)p1,
                            (uint32_t)(p0 >> 32) ^ c[3] ^ k[1], (uint32_t)p0};
        memcpy(c, next, sizeof c);
        k[0] += philox_weyl[0];
        k[1] += philox_weyl[1];
    }
    memcpy(ret_words, c, sizeof c);
}

void random_init(struct random *random, uint64_t seed, uint64_t stream)
{
    *random = (struct random){
        .key = {(uint32_t)seed, (uint32_t)(seed >> 32)},
        .counter = {0, 0, (uint32_t)stream, (uint32_t)(stream >> 32)},
        .used = 4,
    };
}

uint32_t random_u32(struct random *random)
{
    if (random->used == 4) {
        random_philox(random->counter, random->key, random->block);
        random->used = 0;
        if (++random->counter[0] == 0) {
            random->counter[1]++;
        }
    }
    return random->block[random->used++];
}

uint64_t random_u64(struct random *random)
{
    uint64_t high = random_u32(random);
    return high << 32 | random_u32(random);
}

double random_unit(struct random *random)
{
    return (double)(random_u64(random) >> 11) * 0x1.0p-53;
}

uint64_t random_below(struct random *random, uint64_t bound)
{
    assert(bound > 0);
    /* Values under 2^64 mod bound would be drawn once too often. */
    uint64_t threshold = (0 - bound) % bound;
    for (;;) {
        uint64_t value = random_u64(random);
        if (value >= threshold) {
            return value % bound;
        }
    }
}
