/* Groups, batches and what waits for them: the outbox alone, then a core that fills it. */
#include "rig.h"

#include "head/core/outbox.h"

static struct bytes bytes_of(const char *text)
{
    return (struct bytes){(const uint8_t *)text, strlen(text)};
}

static void group_of(struct outbox *out, uint32_t n_ops)
{
    for (uint32_t i = 0; i < n_ops; i++) {
        outbox_hset(out, "tasks", "1.1", bytes_of("value"));
    }
    outbox_group_close(out);
}

static void notice_of(struct outbox *out, const char *text)
{
    outbox_notice(out, bytes_of(text));
}

static void assert_next(struct outbox *out, const char *text)
{
    const struct head_effect *effect = outbox_next(out);
    if (text == NULL) {
        assert_null(effect);
        return;
    }
    assert_non_null(effect);
    assert_int_equal(effect->bytes.len, strlen(text));
    assert_memory_equal(effect->bytes.data, text, effect->bytes.len);
}

static void outbox_end(struct outbox *out)
{
    assert_int_equal(out->failed, OK);
    outbox_fini(out);
    assert_int_equal(mem_live_count(), 0);
}

static void test_operations_keep_their_order_and_are_copies(void **state)
{
    (void)state;
    struct outbox out;
    char key[] = "log:1", field[] = "1.1", value[] = "abc";
    outbox_init(&out, 41);
    outbox_rpush(&out, key, bytes_of(value));
    outbox_hset(&out, key, field, (struct bytes){(const uint8_t *)value, 3});
    outbox_hdel(&out, key, field);
    outbox_del(&out, key);
    outbox_hset(&out, key, field, (struct bytes){NULL, 0});
    outbox_group_close(&out);
    memset(key, 'x', sizeof key - 1);
    memset(field, 'x', sizeof field - 1);
    memset(value, 'x', sizeof value - 1);
    const struct batch *batch = outbox_batch(&out, 0);
    assert_non_null(batch);
    assert_int_equal(batch->n, 42); /* the store's last one was 41 */
    static const store_op_kind kinds[] = {OP_RPUSH, OP_HSET, OP_HDEL, OP_DEL, OP_HSET};
    assert_int_equal(batch->n_ops, 5);
    for (uint32_t i = 0; i < 5; i++) {
        assert_int_equal(batch->ops[i].kind, kinds[i]);
        assert_string_equal(batch->ops[i].key, "log:1");
    }
    assert_memory_equal(batch->ops[0].value.data, "abc", 3);
    assert_memory_equal(batch->ops[1].field.data, "1.1", 3);
    assert_int_equal(batch->ops[2].field.len, 3);
    assert_int_equal(batch->ops[3].field.len, 0);
    assert_int_equal(batch->ops[4].value.len, 0);
    outbox_end(&out);
}

static void test_groups_made_while_a_batch_is_in_flight_form_the_next(void **state)
{
    (void)state;
    struct outbox out;
    outbox_init(&out, 0);
    assert_null(outbox_batch(&out, 0));
    group_of(&out, 1);
    group_of(&out, 2);
    const struct batch *batch = outbox_batch(&out, 5);
    assert_int_equal(batch->n, 1);
    assert_int_equal(batch->n_ops, 3);
    assert_null(outbox_batch(&out, 6)); /* given out once */
    assert_true(outbox_in_flight(&out));
    group_of(&out, 4);
    group_of(&out, 5);
    assert_null(outbox_batch(&out, 7));
    assert_int_equal(out.batch.n_ops, 3); /* it stays as it was, to be sent again */
    outbox_applied(&out, 1);
    assert_false(outbox_in_flight(&out));
    batch = outbox_batch(&out, 8);
    assert_int_equal(batch->n, 2);
    assert_int_equal(batch->n_ops, 9);
    outbox_applied(&out, 2);
    assert_null(outbox_batch(&out, 9));
    outbox_end(&out);
}

static void test_effect_opens_after_its_own_group_and_not_before(void **state)
{
    (void)state;
    struct outbox out;
    outbox_init(&out, 0);
    notice_of(&out, "one");
    group_of(&out, 1);
    assert_non_null(outbox_batch(&out, 0));
    notice_of(&out, "two");
    group_of(&out, 1);
    notice_of(&out, "open"); /* its group is not even closed */
    outbox_hset(&out, "tasks", "1.2", bytes_of("v"));
    assert_next(&out, NULL);
    outbox_applied(&out, 1);
    assert_next(&out, "one");
    assert_next(&out, NULL);
    assert_non_null(outbox_batch(&out, 0));
    outbox_applied(&out, 2);
    assert_next(&out, "two");
    assert_next(&out, NULL);
    outbox_group_close(&out);
    assert_non_null(outbox_batch(&out, 0));
    outbox_applied(&out, 3);
    assert_next(&out, "open");
    assert_next(&out, NULL);
    outbox_end(&out);
}

static void test_effect_of_a_turn_without_writes_waits_for_the_group_before(void **state)
{
    (void)state;
    struct outbox out;
    outbox_init(&out, 0);
    notice_of(&out, "nothing was ever written");
    outbox_group_close(&out);
    assert_next(&out, "nothing was ever written");
    group_of(&out, 1);
    notice_of(&out, "a view of what the group wrote");
    outbox_group_close(&out);
    notice_of(&out, "another");
    outbox_group_close(&out);
    assert_next(&out, NULL);
    assert_non_null(outbox_batch(&out, 0));
    assert_next(&out, NULL);
    outbox_applied(&out, 1);
    assert_next(&out, "a view of what the group wrote");
    assert_next(&out, "another");
    assert_next(&out, NULL);
    notice_of(&out, "all is on disk");
    outbox_group_close(&out);
    assert_next(&out, "all is on disk");
    outbox_end(&out);
}

static void test_batch_takes_whole_groups_up_to_its_limits(void **state)
{
    (void)state;
    static const struct {
        uint32_t groups[4]; /* operations of each; 0: no more */
        uint32_t milestone; /* the group that holds one, from 1; 0: none */
        uint32_t batches[4];
    } cases[] = {
        {{900, 900, 200, 1}, 0, {2000, 1}},
        {{900, 900, 201, 0}, 0, {1800, 201}},
        {{600, 400, 1, 0}, 3, {1000, 1}},  /* an answer waits: a small batch */
        {{600, 401, 0, 0}, 1, {600, 401}}, /* and none waits after the first */
        {{3000, 1, 0, 0}, 0, {3000, 1}},   /* larger than a batch may be: it goes alone */
        {{1, 3000, 1, 0}, 0, {1, 3000, 1}},
        {{1500, 700, 0, 0}, 2, {1500, 700}}, /* the first one always goes */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct outbox out;
        outbox_init(&out, 0);
        for (uint32_t k = 0; k < 4 && cases[i].groups[k] > 0; k++) {
            if (cases[i].milestone == k + 1) {
                outbox_milestone(&out);
                outbox_milestone(&out);
            }
            group_of(&out, cases[i].groups[k]);
        }
        for (uint32_t k = 0; k < 4 && cases[i].batches[k] > 0; k++) {
            const struct batch *batch = outbox_batch(&out, 0);
            assert_non_null(batch);
            assert_int_equal(batch->n, k + 1);
            assert_int_equal(batch->n_ops, cases[i].batches[k]);
            outbox_applied(&out, k + 1);
        }
        assert_null(outbox_batch(&out, 0));
        assert_int_equal(out.milestones_waiting, 0);
        outbox_end(&out);
    }
}

static void test_batch_takes_no_more_than_its_bytes(void **state)
{
    (void)state;
    struct outbox out;
    struct bytes half = {calloc(1, BATCH_BYTES_MAX / 2 + 1), BATCH_BYTES_MAX / 2 + 1};
    outbox_init(&out, 0);
    for (int i = 0; i < 3; i++) {
        outbox_rpush(&out, "k", half);
        outbox_group_close(&out);
    }
    for (uint64_t n = 1; n <= 3; n++) {
        const struct batch *batch = outbox_batch(&out, 0);
        assert_int_equal(batch->n_ops, 1);
        assert_int_equal(batch->size_bytes, half.len + 1);
        outbox_applied(&out, n);
    }
    free((void *)(uintptr_t)half.data);
    outbox_end(&out);
}

static void test_frame_for_nobody_is_not_kept(void **state)
{
    (void)state;
    struct outbox out;
    struct msg_who who = {7};
    outbox_init(&out, 0);
    outbox_send(&out, 0, MSG_WHO, &who);
    outbox_group_close(&out);
    assert_next(&out, NULL);
    outbox_end(&out);
}

static void test_failure_of_memory_stays_and_gives_no_batch(void **state)
{
    (void)state;
    for (uint64_t k = 1; k <= 4; k++) {
        struct outbox out;
        outbox_init(&out, 0);
        mem_fail_at(k);
        group_of(&out, 17);
        notice_of(&out, "text");
        outbox_group_close(&out);
        assert_true(mem_has_failed());
        mem_fail_at(0);
        assert_int_equal(out.failed, ERR_NO_MEMORY);
        assert_null(outbox_batch(&out, 0));
        group_of(&out, 1);
        assert_null(outbox_batch(&out, 0));
        outbox_fini(&out);
        assert_int_equal(mem_live_count(), 0);
    }
}

/* A frame of many events is cut into groups, each with the number that it has applied. */
static void test_turn_with_many_events_closes_groups_on_the_way(void **state)
{
    (void)state;
    enum { EVENTS = 2500 };
    struct rig *r = rig_new();
    rig_enrol(r, 1);
    rig_submit(r, rig_sweep, NULL);
    rig_started(r, rig_id(1, 1), 0);
    static const char *const names[] = {"loss"};
    static struct metric_row rows[EVENTS];
    static struct node_event events[EVENTS];
    static const double value = 0.5;
    for (uint64_t i = 0; i < EVENTS; i++) {
        rows[i] = (struct metric_row){
            .seq = i + 1, .step = (int64_t)i, .time = r->now, .values = &value, .n_values = 1};
        events[i] = (struct node_event){.number = r->event + i + 1,
                                        .kind = EVENT_ROWS,
                                        .time = r->now,
                                        .task = rig_id(1, 1),
                                        .rows = {names, 1, &rows[i], 1}};
    }
    struct msg_events msg = {RIG_INCARNATION, events, EVENTS};
    uint64_t before = r->event;
    rig_sent_clear(r);
    r->is_store_stalled = true;
    on_events(r->core, r->now, RIG_PEER, &msg);
    rig_turn(r);
    uint64_t applied = before;
    while (r->in_flight != 0) {
        rig_sent_clear(r);
        rig_batch_reply(r);
        struct arena arena;
        arena_init(&arena, MSG_ARENA_MAX_BYTES);
        const struct msg_ack *ack = rig_sent_last(r, MSG_ACK, &arena);
        assert_non_null(ack);
        assert_true(ack->applied > applied);
        applied = ack->applied;
        assert_int_equal(rig_store_count(r, "rows:1.1"), applied - before);
        arena_fini(&arena);
        rig_turn(r); /* the next batch */
    }
    assert_int_equal(applied, before + EVENTS);
    assert_true(r->last_n > 4); /* more than one batch was needed */
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_operations_keep_their_order_and_are_copies),
        cmocka_unit_test(test_groups_made_while_a_batch_is_in_flight_form_the_next),
        cmocka_unit_test(test_effect_opens_after_its_own_group_and_not_before),
        cmocka_unit_test(test_effect_of_a_turn_without_writes_waits_for_the_group_before),
        cmocka_unit_test(test_batch_takes_whole_groups_up_to_its_limits),
        cmocka_unit_test(test_batch_takes_no_more_than_its_bytes),
        cmocka_unit_test(test_frame_for_nobody_is_not_kept),
        cmocka_unit_test(test_failure_of_memory_stays_and_gives_no_batch),
        cmocka_unit_test(test_turn_with_many_events_closes_groups_on_the_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
