/* The embedded server's files: private, repeatable, and a server that starts from them. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "sys/files.h"
#include "tests/tools/redis_rig.h"

static void assert_mode(const struct redis_rig *rig, const char *name, mode_t mode)
{
    char path[PATH_MAX];
    struct stat entry;
    (void)snprintf(path, sizeof path, "%s/%s", rig->state_dir, name);
    assert_int_equal(stat(path, &entry), 0);
    assert_int_equal(entry.st_mode & 07777, mode);
}

static void test_prepare_makes_private_files(void **state)
{
    (void)state;
    struct redis_rig rig;
    redis_rig_open(&rig, NULL);
    assert_mode(&rig, "keys", 0700);
    assert_mode(&rig, "redis", 0700);
    assert_mode(&rig, "keys/redis", 0600);
    assert_mode(&rig, "redis/redis.conf", 0600);
    redis_rig_start(&rig);
    assert_mode(&rig, "run/redis.sock", 0700);
    redis_rig_close(&rig);
}

static void test_prepare_again_keeps_the_password_and_the_running_server(void **state)
{
    (void)state;
    struct redis_rig rig;
    redis_rig_open(&rig, NULL);
    redis_rig_start(&rig);
    struct redis_server again;
    struct report report = {.code = OK};
    char path[PATH_MAX], password[SECRET_TEXT_BYTES];
    assert_int_equal(redis_server_prepare(rig.state_dir, &again, &report), OK);
    (void)snprintf(path, sizeof path, "%s/keys/redis", rig.state_dir);
    assert_int_equal(secret_load(path, password, &report), OK);
    assert_string_equal(password, rig.password);
    assert_true(redis_rig_is_alive(&rig));
    redisContext *redis = redisConnectUnix(rig.server.socket_path);
    redisReply *reply = redisCommand(redis, "AUTH %s %s", REDIS_SERVER_USER, password);
    assert_int_equal(reply->type, REDIS_REPLY_STATUS);
    freeReplyObject(reply);
    redisFree(redis);
    redis_rig_close(&rig);
}

static void assert_refused(redisContext *redis, const char *command, const char *word)
{
    redisReply *reply = redisCommand(redis, command);
    assert_non_null(reply);
    assert_int_equal(reply->type, REDIS_REPLY_ERROR);
    assert_non_null(strstr(reply->str, word));
    freeReplyObject(reply);
}

static void test_server_admits_its_one_user_to_its_keys_only(void **state)
{
    (void)state;
    struct redis_rig rig;
    redis_rig_open(&rig, NULL);
    redis_rig_start(&rig);
    redisContext *redis = redisConnectUnix(rig.server.socket_path);
    assert_refused(redis, "HGET m:meta n", "NOAUTH");
    assert_refused(redis, "AUTH default x", "WRONGPASS");
    redisReply *reply = redisCommand(redis, "AUTH %s %s", REDIS_SERVER_USER, rig.password);
    assert_int_equal(reply->type, REDIS_REPLY_STATUS);
    freeReplyObject(reply);
    static const char *const refused[] = {"HGET other x", "FLUSHALL", "CONFIG SET dir /tmp",
                                          "KEYS *",       "SHUTDOWN", "ACL LIST",
                                          "SCRIPT FLUSH"};
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        assert_refused(redis, refused[i], "NOPERM");
    }
    redisFree(redis);
    redis_rig_close(&rig);
}

static void test_server_policy_is_what_the_store_promises(void **state)
{
    (void)state;
    static const char *const policy[][2] = {{"appendonly", "yes"},
                                            {"appendfsync", "always"},
                                            {"save", ""},
                                            {"maxmemory-policy", "noeviction"},
                                            {"port", "0"}};
    struct redis_rig rig;
    redis_rig_open(&rig, NULL);
    redis_rig_start(&rig);
    redisContext *redis = redis_rig_admin(&rig);
    for (size_t i = 0; i < sizeof policy / sizeof policy[0]; i++) {
        redisReply *reply = redisCommand(redis, "CONFIG GET %s", policy[i][0]);
        assert_int_equal(reply->elements, 2);
        assert_string_equal(reply->element[1]->str, policy[i][1]);
        freeReplyObject(reply);
    }
    redisFree(redis);
    redis_rig_close(&rig);
}

static void test_server_names_its_state_folder_and_ends_on_sigterm(void **state)
{
    (void)state;
    struct redis_rig rig;
    redis_rig_open(&rig, NULL);
    redis_rig_start(&rig);
    char path[64], title[PATH_MAX] = "";
    (void)snprintf(path, sizeof path, "/proc/%d/cmdline", (int)rig.pid);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_true(fread(title, 1, sizeof title - 1, file) > 0);
    (void)fclose(file);
    assert_non_null(memmem(title, sizeof title, rig.state_dir, strlen(rig.state_dir)));
    redis_rig_kill(&rig, SIGTERM); /* waits for its end */
    redis_rig_start(&rig);
    redis_rig_close(&rig);
}

static void test_prepare_in_a_folder_with_strange_characters_works(void **state)
{
    (void)state;
    char folder[] = "/tmp/muster redis \"quoted\" \\ #-XXXXXX";
    assert_non_null(mkdtemp(folder));
    struct redis_rig rig;
    redis_rig_open(&rig, folder);
    redis_rig_start(&rig);
    assert_int_equal(redis_rig_ask(&rig, "HSET m:meta x 1"), 1);
    redis_rig_kill(&rig, SIGKILL);
    redis_rig_start(&rig);
    assert_int_equal(redis_rig_ask(&rig, "HGET m:meta x"), 1);
    redis_rig_close(&rig);
}

static void test_prepare_without_a_program_says_what_to_install(void **state)
{
    (void)state;
    char folder[] = "/tmp/muster-redis-XXXXXX";
    assert_non_null(mkdtemp(folder));
    char *path = strdup(getenv("PATH"));
    (void)setenv("PATH", folder, 1);
    struct redis_server server;
    struct report report = {.code = OK};
    assert_int_equal(redis_server_prepare(folder, &server, &report), ERR_NOT_FOUND);
    assert_non_null(strstr(report.text, "redis-tools"));
    (void)setenv("PATH", path, 1);
    free(path);
    assert_int_equal(redis_server_prepare("not/absolute", &server, &report), ERR_INVALID);
    ignore_error(dir_remove_tree(folder, NULL), "the folder is in /tmp");
}

static void test_log_past_its_limit_is_moved_aside(void **state)
{
    (void)state;
    struct redis_rig rig;
    redis_rig_open(&rig, NULL);
    char path[PATH_MAX], old_path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/logs/redis.log", rig.state_dir);
    (void)snprintf(old_path, sizeof old_path, "%s/logs/redis.log.1", rig.state_dir);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    redis_server_log_bound(rig.state_dir);
    assert_int_equal(access(old_path, F_OK), -1);
    assert_int_equal(ftruncate(fileno(file), REDIS_SERVER_LOG_MAX_BYTES + 1), 0);
    redis_server_log_bound(rig.state_dir);
    assert_int_equal(access(old_path, F_OK), 0);
    assert_int_equal(access(path, F_OK), -1);
    (void)fclose(file);
    redis_rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_prepare_makes_private_files),
        cmocka_unit_test(test_prepare_again_keeps_the_password_and_the_running_server),
        cmocka_unit_test(test_server_admits_its_one_user_to_its_keys_only),
        cmocka_unit_test(test_server_policy_is_what_the_store_promises),
        cmocka_unit_test(test_server_names_its_state_folder_and_ends_on_sigterm),
        cmocka_unit_test(test_prepare_in_a_folder_with_strange_characters_works),
        cmocka_unit_test(test_prepare_without_a_program_says_what_to_install),
        cmocka_unit_test(test_log_past_its_limit_is_moved_aside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
