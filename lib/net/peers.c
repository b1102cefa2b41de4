#include "net/peers.h"

#include <string.h>

#include "base/hash.h"
#include "base/list.h"
#include "net/outflow.h"

enum { IDENTITY_BYTES = NODE_NAME_MAX + 1 + sizeof(uint64_t) };

struct peer {
    uint64_t number;
    char public_key[KEY_TEXT_BYTES];
    struct routing_id id; /* of the living connection */
    struct peer_route route;
    uint8_t identity[IDENTITY_BYTES]; /* node and incarnation, the key of by_identity */
    bool is_admitted;
    struct list silence; /* strangers only: the longest silent first */
    UT_hash_handle by_number;
    UT_hash_handle by_key;
    UT_hash_handle by_identity; /* admitted only */
};

struct peers {
    uint32_t admitted_max, strangers_max;
    uint32_t n_admitted, n_strangers;
    uint64_t last_number;
    struct peer *numbers;
    struct peer *keys;
    struct peer *identities;
    struct list strangers;
};

error_code peers_new(uint32_t admitted_max, uint32_t strangers_max, struct peers **ret_peers)
{
    struct peers *peers = mem_zalloc(sizeof *peers);
    if (peers == NULL) {
        return ERR_NO_MEMORY;
    }
    peers->admitted_max = admitted_max;
    peers->strangers_max = strangers_max;
    list_init(&peers->strangers);
    *ret_peers = peers;
    return OK;
}

static void peer_remove(struct peers *peers, struct peer *peer)
{
    HASH_DELETE(by_number, peers->numbers, peer);
    HASH_DELETE(by_key, peers->keys, peer);
    if (peer->is_admitted) {
        HASH_DELETE(by_identity, peers->identities, peer);
        peers->n_admitted--;
    } else {
        peers->n_strangers--;
    }
    list_remove(&peer->silence);
    outflow_drop(peer->route.outflow);
    mem_free(peer);
}

void peers_free(struct peers *peers)
{
    if (peers == NULL) {
        return;
    }
    struct peer *peer;
    struct peer *next;
    HASH_ITER (by_number, peers->numbers, peer, next) {
        peer_remove(peers, peer);
    }
    mem_free(peers);
}

static struct peer *peer_find(const struct peers *peers, uint64_t number)
{
    struct peer *peer = NULL;
    HASH_FIND(by_number, peers->numbers, &number, sizeof number, peer);
    return peer;
}

static struct peer *peer_of_key(const struct peers *peers, const char *public_key)
{
    struct peer *peer = NULL;
    HASH_FIND(by_key, peers->keys, public_key, KEY_TEXT_BYTES - 1, peer);
    return peer;
}

static void identity_write(const struct routing_id *id, uint8_t ret_identity[IDENTITY_BYTES])
{
    memset(ret_identity, 0, IDENTITY_BYTES);
    memcpy(ret_identity, id->node, strlen(id->node));
    memcpy(ret_identity + NODE_NAME_MAX + 1, &id->incarnation, sizeof id->incarnation);
}

static struct peer *peer_of_identity(const struct peers *peers,
                                     const uint8_t identity[IDENTITY_BYTES])
{
    struct peer *peer = NULL;
    HASH_FIND(by_identity, peers->identities, identity, IDENTITY_BYTES, peer);
    return peer;
}

static void peer_route_set(struct peer *peer, const struct routing_id *id)
{
    peer->id = *id;
    peer->route.len = routing_id_print(id, peer->route.text);
    peer->route.sent_at = 0;
}

/* False: there is no room and nobody to make any. */
static bool stranger_room(struct peers *peers)
{
    if (peers->n_strangers < peers->strangers_max) {
        return true;
    }
    struct peer *silent = list_first(&peers->strangers, struct peer, silence);
    if (silent != NULL) {
        peer_remove(peers, silent);
    }
    return silent != NULL;
}

/* NULL: out of memory. */
static struct peer *stranger_add(struct peers *peers, const char *public_key,
                                 const struct routing_id *id,
                                 const uint8_t identity[IDENTITY_BYTES])
{
    if (!stranger_room(peers)) {
        return NULL;
    }
    struct peer *peer = mem_zalloc(sizeof *peer);
    if (peer == NULL) {
        return NULL;
    }
    peer->number = peers->last_number + 1;
    memcpy(peer->public_key, public_key, KEY_TEXT_BYTES - 1);
    memcpy(peer->identity, identity, IDENTITY_BYTES);
    peer_route_set(peer, id);

    HASH_ADD(by_number, peers->numbers, number, sizeof peer->number, peer);
    if (peer_find(peers, peer->number) == NULL) {
        mem_free(peer);
        return NULL;
    }
    HASH_ADD(by_key, peers->keys, public_key, KEY_TEXT_BYTES - 1, peer);
    if (peer_of_key(peers, peer->public_key) == NULL) {
        HASH_DELETE(by_number, peers->numbers, peer);
        mem_free(peer);
        return NULL;
    }
    list_init(&peer->silence);
    list_push_back(&peers->strangers, &peer->silence);
    peers->n_strangers++;
    peers->last_number++;
    return peer;
}

/* False: the key may not speak over that connection. */
static bool peer_connection_take(struct peer *peer, const struct routing_id *id,
                                 const uint8_t identity[IDENTITY_BYTES],
                                 router_refusal *ret_refusal)
{
    if (memcmp(peer->identity, identity, IDENTITY_BYTES) != 0) {
        *ret_refusal = REFUSED_SECOND_ID;
        return false;
    }
    bool is_same = id->connection == peer->id.connection && id->nonce == peer->id.nonce;
    if (!is_same && id->connection <= peer->id.connection) {
        *ret_refusal = REFUSED_STALE;
        return false;
    }
    if (!is_same) {
        peer_route_set(peer, id);
    }
    return true;
}

bool peers_hear(struct peers *peers, const char *public_key, struct bytes route,
                struct router_peer *ret_peer, router_refusal *ret_refusal)
{
    struct routing_id id;
    uint8_t identity[IDENTITY_BYTES];
    if (strlen(public_key) != KEY_TEXT_BYTES - 1) {
        *ret_refusal = REFUSED_MALFORMED;
        return false;
    }
    if (routing_id_parse(route, &id) != OK) {
        *ret_refusal = REFUSED_BAD_ID;
        return false;
    }
    identity_write(&id, identity);
    struct peer *peer = peer_of_key(peers, public_key);
    const struct peer *owner = peer_of_identity(peers, identity);
    if (owner != NULL && owner != peer) {
        *ret_refusal = REFUSED_FOREIGN_ID;
        return false;
    }
    if (peer == NULL) {
        peer = stranger_add(peers, public_key, &id, identity);
        if (peer == NULL) {
            *ret_refusal = REFUSED_CROWD;
            return false;
        }
    } else if (!peer_connection_take(peer, &id, identity, ret_refusal)) {
        return false;
    }
    if (!peer->is_admitted) {
        list_remove(&peer->silence);
        list_push_back(&peers->strangers, &peer->silence);
    }
    *ret_peer = (struct router_peer){
        .number = peer->number,
        .node = peer->id.node,
        .incarnation = peer->id.incarnation,
        .public_key = peer->public_key,
        .connection = peer->id.connection,
        .is_admitted = peer->is_admitted,
    };
    return true;
}

struct peer_route *peers_route(const struct peers *peers, uint64_t number)
{
    struct peer *peer = peer_find(peers, number);
    return peer == NULL ? NULL : &peer->route;
}

error_code peers_admit(struct peers *peers, uint64_t number)
{
    struct peer *peer = peer_find(peers, number);
    if (peer == NULL) {
        return ERR_NOT_FOUND;
    }
    if (peer->is_admitted) {
        return OK;
    }
    if (peer_of_identity(peers, peer->identity) != NULL) {
        return ERR_CONFLICT;
    }
    if (peers->n_admitted >= peers->admitted_max) {
        return ERR_LIMIT;
    }
    HASH_ADD(by_identity, peers->identities, identity, IDENTITY_BYTES, peer);
    if (peer_of_identity(peers, peer->identity) == NULL) {
        return ERR_NO_MEMORY;
    }
    peer->is_admitted = true;
    list_remove(&peer->silence);
    peers->n_strangers--;
    peers->n_admitted++;
    return OK;
}

void peers_dismiss(struct peers *peers, uint64_t number)
{
    struct peer *peer = peer_find(peers, number);
    if (peer == NULL || !peer->is_admitted) {
        return;
    }
    if (!stranger_room(peers)) {
        peer_remove(peers, peer);
        return;
    }
    HASH_DELETE(by_identity, peers->identities, peer);
    peers->n_admitted--;
    peer->is_admitted = false;
    list_push_back(&peers->strangers, &peer->silence);
    peers->n_strangers++;
}

void peers_forget(struct peers *peers, uint64_t number)
{
    struct peer *peer = peer_find(peers, number);
    if (peer != NULL) {
        peer_remove(peers, peer);
    }
}

uint32_t peers_count(const struct peers *peers, bool is_admitted)
{
    return is_admitted ? peers->n_admitted : peers->n_strangers;
}
