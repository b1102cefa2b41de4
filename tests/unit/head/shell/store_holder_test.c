/* Whose store it is: fences, gaps, beats, release, and a server that is not fit. */
#include "store_rig.h"

static bool is_waiting(struct rig *rig)
{
    return strcmp(rig->state, "waiting") == 0;
}

static struct store_config external_config(const struct rig *rig)
{
    struct store_config config = rig_config(rig);
    config.is_embedded = false;
    config.takeover_silence_ms = 3500; /* longer than a beat and what the loop may add to it */
    return config;
}

static void test_batch_of_fenced_holder_is_refused(void **state)
{
    struct rig *old = rig_ready(*state, false);
    struct rig *new = rig_ready(*state, false);
    rig_send(new, 1);
    rig_wait(new, is_applied);
    rig_send(old, 7);
    rig_wait(old, is_settled);
    assert_int_equal(old->failed, ERR_FENCED);
    assert_string_equal(old->state, "fenced");
    assert_int_equal(old->batches, 0);
    rig_assert_log_is(new, 1);
    rig_free(old);
    rig_free(new);
}

static void test_fenced_holder_finds_out_when_it_connects_again(void **state)
{
    struct rig *old = rig_ready(*state, true);
    struct rig *new = rig_ready(*state, false);
    redis_proxy_stop(old->proxy);
    old->proxy = redis_proxy_start(old->proxy_path, new->redis->server.socket_path);
    rig_wait(old, is_failed);
    assert_int_equal(old->failed, ERR_FENCED);
    rig_free(old);
    rig_free(new);
}

static void test_batch_number_with_a_gap_is_refused_as_stale(void **state)
{
    struct rig *rig = rig_ready(*state, false);
    rig_send(rig, 1);
    rig_wait(rig, is_applied);
    redis_rig_ask(*state, "HINCRBY m:meta n -1"); /* Redis forgot a batch */
    rig_send(rig, 2);
    rig_wait(rig, is_settled);
    assert_int_equal(rig->failed, ERR_STALE);
    rig_assert_log_is(rig, 1);
    rig_free(rig);
}

static void test_store_that_lost_acknowledged_batches_fails_at_reconnect(void **state)
{
    struct rig *rig = rig_ready(*state, true);
    rig_send(rig, 1);
    rig_wait(rig, is_applied);
    redis_rig_ask(*state, "HINCRBY m:meta n -1");
    redis_proxy_stop(rig->proxy);
    rig->proxy = redis_proxy_start(rig->proxy_path, rig->redis->server.socket_path);
    rig_wait(rig, is_failed);
    assert_int_equal(rig->failed, ERR_STALE);
    rig_free(rig);
}

static void test_external_empty_store_is_taken_at_once(void **state)
{
    struct rig *rig = rig_new(*state, false);
    struct store_config config = external_config(rig);
    config.takeover_silence_ms = 3600 * 1000;
    rig_open(rig, &config);
    rig_wait(rig, is_loaded);
    assert_string_equal(rig->states, "ok ");
    rig_free(rig);
}

static void test_external_released_store_is_taken_at_once(void **state)
{
    struct rig *rig = rig_new(*state, false);
    struct store_config config = external_config(rig);
    config.takeover_silence_ms = 3600 * 1000;
    rig_open(rig, &config);
    rig_wait(rig, is_loaded);
    store_release(rig->store, rig_on_released, rig);
    rig_wait(rig, is_released);
    rig_close(rig);
    rig_open(rig, &config);
    rig_wait(rig, is_loaded);
    assert_string_equal(rig->states, "ok ok ");
    rig_free(rig);
}

static void test_external_idle_holder_beats_so_a_second_head_gives_up(void **state)
{
    struct rig *first = rig_new(*state, false);
    struct store_config config = external_config(first);
    config.name = "host-a pid 12";
    rig_open(first, &config);
    rig_wait(first, is_loaded);
    long long beat = redis_rig_ask(*state, "HGET m:meta beat");

    /* Two heads in one loop would do; one loop each is what there is. */
    struct rig *second = rig_new(*state, false);
    config = external_config(second);
    config.takeover_silence_ms = 3600 * 1000; /* the beat ends it, not the wait */
    rig_open(second, &config);
    rig_wait(second, is_waiting);
    for (int i = 0; i < 2000 && second->failed == OK; i++) {
        rig_wait_for(first, is_never, 10);
        rig_wait_for(second, is_never, 10);
    }
    assert_int_equal(second->failed, ERR_BUSY);
    assert_non_null(strstr(second->why, "host-a pid 12"));
    assert_true(redis_rig_ask(*state, "HGET m:meta beat") > beat);
    rig_free(second);
    rig_free(first);
}

static void test_external_silent_holder_is_replaced_after_the_wait(void **state)
{
    struct rig *first = rig_ready(*state, false); /* embedded: it never beats, so it looks dead */
    struct rig *second = rig_new(*state, false);
    struct store_config config = external_config(second);
    rig_open(second, &config);
    rig_wait(second, is_waiting);
    rig_wait(second, is_loaded);
    assert_true(second->info.epoch > first->info.epoch);
    rig_free(second);
    rig_free(first);
}

static void test_release_without_redis_comes_back_all_the_same(void **state)
{
    struct rig *rig = rig_ready(*state, false);
    redis_rig_kill(*state, SIGKILL);
    store_release(rig->store, rig_on_released, rig);
    rig_wait(rig, is_released);
    rig_free(rig);
}

static void test_server_that_evicts_is_refused(void **state)
{
    redis_rig_ask(*state, "CONFIG SET maxmemory-policy allkeys-lru");
    struct rig *rig = rig_new(*state, false);
    struct store_config config = rig_config(rig);
    rig_open(rig, &config);
    rig_wait(rig, is_failed);
    assert_int_equal(rig->failed, ERR_INVALID);
    assert_non_null(strstr(rig->why, "maxmemory-policy"));
    rig_free(rig);
    assert_int_equal(redis_rig_ask(*state, "DBSIZE"), 0);
}

static void test_server_that_syncs_lazily_is_told(void **state)
{
    redis_rig_ask(*state, "CONFIG SET appendfsync everysec");
    struct rig *rig = rig_ready(*state, false);
    assert_false(rig->info.is_durable);
    assert_string_equal(rig->info.policy, "appendonly yes, appendfsync everysec");
    rig_free(rig);
}

static void test_wrong_password_fails_for_good(void **state)
{
    struct rig *rig = rig_new(*state, false);
    struct store_config config = rig_config(rig);
    config.password = "not this one";
    rig_open(rig, &config);
    rig_wait(rig, is_failed);
    assert_int_equal(rig->failed, ERR_NOT_ALLOWED);
    rig_free(rig);
}

static void test_user_without_a_right_is_found_by_the_self_test(void **state)
{
    redis_rig_ask(*state, "ACL SETUSER muster -hdel");
    struct rig *rig = rig_new(*state, false);
    struct store_config config = rig_config(rig);
    rig_open(rig, &config);
    rig_wait(rig, is_failed);
    /* What a script may not do is told in words that differ between releases. */
    assert_true(rig->failed == ERR_NOT_ALLOWED || rig->failed == ERR_PROTOCOL);
    assert_int_equal(rig->loaded, 0);
    rig_free(rig);
}

static void test_open_refuses_what_cannot_be(void **state)
{
    struct rig *rig = rig_new(*state, false);
    struct store_config config = rig_config(rig);
    const struct store_handlers handlers = {.context = rig};
    struct report report = {.code = OK};
    struct store *store = NULL;
    config.prefix = "m:x";
    assert_int_equal(store_open(&rig->loop, &config, &handlers, &store, &report), ERR_INVALID);
    config = rig_config(rig);
    config.unix_path = NULL;
    assert_int_equal(store_open(&rig->loop, &config, &handlers, &store, &report), ERR_INVALID);
    assert_null(store);
    rig_free(rig);
}

static void test_open_without_memory_fails_whole(void **state)
{
    struct rig *rig = rig_new(*state, false);
    struct store_config config = rig_config(rig);
    const struct store_handlers handlers = {.context = rig};
    for (uint64_t k = 1;; k++) {
        struct report report = {.code = OK};
        mem_fail_at(k);
        error_code error = store_open(&rig->loop, &config, &handlers, &rig->store, &report);
        bool has_failed = mem_has_failed();
        mem_fail_at(0);
        if (!has_failed) {
            assert_int_equal(error, OK);
            break;
        }
        assert_int_equal(error, ERR_NO_MEMORY);
    }
    rig_free(rig);
}

static void test_life_without_memory_fails_once_or_goes_on(void **state)
{
    uint32_t failures = 0, k = 1;
    for (bool is_done = false; !is_done; k++) {
        struct rig *rig = rig_new(*state, false);
        struct store_config config = rig_config(rig);
        rig_open(rig, &config);
        mem_fail_at(k);
        while (rig->loaded == 0 && rig->failed == OK) {
            uv_run(&rig->loop, UV_RUN_ONCE);
        }
        if (rig->failed == OK) {
            rig->batch.n = rig->info.n;
            rig_send(rig, 1);
            rig_wait(rig, is_settled);
        }
        is_done = !mem_has_failed();
        mem_fail_at(0);
        failures += rig->failed != OK ? 1 : 0;
        assert_true(rig->failed == OK || rig->failed == ERR_NO_MEMORY);
        rig_free(rig);
        assert_int_equal(mem_live_count(), 0);
    }
    assert_true(failures > 10);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_batch_of_fenced_holder_is_refused),
        TEST(test_fenced_holder_finds_out_when_it_connects_again),
        TEST(test_batch_number_with_a_gap_is_refused_as_stale),
        TEST(test_store_that_lost_acknowledged_batches_fails_at_reconnect),
        TEST(test_external_empty_store_is_taken_at_once),
        TEST(test_external_released_store_is_taken_at_once),
        TEST(test_external_idle_holder_beats_so_a_second_head_gives_up),
        TEST(test_external_silent_holder_is_replaced_after_the_wait),
        TEST(test_release_without_redis_comes_back_all_the_same),
        TEST(test_server_that_evicts_is_refused),
        TEST(test_server_that_syncs_lazily_is_told),
        TEST(test_wrong_password_fails_for_good),
        TEST(test_user_without_a_right_is_found_by_the_self_test),
        TEST(test_open_refuses_what_cannot_be),
        TEST(test_open_without_memory_fails_whole),
        TEST(test_life_without_memory_fails_once_or_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
