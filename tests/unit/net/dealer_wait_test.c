/* Agents that have lost the same head do not come back in step. */
#include "rig.h"

enum { ROUNDS = 25, TIMERS_MAX = 16 };

struct timers {
    const uv_handle_t *before[TIMERS_MAX]; /* of the loop itself */
    uint32_t n_before;
    uint64_t due_in_ms[TIMERS_MAX]; /* of the others */
    uint32_t n;
};

static struct timers timers;

static void on_timer_before(uv_handle_t *handle, void *context)
{
    (void)context;
    if (handle->type == UV_TIMER) {
        assert_true(timers.n_before < TIMERS_MAX);
        timers.before[timers.n_before++] = handle;
    }
}

static void on_timer(uv_handle_t *handle, void *context)
{
    (void)context;
    for (uint32_t i = 0; i < timers.n_before; i++) {
        if (timers.before[i] == handle) {
            return;
        }
    }
    if (handle->type == UV_TIMER && uv_is_active(handle)) {
        assert_true(timers.n < TIMERS_MAX);
        timers.due_in_ms[timers.n++] = uv_timer_get_due_in((const uv_timer_t *)handle);
    }
}

/* In the turn in which all of them began to wait. */
static bool waits_are_seen(struct rig *rig)
{
    timers.n = 0;
    uv_walk(loop_uv(rig->loop), on_timer, NULL);
    return true;
}

/* 200 waits, eight of them at a time for outages of one length: nothing but chance tells them
 * apart. */
static void test_waits_of_agents_without_a_head_differ(void **state)
{
    (void)state;
    struct rig rig;
    uint64_t least_ms = UINT64_MAX, most_ms = 0;
    rig_begin(&rig, "ipc");
    rig_router_stop(&rig);
    timers = (struct timers){0};
    uv_walk(loop_uv(rig.loop), on_timer_before, NULL);
    for (uint64_t i = 1; i <= RIG_AGENTS_MAX; i++) {
        char name[16];
        snprintf(name, sizeof name, "node-%d", (int)i);
        rig_agent_add(&rig, name, i, NULL);
    }
    for (int round = 0; round < ROUNDS; round++) {
        uint32_t n_different = 0;
        for (uint32_t i = 0; i < RIG_AGENTS_MAX; i++) {
            dealer_reconnect(rig.agents[i].dealer, 0);
        }
        assert_true(rig_until(&rig, waits_are_seen));
        assert_int_equal(timers.n, RIG_AGENTS_MAX);
        for (uint32_t i = 0; i < timers.n; i++) {
            uint64_t wait_ms = timers.due_in_ms[i];
            n_different += wait_ms != timers.due_in_ms[0] ? 1 : 0;
            least_ms = wait_ms < least_ms ? wait_ms : least_ms;
            most_ms = wait_ms > most_ms ? wait_ms : most_ms;
        }
        assert_true(n_different > 0);
    }
    assert_true(least_ms >= DEALER_RETRY_MIN_MS / 2);
    assert_true(most_ms >= 2 * least_ms);
    rig_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_waits_of_agents_without_a_head_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
