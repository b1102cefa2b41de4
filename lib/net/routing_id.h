/* net/routing_id.h -- what a connection of an agent calls itself:
 * "<node>/<incarnation>/<connection>/<nonce>". Pure.
 *
 * Every connection has an id of its own, so libzmq never meets a duplicate (which it ignores
 * without a word), frames queued for a dead connection never go out on its successor, and nobody
 * can squat the next id: the nonce is random. */
#ifndef MUSTER_NET_ROUTING_ID_H
#define MUSTER_NET_ROUTING_ID_H

#include "base/buf.h"
#include "base/id.h"

enum {
    ROUTING_ID_TEXT_MAX = NODE_NAME_MAX + 1 + 16 + 1 + 8 + 1 + 16 + 1
}; /* NUL included; libzmq allows 255 */

struct routing_id {
    char node[NODE_NAME_MAX + 1];
    uint64_t incarnation;
    uint32_t
        connection; /* counts the incarnation's connections: the highest one is the living one */
    uint64_t nonce;
};

/* 1 to NODE_NAME_MAX characters of [A-Za-z0-9._-]. */
bool node_name_is_valid(const char *name);
/* Returns the length without the NUL. */
size_t routing_id_print(const struct routing_id *id, char ret_text[ROUTING_ID_TEXT_MAX]);
/* ERR_FORMAT unless the whole text is what routing_id_print() writes. */
MUST_CHECK error_code routing_id_parse(struct bytes text, struct routing_id *ret_id);

#endif
