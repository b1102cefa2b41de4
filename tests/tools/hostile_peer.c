/* A peer that means harm, at the agents' socket of a real head.
 *
 * usage: hostile_peer ENDPOINT JOIN_KEY_FILE ATTACK [VICTIM]
 *
 * Each attack prints `sent`, then `answer TYPE` for each frame that comes back.
 * Exit 0: the attack was made; whether it got through is for the test to see. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#include "net/keys.h"
#include "net/routing_id.h"
#include "schema/messages.h"

enum {
    EXPECTED_MS = 20000, /* what an honest frame is answered within */
    HOSTILE_MS = 300,
    MORE_MS = 100,
    NIL_BYTES = 10 << 20,
    DEPTH = 1000,
    FRAME_HEADER_BYTES = 4,
    CONNECT_MS = 3000,
};

struct peer {
    void *context;
    const char *endpoint;
    struct join_key join;
    struct key_pair keys;
    const char *victim;
};

static void fail(const char *what)
{
    fprintf(stderr, "hostile_peer: %s\n", what);
    exit(1);
}

/* A connection under the peer's own key that claims to be `node`; NULL keys: without CURVE. */
static void *connect_as(struct peer *peer, const char *node, uint64_t incarnation, bool has_curve)
{
    char text[ROUTING_ID_TEXT_MAX];
    static uint64_t nonce = 1;
    struct routing_id id = {.incarnation = incarnation, .connection = 1, .nonce = nonce++};
    snprintf(id.node, sizeof id.node, "%s", node);
    size_t length = routing_id_print(&id, text);
    void *socket = zmq_socket(peer->context, ZMQ_DEALER);
    const int linger_ms = 200, timeout_ms = CONNECT_MS, is_on = 1;
    zmq_setsockopt(socket, ZMQ_LINGER, &linger_ms, sizeof linger_ms);
    zmq_setsockopt(socket, ZMQ_SNDTIMEO, &timeout_ms, sizeof timeout_ms);
    zmq_setsockopt(socket, ZMQ_IPV6, &is_on, sizeof is_on);
    zmq_setsockopt(socket, ZMQ_ROUTING_ID, text, length);
    if (has_curve) {
        zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, peer->join.head_public, KEY_TEXT_BYTES - 1);
        zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, peer->keys.public_key, KEY_TEXT_BYTES - 1);
        zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, peer->keys.secret_key, KEY_TEXT_BYTES - 1);
    }
    if (zmq_connect(socket, peer->endpoint) != 0) {
        fail("cannot connect");
    }
    return socket;
}

/* Waits so long for a first answer, and briefly for more. */
static void answers_print(void *socket, int wait_ms)
{
    uint8_t frame[64];
    for (int timeout_ms = wait_ms;; timeout_ms = MORE_MS) {
        zmq_setsockopt(socket, ZMQ_RCVTIMEO, &timeout_ms, sizeof timeout_ms);
        int n = zmq_recv(socket, frame, sizeof frame, 0);
        if (n < 0) {
            return;
        }
        printf("answer %s\n",
               n >= FRAME_HEADER_BYTES ? message_name((message_type)frame[3]) : "short");
    }
}

static void frame_send(void *socket, message_type type, const void *body, size_t length)
{
    uint8_t *frame = malloc(FRAME_HEADER_BYTES + length);
    if (frame == NULL) {
        fail("no memory");
    }
    const uint8_t header[FRAME_HEADER_BYTES] = {'m', 'u', PROTOCOL_VERSION, (uint8_t)type};
    memcpy(frame, header, sizeof header);
    memcpy(frame + sizeof header, body, length);
    (void)zmq_send(socket, frame, sizeof header + length, 0);
    free(frame);
    puts("sent");
}

/* An enrolment as the product's own: admitted if the join key is right. */
static void enrol_send(struct peer *peer, void *socket, const char *node, uint64_t incarnation)
{
    struct msg_enrol msg = {
        .protocol = PROTOCOL_VERSION,
        .schema_version = 1,
        .secret = peer->join.secret,
        .node = node,
        .incarnation = incarnation,
        .host = "elsewhere",
        .pid = 1,
        .version = "hostile",
        .first_event = 1,
        .is_remote = true,
        .state_dir = "/nowhere",
    };
    struct buf frame;
    buf_init(&frame, MSG_MAX_BYTES);
    if (message_encode(MSG_ENROL, &msg, &frame) != OK) {
        fail("cannot encode an enrolment");
    }
    (void)zmq_send(socket, frame.data, frame.len, 0);
    buf_fini(&frame);
    puts("sent");
}

static void heartbeat_send(void *socket, uint64_t incarnation)
{
    struct msg_heartbeat msg = {.incarnation = incarnation};
    struct buf frame;
    buf_init(&frame, MSG_MAX_BYTES);
    if (message_encode(MSG_HEARTBEAT, &msg, &frame) != OK) {
        fail("cannot encode a heartbeat");
    }
    (void)zmq_send(socket, frame.data, frame.len, 0);
    buf_fini(&frame);
    puts("sent");
}

/* The same bytes from a stranger and from a peer that has enrolled. */
static void bytes_attack(struct peer *peer, const void *body, size_t length)
{
    static const message_type types[] = {MSG_ENROL, MSG_EVENTS, MSG_HEARTBEAT};
    void *stranger = connect_as(peer, "stranger", 1, true);
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        frame_send(stranger, types[i], body, length);
    }
    answers_print(stranger, HOSTILE_MS);
    zmq_close(stranger);
    /* A name of its own each time, and a key: one that has a name may take no second one. */
    static int n_members;
    char name[32];
    snprintf(name, sizeof name, "member-%d-%d", (int)getpid(), n_members++);
    if (key_pair_new(&peer->keys) != OK) {
        fail("no key");
    }
    void *member = connect_as(peer, name, 2, true);
    enrol_send(peer, member, name, 2);
    answers_print(member, EXPECTED_MS);
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        frame_send(member, types[i], body, length);
    }
    answers_print(member, HOSTILE_MS);
    zmq_close(member);
}

static void attack_bomb(struct peer *peer)
{
    static const uint8_t array[] = {0xdd, 0xff, 0xff, 0xff, 0xff},
                         map[] = {0xdf, 0xff, 0xff, 0xff, 0xff},
                         text[] = {0xdb, 0xff, 0xff, 0xff, 0xff};
    bytes_attack(peer, array, sizeof array);
    bytes_attack(peer, map, sizeof map);
    bytes_attack(peer, text, sizeof text);
}

static void attack_nil(struct peer *peer)
{
    uint8_t *body = malloc(NIL_BYTES);
    if (body == NULL) {
        fail("no memory");
    }
    memset(body, 0xc0, NIL_BYTES);
    bytes_attack(peer, body, NIL_BYTES);
    bytes_attack(peer, body, MSG_MAX_BYTES - FRAME_HEADER_BYTES);
    free(body);
}

static void attack_depth(struct peer *peer)
{
    uint8_t body[DEPTH];
    memset(body, 0x91, sizeof body);
    bytes_attack(peer, body, sizeof body);
}

/* A member of the cluster that speaks as another node. */
static void attack_takeover(struct peer *peer)
{
    void *own = connect_as(peer, "thief", 3, true);
    enrol_send(peer, own, "thief", 3);
    answers_print(own, EXPECTED_MS);
    puts("--- as the victim");
    void *stolen = connect_as(peer, peer->victim, 4, true);
    enrol_send(peer, stolen, peer->victim, 4);
    heartbeat_send(stolen, 4);
    answers_print(stolen, 3 * HOSTILE_MS);
    zmq_close(stolen);
    zmq_close(own);
}

/* A holder of the join key that calls itself as a node that lives. */
static void attack_name(struct peer *peer)
{
    void *socket = connect_as(peer, peer->victim, 5, true);
    enrol_send(peer, socket, peer->victim, 5);
    answers_print(socket, EXPECTED_MS);
    zmq_close(socket);
}

/* A member that enrols as a node which its connection does not name. */
static void attack_mask(struct peer *peer)
{
    void *socket = connect_as(peer, "bare", 8, true);
    enrol_send(peer, socket, "mask", 9);
    answers_print(socket, EXPECTED_MS);
    zmq_close(socket);
}

static void attack_stranger(struct peer *peer)
{
    void *socket = connect_as(peer, "stranger", 6, true);
    heartbeat_send(socket, 6);
    answers_print(socket, EXPECTED_MS);
    zmq_close(socket);
}

static void attack_plain(struct peer *peer)
{
    void *socket = connect_as(peer, "plain", 7, false);
    enrol_send(peer, socket, "plain", 7);
    answers_print(socket, 3 * HOSTILE_MS);
    zmq_close(socket);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(struct peer *peer);
    } attacks[] = {
        {"bomb", attack_bomb},         {"nil", attack_nil},   {"depth", attack_depth},
        {"takeover", attack_takeover}, {"name", attack_name}, {"stranger", attack_stranger},
        {"plain", attack_plain},       {"mask", attack_mask},
    };
    struct report report = {0};
    if (argc < 4) {
        fail("usage: hostile_peer ENDPOINT JOIN_KEY_FILE ATTACK [VICTIM]");
    }
    struct peer peer = {
        .context = zmq_ctx_new(), .endpoint = argv[1], .victim = argc > 4 ? argv[4] : "local"};
    if (keys_init() != OK || key_pair_new(&peer.keys) != OK ||
        join_key_read(argv[2], &peer.join, &report) != OK) {
        fail(report.text);
    }
    for (size_t i = 0; i < sizeof attacks / sizeof attacks[0]; i++) {
        if (strcmp(attacks[i].name, argv[3]) == 0) {
            attacks[i].run(&peer);
            zmq_ctx_term(peer.context);
            return 0;
        }
    }
    fail("there is no such attack");
}
