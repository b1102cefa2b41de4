/* What is acknowledged is on disk: kills, lazy fsync, full disks, full memory, a server that cannot
 * now. */
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "store_rig.h"
#include "sys/files.h"

static bool is_full(struct rig *rig)
{
    return strcmp(rig->state, "full") == 0;
}

static bool is_waiting(struct rig *rig)
{
    return strcmp(rig->state, "waiting") == 0;
}

static bool is_ok(struct rig *rig)
{
    return strcmp(rig->state, "ok") == 0;
}

/* True if some file of Redis' append-only folder holds the bytes now. */
static bool is_on_disk(const struct redis_rig *redis, const char *bytes)
{
    char path[PATH_MAX + 300];
    (void)snprintf(path, sizeof path, "%s/appendonlydir", redis->server.data_dir);
    DIR *folder = opendir(path);
    assert_non_null(folder);
    bool is_there = false;
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        struct buf buf;
        buf_init(&buf, 64 << 20);
        (void)snprintf(path, sizeof path, "%s/appendonlydir/%s", redis->server.data_dir,
                       entry->d_name);
        if (entry->d_name[0] != '.' && file_read_bounded(path, &buf, NULL) == OK) {
            is_there = is_there || memmem(buf.data, buf.len, bytes, strlen(bytes)) != NULL;
        }
        buf_fini(&buf);
    }
    (void)closedir(folder);
    return is_there;
}

static void test_batch_is_in_the_file_when_it_is_acknowledged(void **state)
{
    struct rig *rig = rig_ready(*state, false);
    for (uint64_t i = 1; i <= 50; i++) {
        rig_send(rig, 7000000 + i);
        char text[RIG_TEXT_MAX];
        (void)snprintf(text, sizeof text, "%" PRIu64, 7000000 + i);
        while (!is_applied(rig)) {
            uv_run(&rig->loop, UV_RUN_ONCE);
        }
        assert_true(is_on_disk(*state, text));
    }
    rig_free(rig);
}

/* Batches go on while Redis, whose every fsync takes 20 ms more, is killed again and again. */
static void test_acknowledged_batches_survive_kills_with_slow_fsync(void **state)
{
    enum { KILLS = 12 };
    struct redis_rig *redis = *state;
    char preload[PATH_MAX];
    const char *build = getenv("MUSTER_TEST_BUILD");
    (void)snprintf(preload, sizeof preload, "%s/tests/tools/libslow_fsync.so",
                   build != NULL ? build : ".");
    assert_int_equal(access(preload, R_OK), 0);
    redis_rig_kill(redis, SIGKILL);
    redis->preload = preload;
    (void)setenv("SLOW_FSYNC_MS", "20", 1);
    redis_rig_start(redis);
    struct rig *rig = rig_ready(redis, false);
    struct random random;
    random_init(&random, 5, 0);
    uint64_t number = 0;
    for (int i = 0; i < KILLS; i++) {
        for (uint64_t whole = random_below(&random, 4); whole > 0; whole--) {
            rig_send(rig, ++number);
            rig_wait(rig, is_applied);
        }
        rig_send(rig, ++number);
        (void)rig_wait_for(rig, is_applied, random_below(&random, 40));
        bool was_acknowledged = is_applied(rig);
        redis_rig_kill(redis, SIGKILL);
        redis_rig_start(redis);
        long long n = redis_rig_ask(redis, "LLEN m:log:1");
        assert_true(n >= (long long)(was_acknowledged ? number : number - 1));
        assert_true(n <= (long long)number);
        rig_wait(rig, is_applied);
    }
    (void)unsetenv("SLOW_FSYNC_MS");
    rig_assert_log_is(rig, number);
    rig_free(rig);
}

/* The control of the test above: with a lazy policy the same kill does lose what was acknowledged,
 * and the store says so instead of going on. */
static void test_lazy_fsync_loses_batches_and_the_store_stops(void **state)
{
    struct redis_rig *redis = *state;
    char preload[PATH_MAX];
    const char *build = getenv("MUSTER_TEST_BUILD");
    (void)snprintf(preload, sizeof preload, "%s/tests/tools/libslow_fsync.so",
                   build != NULL ? build : ".");
    redis_rig_kill(redis, SIGKILL);
    redis->preload = preload;
    redis->extra[0] = "--appendfsync";
    redis->extra[1] = "everysec";
    (void)setenv("SLOW_FSYNC_MS", "1500", 1);
    redis_rig_start(redis);
    struct rig *rig = rig_ready(redis, false);
    assert_false(rig->info.is_durable);
    /* While an fsync is under way Redis does not even write: go on until that is so. */
    uint64_t number = 0;
    char text[RIG_TEXT_MAX];
    do {
        rig_send(rig, 7000000 + ++number);
        rig_wait(rig, is_applied);
        (void)snprintf(text, sizeof text, "%" PRIu64, 7000000 + number);
    } while (is_on_disk(redis, text) && number < 100000);
    redis_rig_kill(redis, SIGKILL);
    (void)unsetenv("SLOW_FSYNC_MS");
    redis_rig_start(redis);
    rig_wait(rig, is_failed);
    assert_int_equal(rig->failed, ERR_STALE);
    rig_free(rig);
}

/* Redis reads its file as its default user; without rights that user skips what scripts wrote, and
 * Redis says nothing. */
static void test_server_that_drops_scripts_at_its_start_is_found_out(void **state)
{
    struct redis_rig *redis = *state;
    struct buf conf;
    buf_init(&conf, 1 << 16);
    assert_int_equal(file_read_bounded(redis->server.conf_path, &conf, NULL), OK);
    char *text = strdup(buf_text(&conf)), *at = strstr(text, "off resetpass ~* &* +@all");
    buf_fini(&conf);
    assert_non_null(at);
    memset(at + 3, ' ', strlen("off resetpass ~* &* +@all") - 3); /* "user default off" */
    redis_rig_kill(redis, SIGKILL);
    assert_int_equal(file_write(redis->server.conf_path,
                                (struct bytes){(const uint8_t *)text, strlen(text)}, 0600, NULL),
                     OK);
    free(text);
    redis_rig_start(redis);
    struct rig *rig = rig_ready(redis, false);
    rig_send(rig, 1);
    rig_wait(rig, is_applied);
    rig_close(rig);
    redis_rig_kill(redis, SIGKILL);
    redis_rig_start(redis);
    assert_int_equal(redis_rig_ask(redis, "EXISTS m:log:1"), 0);
    struct store_config config = rig_config(rig);
    rig_open(rig, &config);
    rig_wait(rig, is_failed);
    assert_int_equal(rig->failed, ERR_STALE);
    assert_non_null(strstr(rig->why, "default user"));
    rig_free(rig);
}

static void test_batch_at_full_memory_waits_for_room(void **state)
{
    struct rig *rig = rig_ready(*state, false);
    redis_rig_ask(*state, "CONFIG SET maxmemory 1");
    rig_send(rig, 1);
    rig_wait(rig, is_full);
    assert_false(rig_wait_for(rig, is_applied, 200));
    assert_int_equal(redis_rig_ask(*state, "EXISTS m:log:1 m:tasks"), 0);
    redis_rig_ask(*state, "CONFIG SET maxmemory 0");
    rig_wait(rig, is_applied);
    assert_string_equal(rig->state, "ok");
    rig_assert_log_is(rig, 1);
    rig_free(rig);
}

static void test_batch_at_a_busy_server_waits(void **state)
{
    struct rig *rig = rig_ready(*state, false);
    redis_rig_ask(*state, "CONFIG SET lua-time-limit 20");
    redisContext *other = redis_rig_admin(*state);
    assert_int_equal(redisAppendCommand(other, "EVAL %s 0", "while true do end"), REDIS_OK);
    int is_written = 0;
    assert_int_equal(redisBufferWrite(other, &is_written), REDIS_OK);
    /* Sent once Redis is in the script: before that it would be applied at once. */
    assert_false(rig_wait_for(rig, is_never, 100));
    rig_send(rig, 1);
    rig_wait(rig, is_waiting);
    assert_false(is_applied(rig));
    redis_rig_ask(*state, "SCRIPT KILL");
    rig_wait(rig, is_applied);
    redisFree(other);
    rig_free(rig);
}

static void test_store_says_that_a_server_is_loading(void **state)
{
    struct redis_rig *redis = *state;
    struct rig *rig = rig_ready(redis, false);
    rig_send(rig, 1);
    rig_wait(rig, is_applied);
    /* It looks at its sockets once in 1,024 commands while it loads. */
    redis_rig_ask(redis, "EVAL %s 0", "for i = 1, 20000 do redis.call('SET', 'x', i) end");
    redis_rig_kill(redis, SIGKILL);
    redis->extra[0] = "--key-load-delay"; /* microseconds a command */
    redis->extra[1] = "20";
    redis_rig_start(redis);
    rig_send(rig, 2);
    rig_wait(rig, is_applied);
    assert_non_null(strstr(rig->states, "loading "));
    rig_assert_log_is(rig, 2);
    rig_free(rig);
}

static bool mount_small_disk(const char *path)
{
    static bool is_private;
    if (!is_private) {
        if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
            return false;
        }
        is_private = true;
    }
    return mount("tmpfs", path, "tmpfs", 0, "size=32m,mode=0700") == 0;
}

static void test_batch_before_a_full_disk_waits_and_redis_lives(void **state)
{
    (void)state;
    char folder[] = "/tmp/muster-disk-XXXXXX", filler[PATH_MAX];
    assert_non_null(mkdtemp(folder));
    if (!mount_small_disk(folder)) {
        (void)rmdir(folder);
        print_message("SKIP test_batch_before_a_full_disk_waits_and_redis_lives: mounting a tmpfs "
                      "is not allowed here\n");
        skip();
    }
    struct redis_rig redis;
    redis_rig_open(&redis, folder);
    redis_rig_start(&redis);
    (void)snprintf(filler, sizeof filler, "%s/filler", folder);
    int fd = open(filler, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_int_equal(posix_fallocate(fd, 0, 20 << 20), 0);
    (void)close(fd);

    struct rig *rig = rig_new(&redis, false);
    struct store_config config = rig_config(rig);
    config.data_dir = redis.server.data_dir; /* reserve: the default, 8 MiB here */
    rig_open(rig, &config);
    rig_wait(rig, is_loaded);
    rig->batch.n = rig->applied = rig->info.n;
    static uint8_t large[256 << 10];
    memset(large, 'x', sizeof large);
    uint64_t number = 0;
    while (!is_full(rig) && number < 100) {
        number++;
        rig_batch_new(rig);
        rig_op(rig, OP_HSET, "big", number);
        rig->ops[0].value = (struct bytes){large, sizeof large};
        rig->batch.size_bytes += sizeof large;
        store_send(rig->store, &rig->batch);
        (void)rig_wait_for(rig, is_settled, 200);
    }
    assert_true(is_full(rig));
    assert_true(number > 4);
    assert_false(is_applied(rig));
    assert_false(rig_wait_for(rig, is_applied, 600)); /* it stays so */
    assert_true(redis_rig_is_alive(&redis));
    assert_int_equal(redis_rig_ask(&redis, "HLEN m:big"), (long long)number - 1);

    assert_int_equal(unlink(filler), 0);
    rig_wait(rig, is_applied);
    assert_true(is_ok(rig));
    assert_int_equal(redis_rig_ask(&redis, "HLEN m:big"), (long long)number);
    rig_free(rig);
    redis_rig_kill(&redis, SIGKILL);
    assert_int_equal(umount2(folder, MNT_DETACH), 0);
    (void)rmdir(folder);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_batch_is_in_the_file_when_it_is_acknowledged),
        TEST(test_acknowledged_batches_survive_kills_with_slow_fsync),
        TEST(test_lazy_fsync_loses_batches_and_the_store_stops),
        TEST(test_server_that_drops_scripts_at_its_start_is_found_out),
        TEST(test_batch_at_full_memory_waits_for_room),
        TEST(test_batch_at_a_busy_server_waits),
        TEST(test_store_says_that_a_server_is_loading),
        TEST(test_batch_before_a_full_disk_waits_and_redis_lives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
