/* Before anything that matters is written: one batch with every command that batches use, read back
 * with every command that recovery uses, and removed. What an ACL forbids or a server lacks is
 * found here, not in the middle of the first sweep. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "head/shell/store_inside.h"

#define TEST_LIST "selftest:list"
#define TEST_HASH "selftest:hash"

#define BYTES(text)                                                                                \
    {                                                                                              \
        (const uint8_t *)(text), sizeof(text) - 1                                                  \
    }

static const struct store_op ops_write[] = {
    {OP_DEL, TEST_LIST, {NULL, 0}, {NULL, 0}},
    {OP_DEL, TEST_HASH, {NULL, 0}, {NULL, 0}},
    {OP_RPUSH, TEST_LIST, {NULL, 0}, BYTES("one")},
    {OP_HSET, TEST_HASH, BYTES("gone"), BYTES("x")},
    {OP_HSET, TEST_HASH, BYTES("kept"), BYTES("a\0b")},
    {OP_RPUSH, TEST_LIST, {NULL, 0}, BYTES("two")},
    {OP_HDEL, TEST_HASH, BYTES("gone"), {NULL, 0}},
};

static const struct store_op ops_remove[] = {
    {OP_DEL, TEST_LIST, {NULL, 0}, {NULL, 0}},
    {OP_DEL, TEST_HASH, {NULL, 0}, {NULL, 0}},
};

static void on_test_written(struct store *store);
static void on_test_removed(struct store *store);

static bool reply_is(const redisReply *reply, const char *text, size_t len)
{
    struct bytes bytes = reply_bytes(reply);
    return bytes.len == len && memcmp(bytes.data, text, len) == 0;
}

static bool answer_is_list(const redisReply *reply)
{
    return reply->elements == 2 && reply_is(reply->element[0], "one", 3) &&
           reply_is(reply->element[1], "two", 3);
}

static bool answer_is_hash(const redisReply *reply)
{
    if (reply->elements != 2 || reply->element[1]->elements != 2) {
        return false;
    }
    const redisReply *fields = reply->element[1];
    return reply_is(reply->element[0], "0", 1) && reply_is(fields->element[0], "kept", 4) &&
           reply_is(fields->element[1], "a\0b", 3);
}

static bool answer_is_one(const redisReply *reply)
{
    return reply->integer == 1;
}

static bool answer_is_value(const redisReply *reply)
{
    return reply_is(reply, "a\0b", 3);
}

/* {command, key, what follows}: asked in this order, each answer looked at. */
static const struct {
    const char *words[5];
    int type;
    bool (*is_right)(const redisReply *reply);
    bool is_hash;
} questions[] = {
    {{"LRANGE", "0", "-1"}, REDIS_REPLY_ARRAY, answer_is_list, false},
    {{"HLEN"}, REDIS_REPLY_INTEGER, answer_is_one, true},
    {{"HSCAN", "0", "COUNT", "10"}, REDIS_REPLY_ARRAY, answer_is_hash, true},
    {{"HGET", "kept"}, REDIS_REPLY_STRING, answer_is_value, true},
};
enum { N_QUESTIONS = sizeof questions / sizeof questions[0] };

static void test_batch(struct store *store, const struct store_op *ops, uint32_t n_ops,
                       store_step_fn *on_applied)
{
    store->test_batch = (struct batch){.n = store->n + 1, .ops = ops, .n_ops = n_ops};
    store_batch_start(store, &store->test_batch, on_applied);
}

static void on_answer(void *context, const redisReply *reply)
{
    struct store *store = context;
    uint32_t at = store->test_step;
    if (!store_reply_ok(store, reply, questions[at].type, on_test_written)) {
        return;
    }
    if (!questions[at].is_right(reply)) {
        store_fail(store, ERR_PROTOCOL,
                   "the self-test of the store failed: %s does not give back what was written",
                   questions[at].words[0]);
        return;
    }
    store->test_step++;
    if (store->test_step < N_QUESTIONS) {
        on_test_written(store);
    } else {
        test_batch(store, ops_remove, sizeof ops_remove / sizeof ops_remove[0], on_test_removed);
    }
}

static void on_test_written(struct store *store)
{
    const char *const *words = questions[store->test_step].words;
    char key[STORE_KEY_MAX];
    (void)stpcpy(stpcpy(stpcpy(key, store->prefix), ":"),
                 questions[store->test_step].is_hash ? TEST_HASH : TEST_LIST);
    store_ask(store, on_answer,
              (const char *const[]){words[0], key, words[1], words[2], words[3], NULL});
}

static void on_noted(void *context, const redisReply *reply)
{
    struct store *store = context;
    if (!store_reply_ok(store, reply, REDIS_REPLY_ARRAY, on_test_removed)) {
        return;
    }
    if (reply->elements != 1) {
        store_fail(store, ERR_FENCED, "another head took over the store");
        return;
    }
    store->phase = PHASE_LOAD;
    store_load(store);
}

static void on_test_removed(struct store *store)
{
    char n[24];
    (void)snprintf(n, sizeof n, "%" PRIu64, store->n);
    store_ask(store, on_noted,
              (const char *const[]){"EVAL", store_script_tested, "1", store->meta, store->holder, n,
                                    NULL});
}

void store_test(struct store *store)
{
    store->test_step = 0;
    test_batch(store, ops_write, sizeof ops_write / sizeof ops_write[0], on_test_written);
}
