/* Folders that are made before they are needed: used again only as if nobody had used them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "sys/clock.h"
#include "worker/shell/spares.h"

enum { RIG_DEADLINE_MS = 20000, RIG_WANT = 3, RIG_RIPE_MS = 60 };

struct rig {
    struct loop *loop;
    struct spares *spares;
    char folder[64];
    char place[96];
    char used[96]; /* where the test renames one to */
    time_ms deadline;
    time_ms ripe_at;
};

static void on_rig_turn(void *context, const struct loop_turn *turn)
{
    struct rig *rig = context;
    bool is_settled = !spares_busy(rig->spares) && turn->now >= rig->ripe_at;
    if (is_settled || turn->now > rig->deadline) {
        loop_stop(rig->loop);
    }
    loop_deadline_set(rig->loop, turn->now + 5);
}

/* Until the pool has nothing of it any more. */
static void rig_settle(struct rig *rig)
{
    rig->deadline = clock_now() + RIG_DEADLINE_MS;
    loop_again(rig->loop);
    assert_int_equal(loop_run(rig->loop), OK);
    assert_false(spares_busy(rig->spares));
}

/* Until what is there now is older than a tick of the kernel's clock of changes. */
static void rig_ripen(struct rig *rig)
{
    rig->ripe_at = clock_now() + RIG_RIPE_MS;
    rig_settle(rig);
    rig->ripe_at = 0;
}

static void rig_begin(struct rig *rig)
{
    *rig = (struct rig){0};
    snprintf(rig->folder, sizeof rig->folder, "/tmp/muster-spares-XXXXXX");
    assert_non_null(mkdtemp(rig->folder));
    snprintf(rig->place, sizeof rig->place, "%s/spares", rig->folder);
    snprintf(rig->used, sizeof rig->used, "%s/used", rig->folder);
    assert_int_equal(mkdir(rig->place, 0700), 0);
    assert_int_equal(loop_new(&rig->loop, NULL), OK);
    loop_turn_set(rig->loop, on_rig_turn, rig);
    assert_int_equal(spares_new(rig->loop, rig->place, rig->folder, RIG_WANT, &rig->spares), OK);
    rig_settle(rig);
}

static void rig_end(struct rig *rig)
{
    spares_free(rig->spares);
    loop_free(rig->loop);
    assert_int_equal(rmdir(rig->place), 0); /* nothing is left in it */
    assert_int_equal(dir_remove_tree(rig->folder, NULL), OK);
    assert_int_equal(mem_live_count(), 0);
}

static struct spare rig_take(struct rig *rig)
{
    struct spare spare;
    assert_true(spares_take(rig->spares, "", 0, &spare));
    assert_int_equal(rename(spare.dir, rig->used), 0);
    snprintf(spare.dir, sizeof spare.dir, "%s", rig->used);
    return spare;
}

static ino_t inode_of(const char *path)
{
    struct stat about;
    return stat(path, &about) == 0 ? about.st_ino : 0;
}

static void spare_path(const char *name, const struct spare *spare,
                       char ret_path[FILES_PATH_MAX_BYTES + 64])
{
    snprintf(ret_path, FILES_PATH_MAX_BYTES + 64, "%s/%s", spare->dir, name);
}

static void test_spare_is_taken_its_socket_listens_under_the_new_name(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig);
    struct spare spare = rig_take(&rig);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s/s", rig.used);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    int other = accept(spare.listen_fd, NULL, NULL);
    assert_true(other >= 0);
    close(other);
    close(fd);
    spares_give(rig.spares, &spare);
    rig_settle(&rig);
    rig_end(&rig);
}

static void test_spare_comes_back_as_it_was_it_is_used_again(void **state)
{
    (void)state;
    struct rig rig;
    char path[FILES_PATH_MAX_BYTES + 64];
    rig_begin(&rig);
    struct spare spare = rig_take(&rig);
    ino_t inode = inode_of(rig.used);
    spare_path("params.json", &spare, path);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_int_equal(write(fd, "{}\n", 3), 3); /* as each attempt has it */
    close(fd);
    spares_give(rig.spares, &spare);
    rig_settle(&rig);
    assert_int_not_equal(access(rig.used, F_OK), 0);
    bool is_seen = false;
    for (int i = 0; i < RIG_WANT && !is_seen; i++) {
        struct stat about;
        struct spare next;
        assert_true(spares_take(rig.spares, "", 0, &next));
        is_seen = inode_of(next.dir) == inode;
        spare_path("params.json", &next, path);
        assert_int_equal(stat(path, &about), 0);
        assert_int_equal(about.st_size, 0);
        close(next.listen_fd);
        assert_int_equal(dir_remove_tree(next.dir, NULL), OK);
    }
    assert_true(is_seen);
    rig_settle(&rig);
    rig_end(&rig);
}

static void test_spare_comes_back_changed_it_is_removed(void **state)
{
    (void)state;
    static const char *const changes[] = {
        "touch work/file",        "mkdir tmp/folder",    "touch save/file",
        "touch .hidden",          "chmod 0755 work",     "chmod 0777 .",
        "rm s && touch s",        "chmod 0666 s",        "rm params.json",
        "ln params.json ../link", "chmod 0 params.json", "rmdir tmp && ln -s / tmp",
    };
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        struct rig rig;
        char command[FILES_PATH_MAX_BYTES + 128];
        rig_begin(&rig);
        struct spare spare = rig_take(&rig);
        ino_t inode = inode_of(rig.used);
        int keep = open(rig.used,
                        O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* its inode is not given to another */
        snprintf(command, sizeof command, "cd %s && %s", rig.used, changes[i]);
        assert_int_equal(system(command), 0);
        spares_give(rig.spares, &spare);
        rig_settle(&rig);
        struct spare next;
        while (spares_take(rig.spares, "", 0, &next)) {
            if (inode_of(next.dir) == inode) {
                fail_msg("used again after: %s", command);
            }
            spares_stop(rig.spares);
            close(next.listen_fd);
            assert_int_equal(dir_remove_tree(next.dir, NULL), OK);
        }
        close(keep);
        rig_settle(&rig);
        rig_end(&rig);
    }
}

static void test_spares_are_all_taken_there_are_new_ones_soon(void **state)
{
    (void)state;
    struct rig rig;
    struct spare spare;
    rig_begin(&rig);
    for (int i = 0; i < RIG_WANT; i++) {
        assert_true(spares_take(rig.spares, "", 0, &spare));
        spares_give(rig.spares, &spare);
    }
    assert_false(spares_take(rig.spares, "", 0, &spare));
    rig_settle(&rig);
    assert_true(spares_take(rig.spares, "", 0, &spare));
    spares_give(rig.spares, &spare);
    rig_settle(&rig);
    rig_end(&rig);
}

static void test_folder_cannot_be_written_nothing_is_ready_and_nothing_spins(void **state)
{
    (void)state;
    struct rig rig;
    struct spare spare;
    rig_begin(&rig);
    while (spares_take(rig.spares, "", 0, &spare)) {
        close(spare.listen_fd);
        assert_int_equal(dir_remove_tree(spare.dir, NULL), OK);
        rig_settle(&rig);
        assert_int_equal(dir_remove_tree(rig.place, NULL), OK);
    }
    rig_settle(&rig);
    assert_false(spares_take(rig.spares, "", 0, &spare));
    rig_settle(&rig);
    assert_int_equal(mkdir(rig.place, 0700), 0);
    assert_false(spares_take(rig.spares, "", 0, &spare)); /* and it tries again */
    rig_settle(&rig);
    assert_true(spares_take(rig.spares, "", 0, &spare));
    spares_give(rig.spares, &spare);
    rig_settle(&rig);
    rig_end(&rig);
}

/* A tree beside the spares, as a work folder of the node. */
static void tree_make(struct rig *rig, const char *name, const char *text)
{
    char command[400];
    snprintf(command, sizeof command, "mkdir %s/%s && echo %s > %s/%s/file", rig->folder, name,
             text, rig->folder, name);
    assert_int_equal(system(command), 0);
}

static void tree_assert(const struct spare *spare, const char *wanted)
{
    char path[FILES_PATH_MAX_BYTES + 64], text[64] = "";
    spare_path("work/file", spare, path);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_non_null(fgets(text, sizeof text, file));
    fclose(file);
    assert_string_equal(text, wanted);
}

/* Copies of the tree "a" are ready, and older than a tick of the clock of changes. */
static void rig_begin_with_tree(struct rig *rig)
{
    struct spare spare;
    rig_begin(rig);
    tree_make(rig, "a", "hello");
    assert_false(spares_take(rig->spares, "a", 6, &spare)); /* now it is known */
    rig_settle(rig);
    rig_ripen(rig);
}

static bool is_used_again(struct rig *rig, ino_t inode)
{
    struct spare spare;
    bool is_seen = false;
    spares_stop(rig->spares);
    while (spares_take(rig->spares, "a", 6, &spare)) {
        is_seen = is_seen || inode_of(spare.dir) == inode;
        tree_assert(&spare, "hello\n");
        spares_give(rig->spares, &spare);
    }
    rig_settle(rig);
    return is_seen;
}

static void test_spare_of_a_tree_left_alone_is_used_again(void **state)
{
    (void)state;
    struct rig rig;
    struct spare spare;
    char path[FILES_PATH_MAX_BYTES + 64];
    rig_begin_with_tree(&rig);
    assert_true(spares_take(rig.spares, "a", 6, &spare));
    assert_string_equal(spare.tree, "a");
    tree_assert(&spare, "hello\n");
    spare_path("params.json", &spare, path);
    FILE *file = fopen(path, "w");
    assert_true(file != NULL && fputs("{}\n", file) >= 0);
    fclose(file);
    ino_t inode = inode_of(spare.dir);
    spares_give(rig.spares, &spare);
    rig_settle(&rig);
    assert_true(is_used_again(&rig, inode));
    rig_end(&rig);
}

/* As of one that was taken within the tick of its copy: a change might not be seen. */
static void test_spare_of_a_tree_without_fingerprint_is_used_once(void **state)
{
    (void)state;
    struct rig rig;
    struct spare spare;
    rig_begin_with_tree(&rig);
    assert_true(spares_take(rig.spares, "a", 6, &spare));
    spare.fingerprint = 0;
    ino_t inode = inode_of(spare.dir);
    int keep = open(spare.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    spares_give(rig.spares, &spare);
    rig_settle(&rig);
    assert_false(is_used_again(&rig, inode));
    close(keep);
    rig_end(&rig);
}

static void test_spare_of_a_tree_changed_is_removed(void **state)
{
    (void)state;
    static const char *const changes[] = {
        "echo hellO > work/file",
        "touch work/new",
        "touch -r / work/file",
        "chmod 0600 work/file",
        "chmod 0755 work",
        "mv work/file work/g && mv work/g work/file",
        "ln work/file file && rm file",
        "cp work/file f && cat f > work/file && rm f",
        "rm work/file && ln -s / work/file",
        "touch work/new && rm work/new",
        "touch tmp/file",
        "mkdir work/folder",
    };
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        struct rig rig;
        struct spare spare;
        char command[FILES_PATH_MAX_BYTES + 128];
        rig_begin_with_tree(&rig);
        assert_true(spares_take(rig.spares, "a", 6, &spare));
        ino_t inode = inode_of(spare.dir);
        int keep = open(spare.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        snprintf(command, sizeof command, "cd %s && %s", spare.dir, changes[i]);
        assert_int_equal(system(command), 0);
        spares_give(rig.spares, &spare);
        rig_settle(&rig);
        if (is_used_again(&rig, inode)) {
            fail_msg("used again after: %s", changes[i]);
        }
        close(keep);
        rig_end(&rig);
    }
}

static void test_spares_of_a_tree_that_is_changed_each_time_are_made_ahead(void **state)
{
    (void)state;
    struct rig rig;
    struct spare spare;
    char command[FILES_PATH_MAX_BYTES + 128];
    rig_begin_with_tree(&rig);
    for (int i = 0; i < 2 * RIG_WANT; i++) {
        assert_true(spares_take(rig.spares, "a", 6, &spare));
        tree_assert(&spare, "hello\n");
        snprintf(command, sizeof command, "echo other > %s/work/file", spare.dir);
        assert_int_equal(system(command), 0);
        spares_give(rig.spares, &spare);
        rig_settle(&rig);
    }
    spare = rig_take(&rig); /* an empty one is still there, and empty */
    assert_string_equal(spare.tree, "");
    spares_give(rig.spares, &spare);
    rig_settle(&rig);
    rig_end(&rig);
}

static void test_spares_of_a_tree_that_goes_go_before(void **state)
{
    (void)state;
    struct rig rig;
    struct spare spare;
    char command[400];
    rig_begin(&rig);
    tree_make(&rig, "a", "hello");
    assert_false(spares_take(rig.spares, "a", 6, &spare));
    rig_settle(&rig);
    spares_forget(rig.spares, "a");
    rig_settle(&rig);
    snprintf(command, sizeof command, "test -z \"$(find %s/spares -name file)\"", rig.folder);
    assert_int_equal(system(command), 0);
    assert_false(spares_take(rig.spares, "a", 6, &spare));
    rig_settle(&rig);
    rig_end(&rig);
}

static void test_spares_of_many_trees_stay_within_their_bounds(void **state)
{
    (void)state;
    struct rig rig;
    struct spare spare;
    rig_begin(&rig);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 2 * SPARES_KINDS; i++) {
            char name[8];
            snprintf(name, sizeof name, "t%d", i);
            if (round == 0) {
                tree_make(&rig, name, name);
            }
            if (spares_take(rig.spares, name, (uint64_t)1 << 30, &spare)) {
                spares_give(rig.spares, &spare);
            }
            rig_settle(&rig);
        }
    }
    /* Large trees get one each, and only the last few have any. */
    char command[400];
    snprintf(command, sizeof command, "test $(find %s/spares -name file | wc -l) -le %d",
             rig.folder, SPARES_KINDS);
    assert_int_equal(system(command), 0);
    rig_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spare_of_a_tree_left_alone_is_used_again),
        cmocka_unit_test(test_spare_of_a_tree_without_fingerprint_is_used_once),
        cmocka_unit_test(test_spare_of_a_tree_changed_is_removed),
        cmocka_unit_test(test_spares_of_a_tree_that_is_changed_each_time_are_made_ahead),
        cmocka_unit_test(test_spares_of_a_tree_that_goes_go_before),
        cmocka_unit_test(test_spares_of_many_trees_stay_within_their_bounds),
        cmocka_unit_test(test_spare_is_taken_its_socket_listens_under_the_new_name),
        cmocka_unit_test(test_spare_comes_back_as_it_was_it_is_used_again),
        cmocka_unit_test(test_spare_comes_back_changed_it_is_removed),
        cmocka_unit_test(test_spares_are_all_taken_there_are_new_ones_soon),
        cmocka_unit_test(test_folder_cannot_be_written_nothing_is_ready_and_nothing_spins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
