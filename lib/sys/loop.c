/* A turn is libuv's check phase: it comes after every poll, whatever woke it. So a watcher's
 * callback of this pass and the sources' input are in the same turn, and what on_turn() puts out
 * leaves before the loop sleeps again.
 *
 * The timer below never lets the loop sleep longer than LOOP_TICK_MS. Only so is a second without a
 * turn a proof that the process was away (stopped, swapped, held by a slow call), and not that
 * nothing happened. */
#include "sys/loop.h"

#include <assert.h>
#include <string.h>

#include "base/list.h"
#include "base/mem.h"
#include "sys/clock.h"

enum { LOOP_TICK_MS = 500 };

struct source {
    loop_source_fn *fn;
    void *context;
};

struct loop {
    uv_loop_t uv;
    uv_prepare_t prepare;
    uv_check_t check;
    uv_idle_t idle; /* active: the next poll does not wait */
    uv_timer_t timer;
    uint32_t n_handles; /* of the four above that were made */
    struct turn_clock clock;
    struct source sources[LOOP_SOURCES_MAX];
    loop_turn_fn *on_turn;
    void *context;
    time_ms now;
    time_ms last_turn; /* when the last turn began */
    time_ms deadline;
    time_ms armed_for;   /* the loop meant to sleep until then at most */
    int64_t turn_gap_ms; /* the last turn itself took so long: it was stopped in mid-turn, or called
                            something slow */
    bool is_again;
    bool is_running;
    bool is_stopped;
};

/* ---- sleeping ---- */

static void on_loop_idle(uv_idle_t *idle)
{
    (void)idle; /* its being active is what counts */
}

static void on_loop_timer(uv_timer_t *timer)
{
    /* Timers run before the poll: without this the poll of this pass would sleep on. */
    loop_again(list_entry(timer, struct loop, timer));
}

static void loop_sleep_set(struct loop *loop)
{
    time_ms now = clock_now();
    loop->turn_gap_ms = now - loop->now > LOOP_GAP_MS ? now - loop->now : 0;
    loop->armed_for = loop->deadline < now + LOOP_TICK_MS ? loop->deadline : now + LOOP_TICK_MS;
    if (loop->armed_for < now) {
        loop->armed_for = now;
    }
    /* libuv counts from its own idea of now, which is as old as this pass. */
    uv_update_time(&loop->uv);
    uv_timer_start(&loop->timer, on_loop_timer, (uint64_t)(loop->armed_for - now), 0);
    if (loop->is_again) {
        uv_idle_start(&loop->idle, on_loop_idle);
    } else {
        uv_idle_stop(&loop->idle);
    }
}

/* ---- a turn ---- */

static int64_t loop_gap(const struct loop *loop)
{
    int64_t asleep_ms = loop->now - loop->last_turn - loop->turn_gap_ms;
    if (asleep_ms <= LOOP_GAP_MS) {
        return loop->turn_gap_ms;
    }
    time_ms expected = loop->armed_for > loop->last_turn ? loop->armed_for : loop->last_turn;
    return loop->turn_gap_ms + (loop->now > expected ? loop->now - expected : 0);
}

static bool loop_sources_read(struct loop *loop)
{
    bool is_behind = false;
    for (uint32_t i = 0; i < LOOP_SOURCES_MAX; i++) {
        struct source source = loop->sources[i];
        if (source.fn != NULL && source.fn(source.context, loop->now)) {
            is_behind = true;
        }
    }
    return is_behind;
}

/* The last thing before the poll. */
static void on_loop_prepare(uv_prepare_t *prepare)
{
    struct loop *loop = prepare->data;
    turn_sleep(&loop->clock);
}

static void on_loop_check(uv_check_t *check)
{
    struct loop *loop = check->data;
    (void)turn_enter(&loop->clock, TURN_LOOP);
    loop->now = clock_now();
    struct loop_turn turn = {.now = loop->now, .gap_ms = loop_gap(loop)};
    loop->last_turn = loop->now;
    loop->is_again = false;
    turn.is_behind = loop_sources_read(loop);
    loop->is_again = loop->is_again || turn.is_behind;
    loop->deadline = INT64_MAX;
    if (loop->on_turn != NULL) {
        loop->on_turn(loop->context, &turn);
    }
    loop_sleep_set(loop);
}

/* ---- life ---- */

static error_code loop_handles_make(struct loop *loop)
{
    int rc = uv_check_init(&loop->uv, &loop->check);
    if (rc == 0) {
        loop->n_handles = 1;
        rc = uv_idle_init(&loop->uv, &loop->idle);
    }
    if (rc == 0) {
        loop->n_handles = 2;
        rc = uv_timer_init(&loop->uv, &loop->timer);
    }
    if (rc == 0) {
        loop->n_handles = 3;
        rc = uv_prepare_init(&loop->uv, &loop->prepare);
    }
    if (rc == 0) {
        loop->n_handles = 4;
        loop->check.data = loop->idle.data = loop->timer.data = loop->prepare.data = loop;
        rc = uv_check_start(&loop->check, on_loop_check);
    }
    if (rc == 0) {
        rc = uv_prepare_start(&loop->prepare, on_loop_prepare);
    }
    return rc == 0 ? OK : error_from_errno(-rc);
}

error_code loop_new(struct loop **ret_loop, struct report *report)
{
    struct loop *loop = mem_zalloc(sizeof *loop);
    if (loop == NULL) {
        return report_fail(report, ERR_NO_MEMORY, "out of memory");
    }
    loop->now = loop->last_turn = clock_now();
    loop->deadline = INT64_MAX;
    turn_clock_init(&loop->clock);
    int rc = uv_loop_init(&loop->uv);
    loop->uv.data = loop;
    if (rc != 0) {
        mem_free(loop);
        return report_fail(report, error_from_errno(-rc), "cannot make an event loop: %s",
                           uv_strerror(rc));
    }
    error_code error = loop_handles_make(loop);
    if (error != OK) {
        loop_free(loop);
        return report_fail(report, error, "cannot make an event loop");
    }
    *ret_loop = loop;
    return OK;
}

static void on_loop_walk(uv_handle_t *handle, void *context)
{
    (void)context;
    assert(uv_is_closing(handle)); /* its owner forgot it */
}

void loop_free(struct loop *loop)
{
    if (loop == NULL) {
        return;
    }
    assert(!loop->is_running);
    uv_handle_t *handles[] = {(uv_handle_t *)&loop->check, (uv_handle_t *)&loop->idle,
                              (uv_handle_t *)&loop->timer, (uv_handle_t *)&loop->prepare};
    for (uint32_t i = 0; i < loop->n_handles && i < 4; i++) {
        uv_close(handles[i], NULL);
    }
    uv_walk(&loop->uv, on_loop_walk, NULL);
    uv_run(&loop->uv, UV_RUN_DEFAULT); /* closing callbacks, and work that is still in the pool */
    int rc = uv_loop_close(&loop->uv);
    assert(rc == 0);
    (void)rc;
    mem_free(loop);
}

uv_loop_t *loop_uv(struct loop *loop)
{
    return &loop->uv;
}

struct turn_clock *loop_clock(struct loop *loop)
{
    return &loop->clock;
}

struct turn_clock *loop_clock_of(uv_loop_t *uv)
{
    struct loop *loop = list_entry(uv, struct loop, uv);
    return uv->data == loop ? &loop->clock : NULL; /* only ours points to what it lies in */
}

time_ms loop_now(const struct loop *loop)
{
    return loop->now;
}

void loop_turn_set(struct loop *loop, loop_turn_fn *on_turn, void *context)
{
    loop->on_turn = on_turn;
    loop->context = context;
}

error_code loop_source_add(struct loop *loop, loop_source_fn *source, void *context)
{
    assert(source != NULL);
    for (uint32_t i = 0; i < LOOP_SOURCES_MAX; i++) {
        if (loop->sources[i].fn == NULL) {
            loop->sources[i] = (struct source){source, context};
            loop_again(loop); /* what it has already would wake nobody */
            return OK;
        }
    }
    return ERR_LIMIT;
}

void loop_source_remove(struct loop *loop, loop_source_fn *source, void *context)
{
    for (uint32_t i = 0; i < LOOP_SOURCES_MAX; i++) {
        if (loop->sources[i].fn == source && loop->sources[i].context == context) {
            loop->sources[i] = (struct source){0};
            return;
        }
    }
}

void loop_deadline_set(struct loop *loop, time_ms deadline)
{
    loop->deadline = deadline;
}

void loop_again(struct loop *loop)
{
    loop->is_again = true;
    uv_idle_start(&loop->idle, on_loop_idle);
}

error_code loop_run(struct loop *loop)
{
    assert(!loop->is_running);
    loop->is_running = true;
    loop->is_stopped = false;
    loop->now = loop->last_turn = clock_now(); /* before it ran it was not away */
    loop_sleep_set(loop);
    while (!loop->is_stopped) {
        uv_run(&loop->uv, UV_RUN_DEFAULT);
    }
    loop->is_running = false;
    return OK;
}

void loop_stop(struct loop *loop)
{
    loop->is_stopped = true;
    uv_stop(&loop->uv);
}
