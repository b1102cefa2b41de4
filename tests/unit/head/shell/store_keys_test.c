/* Keys below our prefix that are somebody else's: found before anything is written. */
#include "store_rig.h"

/* Redis keeps what a script wrote before it failed: a foreign key must be found before. */
static void assert_batch_is_refused(struct rig *rig, store_op_kind kind, const char *key)
{
    char text[64];
    (void)snprintf(text, sizeof text, "the key m:%s of this Redis is a string", key);
    rig_batch_new(rig);
    rig_op(rig, OP_HSET, "tasks", 1);
    rig_op(rig, OP_RPUSH, "log:2", 1);
    rig_op(rig, kind, key, 1);
    store_send(rig->store, &rig->batch);
    rig_wait(rig, is_settled);
    assert_int_equal(rig->failed, ERR_INVALID);
    assert_non_null(strstr(rig->why, text));
    assert_int_equal(rig->batches, 0);
    assert_int_equal(redis_rig_ask(rig->redis, "EXISTS m:tasks m:log:2"), 0);
    assert_int_equal(redis_rig_ask(rig->redis, "GET m:%s", key), 7);
    assert_int_equal(redis_rig_ask(rig->redis, "HGET m:meta n"), (long long)rig->info.n);
}

static void test_batch_with_a_key_of_somebody_else_is_refused_whole(void **state)
{
    static const struct {
        store_op_kind kind;
        const char *key;
    } rows[] = {{OP_RPUSH, "log:1"},  {OP_HSET, "rows:1.1"}, {OP_RPUSH, "res:1"},
                {OP_DEL, "rows:1.1"}, {OP_DEL, "res:1"},     {OP_HDEL, "attempts"},
                {OP_HSET, "attempts"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rig *rig = rig_ready(*state, false);
        redis_rig_ask(*state, "SETNX m:%s 7", rows[i].key);
        assert_batch_is_refused(rig, rows[i].kind, rows[i].key);
        rig_free(rig);
        redis_rig_ask(*state, "DEL m:%s", rows[i].key);
    }
}

/* How often anybody asked for a type. */
static long types_asked(const struct rig *rig)
{
    redisContext *redis = redis_rig_admin(rig->redis);
    redisReply *reply = redisCommand(redis, "INFO commandstats");
    assert_non_null(reply);
    const char *calls = strstr(reply->str, "cmdstat_type:calls=");
    assert_non_null(calls);
    long count = strtol(calls + strlen("cmdstat_type:calls="), NULL, 10);
    freeReplyObject(reply);
    redisFree(redis);
    return count;
}

static void test_type_of_a_key_is_looked_at_once_a_connection(void **state)
{
    struct rig *rig = rig_ready(*state, true);
    rig_send(rig, 1);
    rig_wait(rig, is_applied);
    long asked = types_asked(rig);
    rig_send(rig, 2);
    rig_wait(rig, is_applied);
    assert_int_equal(types_asked(rig), asked);
    /* Its connection is lost, and the key is another's when it comes back. */
    redis_rig_ask(*state, "DEL m:log:1");
    redis_rig_ask(*state, "SET m:log:1 7");
    redis_proxy_arm(rig->proxy, PROXY_LOSE_REQUEST, 1, 0);
    rig_send(rig, 3);
    rig_wait(rig, is_settled);
    assert_int_equal(redis_proxy_struck(rig->proxy), 1);
    assert_int_equal(rig->failed, ERR_INVALID);
    assert_non_null(strstr(rig->why, "the key m:log:1 of this Redis is a string"));
    assert_int_equal(redis_rig_ask(*state, "HLEN m:tasks"), 2);
    rig_free(rig);
}

/* Where Redis does not tell types, batches are written all the same. */
static void test_user_that_may_not_ask_for_types_is_served(void **state)
{
    redis_rig_ask(*state, "ACL SETUSER muster -type");
    struct rig *rig = rig_ready(*state, false);
    rig_send(rig, 1);
    rig_wait(rig, is_applied);
    rig_assert_log_is(rig, 1);
    rig_free(rig);
}

static void test_load_of_a_key_of_somebody_else_names_it(void **state)
{
    static const char *const keys[] = {"m:chunks", "m:log:1", "m:tasks"};
    redis_rig_ask(*state, "HSET m:sweeps 1 1");
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        redis_rig_ask(*state, "SET %s 7", keys[i]);
        struct rig *rig = rig_new(*state, false);
        struct store_config config = rig_config(rig);
        rig_open(rig, &config);
        rig_wait(rig, is_failed);
        assert_int_equal(rig->failed, ERR_INVALID);
        assert_non_null(strstr(rig->why, keys[i]));
        assert_int_equal(rig->loaded, 0);
        rig_free(rig);
        redis_rig_ask(*state, "DEL %s", keys[i]);
    }
}

/* A Redis of others is asked before it is taken. */
static void test_external_store_with_a_key_of_somebody_else_is_left_untouched(void **state)
{
    static const char *const names[] = {"sweeps", "jobs",     "tasks", "chunks",
                                        "nodes",  "attempts", "users"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        redis_rig_ask(*state, "SET m:%s 7", names[i]);
        struct rig *rig = rig_new(*state, false);
        struct store_config config = rig_config(rig);
        config.is_embedded = false;
        rig_open(rig, &config);
        rig_wait(rig, is_failed);
        assert_int_equal(rig->failed, ERR_INVALID);
        assert_non_null(strstr(rig->why, names[i]));
        assert_non_null(strstr(rig->why, "is a string"));
        rig_free(rig);
        redis_rig_ask(*state, "DEL m:%s", names[i]);
        assert_int_equal(redis_rig_ask(*state, "DBSIZE"), 0);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_batch_with_a_key_of_somebody_else_is_refused_whole),
        TEST(test_type_of_a_key_is_looked_at_once_a_connection),
        TEST(test_user_that_may_not_ask_for_types_is_served),
        TEST(test_load_of_a_key_of_somebody_else_names_it),
        TEST(test_external_store_with_a_key_of_somebody_else_is_left_untouched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
