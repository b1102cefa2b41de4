/* The store on a healthy Redis: take-over, load, batches, reads, release. */
#include "store_rig.h"

static void test_store_open_on_empty_redis_is_ready_and_durable(void **state)
{
    struct rig *rig = rig_ready(*state, false);
    assert_string_equal(rig->state, "ok");
    assert_int_equal(rig->loads, 1);
    assert_int_equal(rig->records, 0);
    assert_true(rig->info.is_durable);
    assert_true(rig->info.epoch > 1700000000);
    assert_int_equal(redis_rig_ask(*state, "EXISTS m:selftest:list m:selftest:hash"), 0);
    rig_free(rig);
}

static void test_store_open_before_redis_waits_for_it(void **state)
{
    redis_rig_kill(*state, SIGKILL);
    struct rig *rig = rig_new(*state, false);
    struct store_config config = rig_config(rig);
    rig_open(rig, &config);
    assert_false(rig_wait_for(rig, is_loaded, 100));
    redis_rig_start(*state);
    rig_wait(rig, is_loaded);
    rig_free(rig);
}

static void test_store_state_folder_with_long_path_is_reached(void **state)
{
    (void)state;
    char folder[] = "/tmp/muster-redis-"
                    "a-folder-whose-name-is-so-long-that-no-socket-address-can-hold-it-XXXXXX";
    assert_non_null(mkdtemp(folder));
    struct redis_rig redis;
    redis_rig_open(&redis, folder);
    assert_true(strlen(redis.server.socket_path) > 100);
    /* The rig's own connections need a short name: a link to the folder. */
    char link_path[] = "/tmp/muster-link-XXXXXX", socket_path[PATH_MAX];
    assert_non_null(mkdtemp(link_path));
    assert_int_equal(rmdir(link_path), 0);
    assert_int_equal(symlink(folder, link_path), 0);
    (void)strcpy(socket_path, redis.server.socket_path);
    (void)snprintf(redis.server.socket_path, sizeof redis.server.socket_path, "%s/run/redis.sock",
                   link_path);
    redis_rig_start(&redis);
    (void)strcpy(redis.server.socket_path, socket_path);
    struct rig *rig = rig_ready(&redis, false);
    rig_send(rig, 1);
    rig_wait(rig, is_applied);
    rig_free(rig);
    (void)unlink(link_path);
    redis_rig_close(&redis);
}

static void test_store_second_open_takes_over_with_higher_epoch_and_same_n(void **state)
{
    struct rig *first = rig_ready(*state, false);
    rig_send(first, 1);
    rig_wait(first, is_applied);
    uint64_t epoch = first->info.epoch, n = first->applied;
    rig_free(first);
    struct rig *second = rig_ready(*state, false);
    assert_true(second->info.epoch > epoch);
    assert_true(second->info.n > n); /* the self-test's own batches count too */
    assert_int_equal(second->records, 1);
    assert_int_equal(second->logs, 0); /* sweep 1 has no record, so nobody asks for its log */
    rig_free(second);
}

static void test_store_batch_keeps_order_within_a_key(void **state)
{
    struct rig *rig = rig_ready(*state, false);
    rig_batch_new(rig);
    rig_op(rig, OP_HSET, "tasks", 1);
    rig_op(rig, OP_RPUSH, "log:1", 1);
    rig_op(rig, OP_HSET, "nodes", 5);
    rig_op(rig, OP_HDEL, "tasks", 1);
    rig_op(rig, OP_RPUSH, "log:1", 2);
    rig_op(rig, OP_HSET, "tasks", 2);
    rig_op(rig, OP_HSET, "jobs", 3);
    rig_op(rig, OP_DEL, "nodes", 0);
    rig_op(rig, OP_HSET, "nodes", 6);
    rig_op(rig, OP_DEL, "jobs", 0);
    store_send(rig->store, &rig->batch);
    assert_true(store_is_sending(rig->store));
    rig_wait(rig, is_applied);
    assert_false(store_is_sending(rig->store));
    rig_assert_log_is(rig, 2);
    assert_int_equal(redis_rig_ask(*state, "HEXISTS m:tasks 1"), 0);
    assert_int_equal(redis_rig_ask(*state, "HGET m:tasks 2"), 2);
    assert_int_equal(redis_rig_ask(*state, "HEXISTS m:nodes 5"), 0);
    assert_int_equal(redis_rig_ask(*state, "HGET m:nodes 6"), 6);
    assert_int_equal(redis_rig_ask(*state, "EXISTS m:jobs"), 0);
    assert_int_equal(redis_rig_ask(*state, "HGET m:meta n"), (long long)rig->applied);
    rig_free(rig);
}

static void test_store_batch_of_5000_operations_on_one_key_is_applied_whole(void **state)
{
    struct rig *rig = rig_ready(*state, false);
    rig_batch_new(rig);
    for (uint64_t i = 1; i <= 5000; i++) {
        rig_op(rig, i % 2 == 0 ? OP_HSET : OP_RPUSH, i % 2 == 0 ? "tasks" : "log:1", (i + 1) / 2);
    }
    store_send(rig->store, &rig->batch);
    rig_wait(rig, is_applied);
    assert_int_equal(redis_rig_ask(*state, "HLEN m:tasks"), 2500);
    rig_assert_log_is(rig, 2500);
    rig_batch_new(rig);
    for (uint64_t i = 1; i <= 5000; i++) {
        rig_op(rig, OP_HSET, "tasks", i);
    }
    store_send(rig->store, &rig->batch);
    rig_wait(rig, is_applied);
    assert_int_equal(redis_rig_ask(*state, "HLEN m:tasks"), 5000);
    rig_free(rig);
}

static void test_store_batch_without_operations_moves_n_alone(void **state)
{
    struct rig *rig = rig_ready(*state, false);
    rig_batch_new(rig);
    store_send(rig->store, &rig->batch);
    rig_wait(rig, is_applied);
    assert_int_equal(redis_rig_ask(*state, "HGET m:meta n"), (long long)rig->applied);
    rig_free(rig);
}

static void test_store_load_of_20000_records_gives_each_once(void **state)
{
    enum { COUNT = 20000, LOG_COUNT = 2500, EACH = 4000 };
    struct rig *rig = rig_ready(*state, false);
    for (uint64_t first = 1; first <= COUNT; first += EACH) {
        rig_batch_new(rig);
        for (uint64_t i = first; i < first + EACH; i++) {
            rig_op(rig, OP_HSET, "tasks", i);
        }
        store_send(rig->store, &rig->batch);
        rig_wait(rig, is_applied);
    }
    rig_batch_new(rig);
    rig_op(rig, OP_HSET, "sweeps", 1);
    for (uint64_t i = 1; i <= LOG_COUNT; i++) {
        rig_op(rig, OP_RPUSH, "log:1", i);
    }
    store_send(rig->store, &rig->batch);
    rig_wait(rig, is_applied);
    rig_free(rig);

    rig = rig_ready(*state, false);
    assert_int_equal(rig->records, COUNT + 1);
    assert_int_equal(rig->record_sum, (uint64_t)COUNT * (COUNT + 1) / 2 + 1);
    assert_int_equal(rig->logs, LOG_COUNT);
    assert_int_equal(rig->last_log, LOG_COUNT);
    rig_free(rig);
}

static void test_store_load_refused_record_fails_with_its_text(void **state)
{
    redis_rig_ask(*state, "HSET m:tasks 7 7");
    struct rig *rig = rig_new(*state, false);
    struct store_config config = rig_config(rig);
    rig->refuse_record = ERR_NEWER;
    rig_open(rig, &config);
    rig_wait(rig, is_failed);
    assert_int_equal(rig->failed, ERR_NEWER);
    assert_string_equal(rig->why, "record 7 of tasks: no such record");
    assert_int_equal(rig->loaded, 0);
    rig_free(rig);
}

/* ---- reads ---- */

struct reading {
    uint32_t rows, ends;
    uint64_t sum;
    error_code code;
};

static void on_row(void *context, struct bytes field, struct bytes value)
{
    struct reading *reading = context;
    reading->rows++;
    reading->sum += rig_number(value);
    assert_int_equal(rig_number(field), rig_number(value));
}

static void on_end(void *context, error_code code)
{
    struct reading *reading = context;
    reading->ends++;
    reading->code = code;
}

static struct reading *watched_reading;
static bool is_read(struct rig *rig)
{
    (void)rig;
    return watched_reading->ends > 0;
}

static void test_store_read_rows_in_slices_gives_all(void **state)
{
    struct rig *rig = rig_ready(*state, false);
    rig_batch_new(rig);
    for (uint64_t i = 1; i <= 5000; i++) {
        rig_op(rig, OP_HSET, "rows:1.1", i);
    }
    store_send(rig->store, &rig->batch);
    rig_wait(rig, is_applied);
    struct reading reading = {0};
    const struct store_reader reader = {&reading, on_row, on_end};
    watched_reading = &reading;
    assert_int_equal(store_read_rows(rig->store, "rows:1.1", &reader), OK);
    rig_wait(rig, is_read);
    assert_int_equal(reading.code, OK);
    assert_int_equal(reading.rows, 5000);
    assert_int_equal(reading.sum, 5000 * 5001 / 2);
    rig_free(rig);
    assert_int_equal(reading.ends, 1);
}

static void on_entry(void *context, struct bytes field, struct bytes value)
{
    struct reading *reading = context;
    assert_int_equal(field.len, 0);
    reading->rows++;
    assert_int_equal(rig_number(value), reading->rows); /* in order */
}

/* Slices that end exactly, a list that is not there, and one that is a hash. */
static void test_store_read_list_in_slices_gives_all_in_order(void **state)
{
    struct rig *rig = rig_ready(*state, false);
    const uint32_t lengths[] = {0, 1, STORE_SLICE, 2 * STORE_SLICE + 1};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        struct reading reading = {0};
        const struct store_reader reader = {&reading, on_entry, on_end};
        char key[32];
        snprintf(key, sizeof key, "res:7.%zu", i);
        rig_batch_new(rig);
        rig_op(rig, OP_HSET, "tasks", 1); /* a batch has something */
        for (uint64_t k = 1; k <= lengths[i]; k++) {
            rig_op(rig, OP_RPUSH, key, k);
        }
        store_send(rig->store, &rig->batch);
        rig_wait(rig, is_applied);
        watched_reading = &reading;
        assert_int_equal(store_read_list(rig->store, key, &reader), OK);
        rig_wait(rig, is_read);
        assert_int_equal(reading.code, OK);
        assert_int_equal(reading.rows, lengths[i]);
    }
    struct reading reading = {0};
    watched_reading = &reading;
    assert_int_equal(store_read_list(rig->store, "tasks",
                                     &(const struct store_reader){&reading, on_entry, on_end}),
                     OK);
    rig_wait(rig, is_read);
    assert_int_equal(reading.code, ERR_UNREACHABLE);
    rig_free(rig);
}

static void test_store_read_field_gives_it_or_nothing(void **state)
{
    struct rig *rig = rig_ready(*state, false);
    redis_rig_ask(*state, "HSET m:attempts 12 12");
    struct reading there = {0}, away = {0};
    watched_reading = &away;
    assert_int_equal(store_read_field(rig->store, "attempts", "12",
                                      &(const struct store_reader){&there, on_row, on_end}),
                     OK);
    assert_int_equal(store_read_field(rig->store, "attempts", "13",
                                      &(const struct store_reader){&away, on_row, on_end}),
                     OK);
    rig_wait(rig, is_read);
    assert_int_equal(there.rows, 1);
    assert_int_equal(there.code, OK);
    assert_int_equal(away.rows, 0);
    assert_int_equal(away.code, OK);
    rig_free(rig);
}

static void test_store_read_at_close_ends_once_with_closed(void **state)
{
    struct rig *rig = rig_ready(*state, false);
    struct reading reading[3] = {{0}};
    for (int i = 0; i < 3; i++) {
        const struct store_reader reader = {&reading[i], on_row, on_end};
        assert_int_equal(store_read_rows(rig->store, "tasks", &reader), OK);
    }
    rig_free(rig);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(reading[i].ends, 1);
        assert_int_equal(reading[i].code, ERR_CLOSED);
    }
}

static void test_store_read_of_lost_connection_ends_as_unreachable(void **state)
{
    struct rig *rig = rig_ready(*state, false);
    struct reading reading = {0};
    const struct store_reader reader = {&reading, on_row, on_end};
    watched_reading = &reading;
    struct redis_rig *redis = *state;
    (void)kill(redis->pid, SIGSTOP);
    assert_int_equal(store_read_rows(rig->store, "tasks", &reader), OK);
    redis_rig_kill(redis, SIGKILL);
    rig_wait(rig, is_read);
    assert_int_equal(reading.code, ERR_UNREACHABLE);
    assert_int_equal(store_read_rows(rig->store, "tasks", &reader), ERR_UNREACHABLE);
    rig_free(rig);
    assert_int_equal(reading.ends, 1);
}

static void test_store_reads_are_bounded(void **state)
{
    struct rig *rig = rig_ready(*state, false);
    struct reading reading = {0};
    const struct store_reader reader = {&reading, on_row, on_end};
    for (int i = 0; i < STORE_READS_MAX; i++) {
        assert_int_equal(store_read_rows(rig->store, "tasks", &reader), OK);
    }
    assert_int_equal(store_read_rows(rig->store, "tasks", &reader), ERR_BUSY);
    rig_free(rig);
    assert_int_equal(reading.ends, STORE_READS_MAX);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_store_open_on_empty_redis_is_ready_and_durable),
        TEST(test_store_open_before_redis_waits_for_it),
        TEST(test_store_state_folder_with_long_path_is_reached),
        TEST(test_store_second_open_takes_over_with_higher_epoch_and_same_n),
        TEST(test_store_batch_keeps_order_within_a_key),
        TEST(test_store_batch_of_5000_operations_on_one_key_is_applied_whole),
        TEST(test_store_batch_without_operations_moves_n_alone),
        TEST(test_store_load_of_20000_records_gives_each_once),
        TEST(test_store_load_refused_record_fails_with_its_text),
        TEST(test_store_read_rows_in_slices_gives_all),
        TEST(test_store_read_list_in_slices_gives_all_in_order),
        TEST(test_store_read_field_gives_it_or_nothing),
        TEST(test_store_read_at_close_ends_once_with_closed),
        TEST(test_store_read_of_lost_connection_ends_as_unreachable),
        TEST(test_store_reads_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
