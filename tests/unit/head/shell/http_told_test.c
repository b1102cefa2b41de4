/* Who asked and what they were told: before the answer leaves, once, also if the client has left.
 */
#include "http_rig.h"

#define USER_AUTH "Authorization: Bearer " RIG_USER_TOKEN "\r\n"

static const char post[] = "POST /api/v1/sweeps HTTP/1.1\r\nHost: localhost\r\n" USER_AUTH
                           "Idempotency-Key: k1\r\nContent-Length: 2\r\n\r\n{}";

static bool is_told(struct rig *rig)
{
    return (int64_t)rig->tolds >= rig->want;
}

static void assert_told(struct rig *rig, const char *text)
{
    if (strcmp(rig->told, text) != 0) {
        fail_msg("told '%s', not '%s'", rig->told, text);
    }
}

static void test_change_is_told_with_its_user_before_the_answer(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, (struct http_options){0});
    rig.handler = NULL;
    struct client *client = client_open(&rig);
    client_send(&rig, client, post);
    rig.want = 1;
    assert_true(rig_until(&rig, rig_has_requests));
    assert_int_equal(rig.tolds, 0);
    http_answer(rig.http, rig.id, 201, "application/json", rig_bytes("{\"id\":1}"));
    assert_int_equal(rig.tolds, 1); /* nothing has left yet: the loop did not turn */
    assert_told(&rig, "alice POST /api/v1/sweeps 201 k1 -1");
    assert_receives(&rig, client, "{\"id\":1}");
    client_close(&rig, client);
    assert_int_equal(rig.tolds, 1);
    rig_end(&rig);
}

static void test_reading_is_not_told(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, (struct http_options){0});
    assert_exchange(&rig, "GET /api/v1/sweeps HTTP/1.1\r\nHost: localhost\r\n" RIG_AUTH "\r\n",
                    "{\"ok\":1}");
    assert_int_equal(rig.tolds, 0);
    rig_end(&rig);
}

static void test_client_that_left_is_told_all_the_same(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, (struct http_options){.comment_ms = 60});
    rig.handler = NULL;
    struct client *client = client_open(&rig);
    client_send(&rig, client, post);
    rig.want = 1;
    assert_true(rig_until(&rig, rig_has_requests));
    client_close(&rig, client);
    assert_true(rig_until(&rig, is_told));
    assert_told(&rig, "alice POST /api/v1/sweeps 0 k1 -1");
    rig_end(&rig);
}

static void test_half_a_request_is_not_told(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, (struct http_options){.request_ms = 100});
    struct client *client = client_open(&rig);
    client_send(&rig, client,
                "POST /api/v1/sweeps HTTP/1.1\r\nHost: localhost\r\n" USER_AUTH
                "Content-Length: 100\r\n\r\n{");
    assert_is_closed(&rig, client);
    client_close(&rig, client);
    assert_int_equal(rig.tolds, 0);
    rig_end(&rig);
}

static void test_refusal_is_told_with_its_reason(void **state)
{
    (void)state;
    struct rig rig;
    char text[RIG_TEXT_MAX];
    rig_begin(&rig, (struct http_options){0});
    assert_exchange(&rig,
                    "GET /api/v1/sweeps HTTP/1.1\r\nHost: localhost\r\n"
                    "Authorization: Bearer nobody-0123456789\r\n\r\n",
                    "the rig knows no such token");
    snprintf(text, sizeof text, "- GET /api/v1/sweeps 401 - %d", HTTP_REFUSED_TOKEN);
    assert_told(&rig, text);
    assert_exchange(
        &rig,
        "DELETE /x HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\n" RIG_AUTH "\r\n",
        "403 ");
    snprintf(text, sizeof text, "admin DELETE /x 403 - %d", HTTP_REFUSED_ORIGIN);
    assert_told(&rig, text);
    assert_int_equal(rig.tolds, 2);
    assert_int_equal(rig.requests, 0);
    rig_end(&rig);
}

static void test_stream_of_a_dropped_user_is_closed_and_no_other(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, (struct http_options){0});
    struct client *admin = stream_client_open(&rig), *user = client_open(&rig);
    client_send(&rig, user, "GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n" USER_AUTH "\r\n");
    assert_receives(&rig, user, "\r\n\r\n");
    http_identity_drop(rig.http, "alice");
    assert_is_closed(&rig, user);
    assert_false(admin->is_closed);
    client_close(&rig, user);
    client_close(&rig, admin);
    rig_end(&rig);
}

static void test_crowd_of_one_address_is_cut_at_its_limit(void **state)
{
    (void)state;
    enum { LIMIT = 4, CROWD = 9 };
    struct rig rig;
    struct client *crowd[CROWD];
    rig_begin(&rig, (struct http_options){.address_connections = LIMIT});
    for (int i = 0; i < CROWD; i++) {
        crowd[i] = client_open(&rig);
    }
    for (int i = LIMIT; i < CROWD; i++) {
        assert_is_closed(&rig, crowd[i]);
    }
    assert_int_equal(rig.notices[HTTP_REFUSED_CROWD], 1);
    assert_int_equal(http_counters(rig.http)->refused[HTTP_REFUSED_CROWD], CROWD - LIMIT);
    for (int i = 0; i < LIMIT; i++) {
        assert_false(crowd[i]->is_closed);
    }
    client_send(&rig, crowd[0],
                "GET /api/v1/sweeps HTTP/1.1\r\nHost: localhost\r\n" RIG_AUTH "\r\n");
    assert_receives(&rig, crowd[0], "{\"ok\":1}");
    for (int i = 0; i < CROWD; i++) {
        client_close(&rig, crowd[i]);
    }
    rig_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_change_is_told_with_its_user_before_the_answer),
        cmocka_unit_test(test_reading_is_not_told),
        cmocka_unit_test(test_client_that_left_is_told_all_the_same),
        cmocka_unit_test(test_half_a_request_is_not_told),
        cmocka_unit_test(test_refusal_is_told_with_its_reason),
        cmocka_unit_test(test_stream_of_a_dropped_user_is_closed_and_no_other),
        cmocka_unit_test(test_crowd_of_one_address_is_cut_at_its_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
