/* Stores whose Redis is away: each tries again by pauses that grow, and no two in step. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "head/shell/store.h"

enum { STORES = 20, PAUSES = 6, FIRST_MS = 20, MAX_MS = 1000 };

struct row {
    struct store *store;
    uint64_t due_ms; /* of the pause that was seen last */
    uint32_t n_pauses;
    uint64_t least_ms[PAUSES + 1]; /* from the end of the pause before: not less than it was */
    uint64_t left_ms[PAUSES + 1];  /* when it was first seen: not more than it was */
};

struct away {
    uv_loop_t loop;
    struct row rows[STORES];
    uint32_t n_closed;
};

static void on_state(void *context, const char *state, const char *why)
{
    (void)context;
    (void)why;
    assert_string_equal(state, "connecting");
}

static void on_failed(void *context, error_code code, const char *why)
{
    (void)context;
    (void)code;
    fail_msg("%s", why);
}

static void on_closed(void *context)
{
    ((struct away *)context)->n_closed++;
}

/* A store has one timer that runs while Redis is away: that of its pause. */
static void on_handle(uv_handle_t *handle, void *context)
{
    struct away *away = context;
    if (handle->type != UV_TIMER || !uv_is_active(handle)) {
        return;
    }
    uint64_t left_ms = uv_timer_get_due_in((uv_timer_t *)handle);
    uint64_t due_ms = uv_now(&away->loop) + left_ms;
    for (uint32_t i = 0; i < STORES; i++) {
        struct row *row = &away->rows[i];
        if (handle->data == row->store && due_ms > row->due_ms) {
            if (row->due_ms > 0 && row->n_pauses <= PAUSES) {
                row->least_ms[row->n_pauses] = due_ms - row->due_ms;
                row->left_ms[row->n_pauses++] = left_ms;
            }
            row->due_ms = due_ms;
        }
    }
}

static bool has_paused(const struct away *away)
{
    for (uint32_t i = 0; i < STORES; i++) {
        if (away->rows[i].n_pauses <= PAUSES) {
            return false;
        }
    }
    return true;
}

/* A port that refuses: bound, and nobody listens. */
static int refusing_port(uint16_t *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

static void assert_grows(const struct row *row)
{
    uint64_t most_ms = FIRST_MS;
    for (uint32_t k = 0; k <= PAUSES; k++) {
        assert_true(row->least_ms[k] >= most_ms / 2);
        assert_true(row->left_ms[k] <= MAX_MS);
        most_ms = most_ms * 2 < MAX_MS ? most_ms * 2 : MAX_MS;
    }
}

static void test_pauses_grow_and_differ_between_heads(void **state)
{
    (void)state;
    static struct away away;
    uint16_t port = 0;
    int fd = refusing_port(&port);
    uv_loop_init(&away.loop);
    const struct store_config config = {.host = "127.0.0.1", .port = port};
    const struct store_handlers handlers = {
        .context = &away, .on_state = on_state, .on_failed = on_failed};
    for (uint32_t i = 0; i < STORES; i++) {
        assert_int_equal(store_open(&away.loop, &config, &handlers, &away.rows[i].store, NULL), OK);
    }
    while (!has_paused(&away)) {
        uv_walk(&away.loop, on_handle, &away);
        uv_run(&away.loop, UV_RUN_ONCE);
    }
    uint64_t shortest_ms = MAX_MS;
    uint32_t n_different = 0;
    for (uint32_t i = 0; i < STORES; i++) {
        const struct row *row = &away.rows[i];
        bool is_different = true;
        assert_grows(row);
        shortest_ms = row->left_ms[0] < shortest_ms ? row->left_ms[0] : shortest_ms;
        for (uint32_t k = 0; k < i; k++) {
            is_different = is_different && away.rows[k].due_ms != row->due_ms;
        }
        n_different += is_different ? 1 : 0;
    }
    assert_true(shortest_ms <= 5 * FIRST_MS);
    assert_true(n_different > STORES / 2);
    for (uint32_t i = 0; i < STORES; i++) {
        store_close(away.rows[i].store, on_closed, &away);
    }
    while (uv_run(&away.loop, UV_RUN_DEFAULT) != 0) {
    }
    assert_int_equal(away.n_closed, STORES);
    assert_int_equal(uv_loop_close(&away.loop), 0);
    close(fd);
    assert_int_equal(mem_live_count(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pauses_grow_and_differ_between_heads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
