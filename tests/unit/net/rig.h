/* A router and agents in one loop, and raw ZeroMQ sockets that behave badly. Included by the tests
 * of this folder only. */
#ifndef MUSTER_TESTS_UNIT_NET_RIG_H
#define MUSTER_TESTS_UNIT_NET_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/random.h"
#include "net/dealer.h"
#include "net/router.h"
#include "schema/messages.h"
#include "sys/clock.h"

enum { RIG_AGENTS_MAX = 8, RIG_TICK_MS = 5, RIG_TEXT_MAX = 64 };
/* What a failed allocation (tests/torture) has lost is not waited for that long. */
enum { RIG_DEADLINE_MS = 20000, RIG_DEADLINE_AFTER_FAILURE_MS = 1000 };

struct rig;

struct rig_agent {
    struct rig *rig;
    struct dealer *dealer;
    uint64_t ups, downs, frames;
    char last[RIG_TEXT_MAX];
    bool must_greet;          /* says "enrol" at each up */
    char calls[RIG_TEXT_MAX]; /* u(p), f(rame), d(own), in order */
    bool must_keep;           /* the next frame */
    struct received_frame *kept;
};

typedef bool rig_condition_fn(struct rig *rig);

struct rig {
    struct loop *loop;
    struct router *router;
    struct key_pair head;
    char folder[64];
    char endpoint[ROUTER_ENDPOINT_MAX];
    struct rig_agent agents[RIG_AGENTS_MAX];
    uint32_t n_agents;
    uint32_t frames_per_turn;
    /* seen by the router */
    uint64_t frames, notices[ROUTER_REFUSALS_COUNT];
    uint64_t rooms;
    uint64_t peer; /* of the last frame */
    char peer_node[NODE_NAME_MAX + 1];
    uint64_t peer_incarnation;
    uint32_t peer_connection;
    bool peer_is_admitted;
    char last[RIG_TEXT_MAX];
    bool must_refuse; /* on_frame says no */
    bool must_echo;   /* ... and answers with the same bytes */
    /* the loop */
    uint64_t turns, turns_behind, frames_in_turn, frames_in_turn_max;
    rig_condition_fn *condition;
    bool is_met;
    time_ms since;
    int64_t want;      /* for conditions */
    void *raw_context; /* of the attackers */
};

static inline void rig_text_copy(char *to, struct bytes from)
{
    size_t n = from.len < RIG_TEXT_MAX - 1 ? from.len : RIG_TEXT_MAX - 1;
    memcpy(to, from.data, n);
    to[n] = '\0';
}

static inline struct bytes rig_bytes(const char *text)
{
    return (struct bytes){(const uint8_t *)text, strlen(text)};
}

static inline bool on_rig_frame(void *context, time_ms now, const struct router_peer *peer,
                                struct bytes frame)
{
    (void)now;
    struct rig *rig = context;
    rig->frames++;
    rig->frames_in_turn++;
    rig->peer = peer->number;
    rig->peer_incarnation = peer->incarnation;
    rig->peer_connection = peer->connection;
    rig->peer_is_admitted = peer->is_admitted;
    snprintf(rig->peer_node, sizeof rig->peer_node, "%s", peer->node);
    rig_text_copy(rig->last, frame);
    if (rig->must_echo) {
        assert_int_equal(router_send(rig->router, peer->number, frame), OK);
    }
    return !rig->must_refuse;
}

static inline void on_rig_notice(void *context, router_refusal refusal, const char *who)
{
    (void)who;
    struct rig *rig = context;
    rig->notices[refusal]++;
}

static inline void rig_call_note(struct rig_agent *agent, char what)
{
    size_t n = strlen(agent->calls);
    if (n + 1 < sizeof agent->calls) {
        agent->calls[n] = what;
        agent->calls[n + 1] = '\0';
    }
}

static inline void on_rig_up(void *context, time_ms now)
{
    (void)now;
    struct rig_agent *agent = context;
    agent->ups++;
    rig_call_note(agent, 'u');
    if (agent->must_greet) {
        assert_int_equal(dealer_send(agent->dealer, rig_bytes("enrol")), OK);
    }
}

static inline void on_rig_down(void *context, time_ms now)
{
    (void)now;
    struct rig_agent *agent = context;
    agent->downs++;
    rig_call_note(agent, 'd');
}

static inline void on_rig_agent_frame(void *context, time_ms now, struct bytes frame)
{
    (void)now;
    struct rig_agent *agent = context;
    agent->frames++;
    rig_call_note(agent, 'f');
    rig_text_copy(agent->last, frame);
    if (agent->must_keep) {
        agent->must_keep = false;
        agent->kept = dealer_frame_keep(agent->dealer);
        assert_non_null(agent->kept);
    }
}

static inline void on_rig_room(void *context)
{
    struct rig *rig = context;
    rig->rooms++;
}

static inline void on_rig_turn(void *context, const struct loop_turn *turn)
{
    struct rig *rig = context;
    rig->turns++;
    rig->turns_behind += turn->is_behind ? 1 : 0;
    if (rig->frames_in_turn > rig->frames_in_turn_max) {
        rig->frames_in_turn_max = rig->frames_in_turn;
    }
    rig->frames_in_turn = 0;
    rig->is_met = rig->condition(rig);
    int limit_ms = mem_has_failed() ? RIG_DEADLINE_AFTER_FAILURE_MS : RIG_DEADLINE_MS;
    if (rig->is_met || turn->now > rig->since + limit_ms) {
        loop_stop(rig->loop);
    }
    loop_deadline_set(rig->loop, turn->now + RIG_TICK_MS);
}

/* Turns the loop until the condition holds; false when it did not in time. */
static inline bool rig_until(struct rig *rig, rig_condition_fn *condition)
{
    rig->condition = condition;
    rig->is_met = false;
    rig->since = clock_now();
    loop_again(rig->loop);
    assert_int_equal(loop_run(rig->loop), OK);
    return rig->is_met;
}

static inline void rig_router_start(struct rig *rig)
{
    struct report report = {0};
    const struct router_options options = {
        .keys = &rig->head,
        .on_frame = on_rig_frame,
        .on_notice = on_rig_notice,
        .on_room = on_rig_room,
        .context = rig,
        .frames_per_turn = rig->frames_per_turn,
    };
    char endpoint[ROUTER_ENDPOINT_MAX];
    if (router_new(rig->loop, &options, &rig->router, &report) != OK ||
        router_bind(rig->router, rig->endpoint, endpoint, &report) != OK) {
        fail_msg("%s", report.text);
    }
    memcpy(rig->endpoint, endpoint, sizeof endpoint);
}

static inline void rig_router_stop(struct rig *rig)
{
    router_free(rig->router);
    rig->router = NULL;
}

static inline void rig_begin(struct rig *rig, const char *transport)
{
    *rig = (struct rig){0};
    struct report report = {0};
    assert_int_equal(keys_init(), OK);
    assert_int_equal(loop_new(&rig->loop, &report), OK);
    loop_turn_set(rig->loop, on_rig_turn, rig);
    assert_int_equal(key_pair_new(&rig->head), OK);
    snprintf(rig->folder, sizeof rig->folder, "/tmp/muster-net-XXXXXX");
    assert_non_null(mkdtemp(rig->folder));
    if (strcmp(transport, "ipc") == 0) {
        snprintf(rig->endpoint, sizeof rig->endpoint, "ipc://%s/head.ipc", rig->folder);
    } else {
        snprintf(rig->endpoint, sizeof rig->endpoint, "tcp://127.0.0.1:*");
    }
    rig_router_start(rig);
    rig->raw_context = zmq_ctx_new();
    assert_non_null(rig->raw_context);
}

/* An agent whose head has the key `head_public` (NULL: the rig's). */
static inline struct rig_agent *rig_agent_add(struct rig *rig, const char *node,
                                              uint64_t incarnation, const char *head_public)
{
    assert_true(rig->n_agents < RIG_AGENTS_MAX);
    struct rig_agent *agent = &rig->agents[rig->n_agents++];
    *agent = (struct rig_agent){.rig = rig, .must_greet = true};
    const struct dealer_options options = {
        .endpoint = rig->endpoint,
        .head_public = head_public != NULL ? head_public : rig->head.public_key,
        .node = node,
        .incarnation = incarnation,
    };
    const struct dealer_callbacks callbacks = {on_rig_up, on_rig_down, on_rig_agent_frame, agent};
    struct report report = {0};
    if (dealer_open(rig->loop, &options, &callbacks, &agent->dealer, &report) != OK) {
        fail_msg("%s", report.text);
    }
    return agent;
}

static inline void rig_agent_close(struct rig_agent *agent)
{
    dealer_close(agent->dealer);
    agent->dealer = NULL;
}

static inline void rig_end(struct rig *rig)
{
    for (uint32_t i = 0; i < rig->n_agents; i++) {
        rig_agent_close(&rig->agents[i]);
    }
    rig_router_stop(rig);
    zmq_ctx_term(rig->raw_context);
    loop_free(rig->loop);
    char path[128];
    snprintf(path, sizeof path, "%s/head.ipc", rig->folder);
    unlink(path);
    assert_int_equal(rmdir(rig->folder), 0);
    assert_int_equal(mem_live_count(), 0);
}

/* A bare DEALER, not connected yet, that claims `routing_id` under `keys`; keys NULL: without
 * CURVE. */
static inline void *rig_raw_new(struct rig *rig, const char *routing_id,
                                const struct key_pair *keys)
{
    void *socket = zmq_socket(rig->raw_context, ZMQ_DEALER);
    assert_non_null(socket);
    const int zero = 0;
    zmq_setsockopt(socket, ZMQ_LINGER, &zero, sizeof zero);
    zmq_setsockopt(socket, ZMQ_ROUTING_ID, routing_id, strlen(routing_id));
    if (keys != NULL) {
        zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, rig->head.public_key, KEY_TEXT_BYTES - 1);
        zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, keys->public_key, KEY_TEXT_BYTES - 1);
        zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, keys->secret_key, KEY_TEXT_BYTES - 1);
    }
    return socket;
}

static inline void *rig_raw_open(struct rig *rig, const char *routing_id,
                                 const struct key_pair *keys)
{
    void *socket = rig_raw_new(rig, routing_id, keys);
    assert_int_equal(zmq_connect(socket, rig->endpoint), 0);
    return socket;
}

static inline uint64_t rig_refused(struct rig *rig, router_refusal refusal)
{
    return router_counters(rig->router)->refused[refusal];
}

#endif
