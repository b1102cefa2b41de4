/* Work folders: pulled once for all that wait, prepared once, and nobody charged for what fails. */
#include "rig.h"

static const char HASH[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
enum { PIECE = BLOB_PIECE_MAX_BYTES };

static struct attempt_ref ref_of(uint32_t index)
{
    return (struct attempt_ref){{12, index}, 0};
}

static void lease_send(struct rig *r, uint32_t index, const char *setup)
{
    struct msg_lease lease = rig_lease(ref_of(index));
    lease.work = HASH;
    lease.setup = setup;
    rig_head(r, MSG_LEASE, &lease);
}

static uint64_t asked(struct rig *r)
{
    struct rig_effect *effect = rig_next(r, AGENT_SEND);
    assert_int_equal(effect->effect.type, MSG_BLOB_GET);
    const struct msg_blob_get *get = effect->message;
    assert_string_equal(get->hash, HASH);
    return get->offset;
}

static void piece_send(struct rig *r, uint64_t offset, uint64_t total)
{
    static uint8_t data[PIECE];
    size_t len = total - offset < PIECE ? (size_t)(total - offset) : PIECE;
    struct msg_blob piece = {
        .hash = HASH, .offset = offset, .total = total, .data = {data, len}, .error = ""};
    rig_head(r, MSG_BLOB, &piece);
    struct rig_effect *effect = rig_next(r, AGENT_BLOB_WRITE);
    assert_string_equal(effect->effect.text, HASH);
    assert_int_equal(effect->effect.offset, offset);
    assert_int_equal(effect->effect.frame.len, len);
}

static void written(struct rig *r, uint64_t bytes)
{
    on_blob_written(r->agent, r->now, HASH, bytes, NULL, &r->out);
    rig_turn(r);
}

static void made(struct rig *r, const char *name, const char *error)
{
    on_tree_made(r->agent, r->now, name, error, &r->out);
    rig_turn(r);
}

static void pull_small(struct rig *r)
{
    assert_int_equal(asked(r), 0);
    piece_send(r, 0, 1000);
    written(r, 1000);
    assert_string_equal(rig_next(r, AGENT_TREE_UNPACK)->effect.text, HASH);
}

static const struct node_event *result(struct rig *r, end_cause cause, bool is_nodes_fault)
{
    const struct node_event *event = rig_event(r, EVENT_RESULT);
    assert_int_equal(event->result.cause, cause);
    assert_int_equal(event->result.is_nodes_fault, is_nodes_fault);
    return event;
}

static void test_work_is_pulled_once_for_all_that_wait(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    lease_send(&r, 1, "");
    lease_send(&r, 2, "");
    pull_small(&r);
    lease_send(&r, 3, "");
    rig_none(&r);
    made(&r, HASH, NULL);
    for (int i = 0; i < 3; i++) {
        rig_next(&r, AGENT_START);
    }
    lease_send(&r, 4, "");
    rig_next(&r, AGENT_START); /* there already */
    rig_end(&r);
}

static void test_work_pieces_are_asked_for_one_by_one_as_they_are_written(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    uint64_t total = 10 * PIECE - 5;
    lease_send(&r, 1, "");
    assert_int_equal(asked(&r), 0);
    rig_none(&r); /* how many there are is not known yet */
    for (uint64_t i = 0; i < 10; i++) {
        piece_send(&r, i * PIECE, total);
        rig_none(&r); /* until it is on disk */
        written(&r, i < 9 ? (i + 1) * PIECE : total);
        if (i < 9) {
            assert_int_equal(asked(&r), (i + 1) * PIECE);
        }
    }
    rig_next(&r, AGENT_TREE_UNPACK);
    made(&r, HASH, NULL);
    rig_next(&r, AGENT_START);
    rig_end(&r);
}

static void test_work_pull_goes_on_where_it_was_with_another_head(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    lease_send(&r, 1, "");
    asked(&r);
    piece_send(&r, 0, 3 * PIECE);
    rig_forget(&r);
    on_link_down(r.agent, r.now, &r.out);
    rig_link_up(&r);
    rig_enrol(&r);
    struct running_ref hold = {ref_of(1).task, 0, 1};
    rig_welcome(&r, 0, &hold, 1);
    written(&r, PIECE);
    assert_int_equal(asked(&r), PIECE);
    /* A piece that nobody asked for, and one that came already. */
    struct msg_blob stray = {.hash = HASH, .offset = 0, .total = 3 * PIECE, .error = ""};
    stray.data = (struct bytes){(const uint8_t *)"x", 1};
    rig_head(&r, MSG_BLOB, &stray);
    rig_none(&r);
    /* Silence: asked for again. */
    rig_wait(&r, 10000);
    assert_int_equal(asked(&r), PIECE);
    rig_forget(&r);
    rig_end(&r);
}

/* A head of an earlier release has smaller ones. */
static void test_work_smaller_pieces_than_asked_for_are_followed_by_the_next(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    lease_send(&r, 1, "");
    assert_int_equal(asked(&r), 0);
    static uint8_t data[1000];
    for (uint64_t offset = 0; offset < 3000; offset += 1000) {
        const struct msg_blob piece = {
            .hash = HASH, .offset = offset, .total = 3000, .data = {data, 1000}, .error = ""};
        rig_head(&r, MSG_BLOB, &piece);
        rig_next(&r, AGENT_BLOB_WRITE);
        written(&r, offset + 1000);
        if (offset < 2000) {
            assert_int_equal(asked(&r), offset + 1000);
        }
    }
    rig_next(&r, AGENT_TREE_UNPACK);
    rig_end(&r);
}

static void summed_send(struct rig *r, uint64_t offset, uint64_t sum)
{
    static uint8_t data[PIECE];
    const struct msg_blob piece = {.hash = HASH,
                                   .offset = offset,
                                   .total = 3 * PIECE,
                                   .data = {data, PIECE},
                                   .error = "",
                                   .sum = sum};
    rig_head(r, MSG_BLOB, &piece);
}

/* What came with sums proves nothing of what comes without. */
static void test_work_pull_begins_anew_when_the_head_forgot_the_sums(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    lease_send(&r, 1, "");
    assert_int_equal(asked(&r), 0);
    summed_send(&r, 0, 7);
    assert_int_equal(rig_next(&r, AGENT_BLOB_WRITE)->effect.sum, 7);
    written(&r, PIECE);
    assert_int_equal(asked(&r), PIECE);
    summed_send(&r, PIECE, 0);
    rig_next(&r, AGENT_BLOB_DROP);
    assert_int_equal(asked(&r), 0);
    summed_send(&r, PIECE, 0); /* once more: asked for twice, before and after a silence */
    rig_none(&r);
    for (uint64_t offset = 0; offset < 3 * PIECE; offset += PIECE) {
        /* A head that knows them again half-way: the hash proves the whole all the same. */
        summed_send(&r, offset, offset == 2 * PIECE ? 9 : 0);
        rig_next(&r, AGENT_BLOB_WRITE);
        written(&r, offset + PIECE);
        if (offset < 2 * PIECE) {
            asked(&r);
        }
    }
    assert_string_equal(rig_next(&r, AGENT_TREE_UNPACK)->effect.text, HASH);
    rig_end(&r);
}

static void test_work_that_fails_is_the_nodes_fault_and_tried_again(void **state)
{
    static const char *const errors[] = {"the head's depot does not hold this work folder", "", ""};
    (void)state;
    struct rig r;
    rig_begin(&r);
    for (int i = 0; i < 3; i++) {
        struct msg_blob piece = {.hash = HASH, .total = i == 1 ? 0 : 5, .error = errors[i]};
        piece.data = (struct bytes){(const uint8_t *)"too long", i == 2 ? 8 : 0};
        lease_send(&r, (uint32_t)i + 1, "");
        assert_int_equal(asked(&r), 0);
        rig_head(&r, MSG_BLOB, &piece);
        rig_next(&r, AGENT_BLOB_DROP);
        result(&r, CAUSE_CANNOT_START, true);
    }
    lease_send(&r, 9, "");
    pull_small(&r);
    made(&r, HASH, "no space on its node");
    assert_non_null(strstr(result(&r, CAUSE_CANNOT_START, true)->result.reason, "no space"));
    rig_end(&r);
}

static void test_work_setup_runs_once_after_its_base(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    lease_send(&r, 1, "make");
    lease_send(&r, 2, "make");
    pull_small(&r);
    made(&r, HASH, NULL);
    struct rig_effect *effect = rig_next(&r, AGENT_TREE_SETUP);
    const char *name = effect->effect.text;
    assert_string_equal(effect->effect.lease->setup, "make");
    lease_send(&r, 3, "make");
    lease_send(&r, 4, ""); /* the folder as it is */
    rig_next(&r, AGENT_START);
    rig_none(&r);
    made(&r, name, NULL);
    for (int i = 0; i < 3; i++) {
        rig_next(&r, AGENT_START);
    }
    /* Gone from the disk: made again, from the base that is still there. */
    agent_tree_lost(r.agent, name);
    lease_send(&r, 5, "make");
    rig_next(&r, AGENT_TREE_SETUP);
    made(&r, name, "its setup ended with exit code 1");
    result(&r, CAUSE_CANNOT_START, true);
    rig_end(&r);
}

/* A node that served another cluster has marks of its sweeps, whose numbers were the same. */
static void test_work_setup_in_a_shared_folder_counts_for_that_folder_alone(void **state)
{
    (void)state;
    struct msg_lease lease = rig_lease(RIG_REF);
    char first[WORK_TREE_NAME_MAX + 1], again[WORK_TREE_NAME_MAX + 1],
        other[WORK_TREE_NAME_MAX + 1];
    lease.work = NULL;
    lease.setup = "pip install -r requirements.txt";
    lease.workdir = "/home/a";
    agent_tree_name(&lease, first);
    agent_tree_name(&lease, again);
    lease.workdir = "/home/b";
    agent_tree_name(&lease, other);
    assert_string_equal(first, again);
    assert_string_not_equal(first, other);
}

static void test_work_order_to_leave_does_not_wait_for_it(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    lease_send(&r, 1, "make");
    pull_small(&r);
    made(&r, HASH, NULL);
    const char *name = rig_next(&r, AGENT_TREE_SETUP)->effect.text;
    struct order order = {.n = 2, .act = ACT_STOP, .why = WHY_CANCEL};
    rig_order_alone(&r, ref_of(1), &order);
    rig_tick(&r);
    assert_string_equal(rig_next(&r, AGENT_TREE_SETUP_STOP)->effect.text, name);
    result(&r, CAUSE_REFUSED, false);
    /* Somebody wants it after all, before it has ended. */
    lease_send(&r, 2, "make");
    made(&r, name, "was ended");
    rig_next(&r, AGENT_TREE_SETUP);
    made(&r, name, NULL);
    rig_next(&r, AGENT_START);
    rig_end(&r);
}

static void test_work_nobody_waits_for_is_dropped(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    lease_send(&r, 1, "");
    asked(&r);
    struct msg_gone gone = {ref_of(1).task, 0};
    rig_head(&r, MSG_GONE, &gone);
    rig_tick(&r);
    rig_next(&r, AGENT_BLOB_DROP);
    rig_end(&r);
}

static void test_work_drain_gives_back_what_waits(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    lease_send(&r, 1, "");
    asked(&r);
    on_drain(r.agent, r.now, r.now + 10000, &r.out);
    rig_turn(&r);
    rig_event(&r, EVENT_DRAINING);
    rig_tick(&r);
    rig_next(&r, AGENT_BLOB_DROP);
    result(&r, CAUSE_REFUSED, false);
    rig_ack_all(&r);
    rig_next(&r, AGENT_CLEAN);
    rig_tick(&r);
    rig_next(&r, AGENT_EXIT);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_work_is_pulled_once_for_all_that_wait),
        cmocka_unit_test(test_work_pieces_are_asked_for_one_by_one_as_they_are_written),
        cmocka_unit_test(test_work_smaller_pieces_than_asked_for_are_followed_by_the_next),
        cmocka_unit_test(test_work_pull_goes_on_where_it_was_with_another_head),
        cmocka_unit_test(test_work_pull_begins_anew_when_the_head_forgot_the_sums),
        cmocka_unit_test(test_work_that_fails_is_the_nodes_fault_and_tried_again),
        cmocka_unit_test(test_work_setup_runs_once_after_its_base),
        cmocka_unit_test(test_work_setup_in_a_shared_folder_counts_for_that_folder_alone),
        cmocka_unit_test(test_work_order_to_leave_does_not_wait_for_it),
        cmocka_unit_test(test_work_nobody_waits_for_is_dropped),
        cmocka_unit_test(test_work_drain_gives_back_what_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
