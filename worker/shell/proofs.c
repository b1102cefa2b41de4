#include "worker/shell/proofs.h"

#include <pthread.h>
#include <xxhash.h>

#include "base/mem.h"
#include "sys/clock.h"

/* A mark has one place of its own, that of its lowest bits. */
struct proof {
    uint64_t mark; /* 0: none */
    int64_t noted_us;
};

struct proofs {
    pthread_mutex_t lock;
    struct proof table[PROOFS_PLACES];
};

static uint64_t mark_of(const struct stat *about, uint64_t xxh3)
{
    const uint64_t fields[] = {
        (uint64_t)about->st_dev,          (uint64_t)about->st_ino,
        (uint64_t)about->st_size,         (uint64_t)about->st_mtim.tv_sec,
        (uint64_t)about->st_mtim.tv_nsec, (uint64_t)about->st_ctim.tv_sec,
        (uint64_t)about->st_ctim.tv_nsec, xxh3,
    };
    uint64_t mark = XXH3_64bits(fields, sizeof fields);
    return mark != 0 ? mark : 1;
}

static int64_t ms_between(struct timespec from, struct timespec to)
{
    return (int64_t)(to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000;
}

struct timespec proofs_clock(void)
{
    struct timespec now = {0}; /* fails for an unknown clock only */
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    return now;
}

void proofs_note(struct proofs *proofs, const struct stat *about, uint64_t xxh3,
                 struct timespec since)
{
    /* A file system that counts whole seconds hides more than a tick. */
    bool is_coarse = about->st_ctim.tv_nsec == 0;
    if (is_coarse || ms_between(about->st_ctim, since) < PROOF_TICK_MS) {
        return;
    }
    uint64_t mark = mark_of(about, xxh3);
    pthread_mutex_lock(&proofs->lock);
    proofs->table[mark % PROOFS_PLACES] = (struct proof){mark, clock_monotonic_us()};
    pthread_mutex_unlock(&proofs->lock);
}

bool proofs_have(struct proofs *proofs, const struct stat *about, uint64_t xxh3)
{
    uint64_t mark = mark_of(about, xxh3);
    pthread_mutex_lock(&proofs->lock);
    struct proof proof = proofs->table[mark % PROOFS_PLACES];
    pthread_mutex_unlock(&proofs->lock);
    return proof.mark == mark &&
           clock_monotonic_us() - proof.noted_us < (int64_t)PROOF_VALID_MS * 1000;
}

struct proofs *proofs_new(void)
{
    struct proofs *proofs = mem_zalloc(sizeof *proofs);
    if (proofs != NULL && pthread_mutex_init(&proofs->lock, NULL) != 0) {
        mem_free(proofs);
        proofs = NULL;
    }
    return proofs;
}

void proofs_free(struct proofs *proofs)
{
    if (proofs != NULL) {
        pthread_mutex_destroy(&proofs->lock);
        mem_free(proofs);
    }
}
