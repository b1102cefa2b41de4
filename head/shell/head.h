/* head/shell/head.h -- the head's daemon: core, store, agents, HTTP, one loop. One thread. */
#ifndef MUSTER_HEAD_SHELL_HEAD_H
#define MUSTER_HEAD_SHELL_HEAD_H

#include "base/error.h"
#include "net/address.h"

enum { HEAD_LISTEN_MAX = 8, HEAD_HTTP_NAMES_MAX = 16, HEAD_ORPHAN_MS = 30 * 60 * 1000 };

/* All borrowed until head_main() returns. */
struct head_options {
    const char *state_dir;
    int ready_fd;                               /* > 0: a byte is written when it serves */
    struct net_address listen[HEAD_LISTEN_MAX]; /* where agents join over TCP, beside the socket of
                                                   the state folder */
    uint32_t n_listen;
    struct net_address http; /* host "": loopback; port 0: any free one, the last one first */
    const char
        *http_names[HEAD_HTTP_NAMES_MAX]; /* by which it is called, beside the machine's own */
    uint32_t n_http_names;
    const char *tls_cert, *tls_key; /* NULL: off loopback, of its own CA */
    bool is_insecure_http;          /* plain off loopback */
    long linger_ms; /* < 0: stays; else it leaves so long after the last work and reader */
    int64_t orphan_timeout_ms; /* of agents that joined over TCP; 0: none */
    uint64_t depot_max_bytes;  /* 0: DEPOT_BYTES_DEFAULT */
    const char *store;         /* redis://... or unix://...; NULL: the embedded one */
    const char *store_prefix;  /* of its keys; NULL: m */
    const char *log_path;      /* NULL: stderr; else both */
};

/* Runs the head until it is told to leave; the process's exit code. */
int head_main(const struct head_options *options);

#endif
