/* Clients that are slow, wrong or hostile: refused within limits, and the next one is served. */
#include "base/random.h"
#include "http_rig.h"

static const char get_status[] =
    "GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\n" RIG_AUTH "\r\n";

static void assert_others_go_on(struct rig *rig)
{
    rig->handler = handler_answer;
    assert_exchange(rig, get_status, "{\"ok\":1}");
}

/* One byte a turn of what never becomes a request. */
static struct client *slow_client;
static const char *slow_text;
static size_t slow_at;

static void slow_send(struct rig *rig)
{
    (void)rig;
    char byte = slow_text[slow_at] != '\0' ? slow_text[slow_at++] : 'x';
    (void)!send(slow_client->fd, &byte, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void assert_slow_is_closed(const char *begin)
{
    struct rig rig;
    rig_begin(&rig, (struct http_options){.request_ms = 300});
    slow_client = client_open(&rig);
    slow_text = begin;
    slow_at = 0;
    rig.each_turn = slow_send;
    assert_is_closed(&rig, slow_client);
    rig.each_turn = NULL;
    assert_int_equal(rig.requests, 0);
    assert_int_equal(rig.notices[HTTP_REFUSED_SLOW], 1);
    client_close(&rig, slow_client);
    assert_others_go_on(&rig);
    rig_end(&rig);
}

static void test_slow_header_is_closed_at_the_deadline(void **state)
{
    (void)state;
    assert_slow_is_closed("GET / HTTP/1.1\r\nHost: localhost\r\nX: ");
}

static void test_slow_body_is_closed_at_the_deadline(void **state)
{
    (void)state;
    assert_slow_is_closed("POST / HTTP/1.1\r\nHost: localhost\r\n" RIG_AUTH
                          "Content-Length: 100000\r\n\r\n");
}

static void test_silent_connection_is_closed_at_the_deadline(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, (struct http_options){.request_ms = 100});
    struct client *client = client_open(&rig);
    assert_is_closed(&rig, client);
    client_close(&rig, client);
    rig_end(&rig);
}

static void test_idle_connection_is_closed_and_not_counted_as_refused(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, (struct http_options){.idle_ms = 100});
    struct client *client = client_open(&rig);
    client_send(&rig, client, get_status);
    assert_is_closed(&rig, client);
    assert_true(client_has(client, "{\"ok\":1}"));
    assert_int_equal(http_counters(rig.http)->refused[HTTP_REFUSED_SLOW], 0);
    client_close(&rig, client);
    rig_end(&rig);
}

/* A kept-alive connection gets its deadline with each request: the second one may not be slower
 * than the first. */
static void test_slow_second_request_is_closed_at_the_deadline(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, (struct http_options){.request_ms = 300, .idle_ms = 60000});
    struct client *client = client_open(&rig);
    client_send(&rig, client, get_status);
    assert_receives(&rig, client, "{\"ok\":1}");
    slow_client = client;
    slow_text = "GET / HTTP/1.1\r\nX: ";
    slow_at = 0;
    rig.each_turn = slow_send;
    assert_is_closed(&rig, client);
    rig.each_turn = NULL;
    assert_int_equal(http_counters(rig.http)->refused[HTTP_REFUSED_SLOW], 1);
    client_close(&rig, client);
    rig_end(&rig);
}

/* An answer that its client does not take. */
static void test_answer_that_is_not_read_is_given_up(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, (struct http_options){.send_ms = 200});
    rig.handler = NULL;
    struct client *client = client_open(&rig);
    client_send(&rig, client, get_status);
    rig.want = 1;
    assert_true(rig_until(&rig, rig_has_requests));
    client->must_stall = true;
    size_t size = 32 << 20;
    uint8_t *body = mem_zalloc(size);
    assert_non_null(body);
    int64_t live = mem_live_count();
    http_answer(rig.http, rig.id, 200, "text/plain", (struct bytes){body, 12 << 20});
    assert_true(mem_live_count() > live);
    while (http_counters(rig.http)->connections > 0) {
        assert_true(rig_until(&rig, rig_has_requests));
    }
    assert_int_equal(rig.notices[HTTP_REFUSED_SLOW], 1);
    mem_free(body);
    client_close(&rig, client);
    assert_others_go_on(&rig);
    rig_end(&rig);
}

static void test_token_wrong_or_missing_is_refused_and_told_once(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, (struct http_options){0});
    assert_exchange(&rig, "GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n",
                    "WWW-Authenticate: Bearer");
    assert_exchange(
        &rig, "GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer no\r\n\r\n",
        "{\"error\":{\"code\":\"not_allowed\"");
    /* The body of a refused request is swallowed, so that its client can read the answer. */
    assert_exchange(
        &rig, "POST /api/v1/sweeps HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nabcde",
        "HTTP/1.1 401");
    assert_int_equal(rig.requests, 0);
    assert_int_equal(http_counters(rig.http)->refused[HTTP_REFUSED_TOKEN], 3);
    assert_int_equal(rig.notices[HTTP_REFUSED_TOKEN], 1);
    assert_others_go_on(&rig);
    rig_end(&rig);
}

static void test_host_and_origin_foreign_are_refused(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, (struct http_options){0});
    assert_exchange(&rig, "GET /api/v1/status HTTP/1.1\r\nHost: evil.example\r\n\r\n",
                    "HTTP/1.1 403");
    assert_exchange(&rig,
                    "POST /api/v1/sweeps HTTP/1.1\r\nHost: localhost\r\nOrigin: "
                    "http://evil.example\r\n" RIG_AUTH "Content-Length: 0\r\n\r\n",
                    "HTTP/1.1 403");
    assert_int_equal(rig.requests, 0);
    assert_int_equal(rig.notices[HTTP_REFUSED_HOST], 1);
    assert_int_equal(rig.notices[HTTP_REFUSED_ORIGIN], 1);
    assert_exchange(&rig, "GET /api/v1/status HTTP/1.1\r\nHost: evil.example\r\n" RIG_AUTH "\r\n",
                    "200 OK");
    assert_exchange(&rig, "GET /healthz HTTP/1.1\r\nHost: 10.0.0.7:8265\r\n\r\n", "200 OK");
    assert_int_equal(rig.access, HTTP_OPEN);
    assert_exchange(&rig, "GET /readyz HTTP/1.0\r\n\r\n", "200 OK");
    rig_end(&rig);
}

static void test_method_unknown_is_refused(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, (struct http_options){0});
    assert_exchange(&rig,
                    "PATCH /api/v1/sweeps HTTP/1.1\r\nHost: localhost\r\n" RIG_AUTH
                    "Content-Length: 0\r\n\r\n",
                    "HTTP/1.1 405");
    assert_int_equal(rig.requests, 0);
    assert_others_go_on(&rig);
    rig_end(&rig);
}

/* While the store does not answer: what would change something is refused before the core sees it,
 * reads go on. */
static void test_gate_closed_refuses_changes_only(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, (struct http_options){0});
    rig.retry_after_s = 3;
    assert_exchange(&rig,
                    "POST /api/v1/sweeps HTTP/1.1\r\nHost: localhost\r\n" RIG_AUTH
                    "Content-Length: 2\r\n\r\n{}",
                    "Retry-After: 3\r\n");
    assert_int_equal(rig.requests, 0);
    assert_others_go_on(&rig);
    rig.retry_after_s = 0;
    assert_exchange(&rig,
                    "POST /api/v1/sweeps HTTP/1.1\r\nHost: localhost\r\n" RIG_AUTH
                    "Content-Length: 2\r\n\r\n{}",
                    "200 OK");
    rig_end(&rig);
}

/* A PUT of `size` bytes, announced or in chunks, on a connection of its own. */
static struct client *put_open(struct rig *rig, size_t size, bool is_chunked)
{
    uint8_t *body = mem_zalloc(size);
    assert_non_null(body);
    memset(body, 'b', size);
    char head[256];
    snprintf(head, sizeof head,
             is_chunked ? "PUT /x HTTP/1.1\r\nHost: localhost\r\n" RIG_AUTH
                          "Transfer-Encoding: chunked\r\n\r\n%zx\r\n"
                        : "PUT /x HTTP/1.1\r\nHost: localhost\r\n" RIG_AUTH
                          "Content-Length: %zu\r\n\r\n",
             size);
    struct client *client = client_open(rig);
    client_send(rig, client, head);
    client_send_bytes(rig, client, body, size);
    if (is_chunked) {
        client_send(rig, client, "\r\n0\r\n\r\n");
    }
    mem_free(body);
    return client;
}

static void test_body_over_the_limit_is_refused(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, (struct http_options){0});
    struct client *client = put_open(&rig, HTTP_BODY_MAX_BYTES + 1, true);
    assert_receives(&rig, client, "HTTP/1.1 413");
    client_close(&rig, client);
    assert_exchange(&rig,
                    "PUT /x HTTP/1.1\r\nHost: localhost\r\n" RIG_AUTH
                    "Content-Length: 99999999999\r\n\r\n",
                    "HTTP/1.1 413");
    assert_int_equal(rig.requests, 0);

    for (int is_chunked = 0; is_chunked < 2; is_chunked++) {
        client = put_open(&rig, HTTP_BODY_MAX_BYTES, is_chunked);
        assert_receives(&rig, client, "200 OK");
        assert_int_equal(rig.body_len, HTTP_BODY_MAX_BYTES);
        client_close(&rig, client);
    }
    rig_end(&rig);
}

static void test_header_over_the_limit_is_refused(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, (struct http_options){0});
    char *text = mem_alloc(100 << 10);
    assert_non_null(text);
    memset(text, 'h', 100 << 10);
    memcpy(text, "GET / HTTP/1.1\r\nX: ", 19);
    struct client *client = client_open(&rig);
    client_send_bytes(&rig, client, text, 100 << 10);
    assert_is_closed(&rig, client);
    assert_int_equal(rig.requests, 0);
    mem_free(text);
    client_close(&rig, client);
    assert_others_go_on(&rig);
    rig_end(&rig);
}

static void test_random_bytes_are_dropped(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, (struct http_options){.request_ms = 200});
    struct random random;
    random_init(&random, 7, 0);
    for (int i = 0; i < 200; i++) {
        struct client *client = client_open(&rig);
        uint8_t bytes[2048];
        for (size_t k = 0; k < sizeof bytes; k++) {
            bytes[k] = (uint8_t)random_u32(&random);
        }
        if (i % 2 == 0) {
            memcpy(bytes, "GET /\x80 HTTP/1.1\r\nHost", 22);
        }
        client_send_bytes(&rig, client, bytes, (size_t)(i + 1) * sizeof bytes / 200);
        if (i % 20 == 0) {
            assert_is_closed(&rig, client);
        }
        client_close(&rig, client);
    }
    assert_int_equal(rig.requests, 0);
    assert_others_go_on(&rig);
    rig_end(&rig);
}

/* More connections than allowed: the rest waits at the door until the deadline of the silent ones.
 */
static void test_connections_over_the_limit_wait_and_are_served(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, (struct http_options){.request_ms = 500});
    for (int i = 0; i < HTTP_CONNECTIONS_MAX + 100; i++) {
        client_open(&rig);
        assert_true(
            rig_until(&rig, rig_has_requests)); /* one turn: a full backlog would block us */
    }
    struct client *late = client_open(&rig);
    client_send(&rig, late, get_status);
    assert_receives(&rig, late, "{\"ok\":1}");
    while (rig.n_clients > 0) {
        client_close(&rig, rig.clients[0]);
    }
    rig_end(&rig);
}

static bool client_has_end(struct rig *rig)
{
    (void)rig;
    return rig_client->is_closed || client_has(rig_client, "\"ok\"") ||
           client_has(rig_client, "\"error\"");
}

/* Every allocation of a request fails once: it is answered or closed, and the next one is served.
 */
static void test_memory_that_runs_out_ends_one_request_only(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, (struct http_options){0});
    bool has_failed = true;
    for (uint64_t k = 1; has_failed && k < 200; k++) {
        struct client *client = client_open(&rig);
        assert_non_null(
            buf_reserve(&client->in, 128 << 10)); /* the client's own memory is there already */
        assert_true(send(client->fd, get_status, sizeof get_status - 1, MSG_NOSIGNAL) > 0);
        rig_client = client;
        mem_fail_at(k);
        assert_true(rig_until(&rig, client_has_end));
        has_failed = mem_has_failed();
        mem_fail_at(0);
        client_close(&rig, client);
        assert_others_go_on(&rig);
    }
    assert_false(has_failed);
    rig_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slow_header_is_closed_at_the_deadline),
        cmocka_unit_test(test_slow_body_is_closed_at_the_deadline),
        cmocka_unit_test(test_silent_connection_is_closed_at_the_deadline),
        cmocka_unit_test(test_idle_connection_is_closed_and_not_counted_as_refused),
        cmocka_unit_test(test_slow_second_request_is_closed_at_the_deadline),
        cmocka_unit_test(test_answer_that_is_not_read_is_given_up),
        cmocka_unit_test(test_token_wrong_or_missing_is_refused_and_told_once),
        cmocka_unit_test(test_host_and_origin_foreign_are_refused),
        cmocka_unit_test(test_method_unknown_is_refused),
        cmocka_unit_test(test_gate_closed_refuses_changes_only),
        cmocka_unit_test(test_body_over_the_limit_is_refused),
        cmocka_unit_test(test_header_over_the_limit_is_refused),
        cmocka_unit_test(test_random_bytes_are_dropped),
        cmocka_unit_test(test_connections_over_the_limit_wait_and_are_served),
        cmocka_unit_test(test_memory_that_runs_out_ends_one_request_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
