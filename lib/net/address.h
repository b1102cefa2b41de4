/* net/address.h -- addresses as people write them: HOST:PORT, [V6]:PORT, tcp://HOST:PORT, and
 * whether a listener could be opened there. Any thread. */
#ifndef MUSTER_NET_ADDRESS_H
#define MUSTER_NET_ADDRESS_H

#include <stdbool.h>

#include "base/error.h"

enum {
    NET_HOST_MAX = 253,
    NET_ENDPOINT_MAX = 256 + 16,
    NET_PORT_AGENTS = 7700, /* where agents join, unless said otherwise */
    NET_PORT_HTTP = 7780,
};

typedef enum {
    NET_HOST_NAME,
    NET_HOST_V4,
    NET_HOST_V6,
    NET_HOST_ANY, /* `*`: every address of this machine */
} net_host_kind;

struct net_address {
    char host[NET_HOST_MAX + 1]; /* without brackets */
    uint16_t port;               /* 0: any free one */
    net_host_kind kind;
};

/* HOST[:PORT], [V6][:PORT], V4[:PORT], *[:PORT], each with or without `scheme`:// before it (NULL:
 * none is allowed). ERR_INVALID with a text that says what is wrong with it. */
MUST_CHECK error_code net_address_parse(const char *text, const char *scheme, uint16_t port_default,
                                        struct net_address *ret_address, struct report *report);
/* Only this machine can reach it: 127.0.0.0/8, ::1, localhost. */
bool net_address_is_loopback(const struct net_address *address);
/* tcp://HOST:PORT as ZeroMQ wants it. */
void net_address_endpoint(const struct net_address *address, char ret_endpoint[NET_ENDPOINT_MAX]);

/* A name becomes one of its addresses, IPv4 first; numeric ones stay. Blocks for the name service.
 * ERR_NOT_FOUND: no such name. */
MUST_CHECK error_code net_address_resolve(struct net_address *address, struct report *report);
/* Opens a listener there and closes it. `address` is numeric or ANY. Port 0 is always free.
 * ERR_BUSY: in use; ERR_INVALID: not an address of this machine; ERR_NOT_ALLOWED. Does not block.
 */
MUST_CHECK error_code net_address_try(const struct net_address *address, struct report *report);

#endif
