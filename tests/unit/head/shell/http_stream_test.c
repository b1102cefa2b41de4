/* Streams over real sockets. */
#include "http_rig.h"

static const char get_status[] =
    "GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\n" RIG_AUTH "\r\n";

static void test_stream_events_arrive_in_order_and_silence_is_filled(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, (struct http_options){.comment_ms = 100});
    struct client *client = stream_client_open(&rig);
    assert_string_equal(rig.last_event_id, "7-11");
    assert_true(client_has(client, "Content-Type: text/event-stream\r\n"));
    assert_int_equal(http_stream_write(rig.http, rig.id, rig_bytes("data: 1\n\n")), OK);
    assert_int_equal(http_stream_write(rig.http, rig.id, rig_bytes("data: 2\n\n")), OK);
    assert_receives(&rig, client, "data: 1\n\ndata: 2\n\n");
    assert_receives(&rig, client, ":\n\n");
    assert_int_equal(http_stream_write(rig.http, rig.id, rig_bytes("data: 3\n\n")), OK);
    http_stream_end(rig.http, rig.id);
    assert_int_equal(http_stream_write(rig.http, rig.id, rig_bytes("data: 4\n\n")), ERR_NOT_FOUND);
    assert_receives(&rig, client, "data: 3\n\n\r\n0\r\n\r\n");
    assert_int_equal(rig.gones, 0);
    assert_int_equal(http_counters(rig.http)->streams, 0);
    client_close(&rig, client);
    rig_end(&rig);
}

static void test_stream_client_that_leaves_is_noticed(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, (struct http_options){.comment_ms = 150});
    struct client *client = stream_client_open(&rig);
    uint64_t id = rig.id;
    client_close(&rig, client);
    rig.want = 1;
    assert_true(rig_until(&rig, rig_has_gones));
    assert_true(rig.gone_id == id);
    assert_int_equal(http_stream_write(rig.http, id, rig_bytes("x")), ERR_NOT_FOUND);
    rig_end(&rig);
}

static uint64_t stalled_id;

/* Writes to the stalled stream and to the last one opened, a little each turn. */
static bool stalled_was_closed(struct rig *rig)
{
    static uint8_t block[8 << 10];
    memset(block, 's', sizeof block);
    error_code code = http_stream_write(rig->http, stalled_id, (struct bytes){block, sizeof block});
    assert_int_equal(http_stream_write(rig->http, rig->id, rig_bytes("data: live\n\n")), OK);
    loop_again(rig->loop);
    return code == ERR_LIMIT;
}

static void test_stream_stalled_reader_is_closed_and_others_go_on(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, (struct http_options){0});
    struct client *stalled = stream_client_open(&rig);
    stalled_id = rig.id;
    stalled->must_stall = true;
    struct client *live = stream_client_open(&rig);
    assert_true(rig_until(&rig, stalled_was_closed));
    assert_int_equal(http_stream_write(rig.http, stalled_id, rig_bytes("x")), ERR_NOT_FOUND);
    rig.want = 1;
    assert_true(rig_until(&rig, rig_has_gones));
    assert_true(rig.gone_id == stalled_id);
    assert_int_equal(rig.notices[HTTP_REFUSED_STALLED], 1);
    assert_int_equal(http_stream_write(rig.http, rig.id, rig_bytes("data: after\n\n")), OK);
    assert_receives(&rig, live, "data: after");
    client_close(&rig, stalled);
    client_close(&rig, live);
    rig_end(&rig);
}

/* A reader that takes nothing for send_ms is closed even if its queue never fills. */
static void test_stream_reader_without_progress_is_closed(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, (struct http_options){.send_ms = 300});
    struct client *client = stream_client_open(&rig);
    client->must_stall = true;
    static uint8_t block[512 << 10];
    for (int i = 0; i < 12;
         i++) { /* more than the socket takes, less than the queue holds at once */
        ignore_error(http_stream_write(rig.http, rig.id, (struct bytes){block, sizeof block}),
                     "it may be closed by now");
        rig.want = 1;
        assert_true(rig_until(&rig, rig_has_requests));
    }
    assert_true(rig_until(&rig, rig_has_gones));
    assert_int_equal(rig.notices[HTTP_REFUSED_STALLED], 1);
    client_close(&rig, client);
    rig_end(&rig);
}

enum { MANY_STREAMS = 200, MANY_EVENTS = 100 };

static uint32_t many_sent;

static void many_write(struct rig *rig)
{
    if (many_sent >= MANY_EVENTS) {
        return;
    }
    char text[64];
    int n = snprintf(text, sizeof text, "id: 1-%u\ndata: {\"n\":%u}\n\n", many_sent, many_sent);
    for (uint32_t i = 0; i < rig->n_ids; i++) {
        assert_int_equal(
            http_stream_write(rig->http, rig->ids[i], (struct bytes){(uint8_t *)text, (size_t)n}),
            OK);
    }
    many_sent++;
    loop_again(rig->loop);
}

static bool all_have_the_last(struct rig *rig)
{
    for (uint32_t i = 0; i < rig->n_clients; i++) {
        if (!client_has(rig->clients[i], "id: 1-99\n")) {
            return false;
        }
    }
    return true;
}

static void test_streams_two_hundred_get_every_event(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, (struct http_options){0});
    for (int i = 0; i < MANY_STREAMS; i++) {
        stream_client_open(&rig);
    }
    assert_int_equal(http_counters(rig.http)->streams, MANY_STREAMS);
    many_sent = 0;
    rig.each_turn = many_write;
    assert_true(rig_until(&rig, all_have_the_last));
    for (uint32_t i = 0; i < rig.n_clients; i++) {
        assert_int_equal(client_count(rig.clients[i], "data: {"), MANY_EVENTS);
    }
    rig.each_turn = NULL;
    while (rig.n_clients > 0) {
        client_close(&rig, rig.clients[0]);
    }
    rig_end(&rig);
}

static void test_streams_over_the_limit_are_refused(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, (struct http_options){0});
    for (int i = 0; i < HTTP_STREAMS_MAX; i++) {
        stream_client_open(&rig);
    }
    assert_exchange(&rig, get_status, "503 Service Unavailable");
    rig.handler = handler_answer;
    assert_exchange(&rig, get_status, "200 OK");
    while (rig.n_clients > 0) {
        client_close(&rig, rig.clients[0]);
    }
    rig_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stream_events_arrive_in_order_and_silence_is_filled),
        cmocka_unit_test(test_stream_client_that_leaves_is_noticed),
        cmocka_unit_test(test_stream_stalled_reader_is_closed_and_others_go_on),
        cmocka_unit_test(test_stream_reader_without_progress_is_closed),
        cmocka_unit_test(test_streams_two_hundred_get_every_event),
        cmocka_unit_test(test_streams_over_the_limit_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
