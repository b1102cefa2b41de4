/* Logs of jobs that are no more: asked for, and removed only where nothing of the job is left. */
#include "lanes_rig.h"

static const struct msg_logs_held *logs_asked(struct rig *r)
{
    struct rig_effect *effect = rig_next(r, AGENT_SEND);
    assert_int_equal(effect->effect.type, MSG_LOGS_HELD);
    return effect->message;
}

static void logs_found(struct rig *r, const uint32_t *jobs, uint32_t n)
{
    on_logs_found(r->agent, jobs, n, &r->out);
    rig_turn(r);
}

static void logs_drop(struct rig *r, uint32_t first, uint32_t count)
{
    const struct array_range range = {first, count};
    rig_head(r, MSG_LOGS_DROP, &(struct msg_logs_drop){&range, 1});
}

static void logs_dropped(struct rig *r, uint32_t first, uint32_t count)
{
    struct array_range jobs = rig_next(r, AGENT_LOGS_DROP)->effect.jobs;
    assert_int_equal(jobs.first, first);
    assert_int_equal(jobs.count, count);
}

static void test_logs_found_are_asked_about_in_ranges_once_welcomed(void **state)
{
    (void)state;
    static const uint32_t jobs[] = {1, 2, 3, 7, 9, 10, UINT32_MAX};
    static const struct array_range ranges[] = {{1, 3}, {7, 1}, {9, 2}, {UINT32_MAX, 1}};
    struct rig r;
    rig_begin_unconnected(&r);
    logs_found(&r, jobs, 7);
    rig_link_up(&r);
    rig_enrol(&r);
    logs_found(&r, jobs, 7);
    rig_none(&r); /* nobody who could answer */
    rig_welcome(&r, 0, NULL, 0);
    logs_found(&r, jobs, 0);
    rig_none(&r);
    logs_found(&r, jobs, 7);
    const struct msg_logs_held *held = logs_asked(&r);
    assert_int_equal(held->n_jobs, 4);
    assert_memory_equal(held->jobs, ranges, sizeof ranges);
    rig_end(&r);
}

static void test_logs_of_many_jobs_are_asked_about_in_bounded_messages(void **state)
{
    (void)state;
    enum { APART = LOGS_RANGES_MAX + 1, TOGETHER = LOGS_JOBS_MAX + 1 };
    struct rig r;
    uint32_t *jobs = calloc(TOGETHER, sizeof *jobs);
    assert_non_null(jobs);
    rig_begin(&r);
    for (uint32_t i = 0; i < APART; i++) {
        jobs[i] = 1 + 2 * i;
    }
    logs_found(&r, jobs, APART);
    assert_int_equal(logs_asked(&r)->n_jobs, LOGS_RANGES_MAX);
    const struct msg_logs_held *held = logs_asked(&r);
    assert_int_equal(held->n_jobs, 1);
    assert_int_equal(held->jobs[0].first, jobs[APART - 1]);
    for (uint32_t i = 0; i < TOGETHER; i++) {
        jobs[i] = 1 + i;
    }
    logs_found(&r, jobs, TOGETHER);
    assert_int_equal(logs_asked(&r)->jobs[0].count, LOGS_JOBS_MAX);
    assert_int_equal(logs_asked(&r)->jobs[0].count, 1);
    free(jobs);
    rig_end(&r);
}

static void test_logs_of_a_removed_job_go_and_those_in_use_stay(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    struct msg_lease lease = rig_lease(RIG_REF); /* of job 12 */
    rig_running(&r, &lease, 0);
    logs_drop(&r, 12, 1);
    rig_none(&r);
    logs_drop(&r, 10, 5);
    logs_dropped(&r, 10, 2);
    logs_dropped(&r, 13, 2);
    logs_drop(&r, 13, UINT32_MAX); /* all but 12 */
    logs_dropped(&r, 13, UINT32_MAX);
    rig_exited(&r, RIG_REF, 0);
    rig_event(&r, EVENT_RESULT);
    rig_next(&r, AGENT_CLOSE);
    logs_drop(&r, 12, 1); /* its end is not on disk at the head */
    rig_none(&r);
    rig_ack_all(&r);
    rig_next(&r, AGENT_CLEAN);
    logs_drop(&r, 12, 1);
    logs_dropped(&r, 12, 1);
    rig_end(&r);
}

static void test_logs_of_an_array_stay_until_nothing_of_it_is_here(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    const struct msg_array array = lanes_array();
    lanes_tell(&r, &array);
    lanes_send(&r, 1, 1, 0, 1);
    lanes_starts(&r, 1, 0);
    logs_drop(&r, LANES_JOB - 1, 3);
    logs_dropped(&r, LANES_JOB - 1, 1);
    logs_dropped(&r, LANES_JOB + 1, 1);
    lanes_exit(&r, 0, 0);
    rig_next(&r, AGENT_CLEAN);
    rig_tick(&r);
    lanes_tasks(&r, 1, 0);
    logs_drop(&r, LANES_JOB, 1); /* its end is not on disk at the head */
    rig_none(&r);
    rig_ack_all(&r);
    rig_tick(&r);
    rig_next(&r, AGENT_LANE_CLOSE);
    lanes_tasks(&r, 0, 1);
    rig_ack_all(&r);
    assert_non_null(agent_array_find(r.agent, LANES_JOB)); /* what it is, is still known */
    logs_drop(&r, LANES_JOB, 1);
    assert_int_equal(rig_next(&r, AGENT_ARRAY_DROP)->effect.job, LANES_JOB);
    logs_dropped(&r, LANES_JOB, 1);
    assert_null(agent_array_find(r.agent, LANES_JOB));
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_logs_found_are_asked_about_in_ranges_once_welcomed),
        cmocka_unit_test(test_logs_of_many_jobs_are_asked_about_in_bounded_messages),
        cmocka_unit_test(test_logs_of_a_removed_job_go_and_those_in_use_stay),
        cmocka_unit_test(test_logs_of_an_array_stay_until_nothing_of_it_is_here),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
