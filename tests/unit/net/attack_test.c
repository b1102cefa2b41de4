/* Sockets that mean harm: each test lets an honest agent go on beside them. Each runs over ipc and
 * over tcp. */
#include "rig.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { IDLE_CONNECTS = 500 };

static const char *transport_of(void **state)
{
    return *state;
}

static bool honest_is_up(struct rig *rig)
{
    return dealer_is_up(rig->agents[0].dealer);
}

static bool frames_came(struct rig *rig)
{
    return (int64_t)rig->frames >= rig->want;
}

static bool refusal_came(struct rig *rig)
{
    return rig_refused(rig, (router_refusal)rig->want) > 0;
}

static bool echo_came(struct rig *rig)
{
    return strcmp(rig->agents[0].last, "still here") == 0;
}

/* The honest agent's frame reaches the head and its answer comes back. */
static void assert_others_go_on(struct rig *rig)
{
    rig->must_echo = true;
    rig->agents[0].last[0] = '\0';
    assert_int_equal(dealer_send(rig->agents[0].dealer, rig_bytes("still here")), OK);
    assert_true(rig_until(rig, echo_came));
    assert_int_equal(rig->agents[0].downs, 0);
    rig->must_echo = false;
}

/* A rig with one honest agent, admitted. */
static void honest_begin(struct rig *rig, void **state)
{
    rig_begin(rig, transport_of(state));
    rig_agent_add(rig, "victim", 0xbeef, NULL);
    rig->want = 1;
    assert_true(rig_until(rig, frames_came));
    assert_int_equal(router_peer_admit(rig->router, rig->peer), OK);
}

static bool second_was_refused_often(struct rig *rig)
{
    const struct dealer_counters *counters = dealer_counters(rig->agents[1].dealer);
    return counters->connects >= 4;
}

static void test_dealer_wrong_server_key_never_comes_up(void **state)
{
    struct rig rig;
    honest_begin(&rig, state);
    struct key_pair other;
    assert_int_equal(key_pair_new(&other), OK);
    rig_agent_add(&rig, "lost", 1, other.public_key);
    assert_true(rig_until(&rig, second_was_refused_often));
    assert_int_equal(rig.agents[1].ups, 0);
    assert_int_equal(rig.agents[1].downs, 0);
    assert_int_equal(rig.frames, 1);
    assert_others_go_on(&rig);
    rig_end(&rig);
}

/* Sends `text` as a peer that claims `routing_id`, and waits until the router has refused it as
 * `refusal`. */
static void assert_raw_is_refused(struct rig *rig, const char *routing_id,
                                  const struct key_pair *keys, const char *text,
                                  router_refusal refusal)
{
    uint64_t before = rig->frames;
    void *socket = rig_raw_open(rig, routing_id, keys);
    assert_true(zmq_send(socket, text, strlen(text), 0) >= 0);
    rig->want = refusal;
    assert_true(rig_until(rig, refusal_came));
    assert_int_equal(rig->frames, before);
    assert_int_equal(rig->notices[refusal], 1);
    zmq_close(socket);
}

static void test_routing_id_stolen_is_refused(void **state)
{
    struct rig rig;
    honest_begin(&rig, state);
    uint64_t victim = rig.peer;
    struct key_pair thief;
    assert_int_equal(key_pair_new(&thief), OK);
    assert_raw_is_refused(&rig, "victim/000000000000beef/ffffffff/0000000000000001", &thief,
                          "result", REFUSED_FOREIGN_ID);
    rig.want = 1;
    assert_int_equal(router_send(rig.router, victim, rig_bytes("for the victim")), OK);
    assert_others_go_on(&rig);
    assert_string_equal(rig.agents[0].calls, "uff");
    rig_end(&rig);
}

static void test_routing_id_not_ours_is_refused(void **state)
{
    struct rig rig;
    honest_begin(&rig, state);
    struct key_pair keys;
    assert_int_equal(key_pair_new(&keys), OK);
    assert_raw_is_refused(&rig, "hello", &keys, "enrol", REFUSED_BAD_ID);
    assert_others_go_on(&rig);
    rig_end(&rig);
}

static void test_key_with_a_second_name_is_refused(void **state)
{
    struct rig rig;
    honest_begin(&rig, state);
    struct key_pair keys;
    assert_int_equal(key_pair_new(&keys), OK);
    void *first = rig_raw_open(&rig, "a/0000000000000001/00000001/0000000000000001", &keys);
    assert_true(zmq_send(first, "enrol", 5, 0) == 5);
    rig.want = 2;
    assert_true(rig_until(&rig, frames_came));
    assert_raw_is_refused(&rig, "b/0000000000000001/00000001/0000000000000001", &keys, "enrol",
                          REFUSED_SECOND_ID);
    zmq_close(first);
    assert_others_go_on(&rig);
    rig_end(&rig);
}

static void test_connection_replaced_is_not_heard_any_more(void **state)
{
    struct rig rig;
    honest_begin(&rig, state);
    struct key_pair keys;
    assert_int_equal(key_pair_new(&keys), OK);
    void *first = rig_raw_open(&rig, "a/0000000000000001/00000001/0000000000000001", &keys);
    assert_true(zmq_send(first, "enrol", 5, 0) == 5);
    rig.want = 2;
    assert_true(rig_until(&rig, frames_came));
    void *second = rig_raw_open(&rig, "a/0000000000000001/00000002/0000000000000001", &keys);
    assert_true(zmq_send(second, "enrol", 5, 0) == 5);
    rig.want = 3;
    assert_true(rig_until(&rig, frames_came));
    assert_true(zmq_send(first, "old event", 9, 0) == 9);
    rig.want = REFUSED_STALE;
    assert_true(rig_until(&rig, refusal_came));
    assert_int_equal(rig.frames, 3);
    zmq_close(first);
    zmq_close(second);
    assert_others_go_on(&rig);
    rig_end(&rig);
}

static void test_frame_refused_by_the_callback_is_counted_and_told_once(void **state)
{
    struct rig rig;
    honest_begin(&rig, state);
    rig.must_refuse = true;
    assert_int_equal(dealer_send(rig.agents[0].dealer, rig_bytes("bad")), OK);
    assert_int_equal(dealer_send(rig.agents[0].dealer, rig_bytes("bad")), OK);
    rig.want = 3;
    assert_true(rig_until(&rig, frames_came));
    assert_int_equal(rig_refused(&rig, REFUSED_FRAME), 2);
    assert_int_equal(rig.notices[REFUSED_FRAME], 1);
    rig.must_refuse = false;
    assert_others_go_on(&rig);
    rig_end(&rig);
}

static void test_message_of_several_parts_is_refused(void **state)
{
    struct rig rig;
    honest_begin(&rig, state);
    struct key_pair keys;
    assert_int_equal(key_pair_new(&keys), OK);
    void *socket = rig_raw_open(&rig, "a/0000000000000001/00000001/0000000000000001", &keys);
    assert_true(zmq_send(socket, "one", 3, ZMQ_SNDMORE) == 3);
    assert_true(zmq_send(socket, "two", 3, ZMQ_SNDMORE) == 3);
    assert_true(zmq_send(socket, "three", 5, 0) == 5);
    rig.want = REFUSED_MALFORMED;
    assert_true(rig_until(&rig, refusal_came));
    assert_int_equal(rig.frames, 1);
    zmq_close(socket);
    assert_others_go_on(&rig);
    rig_end(&rig);
}

/* ---- below ZeroMQ ---- */

/* A monitored raw socket: events that happened to it. */
static uint32_t monitor_events(void *monitor)
{
    uint32_t events = 0;
    uint8_t head[8];
    char rest[256];
    while (zmq_recv(monitor, head, sizeof head, ZMQ_DONTWAIT) >= 2) {
        uint16_t event;
        memcpy(&event, head, sizeof event);
        events |= event;
        (void)zmq_recv(monitor, rest, sizeof rest, ZMQ_DONTWAIT);
    }
    return events;
}

static void *raw_monitor;
static uint32_t raw_events;

static bool raw_was_dropped(struct rig *rig)
{
    (void)rig;
    raw_events |= monitor_events(raw_monitor);
    return (raw_events & ZMQ_EVENT_DISCONNECTED) != 0;
}

/* The socket, watched from before its first connect on. */
static void *watched_raw_open(struct rig *rig, const char *routing_id, const struct key_pair *keys)
{
    const int off = -1;
    void *socket = rig_raw_new(rig, routing_id, keys);
    zmq_setsockopt(socket, ZMQ_RECONNECT_IVL, &off, sizeof off);
    assert_int_equal(zmq_socket_monitor(socket, "inproc://raw", ZMQ_EVENT_ALL), 0);
    raw_monitor = zmq_socket(rig->raw_context, ZMQ_PAIR);
    raw_events = 0;
    assert_int_equal(zmq_connect(raw_monitor, "inproc://raw"), 0);
    assert_int_equal(zmq_connect(socket, rig->endpoint), 0);
    return socket;
}

static void watched_raw_close(void *socket)
{
    zmq_socket_monitor(socket, NULL,
                       0); /* before its reader goes, else libzmq leaks what it cannot deliver */
    zmq_close(raw_monitor);
    zmq_close(socket);
}

static void test_message_too_big_ends_its_connection_only(void **state)
{
    struct rig rig;
    honest_begin(&rig, state);
    struct key_pair keys;
    assert_int_equal(key_pair_new(&keys), OK);
    uint8_t *block = mem_zalloc(2 << 20);
    assert_non_null(block);
    void *socket = watched_raw_open(&rig, "a/0000000000000001/00000001/0000000000000001", &keys);
    assert_true(zmq_send(socket, block, 2 << 20, 0) == 2 << 20);
    assert_true(rig_until(&rig, raw_was_dropped));
    assert_true((raw_events & ZMQ_EVENT_HANDSHAKE_SUCCEEDED) != 0);
    assert_int_equal(rig.frames, 1);
    mem_free(block);
    watched_raw_close(socket);
    assert_others_go_on(&rig);
    rig_end(&rig);
}

static void test_peer_without_curve_never_gets_in(void **state)
{
    struct rig rig;
    honest_begin(&rig, state);
    void *socket = watched_raw_open(&rig, "a/0000000000000001/00000001/0000000000000001", NULL);
    assert_true(zmq_send(socket, "enrol", 5, 0) == 5);
    assert_true(rig_until(&rig, raw_was_dropped));
    assert_true((raw_events & ZMQ_EVENT_HANDSHAKE_SUCCEEDED) == 0);
    assert_int_equal(rig.frames, 1);
    watched_raw_close(socket);
    assert_others_go_on(&rig);
    rig_end(&rig);
}

/* A plain connection to the router's address, not blocking; -1 when refused. */
static int bare_connect(const struct rig *rig)
{
    union {
        struct sockaddr any;
        struct sockaddr_un un;
        struct sockaddr_in in;
    } address = {0};
    socklen_t size;
    if (strncmp(rig->endpoint, "ipc://", 6) == 0) {
        address.un.sun_family = AF_UNIX;
        snprintf(address.un.sun_path, sizeof address.un.sun_path, "%s", rig->endpoint + 6);
        size = sizeof address.un;
    } else {
        address.in.sin_family = AF_INET;
        address.in.sin_port = htons((uint16_t)atoi(strrchr(rig->endpoint, ':') + 1));
        address.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        size = sizeof address.in;
    }
    int fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    if (connect(fd, &address.any, size) != 0) {
        close(fd);
        return -1;
    }
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

static void test_random_bytes_are_dropped(void **state)
{
    struct rig rig;
    honest_begin(&rig, state);
    struct random random;
    random_init(&random, 42, 0);
    for (int i = 0; i < 200; i++) {
        int fd = bare_connect(&rig);
        assert_true(fd >= 0);
        uint8_t bytes[4096];
        for (size_t k = 0; k < sizeof bytes; k++) {
            bytes[k] = (uint8_t)random_u32(&random);
        }
        /* Half of them begin as ZMTP 3.0 with CURVE does. */
        static const uint8_t greeting[16] = {0xff, 0,    0, 0, 0,   0,   0,   0,
                                             1,    0x7f, 3, 0, 'C', 'U', 'R', 'V'};
        if (i % 2 == 0) {
            memcpy(bytes, greeting, sizeof greeting);
            bytes[16] = 'E';
            memset(bytes + 17, 0, 47);
        }
        ssize_t n = send(fd, bytes, (size_t)(i + 1) * sizeof bytes / 200, MSG_NOSIGNAL);
        assert_true(n > 0 || errno == EPIPE || errno == ECONNRESET);
        close(fd);
    }
    assert_others_go_on(&rig);
    assert_int_equal(rig.frames, 2);
    rig_end(&rig);
}

/* CVE-2020-15166: connections that say nothing may not keep a CURVE server from its work. */
static void test_idle_connections_do_not_starve_others(void **state)
{
    struct rig rig;
    honest_begin(&rig, state);
    int fds[IDLE_CONNECTS];
    int n = 0;
    while (n < IDLE_CONNECTS && (fds[n] = bare_connect(&rig)) >= 0) {
        n++;
    }
    assert_int_equal(n, IDLE_CONNECTS);
    assert_others_go_on(&rig);
    rig.agents[0].must_greet = true;
    rig_agent_close(&rig.agents[0]);
    rig.n_agents = 0;
    rig_agent_add(&rig, "late", 1, NULL);
    assert_true(rig_until(&rig, honest_is_up));
    assert_others_go_on(&rig);
    for (int i = 0; i < n; i++) {
        close(fds[i]);
    }
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
        over_both(test_dealer_wrong_server_key_never_comes_up),
        over_both(test_routing_id_stolen_is_refused),
        over_both(test_routing_id_not_ours_is_refused),
        over_both(test_key_with_a_second_name_is_refused),
        over_both(test_connection_replaced_is_not_heard_any_more),
        over_both(test_frame_refused_by_the_callback_is_counted_and_told_once),
        over_both(test_message_of_several_parts_is_refused),
        over_both(test_message_too_big_ends_its_connection_only),
        over_both(test_peer_without_curve_never_gets_in),
        over_both(test_random_bytes_are_dropped),
        over_both(test_idle_connections_do_not_starve_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
