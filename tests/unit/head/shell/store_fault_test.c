/* Everything comes out exactly once, whatever breaks between the store and Redis, and nothing is
 * acknowledged early. */
#include "store_rig.h"

static void test_batch_lost_reply_is_applied_once(void **state)
{
    struct rig *rig = rig_ready(*state, true);
    redis_proxy_arm(rig->proxy, PROXY_LOSE_REPLY, 1, 0);
    rig_send(rig, 1);
    rig_wait(rig, is_applied);
    assert_int_equal(redis_proxy_struck(rig->proxy), 1);
    rig_send(rig, 2);
    rig_wait(rig, is_applied);
    assert_int_equal(rig->batches, 2);
    rig_assert_log_is(rig, 2);
    assert_string_equal(rig->states, "ok connecting ok ");
    rig_free(rig);
}

static void test_batch_lost_request_is_sent_again(void **state)
{
    struct rig *rig = rig_ready(*state, true);
    redis_proxy_arm(rig->proxy, PROXY_LOSE_REQUEST, 1, 0);
    rig_send(rig, 1);
    rig_wait(rig, is_applied);
    redis_proxy_arm(rig->proxy, PROXY_TEAR_REQUEST, 1, 0);
    rig_send(rig, 2);
    rig_wait(rig, is_applied);
    assert_int_equal(redis_proxy_struck(rig->proxy), 2);
    rig_assert_log_is(rig, 2);
    rig_free(rig);
}

static void test_batch_reply_delayed_by_3_s_is_waited_for(void **state)
{
    struct rig *rig = rig_new(*state, true);
    struct store_config config = rig_config(rig);
    config.batch_timeout_ms = 0; /* the default: longer than that */
    rig_open(rig, &config);
    rig_wait(rig, is_loaded);
    rig->batch.n = rig->info.n;
    redis_proxy_arm(rig->proxy, PROXY_DELAY_REPLY, 1, 3000);
    rig_send(rig, 1);
    rig_wait(rig, is_applied);
    assert_int_equal(redis_proxy_struck(rig->proxy), 1);
    assert_string_equal(rig->states, "ok "); /* on the same connection */
    rig_assert_log_is(rig, 1);
    rig_free(rig);
}

static void test_batch_reply_delayed_past_the_limit_is_asked_for_again(void **state)
{
    struct rig *rig = rig_ready(*state, true);
    redis_proxy_arm(rig->proxy, PROXY_DELAY_REPLY, 1, 3000);
    rig_send(rig, 1);
    rig_wait(rig, is_applied);
    assert_string_equal(rig->states, "ok connecting ok ");
    rig_assert_log_is(rig, 1);
    rig_free(rig);
}

static void test_batch_on_half_open_connection_moves_to_a_new_one(void **state)
{
    struct rig *rig = rig_ready(*state, true);
    redis_proxy_arm(rig->proxy, PROXY_HALF_OPEN, 1, 0);
    rig_send(rig, 1);
    rig_wait(rig, is_applied);
    assert_int_equal(redis_proxy_struck(rig->proxy), 1);
    rig_assert_log_is(rig, 1);
    rig_free(rig);
}

static void test_store_over_one_byte_slices_works_whole(void **state)
{
    struct rig *rig = rig_new(*state, true);
    redis_proxy_slice(rig->proxy, true);
    struct store_config config = rig_config(rig);
    config.batch_timeout_ms = 0;
    rig_open(rig, &config);
    rig_wait(rig, is_loaded);
    rig->batch.n = rig->info.n;
    for (uint64_t i = 1; i <= 20; i++) {
        rig_send(rig, i);
        rig_wait(rig, is_applied);
    }
    rig_assert_log_is(rig, 20);
    rig_free(rig);
}

static void test_batch_in_flight_at_kill_is_applied_once_after_restart(void **state)
{
    struct redis_rig *redis = *state;
    struct rig *rig = rig_ready(redis, false);
    for (uint64_t i = 1; i <= 10; i++) {
        rig_send(rig, i);
        /* Sometimes it was written, sometimes not, and nobody here knows which. */
        for (uint64_t turns = 0; turns < i % 4; turns++) {
            uv_run(&rig->loop, UV_RUN_NOWAIT);
        }
        redis_rig_kill(redis, SIGKILL);
        redis_rig_start(redis);
        rig_wait(rig, is_applied);
    }
    rig_assert_log_is(rig, 10);
    assert_int_equal(rig->failed, OK);
    rig_free(rig);
}

static void test_batch_stop_send_kill_is_noticed_and_sent_again(void **state)
{
    struct redis_rig *redis = *state;
    struct rig *rig = rig_new(redis, false);
    struct store_config config = rig_config(rig);
    config.batch_timeout_ms = 3600 * 1000; /* no timer helps: the broken socket has to be seen */
    rig_open(rig, &config);
    rig_wait(rig, is_loaded);
    rig->batch.n = rig->info.n;
    (void)kill(redis->pid, SIGSTOP);
    rig_send(rig, 1);
    assert_false(rig_wait_for(rig, is_applied, 100)); /* the bytes lie in Redis' socket, unread */
    redis_rig_kill(redis, SIGKILL);
    redis_rig_start(redis);
    rig_wait(rig, is_applied);
    rig_assert_log_is(rig, 1);
    rig_free(rig);
}

static void test_batch_after_flushed_scripts_loads_its_script_again(void **state)
{
    struct rig *rig = rig_ready(*state, false);
    rig_send(rig, 1);
    rig_wait(rig, is_applied);
    redis_rig_ask(*state, "SCRIPT FLUSH");
    rig_send(rig, 2);
    rig_wait(rig, is_applied);
    redis_rig_kill(*state, SIGKILL);
    redis_rig_start(*state);
    rig_send(rig, 3);
    rig_wait(rig, is_applied);
    rig_assert_log_is(rig, 3);
    rig_free(rig);
}

static void test_store_lost_connection_while_loading_starts_again(void **state)
{
    /* Past the tenth reply the store is reading its tables. */
    struct rig *rig = rig_new(*state, true);
    redis_rig_ask(*state, "HSET m:tasks 1 1 2 2 3 3");
    struct store_config config = rig_config(rig);
    for (uint32_t after = 1; after <= 24; after++) {
        redis_proxy_arm(rig->proxy, PROXY_LOSE_REPLY, after, 0);
        rig_open(rig, &config);
        rig_wait(rig, is_loaded);
        assert_int_equal(rig->records, 3);
        assert_int_equal(rig->record_sum, 6);
        rig_close(rig);
    }
    assert_true(rig->loads > 24); /* it did strike while loading */
    assert_true(redis_proxy_struck(rig->proxy) >= 20);
    rig_free(rig);
}

/* Seeded: MUSTER_TEST_SEED shows a failure again. */
static void test_batches_under_200_random_faults_come_out_once(void **state)
{
    enum { FAULTS = 200 };
    const char *text = getenv("MUSTER_TEST_SEED");
    uint64_t seed = text != NULL ? strtoull(text, NULL, 10) : 20261124;
    struct random random;
    random_init(&random, seed, 0);
    print_message("seed %" PRIu64 "\n", seed);
    struct rig *rig = rig_new(*state, true);
    struct store_config config = rig_config(rig);
    config.batch_timeout_ms = 60;
    rig_open(rig, &config);
    rig_wait(rig, is_loaded);
    rig->batch.n = rig->info.n;
    uint64_t number = 0;
    while (redis_proxy_struck(rig->proxy) < FAULTS) {
        proxy_fault fault = (proxy_fault)(1 + random_below(&random, PROXY_FAULTS - 1));
        uint32_t after = 1 + (uint32_t)random_below(&random, 6);
        redis_proxy_arm(rig->proxy, fault, after, (uint32_t)random_below(&random, 100));
        redis_proxy_slice(rig->proxy, random_below(&random, 8) == 0);
        rig_send(rig, ++number);
        rig_wait(rig, is_settled);
        assert_int_equal(rig->failed, OK);
    }
    assert_int_equal(rig->batches, number);
    rig_assert_log_is(rig, number);
    assert_int_equal(redis_rig_ask(*state, "HLEN m:tasks"), (long long)number);
    rig_free(rig);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_batch_lost_reply_is_applied_once),
        TEST(test_batch_lost_request_is_sent_again),
        TEST(test_batch_reply_delayed_by_3_s_is_waited_for),
        TEST(test_batch_reply_delayed_past_the_limit_is_asked_for_again),
        TEST(test_batch_on_half_open_connection_moves_to_a_new_one),
        TEST(test_store_over_one_byte_slices_works_whole),
        TEST(test_batch_in_flight_at_kill_is_applied_once_after_restart),
        TEST(test_batch_stop_send_kill_is_noticed_and_sent_again),
        TEST(test_batch_after_flushed_scripts_loads_its_script_again),
        TEST(test_store_lost_connection_while_loading_starts_again),
        TEST(test_batches_under_200_random_faults_come_out_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
