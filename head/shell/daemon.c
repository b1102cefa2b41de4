/* The head's main loop: what comes in becomes core events, what the core wants done is done once it
 * is on disk. */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "head/shell/array_rows.h"
#include "head/shell/blobs.h"
#include "head/shell/daemon.h"
#include "head/shell/front.h"
#include "head/shell/store.h"
#include "sys/clock.h"
#include "sys/failpoints.h"
#include "sys/log.h"
#include "sys/machine.h"

enum {
    SHUTDOWN_MS = 60000,
    HTTP_DRAIN_MS = 300,
    NOFILE_WANTED = ROUTER_PEERS_MAX + 1024,
    NOFILE_FEW = 4096
};

void head_leave(struct daemon *d, int exit_code)
{
    if (!d->is_exiting) {
        d->is_exiting = true;
        d->head.exit_code = exit_code;
        loop_again(d->head.loop);
    }
}

/* ---- the turn ---- */

static void frame_point_pass(message_type type)
{
    switch ((int)type) {
    case MSG_LEASE:
        FAILPOINT(LEASE_SEND);
        return;
    case MSG_RANGES:
        FAILPOINT(RANGES_SEND);
        return;
    case MSG_ORDER:
        FAILPOINT(ORDER_SEND);
        return;
    case MSG_ACK:
        FAILPOINT(ACK_SEND);
        return;
    case MSG_WELCOME:
        FAILPOINT(WELCOME_SEND);
        return;
    default:
        return;
    }
}

static void effect_run(struct daemon *d, const struct head_effect *effect)
{
    switch (effect->kind) {
    case HEAD_SEND:
        frame_point_pass(effect->type);
        peers_send(&d->head, effect->peer, effect->bytes);
        return;
    case HEAD_ANSWER:
        FAILPOINT(HTTP_ANSWER);
        if (effect->has_holes) {
            array_rows_answer(&d->head, effect->request, effect->bytes);
            return;
        }
        http_answer(d->head.http, effect->request, effect->status, "application/json",
                    effect->bytes);
        return;
    case HEAD_NOTICE:
        notices_add(&d->head, effect->bytes);
        return;
    case HEAD_EXIT:
        head_leave(d, 0);
        return;
    }
}

static void linger_check(struct daemon *d, time_ms now)
{
    struct head *head = &d->head;
    if (head->options->linger_ms < 0 || head->is_leaving) {
        return;
    }
    if (!core_is_idle(head->core) ||
        notices_readers(head->notices) + follows_readers(head->follows) > 0) {
        head->busy_at = now;
    } else if (now - head->busy_at >= head->options->linger_ms) {
        log_write(LOG_LEVEL_INFO, "idle for %ld ms: leaving", head->options->linger_ms);
        head->is_leaving = true;
        on_shutdown(head->core, now, 0, now + SHUTDOWN_MS);
    }
}

static time_ms earlier(time_ms a, time_ms b)
{
    return a < b ? a : b;
}

static void turn_serve(struct daemon *d, const struct loop_turn *turn)
{
    struct head *head = &d->head;
    struct turn_clock *clock = loop_clock(head->loop);
    const struct batch *batch;
    const struct head_effect *effect;
    head->busy_at += turn->gap_ms > 0 ? turn->gap_ms : 0;
    core_time(head->core, turn->now, turn->gap_ms, turn->is_behind);
    linger_check(d, turn->now);
    (void)turn_enter(clock, TURN_SCHEDULE);
    core_turn_schedule(head->core, turn->now);
    (void)turn_enter(clock, TURN_ENCODE);
    core_turn_close(head->core, turn->now);
    batch = core_batch(head->core);
    if (batch != NULL) {
        (void)turn_enter(clock, TURN_STORE);
        store_send(head->store, batch);
    }
    (void)turn_enter(clock, TURN_SEND);
    while ((effect = core_effect_next(head->core)) != NULL) {
        effect_run(d, effect);
    }
    (void)turn_enter(clock, TURN_LOOP);
    follows_turn(head, turn->now);
    front_turn(head, turn->now);
    blobs_turn(head, turn->now);
    time_ms deadline =
        earlier(core_next_deadline(head->core), follows_deadline(head->follows, turn->now));
    deadline = earlier(deadline, front_deadline(head));
    deadline = earlier(deadline, depot_deadline(head->depot, turn->now));
    if (head->options->linger_ms >= 0) {
        deadline = earlier(deadline, head->busy_at + head->options->linger_ms + 1);
    }
    loop_deadline_set(head->loop, deadline > turn->now ? deadline : turn->now + 1);
    if (core_failed(head->core) != OK) {
        log_write(LOG_LEVEL_ERROR, "the core failed: %s; everything acknowledged is in the store",
                  error_word(core_failed(head->core)));
        head_leave(d, 1);
    }
}

static void on_released(void *context)
{
    struct daemon *d = context;
    loop_stop(d->head.loop);
}

static void turn_leave(struct daemon *d)
{
    if (d->is_releasing) {
        return;
    }
    bool is_clean = d->head.exit_code == 0 && d->head.store != NULL && !d->head.has_failed;
    if (is_clean && store_is_sending(d->head.store)) {
        loop_deadline_set(d->head.loop, loop_now(d->head.loop) + 10);
        return;
    }
    d->is_releasing = true;
    if (is_clean) {
        char path[DAEMON_PATH_BYTES];
        snprintf(path, sizeof path, "%s/current", d->head.options->state_dir);
        unlink(path);
        store_release(d->head.store, on_released, d);
    } else {
        loop_stop(d->head.loop);
    }
}

static void on_turn(void *context, const struct loop_turn *turn)
{
    struct daemon *d = context;
    if (d->is_exiting) {
        turn_leave(d);
    } else if (d->head.is_ready) {
        turn_serve(d, turn);
    } else {
        loop_deadline_set(d->head.loop, INT64_MAX);
    }
}

static void on_signal(uv_signal_t *handle, int signal)
{
    struct daemon *d = handle->data;
    (void)signal;
    time_ms now = loop_now(d->head.loop);
    d->n_terminations++;
    if (!d->head.is_ready) {
        head_leave(d, 0);
        d->head.has_failed = true; /* Nothing was taken over that could be given back. */
        return;
    }
    d->head.is_leaving = true;
    if (d->n_terminations > 2) { /* Not even for the store: what was acknowledged is in it. */
        d->head.has_failed = true;
        head_leave(d, 1);
        return;
    }
    on_shutdown(d->head.core, now, 0, d->n_terminations > 1 ? now : now + SHUTDOWN_MS);
    loop_again(d->head.loop);
}

/* ---- start and end ---- */

/* Each agent that joined over TCP is a descriptor. */
static void nofile_raise(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= NOFILE_WANTED) {
        return;
    }
    limit.rlim_cur = limit.rlim_max < NOFILE_WANTED ? limit.rlim_max : NOFILE_WANTED;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < NOFILE_FEW) {
        log_write(LOG_LEVEL_WARNING, "the limit of open files is %llu: so many workers can join",
                  (unsigned long long)limit.rlim_cur);
    }
}

static error_code head_open(struct daemon *d, struct report *report)
{
    char keys[DAEMON_PATH_BYTES];
    unsigned char hash[8];
    struct head *head = &d->head;
    snprintf(keys, sizeof keys, "%s/keys", head->options->state_dir);
    nofile_raise();
    error_code error = keys_init();
    if (error == OK) {
        error = head_keys_load(keys, &d->keys, report);
    }
    if (error == OK) {
        error = join_key_load(keys, d->keys.public_key, &head->join, report);
    }
    if (error == OK) {
        crypto_generichash(hash, sizeof hash, (const unsigned char *)d->keys.public_key,
                           strlen(d->keys.public_key), NULL, 0);
        sodium_bin2hex(head->cluster, sizeof head->cluster, hash, sizeof hash);
        error = follows_new(&head->follows);
    }
    if (error == OK) {
        error = loop_new(&head->loop, report);
    }
    error = error == OK ? blobs_open(head, report) : error;
    if (error != OK) {
        return error;
    }
    loop_turn_set(head->loop, on_turn, d);
    static const int numbers[] = {SIGTERM, SIGINT};
    for (int i = 0; i < 2; i++) {
        uv_signal_init(loop_uv(head->loop), &d->signals[i]);
        d->signals[i].data = d;
        uv_signal_start(&d->signals[i], on_signal, numbers[i]);
    }
    return head_store_start(d, report);
}

static void on_store_closed(void *context)
{
    struct daemon *d = context;
    d->head.store = NULL;
}

static void head_close(struct daemon *d)
{
    struct head *head = &d->head;
    front_close(head, HTTP_DRAIN_MS);
    router_free(head->router);
    if (head->store != NULL) {
        store_close(head->store, on_store_closed, d);
    }
    if (head->loop != NULL) {
        for (int i = 0; i < 2; i++) {
            if (d->signals[i].data != NULL) {
                uv_close((uv_handle_t *)&d->signals[i], NULL);
            }
        }
        while (head->store != NULL && uv_run(loop_uv(head->loop), UV_RUN_ONCE) != 0) {
        }
        depot_free(head->depot);
        uv_run(loop_uv(head->loop), UV_RUN_NOWAIT);
        loop_free(head->loop);
    }
    notices_free(head->notices);
    follows_free(head->follows);
    core_free(head->core);
    key_pair_fini(&d->keys);
}

int head_main(const struct head_options *options)
{
    struct report report = {0};
    struct daemon *d = mem_zalloc(sizeof *d);
    if (d == NULL) {
        return 1;
    }
    d->head.options = options;
    signal(SIGPIPE, SIG_IGN);
    machine_memory_keep();
    umask(077);
    error_code error = options->log_path != NULL ? log_open(options->log_path, &report) : OK;
    log_tee_set(options->log_path != NULL);
    error = error == OK ? failpoints_open("head", &report) : error;
    if (error == OK) {
        error = head_open(d, &report);
    }
    if (error == OK) {
        error = loop_run(d->head.loop);
    }
    int exit_code = error == OK ? d->head.exit_code : 1;
    if (error != OK) {
        fprintf(stderr, "muster head: %s\n",
                report.text[0] != '\0' ? report.text : error_word(error));
    }
    head_close(d);
    mem_free(d);
    log_close();
    return exit_code;
}
