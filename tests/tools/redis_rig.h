/* tests/tools/redis_rig.h -- a real redis-server of the test's own: private folder and socket, made
 * as the product makes it, started, killed and started again by pid. It dies with the test. Aborts
 * on what cannot be set up. */
#ifndef MUSTER_TESTS_TOOLS_REDIS_RIG_H
#define MUSTER_TESTS_TOOLS_REDIS_RIG_H

#include <hiredis/hiredis.h>
#include <sys/types.h>

#include "head/shell/redis_server.h"
#include "net/keys.h"

enum { REDIS_RIG_EXTRA_MAX = 16 };

struct redis_rig {
    char state_dir[128];
    struct redis_server server;
    char password[SECRET_TEXT_BYTES];
    const char *extra[REDIS_RIG_EXTRA_MAX]; /* more directives: "--maxmemory", "1mb", NULL */
    const char *preload;                    /* LD_PRELOAD of the server; NULL: none */
    pid_t pid;                              /* 0: not running */
};

/* `folder` NULL: a new one in /tmp. Does not start the server. */
void redis_rig_open(struct redis_rig *rig, const char *folder);
/* Starts it; returns when it accepts connections (it may still be loading). */
void redis_rig_start(struct redis_rig *rig);
/* Signals the server and waits for its end. */
void redis_rig_kill(struct redis_rig *rig, int number);
bool redis_rig_is_alive(struct redis_rig *rig);
void redis_rig_close(struct redis_rig *rig); /* kills it and removes the folder */

/* A connection with every right, past any proxy; freed by the caller. */
redisContext *redis_rig_admin(const struct redis_rig *rig);
/* One question as admin, asked again while Redis is loading; the integer or the length of the
 * answer, -1 for nil. Aborts on an error answer. */
long long redis_rig_ask(const struct redis_rig *rig, const char *format, ...);

#endif
