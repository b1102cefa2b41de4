/* Frames that are not copied, on their way out and in: who holds them, how long, and how many. */
#include "rig.h"

enum { SHARED_BYTES = 256 << 10, STALLED_BYTES = 8 << 20, KEPT_BYTES = 100000 };

static struct shared_frame *shared_make(uint8_t first, size_t len)
{
    struct buf buf;
    buf_init(&buf, MSG_MAX_BYTES);
    uint8_t *room = buf_reserve(&buf, len);
    assert_non_null(room);
    memset(room, 'x', len);
    room[0] = first;
    buf.len = len;
    struct shared_frame *frame = shared_frame_new(&buf);
    assert_non_null(frame);
    assert_int_equal(buf.len, 0);
    buf_fini(&buf);
    return frame;
}

static bool frames_came(struct rig *rig)
{
    return (int64_t)rig->frames >= rig->want;
}

static bool both_have_frames(struct rig *rig)
{
    return (int64_t)rig->agents[0].frames >= rig->want &&
           (int64_t)rig->agents[1].frames >= rig->want;
}

static bool nothing_is_queued(struct rig *rig)
{
    return router_queued(rig->router) == 0;
}

static void test_shared_frame_goes_to_several_agents_and_to_none_that_is_gone(void **state)
{
    struct rig rig;
    rig_begin(&rig, *state);
    struct rig_agent *a = rig_agent_add(&rig, "a", 1, NULL);
    rig.want = 1;
    assert_true(rig_until(&rig, frames_came));
    uint64_t peer_a = rig.peer;
    struct rig_agent *b = rig_agent_add(&rig, "b", 1, NULL);
    rig.want = 2;
    assert_true(rig_until(&rig, frames_came));
    uint64_t peer_b = rig.peer;

    struct shared_frame *frame = shared_make('s', SHARED_BYTES);
    assert_int_equal(router_send_shared(rig.router, peer_a, frame), OK);
    assert_int_equal(router_send(rig.router, peer_a, rig_bytes("after")), OK);
    assert_int_equal(router_send_shared(rig.router, peer_b, frame), OK);
    assert_int_equal(router_send_shared(rig.router, 99, frame), ERR_UNREACHABLE);
    assert_int_equal(router_peer_queued(rig.router, 99), 0);
    shared_frame_unref(frame);
    rig.want = 1;
    assert_true(rig_until(&rig, both_have_frames));
    assert_true(b->last[0] == 's' && b->last[1] == 'x');
    while (a->frames < 2) {
        assert_true(rig_until(&rig, both_have_frames));
    }
    assert_string_equal(a->last, "after");
    assert_true(rig_until(&rig, nothing_is_queued));
    assert_int_equal(router_peer_queued(rig.router, peer_a), 0);
    assert_true(rig.rooms > 0);
    rig_end(&rig);
}

/* What libzmq and TCP take by themselves is not counted. */
static bool much_is_queued(struct rig *rig)
{
    for (int i = 0; i < 4 && router_peer_queued(rig->router, (uint64_t)rig->want) < STALLED_BYTES;
         i++) {
        struct shared_frame *frame = shared_make('q', SHARED_BYTES);
        assert_int_equal(router_send_shared(rig->router, (uint64_t)rig->want, frame), OK);
        shared_frame_unref(frame);
    }
    return router_peer_queued(rig->router, (uint64_t)rig->want) >= STALLED_BYTES;
}

static void test_shared_frames_for_who_does_not_read_count_until_it_goes(void **state)
{
    struct rig rig;
    struct key_pair keys;
    rig_begin(&rig, *state);
    assert_int_equal(key_pair_new(&keys), OK);
    void *stalled = rig_raw_new(&rig, "stalled/0000000000000001/00000001/0000000000000001", &keys);
    const int one = 1, small = 4096;
    zmq_setsockopt(stalled, ZMQ_RCVHWM, &one, sizeof one);
    zmq_setsockopt(stalled, ZMQ_RCVBUF, &small, sizeof small);
    assert_int_equal(zmq_connect(stalled, rig.endpoint), 0);
    assert_true(zmq_send(stalled, "enrol", 5, 0) == 5);
    rig.want = 1;
    assert_true(rig_until(&rig, frames_came));
    uint64_t peer = rig.peer;
    rig.want = (int64_t)peer;
    assert_true(rig_until(&rig, much_is_queued));
    assert_true(router_queued(rig.router) >= STALLED_BYTES);

    /* Forgotten or not: its frames are libzmq's until the connection is gone. */
    router_peer_forget(rig.router, peer);
    assert_int_equal(router_peer_queued(rig.router, peer), 0);
    assert_true(router_queued(rig.router) >= STALLED_BYTES);
    zmq_close(stalled);
    assert_true(rig_until(&rig, nothing_is_queued));
    rig_end(&rig);
}

static void test_router_freed_with_frames_queued_leaves_nothing(void **state)
{
    struct rig rig;
    rig_begin(&rig, *state);
    rig_agent_add(&rig, "a", 1, NULL);
    rig.want = 1;
    assert_true(rig_until(&rig, frames_came));
    for (int i = 0; i < 20; i++) {
        struct shared_frame *frame = shared_make('r', SHARED_BYTES);
        assert_int_equal(router_send_shared(rig.router, rig.peer, frame), OK);
        shared_frame_unref(frame);
    }
    rig_end(&rig); /* counts what is alive */
}

static bool agent_has_kept(struct rig *rig)
{
    return rig->agents[0].kept != NULL;
}

static void kept_assert(struct rig *rig, size_t len)
{
    struct shared_frame *frame = shared_make('k', len);
    rig->agents[0].must_keep = true;
    assert_int_equal(router_send_shared(rig->router, rig->peer, frame), OK);
    assert_true(rig_until(rig, agent_has_kept));
    struct bytes kept = received_frame_bytes(rig->agents[0].kept), sent = shared_frame_bytes(frame);
    assert_int_equal(kept.len, sent.len);
    assert_memory_equal(kept.data, sent.data, kept.len);
    received_frame_free(TAKE(rig->agents[0].kept));
    shared_frame_unref(frame);
}

static void test_received_frame_is_kept_whatever_its_size(void **state)
{
    struct rig rig;
    rig_begin(&rig, *state);
    rig_agent_add(&rig, "a", 1, NULL);
    rig.want = 1;
    assert_true(rig_until(&rig, frames_came));
    kept_assert(&rig, 1); /* libzmq has it inside of its message */
    kept_assert(&rig, KEPT_BYTES);
    rig_end(&rig);
}

int main(void)
{
#define over_both(test)                                                                            \
    {"ipc " #test, test, NULL, NULL, (void *)(uintptr_t) "ipc"},                                   \
    {                                                                                              \
        "tcp " #test, test, NULL, NULL, (void *)(uintptr_t) "tcp"                                  \
    }
    const struct CMUnitTest tests[] = {
        over_both(test_shared_frame_goes_to_several_agents_and_to_none_that_is_gone),
        over_both(test_shared_frames_for_who_does_not_read_count_until_it_goes),
        over_both(test_router_freed_with_frames_queued_leaves_nothing),
        over_both(test_received_frame_is_kept_whatever_its_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
