#include "head/shell/redis_server.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "net/keys.h"
#include "sys/files.h"
#include "sys/program.h"

enum { CONF_MAX_BYTES = 64 << 10 };

static const char *const folders[] = {"redis", "run", "logs", "keys"};

/* Lines that are the same for every folder. Every directive is known to Redis 6.2 and later. */
static const char conf_text[] =
    "# Written by muster at each start; changes are lost.\n"
    "port 0\n"
    "unixsocketperm 700\n"
    "daemonize no\n"
    "supervised no\n"
    "set-proc-title yes\n"
    "proc-title-template \"{title} {config-file}\"\n"
    "databases 1\n"
    "maxclients 64\n"
    "timeout 0\n"
    "loglevel notice\n"
    "always-show-logo no\n"
    /* Every acknowledged write is on disk; the file is the append-only one alone. */
    "save \"\"\n"
    "appendonly yes\n"
    "appendfsync always\n"
    "no-appendfsync-on-rewrite no\n"
    "aof-load-truncated yes\n"
    "aof-use-rdb-preamble yes\n"
    "auto-aof-rewrite-percentage 100\n"
    "auto-aof-rewrite-min-size 64mb\n"
    "maxmemory 0\n"
    "maxmemory-policy noeviction\n"
    "lua-time-limit 5000\n"
    /* Nobody can log in as the default user, but Redis itself replays its file as that user:
     * without every right it skips each MULTI..EXEC of the file (a script's writes) and starts up
     * empty. */
    "user default off resetpass ~* &* +@all\n";

/* What the store needs, on the store's keys. */
static const char conf_rights[] =
    "resetkeys ~m:* resetchannels -@all +auth +hello +ping +info +config|get +eval +evalsha "
    "+script|load +hset +hdel +hget +hmget +hscan +hlen +hincrby +rpush +lrange +llen +del +type";

static error_code path_make(char ret_path[PATH_MAX], const char *state_dir, const char *name,
                            struct report *report)
{
    int size = snprintf(ret_path, PATH_MAX, "%s/%s", state_dir, name);
    if (size >= PATH_MAX) {
        return report_fail(report, ERR_LIMIT, "the path %s/%s is too long", state_dir, name);
    }
    return OK;
}

static error_code fail_errno(struct report *report, const char *what, const char *path)
{
    int number = errno;
    return report_fail(report, error_from_errno(number), "cannot %s %s: %s", what, path,
                       strerror(number));
}

static error_code folders_make(const char *state_dir, struct report *report)
{
    error_code error = OK;
    for (size_t i = 0; error == OK && i < sizeof folders / sizeof folders[0]; i++) {
        char path[PATH_MAX];
        error = path_make(path, state_dir, folders[i], report);
        if (error == OK) {
            error = dir_make(path, report);
        }
    }
    return error;
}

/* A program on PATH. */
static bool program_find(const char *name, char ret_path[PATH_MAX])
{
    const char *at = getenv("PATH");
    if (at == NULL || at[0] == '\0') {
        at = "/usr/local/bin:/usr/bin:/bin";
    }
    while (true) {
        size_t len = strcspn(at, ":");
        int size = snprintf(ret_path, PATH_MAX, "%.*s/%s", (int)len, at, name);
        struct stat entry;
        if (len > 0 && size < PATH_MAX && stat(ret_path, &entry) == 0 && S_ISREG(entry.st_mode) &&
            access(ret_path, X_OK) == 0) {
            return true;
        }
        if (at[len] == '\0') {
            return false;
        }
        at += len + 1;
    }
}

/* redis-server of a bundle or on PATH, or redis-check-rdb, which becomes the server when it is
 * called so. */
static error_code program_prepare(const char *state_dir, char ret_program[PATH_MAX],
                                  struct report *report)
{
    if (program_beside("redis-server", ret_program) || program_find("redis-server", ret_program)) {
        return OK;
    }
    char same[PATH_MAX];
    if (!program_find("redis-check-rdb", same)) {
        return report_fail(report, ERR_NOT_FOUND,
                           "redis-server is not installed; install the package redis-tools or "
                           "redis-server");
    }
    error_code error = path_make(ret_program, state_dir, "run/redis-server", report);
    if (error != OK) {
        return error;
    }
    if ((unlink(ret_program) != 0 && errno != ENOENT) || symlink(same, ret_program) != 0) {
        return fail_errno(report, "make the link", ret_program);
    }
    return OK;
}

/* `"` and `\` are the two characters that Redis reads specially inside quotes. */
static void conf_quoted(struct buf *conf, const char *name, const char *one, const char *two)
{
    buf_printf(conf, "%s \"", name);
    const char *const parts[] = {one, two};
    for (size_t i = 0; i < 2; i++) {
        for (const char *c = parts[i]; *c != '\0'; c++) {
            if (*c == '"' || *c == '\\') {
                buf_append_byte(conf, '\\');
            }
            buf_append_byte(conf, (uint8_t)*c);
        }
    }
    buf_append_text(conf, "\"\n");
}

static error_code conf_write(const char *state_dir, const char *path, const char *password,
                             struct report *report)
{
    uint8_t hash[crypto_hash_sha256_BYTES];
    char hash_text[2 * sizeof hash + 1];
    (void)crypto_hash_sha256(hash, (const uint8_t *)password, strlen(password));
    (void)sodium_bin2hex(hash_text, sizeof hash_text, hash, sizeof hash);
    struct buf conf;
    buf_init(&conf, CONF_MAX_BYTES);
    buf_append_text(&conf, conf_text);
    buf_printf(&conf, "user " REDIS_SERVER_USER " on #%s %s\n", hash_text, conf_rights);
    conf_quoted(&conf, "dir", state_dir, "/redis");
    conf_quoted(&conf, "logfile", state_dir, "/logs/redis.log");
    /* Seen from dir, where Redis is by the time it listens: an absolute path may be too long for a
     * socket address. */
    buf_append_text(&conf, "unixsocket ../run/redis.sock\n");
    error_code error = conf.failed;
    if (error == OK) {
        error = file_write_atomic(path, buf_bytes(&conf), 0600, report);
    }
    buf_fini(&conf);
    return error;
}

error_code redis_server_socket(const char *state_dir, char *ret_path, size_t size_bytes,
                               struct report *report)
{
    char path[PATH_MAX];
    error_code error = path_make(path, state_dir, "run/redis.sock", report);
    if (error == OK && strlen(path) >= size_bytes) {
        error = report_fail(report, ERR_LIMIT, "the path %s is too long", path);
    }
    if (error == OK) {
        (void)strcpy(ret_path, path);
    }
    return error;
}

/* A pattern that matches nothing would give a Redis with nothing configured, open on TCP. */
static error_code conf_argument_make(struct redis_server *server, struct report *report)
{
    bool is_pattern = strpbrk(server->conf_path, "*?[") != NULL;
    size_t n = 0;
    for (const char *c = server->conf_path; *c != '\0'; c++) {
        if (n + 3 > sizeof server->conf_argument) {
            return report_fail(report, ERR_LIMIT, "the path %s is too long", server->conf_path);
        }
        if (is_pattern && strchr("*?[]\\", *c) != NULL) {
            server->conf_argument[n++] = '\\';
        }
        server->conf_argument[n++] = *c;
    }
    server->conf_argument[n] = '\0';
    return OK;
}

error_code redis_server_prepare(const char *state_dir, struct redis_server *ret_server,
                                struct report *report)
{
    if (state_dir[0] != '/' || strpbrk(state_dir, "\r\n") != NULL) {
        return report_fail(report, ERR_INVALID,
                           "the state folder must be an absolute path on one line");
    }
    if (keys_init() != OK) {
        return report_fail(report, ERR_SYSTEM, "the machine gives no random numbers");
    }
    struct redis_server *server = ret_server;
    char password[SECRET_TEXT_BYTES] = "", password_path[PATH_MAX];
    error_code error = folders_make(state_dir, report);
    if (error == OK) {
        error = path_make(server->conf_path, state_dir, "redis/redis.conf", report);
    }
    if (error == OK) {
        error = conf_argument_make(server, report);
    }
    if (error == OK) {
        error =
            redis_server_socket(state_dir, server->socket_path, sizeof server->socket_path, report);
    }
    if (error == OK) {
        error = path_make(server->data_dir, state_dir, "redis", report);
    }
    if (error == OK) {
        error = program_prepare(state_dir, server->program, report);
    }
    if (error == OK) {
        error = path_make(password_path, state_dir, "keys/redis", report);
    }
    if (error == OK) {
        error = secret_load(password_path, password, report);
    }
    if (error == OK) {
        error = conf_write(state_dir, server->conf_path, password, report);
    }
    sodium_memzero(password, sizeof password);
    if (error == OK) {
        redis_server_log_bound(state_dir);
        server->argv[0] = server->program;
        server->argv[1] = server->conf_argument;
        server->argv[2] = NULL;
    }
    return error;
}

void redis_server_log_bound(const char *state_dir)
{
    char path[PATH_MAX], old_path[PATH_MAX];
    struct stat entry;
    if (path_make(path, state_dir, "logs/redis.log", NULL) != OK ||
        path_make(old_path, state_dir, "logs/redis.log.1", NULL) != OK) {
        return;
    }
    if (stat(path, &entry) == 0 && entry.st_size > REDIS_SERVER_LOG_MAX_BYTES) {
        (void)rename(path, old_path); /* a log that cannot be moved grows on: no reason to stop */
    }
}
