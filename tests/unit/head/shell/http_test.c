/* Requests and answers over real sockets. */
#include "http_rig.h"

static const char get_status[] =
    "GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\n" RIG_AUTH "\r\n";

static void handler_keep(struct rig *rig, const struct http_request *request)
{
    (void)rig;
    (void)request;
}

static void test_get_is_answered_with_its_headers(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, (struct http_options){0});
    struct client *client = client_open(&rig);
    client_send(&rig, client,
                "GET /api/v1/trials/12.4%31?x&q=a%20b HTTP/1.1\r\nHost: localhost\r\n" RIG_AUTH
                "\r\n");
    assert_receives(&rig, client, "{\"ok\":1}");
    assert_true(client_has(client, "HTTP/1.1 200 OK\r\n"));
    assert_true(client_has(client, "Content-Type: application/json\r\n"));
    assert_true(client_has(client, "Content-Length: 8\r\n"));
    assert_int_equal(rig.method, HTTP_GET);
    assert_string_equal(rig.path, "/api/v1/trials/12.41");
    assert_string_equal(rig.query, "a b");
    assert_string_equal(rig.key, "(none)");
    client_close(&rig, client);
    rig_end(&rig);
}

static void test_query_tells_absent_from_empty(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, (struct http_options){0});
    assert_exchange(&rig, get_status, "200 OK");
    assert_string_equal(rig.query, "(none)");
    assert_exchange(&rig, "GET /x?q HTTP/1.1\r\nHost: localhost\r\n" RIG_AUTH "\r\n", "200 OK");
    assert_string_equal(rig.query, "");
    rig_end(&rig);
}

static void test_connection_kept_alive_serves_many_requests(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, (struct http_options){0});
    struct client *client = client_open(&rig);
    for (uint32_t i = 1; i <= 20; i++) {
        client_send(&rig, client, get_status);
        rig.want = i;
        assert_true(rig_until(&rig, rig_has_requests));
    }
    assert_receives(&rig, client, "{\"ok\":1}");
    client_send(&rig, client, get_status); /* two at once, pipelined */
    client_send(&rig, client, get_status);
    rig.want = 22;
    assert_true(rig_until(&rig, rig_has_requests));
    while (client_count(client, "{\"ok\":1}") < 22) {
        assert_true(rig_until(&rig, rig_has_requests));
    }
    assert_int_equal(http_counters(rig.http)->connections, 1);
    assert_false(client->is_closed);
    client_close(&rig, client);
    rig_end(&rig);
}

static void test_head_request_gets_no_body(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, (struct http_options){0});
    struct client *client = client_open(&rig);
    client_send(&rig, client,
                "HEAD /api/v1/blobs/x HTTP/1.1\r\nHost: localhost\r\n" RIG_AUTH "\r\n");
    assert_receives(&rig, client, "\r\n\r\n");
    assert_int_equal(rig.method, HTTP_HEAD);
    assert_true(client_has(client, "Content-Length: 8\r\n"));
    assert_false(client_has(client, "{\"ok\":1}"));
    client_close(&rig, client);
    rig_end(&rig);
}

/* The order that everything hangs on: no byte of the answer before http_answer(), and others are
 * served meanwhile. */
static void test_post_is_suspended_until_it_is_answered_by_its_id(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, (struct http_options){0});
    rig.handler = handler_keep;
    struct client *client = client_open(&rig);
    client_send(&rig, client,
                "POST /api/v1/sweeps HTTP/1.1\r\nHost: localhost\r\n" RIG_AUTH
                "Idempotency-Key: k-1\r\nContent-Length: 12\r\n\r\n{\"file\":");
    client_send(&rig, client, "\"x\"}");
    rig.want = 1;
    assert_true(rig_until(&rig, rig_has_requests));
    uint64_t id = rig.id;
    assert_int_equal(rig.method, HTTP_POST);
    assert_string_equal(rig.key, "k-1");
    assert_string_equal(rig.body, "{\"file\":\"x\"}");
    assert_int_equal(http_counters(rig.http)->waiting, 1);

    rig.handler = handler_answer;
    assert_exchange(&rig, get_status, "200 OK");
    assert_int_equal(client->in.len, 0);

    http_answer(rig.http, id + 1000, 200, "text/plain", rig_bytes("unknown"));
    http_answer(rig.http, id, 201, "application/json", rig_bytes("{\"id\":12}"));
    http_answer(rig.http, id, 200, "application/json", rig_bytes("twice"));
    assert_receives(&rig, client, "{\"id\":12}");
    assert_true(client_has(client, "201 Created"));
    assert_false(client_has(client, "twice"));
    assert_int_equal(http_counters(rig.http)->waiting, 0);
    rig.handler = handler_answer;
    client_send(&rig, client, get_status); /* the connection goes on */
    assert_receives(&rig, client, "{\"ok\":1}");
    client_close(&rig, client);
    rig_end(&rig);
}

static void test_client_that_leaves_while_suspended_is_noticed(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, (struct http_options){.comment_ms = 150});
    rig.handler = handler_keep;
    struct client *client = client_open(&rig);
    client_send(&rig, client, get_status);
    rig.want = 1;
    assert_true(rig_until(&rig, rig_has_requests));
    uint64_t id = rig.id;
    client_close(&rig, client);
    assert_true(rig_until(&rig, rig_has_gones));
    assert_true(rig.gone_id == id);
    http_answer(rig.http, id, 200, "text/plain", rig_bytes("late"));
    assert_int_equal(http_stream_open(rig.http, id, SSE_CONTENT_TYPE), ERR_NOT_FOUND);
    assert_int_equal(http_counters(rig.http)->connections, 0);
    rig_end(&rig);
}

static void test_large_answer_arrives_whole(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, (struct http_options){0});
    rig.handler = handler_keep;
    struct client *client = client_open(&rig);
    client_send(&rig, client, get_status);
    rig.want = 1;
    assert_true(rig_until(&rig, rig_has_requests));
    size_t size = 8 << 20;
    uint8_t *body = mem_alloc(size);
    assert_non_null(body);
    memset(body, 'x', size);
    memcpy(body + size - 4, "END.", 4);
    http_answer(rig.http, rig.id, 200, "text/plain", (struct bytes){body, size});
    mem_free(body);
    assert_receives(&rig, client, "END.");
    assert_true(client->in.len > size);
    client_close(&rig, client);
    rig_end(&rig);
}

static void test_error_answer_is_json(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, (struct http_options){0});
    rig.handler = handler_keep;
    struct client *client = client_open(&rig);
    client_send(&rig, client, get_status);
    rig.want = 1;
    assert_true(rig_until(&rig, rig_has_requests));
    http_answer_error(rig.http, rig.id, 404, "not_found", "no sweep \"7\"");
    assert_receives(&rig, client,
                    "{\"error\":{\"code\":\"not_found\",\"text\":\"no sweep \\\"7\\\"\"}}");
    assert_true(client_has(client, "404 Not Found"));
    client_close(&rig, client);
    rig_end(&rig);
}

static uint64_t turns;

static void turn_count(struct rig *rig)
{
    (void)rig;
    turns++;
}

static bool time_is_over(struct rig *rig)
{
    return clock_now() > rig->want;
}

/* A server with an open stream, a waiting request and an idle connection has nothing to do. */
static void test_idle_server_lets_the_loop_sleep(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, (struct http_options){0});
    struct client *stream = stream_client_open(&rig);
    rig.handler = handler_keep;
    struct client *waiting = client_open(&rig);
    client_send(&rig, waiting, get_status);
    rig.want = 2;
    assert_true(rig_until(&rig, rig_has_requests));
    struct client *idle = client_open(&rig);
    rig.handler = handler_answer;
    client_send(&rig, idle, get_status);
    assert_receives(&rig, idle, "{\"ok\":1}");
    turns = 0;
    rig.each_turn = turn_count;
    rig.want = clock_now() + 40 * RIG_TICK_MS;
    assert_true(rig_until(&rig, time_is_over));
    assert_in_range(turns, 1, 200);
    client_close(&rig, stream);
    client_close(&rig, waiting);
    client_close(&rig, idle);
    rig_end(&rig);
}

/* ---- start and stop ---- */

static void test_stop_lets_a_given_answer_leave(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, (struct http_options){0});
    rig.handler = handler_keep;
    struct client *client = client_open(&rig);
    client_send(&rig, client, get_status);
    rig.want = 1;
    assert_true(rig_until(&rig, rig_has_requests));
    http_answer(rig.http, rig.id, 200, "application/json", rig_bytes("{\"bye\":1}"));
    http_stop(rig.http, 1000);
    rig.http = NULL;
    assert_receives(&rig, client, "{\"bye\":1}");
    client_close(&rig, client);
    rig_end(&rig);
}

/* MHD_stop_daemon() with a suspended connection would end the process. */
static void test_stop_with_everything_open_closes_everything(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, (struct http_options){0});
    struct client *stream = stream_client_open(&rig);
    rig.handler = handler_keep;
    struct client *waiting = client_open(&rig);
    client_send(&rig, waiting, get_status);
    rig.want = 2;
    assert_true(rig_until(&rig, rig_has_requests));
    struct client *half = client_open(&rig);
    client_send(&rig, half,
                "POST /x HTTP/1.1\r\nHost: localhost\r\n" RIG_AUTH
                "Content-Length: 100\r\n\r\nabc");
    struct client *fresh = client_open(&rig);
    rig.handler = handler_answer;
    assert_exchange(&rig, get_status, "200 OK");
    http_stop(rig.http, 50);
    rig.http = NULL;
    assert_is_closed(&rig, stream);
    assert_is_closed(&rig, waiting);
    assert_is_closed(&rig, half);
    assert_is_closed(&rig, fresh);
    assert_int_equal(rig.gones, 0);
    while (rig.n_clients > 0) {
        client_close(&rig, rig.clients[0]);
    }
    rig_end(&rig);
}

static void test_start_bad_options_are_refused_with_a_reason(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, (struct http_options){0});
    const struct {
        struct http_options options;
        error_code code;
    } bad[] = {
        {{.host = "0.0.0.0", .token = RIG_TOKEN}, ERR_NOT_ALLOWED},
        {{.host = "10.1.2.3", .token = RIG_TOKEN}, ERR_NOT_ALLOWED},
        {{.host = "localhost", .token = RIG_TOKEN}, ERR_INVALID},
        {{.host = "127.0.0.1", .token = "short"}, ERR_INVALID},
        {{.host = "127.0.0.1", .token = RIG_TOKEN, .port = rig.port}, ERR_BUSY},
    };
    const struct http_callbacks callbacks = rig_callbacks(&rig);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct http *http = NULL;
        struct report report = {0};
        assert_int_equal(http_start(rig.loop, &bad[i].options, &callbacks, &http, &report),
                         bad[i].code);
        assert_true(report.text[0] != '\0');
    }
    rig_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_get_is_answered_with_its_headers),
        cmocka_unit_test(test_query_tells_absent_from_empty),
        cmocka_unit_test(test_connection_kept_alive_serves_many_requests),
        cmocka_unit_test(test_head_request_gets_no_body),
        cmocka_unit_test(test_post_is_suspended_until_it_is_answered_by_its_id),
        cmocka_unit_test(test_client_that_leaves_while_suspended_is_noticed),
        cmocka_unit_test(test_large_answer_arrives_whole),
        cmocka_unit_test(test_error_answer_is_json),
        cmocka_unit_test(test_idle_server_lets_the_loop_sleep),
        cmocka_unit_test(test_stop_lets_a_given_answer_leave),
        cmocka_unit_test(test_stop_with_everything_open_closes_everything),
        cmocka_unit_test(test_start_bad_options_are_refused_with_a_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
