#include "rig.h"

enum { WIDE = METRICS_MAX, BIG_ATTEMPTS = 400 };

/* Straight calls: agent_check() after each of half a million would take its time. */
static void stream_report(struct rig *r, uint64_t connection, int64_t step)
{
    static char texts[WIDE][8];
    static const char *names[WIDE];
    static double values[WIDE];
    for (int i = 0; i < WIDE; i++) {
        snprintf(texts[i], sizeof texts[i], "m%d", i);
        names[i] = texts[i];
        values[i] = 0.1 * i;
    }
    struct trainer_request request = {
        .kind = TRAINER_REPORT, .step = step, .names = names, .values = values, .n_metrics = WIDE};
    on_trainer_request(r->agent, r->now, connection, &request, &r->out);
    assert_int_equal(r->out.failed, OK);
}

static struct attempt_ref stream_ref(uint32_t i)
{
    return (struct attempt_ref){{7, i}, 0};
}

static void stream_attempts_start(struct rig *r, uint32_t n)
{
    for (uint32_t i = 1; i <= n; i++) {
        struct msg_lease lease = rig_lease(stream_ref(i));
        lease.order.until = INT64_MAX;
        on_head_message(r->agent, r->now, MSG_LEASE, &lease, &r->out);
        on_attempt_started(r->agent, r->now, stream_ref(i), 1, &r->out);
        on_trainer_open(r->agent, r->now, i, stream_ref(i), &r->out);
    }
    rig_turn(r);
    rig_ack_all(r);
    rig_forget(r);
}

struct delivered {
    uint64_t last;
    uint64_t results, rows;
    size_t largest_frame, in_flight;
    uint64_t last_seq[BIG_ATTEMPTS + 1];
};

/* Takes what was sent, checks numbers and sequence, counts. */
static void stream_deliver(struct rig *r, struct delivered *d)
{
    d->in_flight = 0;
    for (uint32_t i = r->first; i < r->n_effects; i++) {
        struct rig_effect *effect = &r->effects[i];
        if (effect->effect.kind != AGENT_SEND || effect->effect.type != MSG_EVENTS) {
            continue;
        }
        const struct msg_events *events = effect->message;
        d->in_flight += effect->effect.frame.len;
        if (effect->effect.frame.len > d->largest_frame) {
            d->largest_frame = effect->effect.frame.len;
        }
        for (uint32_t j = 0; j < events->n_events; j++) {
            const struct node_event *event = &events->events[j];
            assert_int_equal(event->number, ++d->last);
            d->results += event->kind == EVENT_RESULT;
            for (uint32_t k = 0; k < event->rows.n_rows; k++) {
                assert_true(event->rows.rows[k].seq > d->last_seq[event->task.index]);
                d->last_seq[event->task.index] = event->rows.rows[k].seq;
                d->rows++;
            }
        }
    }
    r->n_effects = r->first = 0;
    arena_reset(&r->arena);
}

/* The head is away for long: memory is bounded, rows are thinned, no result is lost. */
static void test_stream_without_a_head_stays_bounded_and_keeps_every_result(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    stream_attempts_start(&r, BIG_ATTEMPTS);
    struct delivered d = {.last = r.agent->stream.acked};
    on_link_down(r.agent, r.now, &r.out);
    uint64_t reported = 0;
    for (int64_t step = 1; step <= 3000; step++) {
        for (uint32_t i = 1; i <= 40; i++) {
            stream_report(&r, i, step);
            reported++;
        }
        agent_outbox_reset(&r.out);
    }
    assert_true(r.agent->stream.kept_bytes > STREAM_PRESSURE_BYTES);
    assert_true(r.agent->stream.kept_bytes <= STREAM_NO_ROWS_BYTES + (1 << 20));

    static uint8_t tail[TAIL_MAX_BYTES];
    memset(tail, 'x', sizeof tail);
    for (uint32_t i = 1; i <= BIG_ATTEMPTS; i++) {
        struct attempt_result facts = {
            .cause = CAUSE_EXIT, .out_tail = {tail, sizeof tail}, .err_tail = {tail, sizeof tail}};
        on_attempt_exited(r.agent, r.now, stream_ref(i), &facts, &r.out);
    }
    assert_int_equal(r.out.failed, OK);
    agent_outbox_reset(&r.out);
    agent_check(r.agent);
    assert_true(r.agent->stream.kept_bytes <= EVENTS_KEPT_BYTES);

    rig_link_up(&r);
    rig_enrol(&r);
    struct running_ref holds[BIG_ATTEMPTS];
    for (uint32_t i = 0; i < BIG_ATTEMPTS; i++) {
        holds[i] = (struct running_ref){stream_ref(i + 1).task, 0, 1};
    }
    rig_welcome(&r, d.last, holds, BIG_ATTEMPTS);
    for (int turns = 0; turns < 10000 && d.last + 1 < r.agent->stream.next; turns++) {
        stream_deliver(&r, &d);
        assert_true(d.in_flight <= EVENTS_IN_FLIGHT_BYTES + 4096);
        rig_ack(&r, d.last);
    }
    stream_deliver(&r, &d);
    assert_int_equal(d.results, BIG_ATTEMPTS);
    assert_true(d.largest_frame <= MSG_EVENTS_BYTES + 4096);
    assert_true(d.rows < reported);
    for (uint32_t i = 1; i <= 40; i++) {
        assert_int_equal(d.last_seq[i], 3000); /* the last row came, whatever was thinned before */
    }
    assert_int_equal(r.agent->n_attempts, 0);
    assert_int_equal(r.agent->stream.kept_bytes, 0);
    rig_end(&r);
}

static size_t stream_tail_bytes(struct stream *stream, size_t kept_bytes)
{
    static uint8_t tail[TAIL_MAX_BYTES];
    size_t before = stream->kept_bytes;
    struct node_event event = {.kind = EVENT_RESULT,
                               .result = {.out_tail = {tail, sizeof tail}, .err_tail = {tail, 9}}};
    stream->kept_bytes = kept_bytes;
    assert_int_equal(agent_stream_add(stream, &event), OK);
    stream->kept_bytes = before + stream->kept_bytes - kept_bytes;
    assert_int_equal(event.result.err_tail.len, event.result.out_tail.len == 0 ? 0 : 9);
    return event.result.out_tail.len;
}

static void test_stream_under_pressure_cuts_tails_and_thins_rows(void **state)
{
    (void)state;
    static const struct {
        size_t kept_bytes;
        size_t tail_bytes;
        uint64_t stride;
    } cases[] = {
        {0, TAIL_MAX_BYTES, 1},
        {STREAM_PRESSURE_BYTES, TAIL_MAX_BYTES, 1},
        {STREAM_PRESSURE_BYTES + 1, STREAM_TAIL_BYTES, 4},
        {EVENTS_KEPT_BYTES / 8 * 5 + 1, STREAM_TAIL_BYTES, 16},
        {STREAM_NO_ROWS_BYTES, STREAM_TAIL_BYTES, 16},
        {STREAM_NO_ROWS_BYTES + 1, 0, 0},
    };
    struct stream stream;
    agent_stream_init(&stream, RIG_INCARNATION);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct stream level = {.kept_bytes = cases[i].kept_bytes};
        assert_int_equal(agent_stream_rows_stride(&level), cases[i].stride);
        assert_int_equal(stream_tail_bytes(&stream, cases[i].kept_bytes), cases[i].tail_bytes);
    }
    agent_stream_fini(&stream);
    assert_int_equal(mem_live_count(), 0);
}

static void test_stream_packs_the_blocks_of_a_tick_into_one_frame(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    stream_attempts_start(&r, 20);
    for (uint32_t i = 1; i <= 20; i++) {
        rig_report(&r, i, 1, 0.5);
        rig_next(&r, AGENT_ANSWER);
    }
    rig_wait(&r, ROWS_BLOCK_MS);
    const struct msg_events *events = rig_next(&r, AGENT_SEND)->message;
    assert_int_equal(events->n_events, 20);
    rig_end(&r);
}

static void test_stream_sends_again_after_a_reconnect_what_was_not_applied(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    stream_attempts_start(&r, 3);
    uint64_t acked = r.agent->stream.acked;
    for (uint32_t i = 1; i <= 3; i++) {
        rig_bye(&r, i, BYE_DONE, NULL);
        rig_event(&r, EVENT_BYE);
    }
    on_link_down(r.agent, r.now, &r.out);
    rig_link_up(&r);
    assert_int_equal(rig_enrol(&r)->first_event, acked + 1);
    struct running_ref holds[] = {{{7, 1}, 0, 1}, {{7, 2}, 0, 1}, {{7, 3}, 0, 1}};
    rig_welcome(&r, acked + 1, holds, 3); /* the first was applied, its acknowledgement lost */
    rig_answer(&r, 1, "{\"ok\":1}");
    const struct msg_events *events = rig_next(&r, AGENT_SEND)->message;
    assert_int_equal(events->n_events, 2);
    assert_int_equal(events->events[0].number, acked + 2);
    rig_welcome(&r, acked + 1, holds, 3); /* the same once more: sent once more */
    events = rig_next(&r, AGENT_SEND)->message;
    assert_int_equal(events->n_events, 2);
    rig_ack(&r, acked + 3);
    rig_answer(&r, 2, "{\"ok\":1}");
    rig_answer(&r, 3, "{\"ok\":1}");
    rig_ack(&r, acked + 1); /* an old one says nothing new */
    rig_end(&r);
}

static void test_stream_sends_at_most_a_mebibyte_unacknowledged(void **state)
{
    (void)state;
    struct rig r;
    rig_begin(&r);
    stream_attempts_start(&r, 30);
    static uint8_t tail[TAIL_MAX_BYTES];
    for (uint32_t i = 1; i <= 30; i++) {
        struct attempt_result facts = {
            .cause = CAUSE_EXIT, .out_tail = {tail, sizeof tail}, .err_tail = {tail, sizeof tail}};
        on_attempt_exited(r.agent, r.now, stream_ref(i), &facts, &r.out);
        rig_turn(&r);
    }
    struct delivered d = {.last = r.agent->stream.acked};
    stream_deliver(&r, &d);
    assert_int_equal(d.results, 7); /* of 128 KiB each */
    rig_ack(&r, d.last - 3);
    stream_deliver(&r, &d);
    assert_int_equal(d.results, 11);
    rig_forget(&r);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stream_without_a_head_stays_bounded_and_keeps_every_result),
        cmocka_unit_test(test_stream_under_pressure_cuts_tails_and_thins_rows),
        cmocka_unit_test(test_stream_packs_the_blocks_of_a_tick_into_one_frame),
        cmocka_unit_test(test_stream_sends_again_after_a_reconnect_what_was_not_applied),
        cmocka_unit_test(test_stream_sends_at_most_a_mebibyte_unacknowledged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
