/* net/peers.h -- the head's table of CURVE keys that speak to it, and the rule of who may speak as
 * whom. Pure: no socket. Inside lib/net only; the loop's thread.
 *
 * A key is a *stranger* until it is admitted; strangers are few, own nothing, and the one silent
 * longest makes room for the next. An admitted key owns its node's incarnation: no other key speaks
 * in that name while the head lives. */
#ifndef MUSTER_NET_PEERS_H
#define MUSTER_NET_PEERS_H

#include "net/router.h"
#include "net/routing_id.h"

struct peers;
struct outflow;

/* The highest connection of a key is where frames to it go. */
struct peer_route {
    char text[ROUTING_ID_TEXT_MAX];
    size_t len;
    time_ms sent_at;         /* of the last frame over it; 0: none */
    struct outflow *outflow; /* of all its connections; NULL: no shared frame was sent yet */
};

MUST_CHECK error_code peers_new(uint32_t admitted_max, uint32_t strangers_max,
                                struct peers **ret_peers);
void peers_free(struct peers *peers);

/* A frame of `public_key` (Z85) came over the connection `route`. True: ret_peer may speak
 * (borrowed until the next call that changes the table). False: ret_refusal says why not, nothing
 * is changed. */
bool peers_hear(struct peers *peers, const char *public_key, struct bytes route,
                struct router_peer *ret_peer, router_refusal *ret_refusal);
/* NULL: no such peer. */
struct peer_route *peers_route(const struct peers *peers, uint64_t number);
/* ERR_NOT_FOUND: forgotten meanwhile; ERR_CONFLICT: another key owns that incarnation; ERR_LIMIT:
 * the table is full of admitted ones. Admitting again is OK. */
MUST_CHECK error_code peers_admit(struct peers *peers, uint64_t number);
/* An admitted one is a stranger again, with its number and route: what answers it still arrives. */
void peers_dismiss(struct peers *peers, uint64_t number);
void peers_forget(struct peers *peers, uint64_t number);
uint32_t peers_count(const struct peers *peers, bool is_admitted);

#endif
