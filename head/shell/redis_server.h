/* head/shell/redis_server.h -- the embedded redis-server's files, password and argument list; who
 * starts it (the supervisor) owns the process. Any thread; every call here does file I/O and blocks
 * for it. */
#ifndef MUSTER_HEAD_SHELL_REDIS_SERVER_H
#define MUSTER_HEAD_SHELL_REDIS_SERVER_H

#include <limits.h>
#include <stddef.h>

#include "base/error.h"

enum { REDIS_ARGV_MAX = 3 };
#define REDIS_SERVER_USER "muster" /* its password: secret_load() of keys/redis */
#define REDIS_SERVER_LOG_MAX_BYTES (4 << 20)

/* How to start it: execve(program, argv), with the environment inherited. It stays in the
 * foreground, listens on `socket_path` alone, ends on SIGTERM, and names its state folder in argv
 * and in its process title. */
struct redis_server {
    char program[PATH_MAX];
    char conf_path[PATH_MAX];
    char conf_argument[PATH_MAX]; /* the same as Redis reads it: where the path has one of *?[, it
                                     is a pattern to Redis */
    char socket_path[PATH_MAX];   /* may be longer than a socket address: redis_link knows how */
    char data_dir[PATH_MAX];      /* for struct store_config */
    const char *argv[REDIS_ARGV_MAX]; /* {program, conf_argument, NULL}; points into this struct */
};

/* Makes the folders redis/, run/, logs/ and keys/ of the state folder where they lack, the password
 * at the first start, and writes redis/redis.conf anew (0600). `state_dir` is absolute and exists.
 * The program is redis-server on PATH or, where only redis-tools is installed, a link of that name
 * to redis-check-rdb, which is the same program, in run/. ERR_NOT_FOUND: neither is there. A
 * redis-server that runs on this folder is not disturbed. */
MUST_CHECK error_code redis_server_prepare(const char *state_dir, struct redis_server *ret_server,
                                           struct report *report);

/* Where it listens: run/redis.sock of the state folder. ERR_LIMIT: it does not fit. */
MUST_CHECK error_code redis_server_socket(const char *state_dir, char *ret_path, size_t size_bytes,
                                          struct report *report);

/* Redis never ends its log: past REDIS_SERVER_LOG_MAX_BYTES logs/redis.log becomes
 * logs/redis.log.1. Redis opens it for each line, so it may be called at any time; the supervisor
 * does, now and then. */
void redis_server_log_bound(const char *state_dir);

#endif
