#include "sys/spawner_chain.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "sys/spawner_inside.h"

/* ---- under the lock, on either thread ---- */

static void chain_tell(struct spawn_chain *chain)
{
    struct spawner *spawner = chain->spawner;
    if (list_is_empty(&chain->news)) {
        list_push_back(&spawner->news, &chain->news);
        uv_async_send(&spawner->async);
    }
}

static bool chain_is_free(const struct spawn_chain *chain)
{
    return chain->now == NULL && !chain->is_halted && chain->n_holds == 0 && chain->n_queued > 0;
}

/* In front of others that wait: its resources are held for it already. */
static void chain_begin(struct spawn_chain *chain)
{
    struct order_to_start *order = list_first(&chain->queued, struct order_to_start, chain_link);
    chain->n_queued--;
    list_remove(&order->chain_link);
    list_push_back(&chain->begun, &order->chain_link);
    list_push_front(&chain->spawner->waiting, &order->link);
    chain->now = order;
}

/* ---- the thread ---- */

static bool order_watch(const struct spawner *spawner, struct order_to_start *order)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data.ptr = order->chain};
    return epoll_ctl(spawner->epoll_fd, EPOLL_CTL_ADD, order->result.pidfd, &event) == 0;
}

/* Nobody would see its end. */
static void order_undo(struct order_to_start *order)
{
    order->result.error = errno;
    order->result.place = SPAWN_CLONE;
    kill(order->result.pid, SIGKILL);
    while (waitpid(order->result.pid, NULL, 0) < 0 && errno == EINTR) {
    }
    close(order->result.pidfd);
    order->result.pid = 0;
    order->result.pidfd = -1;
}

void spawner_chain_started(struct spawn_chain *chain, struct order_to_start *order)
{
    list_init(&order->link);
    if (order->result.pid > 0 && !order_watch(chain->spawner, order)) {
        order_undo(order);
    }
    order->has_result = true;
    if (order->result.pid == 0) {
        chain->now = NULL;
        chain->is_halted = true;
        chain_tell(chain);
    }
}

void spawner_chain_ended(struct spawn_chain *chain, time_ms now, int64_t now_us)
{
    struct order_to_start *order = chain->now;
    assert(order != NULL && order->has_result);
    order->ended_at = now;
    order->ended_us = now_us;
    order->has_ended = true;
    chain->now = NULL;
    order->is_halted = chain->is_halted =
        chain->n_holds > 0 || !chain->ops.may_go_on(chain->ops.context);
    if (chain_is_free(chain)) {
        chain_begin(chain);
    }
    if (chain->is_halted || chain->n_queued <= SPAWN_CHAIN_LOW) {
        chain_tell(chain);
    }
}

/* ---- the loop ---- */

void spawner_chains_news(struct spawner *spawner)
{
    for (;;) {
        pthread_mutex_lock(&spawner->lock);
        struct spawn_chain *chain = list_first(&spawner->news, struct spawn_chain, news);
        if (chain != NULL) {
            list_remove(&chain->news);
        }
        pthread_mutex_unlock(&spawner->lock);
        if (chain == NULL) {
            return;
        }
        chain->ops.on_news(chain->ops.context);
    }
}

error_code spawn_chain_new(struct spawner *spawner, const struct spawn_chain_ops *ops,
                           struct spawn_chain **ret_chain)
{
    struct spawn_chain *chain = mem_zalloc(sizeof *chain);
    if (chain == NULL) {
        return ERR_NO_MEMORY;
    }
    chain->spawner = spawner;
    chain->ops = *ops;
    list_init(&chain->link);
    list_init(&chain->news);
    list_init(&chain->queued);
    list_init(&chain->begun);
    pthread_mutex_lock(&spawner->lock);
    list_push_back(&spawner->chains, &chain->link);
    pthread_mutex_unlock(&spawner->lock);
    *ret_chain = chain;
    return OK;
}

static void chain_orders_drop(struct list *orders)
{
    list_each (orders, struct order_to_start, chain_link, order) {
        list_remove(&order->chain_link);
        list_remove(&order->link); /* it may wait for the thread */
        if (order->has_result && order->result.pidfd >= 0) {
            close(order->result.pidfd);
        }
        spawner_order_free(order);
    }
}

static void told_free(struct spawn_chain *chain)
{
    if (chain->told != NULL) {
        spawner_order_free(chain->told);
        chain->told = NULL;
    }
}

void spawner_chains_drop(struct spawner *spawner)
{
    list_each (&spawner->chains, struct spawn_chain, link, chain) {
        list_remove(&chain->link);
        list_remove(&chain->news);
        chain_orders_drop(&chain->queued);
        chain_orders_drop(&chain->begun);
        chain->n_queued = 0;
        chain->now = NULL;
        chain->spawner = NULL;
    }
}

void spawn_chain_free(struct spawn_chain *chain)
{
    if (chain == NULL) {
        return;
    }
    if (chain->spawner != NULL) {
        assert(chain->now == NULL);
        pthread_mutex_lock(&chain->spawner->lock);
        list_remove(&chain->link);
        list_remove(&chain->news);
        pthread_mutex_unlock(&chain->spawner->lock);
    }
    chain_orders_drop(&chain->queued);
    chain_orders_drop(&chain->begun);
    told_free(chain);
    mem_free(chain);
}

/* On the loop's thread, under the lock. */
static void chain_begin_if_free(struct spawn_chain *chain)
{
    if (chain_is_free(chain)) {
        chain_begin(chain);
        spawner_wake(chain->spawner);
    }
}

error_code spawn_chain_push(struct spawn_chain *chain, uint64_t tag,
                            const struct spawn_request *request)
{
    struct spawner *spawner = chain->spawner;
    struct order_to_start *order;
    error_code error = spawner_order_make(request, &order);
    if (error != OK) {
        return error;
    }
    order->chain = chain;
    order->tag = tag;
    pthread_mutex_lock(&spawner->lock);
    list_push_back(&chain->queued, &order->chain_link);
    chain->n_queued++;
    chain_begin_if_free(chain);
    pthread_mutex_unlock(&spawner->lock);
    return OK;
}

static bool order_event(struct order_to_start *order, struct spawn_chain_event *event)
{
    *event = (struct spawn_chain_event){
        .tag = order->tag, .result = &order->result, .program = order->request.argv[0]};
    if (!order->is_begun_told) {
        order->is_begun_told = true;
        event->kind = SPAWN_CHAIN_BEGUN;
        return true;
    }
    if (order->has_result && !order->is_result_told) {
        order->is_result_told = true;
        event->is_halted = order->result.pid == 0;
        event->kind = order->result.pid > 0 ? SPAWN_CHAIN_STARTED : SPAWN_CHAIN_NOT_STARTED;
        return true;
    }
    event->kind = SPAWN_CHAIN_ENDED;
    event->ended_at = order->ended_at;
    event->ended_us = order->ended_us;
    event->is_halted = order->is_halted;
    return order->has_ended;
}

bool spawn_chain_take(struct spawn_chain *chain, struct spawn_chain_event *ret_event)
{
    struct spawner *spawner = chain->spawner;
    if (spawner == NULL) {
        return false;
    }
    told_free(chain);
    pthread_mutex_lock(&spawner->lock);
    struct order_to_start *order = list_first(&chain->begun, struct order_to_start, chain_link);
    bool is_news = order != NULL && order_event(order, ret_event);
    if (is_news &&
        (ret_event->kind == SPAWN_CHAIN_ENDED || ret_event->kind == SPAWN_CHAIN_NOT_STARTED)) {
        list_remove(&order->chain_link);
        chain->told = order;
    }
    pthread_mutex_unlock(&spawner->lock);
    if (chain->told != NULL && order->result.pidfd >= 0) {
        close(order->result.pidfd);
        order->result.pidfd = -1;
    }
    return is_news;
}

bool spawn_chain_recall(struct spawn_chain *chain, uint64_t *ret_tag)
{
    struct order_to_start *order = NULL;
    if (chain->spawner == NULL) {
        return false;
    }
    pthread_mutex_lock(&chain->spawner->lock);
    if (chain->n_queued > 0) {
        order = list_entry(chain->queued.prev, struct order_to_start, chain_link);
        list_remove(&order->chain_link);
        chain->n_queued--;
    }
    pthread_mutex_unlock(&chain->spawner->lock);
    if (order == NULL) {
        return false;
    }
    *ret_tag = order->tag;
    spawner_order_free(order);
    return true;
}

uint32_t spawn_chain_queued(const struct spawn_chain *chain)
{
    uint32_t n = 0;
    if (chain->spawner != NULL) {
        pthread_mutex_lock(&chain->spawner->lock);
        n = chain->n_queued;
        pthread_mutex_unlock(&chain->spawner->lock);
    }
    return n;
}

void spawn_chain_hold(struct spawn_chain *chain)
{
    if (chain->spawner != NULL) {
        pthread_mutex_lock(&chain->spawner->lock);
        chain->n_holds++;
        pthread_mutex_unlock(&chain->spawner->lock);
    }
}

void spawn_chain_let(struct spawn_chain *chain)
{
    if (chain->spawner != NULL) {
        pthread_mutex_lock(&chain->spawner->lock);
        assert(chain->n_holds > 0);
        chain->n_holds--;
        chain_begin_if_free(chain);
        pthread_mutex_unlock(&chain->spawner->lock);
    }
}

void spawn_chain_go(struct spawn_chain *chain)
{
    if (chain->spawner != NULL) {
        pthread_mutex_lock(&chain->spawner->lock);
        chain->is_halted = false;
        chain_begin_if_free(chain);
        pthread_mutex_unlock(&chain->spawner->lock);
    }
}
