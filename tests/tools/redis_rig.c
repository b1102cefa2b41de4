#include "tests/tools/redis_rig.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/files.h"

enum { START_TRIES = 2000, START_PAUSE_MS = 5 };

static void die(const char *what)
{
    (void)fprintf(stderr, "redis_rig: %s\n", what);
    abort();
}

static void pause_ms(int ms)
{
    struct pollfd nothing = {.fd = -1};
    (void)poll(&nothing, 1, ms);
}

void redis_rig_open(struct redis_rig *rig, const char *folder)
{
    *rig = (struct redis_rig){0};
    (void)signal(SIGPIPE, SIG_IGN);
    (void)strcpy(rig->state_dir, "/tmp/muster-redis-XXXXXX");
    if (folder != NULL) {
        (void)snprintf(rig->state_dir, sizeof rig->state_dir, "%s", folder);
    } else if (mkdtemp(rig->state_dir) == NULL) {
        die("no folder");
    }
    struct report report = {.code = OK};
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/keys/redis", rig->state_dir);
    if (redis_server_prepare(rig->state_dir, &rig->server, &report) != OK ||
        secret_load(path, rig->password, &report) != OK) {
        die(report.text);
    }
}

static void server_exec(const struct redis_rig *rig, pid_t parent)
{
    const char *argv[64] = {rig->server.argv[0],
                            rig->server.argv[1],
                            "--user",
                            "admin",
                            "on",
                            ">admin",
                            "~*",
                            "&*",
                            "+@all"};
    size_t n = 9;
    for (size_t i = 0; i < REDIS_RIG_EXTRA_MAX && rig->extra[i] != NULL; i++) {
        argv[n++] = rig->extra[i];
    }
    if (rig->preload != NULL) {
        (void)setenv("LD_PRELOAD", rig->preload, 1);
    }
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() == parent) {
        (void)execv(rig->server.program, (char *const *)argv);
    }
    _exit(127);
}

void redis_rig_start(struct redis_rig *rig)
{
    /* A killed server leaves its socket behind. */
    (void)unlink(rig->server.socket_path);
    pid_t parent = getpid();
    rig->pid = fork();
    if (rig->pid == 0) {
        server_exec(rig, parent);
    }
    for (int i = 0; i < START_TRIES; i++) {
        redisContext *redis = redisConnectUnix(rig->server.socket_path);
        bool is_up = redis != NULL && redis->err == 0;
        redisFree(redis);
        if (is_up) {
            return;
        }
        if (!redis_rig_is_alive(rig)) {
            die("redis-server ended at its start; see logs/redis.log");
        }
        pause_ms(START_PAUSE_MS);
    }
    die("redis-server does not listen");
}

bool redis_rig_is_alive(struct redis_rig *rig)
{
    if (rig->pid > 0 && waitpid(rig->pid, NULL, WNOHANG) == rig->pid) {
        rig->pid = 0;
    }
    return rig->pid > 0;
}

void redis_rig_kill(struct redis_rig *rig, int number)
{
    if (rig->pid > 0) {
        (void)kill(rig->pid, number);
        (void)waitpid(rig->pid, NULL, 0);
        rig->pid = 0;
    }
}

void redis_rig_close(struct redis_rig *rig)
{
    redis_rig_kill(rig, SIGKILL);
    ignore_error(dir_remove_tree(rig->state_dir, NULL), "the folder is in /tmp");
}

redisContext *redis_rig_admin(const struct redis_rig *rig)
{
    redisContext *redis = redisConnectUnix(rig->server.socket_path);
    if (redis == NULL || redis->err != 0) {
        die("admin cannot connect");
    }
    redisReply *reply = redisCommand(redis, "AUTH admin admin");
    if (reply == NULL || reply->type != REDIS_REPLY_STATUS) {
        die("admin is refused");
    }
    freeReplyObject(reply);
    return redis;
}

long long redis_rig_ask(const struct redis_rig *rig, const char *format, ...)
{
    redisContext *redis = redis_rig_admin(rig);
    redisReply *reply = NULL;
    for (int i = 0; i < START_TRIES; i++) {
        va_list arguments;
        va_start(arguments, format);
        reply = redisvCommand(redis, format, arguments);
        va_end(arguments);
        if (reply == NULL || reply->type != REDIS_REPLY_ERROR ||
            strncmp(reply->str, "LOADING", strlen("LOADING")) != 0) {
            break;
        }
        freeReplyObject(reply);
        reply = NULL;
        pause_ms(START_PAUSE_MS);
    }
    if (reply == NULL || reply->type == REDIS_REPLY_ERROR) {
        die(reply != NULL ? reply->str : format);
    }
    long long value = -1;
    if (reply->type == REDIS_REPLY_INTEGER) {
        value = reply->integer;
    } else if (reply->type == REDIS_REPLY_STRING) {
        value = strtoll(reply->str, NULL, 10);
    } else if (reply->type != REDIS_REPLY_NIL) {
        value = (long long)reply->elements;
    }
    freeReplyObject(reply);
    redisFree(redis);
    return value;
}
