/* sys/spawner_inside.h -- what the spawner's files share. Inside lib/sys. */
#ifndef MUSTER_SYS_SPAWNER_INSIDE_H
#define MUSTER_SYS_SPAWNER_INSIDE_H

#include <pthread.h>

#include "base/arena.h"
#include "base/list.h"
#include "sys/spawner_chain.h"

struct order_to_start {
    struct list link;
    struct arena arena; /* holds the strings */
    struct spawn_request request;
    const char **shell_argv; /* room for /bin/sh, the program, the arguments and NULL */
    spawn_done_fn *done;
    void *context;
    struct spawn_result result;
    /* of a chain */
    struct spawn_chain *chain; /* NULL: of none */
    struct list chain_link;    /* of its chain */
    uint64_t tag;
    bool is_begun_told, has_result, is_result_told, has_ended, is_halted;
    time_ms ended_at;
    int64_t ended_us;
};

struct spawner {
    uv_async_t async;
    pthread_t thread;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t begun; /* the thread */
    struct list waiting;
    struct list answered;
    struct list chains;
    struct list news;   /* chains that the loop shall look at */
    uint32_t n_waiting; /* in the first two lists or being started; without those of chains */
    bool is_ended;
    bool is_asleep; /* the thread, and nobody has woken it */
    pid_t tid;      /* 0: the thread has not said it yet */
    /* not changed while the thread runs */
    void *stack;
    int epoll_fd, wake_fd, null_fd;
};

struct spawn_chain {
    struct list link; /* of the spawner's chains */
    struct list news;
    struct spawner *spawner; /* NULL: it has ended */
    struct spawn_chain_ops ops;
    struct list queued;
    struct list begun; /* until the loop has taken their ends, in order */
    uint32_t n_queued;
    struct order_to_start *now; /* that starts or runs; NULL: none. Of `begun` */
    uint32_t n_holds;
    bool is_halted;
    struct order_to_start *told; /* the loop's: what the last event points to; NULL: nothing */
};

/* ---- spawner.c ---- */
MUST_CHECK error_code spawner_order_make(const struct spawn_request *request,
                                         struct order_to_start **ret_order);
void spawner_order_free(struct order_to_start *order);
void spawner_wake(struct spawner *spawner); /* under its lock */

/* ---- spawner_chain.c ---- */
/* On the thread, under its lock. */
void spawner_chain_started(struct spawn_chain *chain, struct order_to_start *order);
void spawner_chain_ended(struct spawn_chain *chain, time_ms now, int64_t now_us);
/* On the loop's. */
void spawner_chains_news(struct spawner *spawner);
void spawner_chains_drop(struct spawner *spawner); /* the thread has ended */

#endif
