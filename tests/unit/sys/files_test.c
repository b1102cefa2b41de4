/* Files written whole, read bounded, trees removed; locks and who holds them; random bytes. */
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "../folder.h"
#include "sys/locks.h"
#include "sys/random_bytes.h"

static struct bytes text_bytes(const char *text)
{
    return (struct bytes){(const uint8_t *)text, strlen(text)};
}

static unsigned folder_entries(void **state)
{
    char command[600];
    snprintf(command, sizeof command, "ls -A '%s' | wc -l", (const char *)*state);
    FILE *pipe = popen(command, "r");
    unsigned n = 999;
    assert_int_equal(fscanf(pipe, "%u", &n), 1);
    pclose(pipe);
    return n;
}

static void test_file_write_atomic_replaces_and_leaves_nothing_else(void **state)
{
    struct report report = {0};
    const char *path = folder_path(state, "key");
    assert_int_equal(file_write_atomic(path, text_bytes("old"), 0600, &report), OK);
    assert_int_equal(file_write_atomic(path, text_bytes("new\n"), 0640, &report), OK);
    folder_assert_text(state, "key", "new\n");
    struct stat about;
    assert_int_equal(stat(path, &about), 0);
    assert_int_equal(about.st_mode & 0777, 0640);
    assert_int_equal(folder_entries(state), 1);
}

static void test_file_write_atomic_that_fails_keeps_the_old_file(void **state)
{
    struct report report = {0};
    folder_write(state, "taken", "old");
    assert_int_equal(dir_make(folder_path(state, "folder/inside"), &report), OK);
    /* A folder cannot be replaced by a file. */
    assert_int_not_equal(
        file_write_atomic(folder_path(state, "folder"), text_bytes("x"), 0600, &report), OK);
    assert_non_null(strstr(report.text, "folder"));
    assert_int_equal(
        file_write_atomic(folder_path(state, "none/key"), text_bytes("x"), 0600, &report),
        ERR_NOT_FOUND);
    assert_int_equal(folder_entries(state), 2);
}

static void test_file_write_on_a_full_disk_says_no_space_and_keeps_the_old_file(void **state)
{
    const char *disk = folder_path(state, "disk");
    assert_int_equal(dir_make(disk, NULL), OK);
    if (mount("none", disk, "tmpfs", 0, "size=64k") != 0) {
        print_message("SKIPPED: a small tmpfs cannot be mounted here: %s\n", strerror(errno));
        skip();
    }
    folder_write(state, "disk/key", "old");
    static char large[256 << 10];
    memset(large, 'x', sizeof large - 1);
    struct report report = {0};
    error_code error =
        file_write_atomic(folder_path(state, "disk/key"), text_bytes(large), 0600, &report);
    struct buf text;
    buf_init(&text, 64);
    error_code read = file_read_bounded(folder_path(state, "disk/key"), &text, NULL);
    umount(disk);
    assert_int_equal(error, ERR_NO_SPACE);
    assert_int_equal(read, OK);
    assert_string_equal(buf_text(&text), "old");
    buf_fini(&text);
}

static void test_file_read_bounded_refuses_what_is_larger(void **state)
{
    folder_write(state, "long", "0123456789");
    struct buf text;
    struct report report = {0};
    buf_init(&text, 9);
    assert_int_equal(file_read_bounded(folder_path(state, "long"), &text, &report), ERR_LIMIT);
    buf_fini(&text);
    buf_init(&text, 10);
    assert_int_equal(file_read_bounded(folder_path(state, "long"), &text, &report), OK);
    assert_int_equal(text.len, 10);
    buf_fini(&text);
    assert_int_equal(file_read_bounded(folder_path(state, "none"), &text, &report), ERR_NOT_FOUND);
}

static void test_dir_make_makes_all_private_and_refuses_a_file_in_the_way(void **state)
{
    struct report report = {0};
    assert_int_equal(dir_make(folder_path(state, "a//b/c/"), &report), OK);
    assert_int_equal(dir_make(folder_path(state, "a/b/c"), &report), OK);
    struct stat about;
    assert_int_equal(stat(folder_path(state, "a/b/c"), &about), 0);
    assert_int_equal(about.st_mode & 0777, 0700);
    folder_write(state, "file", "");
    assert_int_not_equal(dir_make(folder_path(state, "file"), &report), OK);
    assert_int_not_equal(dir_make(folder_path(state, "file/below"), &report), OK);
}

static void test_dir_remove_tree_takes_read_only_folders_and_never_follows_links(void **state)
{
    struct report report = {0};
    folder_write(state, "kept", "kept");
    assert_int_equal(dir_make(folder_path(state, "tree/deep/deeper"), &report), OK);
    folder_write(state, "tree/deep/deeper/file", "x");
    assert_int_equal(symlink(*state, folder_path(state, "tree/deep/loop")), 0);
    assert_int_equal(symlink("../kept", folder_path(state, "tree/link")), 0);
    assert_int_equal(chmod(folder_path(state, "tree/deep/deeper"), 0500), 0);
    assert_int_equal(chmod(folder_path(state, "tree/deep"), 0), 0);

    assert_int_equal(dir_remove_tree(folder_path(state, "tree"), &report), OK);
    assert_int_equal(access(folder_path(state, "tree"), F_OK), -1);
    folder_assert_text(state, "kept", "kept");
    assert_int_equal(dir_remove_tree(folder_path(state, "tree"), &report), OK);
    assert_int_equal(dir_remove_tree(folder_path(state, "kept"), &report), OK);
}

static void test_dir_remove_tree_beyond_its_depth_fails_and_says_so(void **state)
{
    char path[512];
    int n = snprintf(path, sizeof path, "%s/d", (const char *)*state);
    for (int i = 0; i < FILES_DEPTH_MAX + 2; i++) {
        n += snprintf(path + n, sizeof path - (size_t)n, "/d");
    }
    assert_int_equal(dir_make(path, NULL), OK);
    struct report report = {0};
    assert_int_equal(dir_remove_tree(folder_path(state, "d"), &report), ERR_LIMIT);
    /* From half way down it is within the limit. */
    path[n - 2 * FILES_DEPTH_MAX / 2] = '\0';
    assert_int_equal(dir_remove_tree(path, &report), OK);
}

/* ---- locks ---- */

static void test_lock_held_by_one_refuses_another_and_names_its_pid(void **state)
{
    struct report report = {0};
    const char *path = folder_path(state, "role.lock");
    uint32_t holder = 0;
    assert_false(lock_is_held(path, &holder));
    int fd = -1, other = -1;
    assert_int_equal(lock_take(path, 4242, &fd, NULL, &report), OK);
    assert_true(lock_is_held(path, &holder));
    assert_int_equal(holder, 4242);
    holder = 0;
    assert_int_equal(lock_take(path, 1, &other, &holder, &report), ERR_BUSY);
    assert_int_equal(holder, 4242);
    assert_non_null(strstr(report.text, "4242"));
    assert_int_equal(other, -1);

    lock_release(fd);
    assert_false(lock_is_held(path, &holder));
    assert_int_equal(lock_take(path, 5, &fd, NULL, &report), OK);
    lock_release(fd);
    lock_release(-1);
}

/* The supervisor takes a role's lock, its child inherits it, the supervisor dies: held until the
 * child is gone. */
static void test_lock_inherited_over_exec_outlives_its_taker(void **state)
{
    const char *path = folder_path(state, "role.lock");
    int fd = -1, hold[2];
    assert_int_equal(lock_take(path, 0, &fd, NULL, NULL), OK);
    assert_int_equal(lock_inheritable(fd), OK);
    assert_int_equal(pipe2(hold, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(hold[0], STDIN_FILENO);
        execlp("cat", "cat", (char *)NULL);
        _exit(127);
    }
    assert_int_equal(lock_pid_write(fd, (uint32_t)pid), OK);
    lock_release(fd);
    uint32_t holder = 0;
    assert_true(lock_is_held(path, &holder));
    assert_int_equal(holder, pid);
    close(hold[1]); /* cat ends */
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_false(lock_is_held(path, NULL));
    close(hold[0]);
}

static void test_lock_inherit_takes_only_the_right_descriptor(void **state)
{
    struct report report = {0};
    const char *path = folder_path(state, "role.lock");
    folder_write(state, "other", "");
    int fd = -1, other = open(folder_path(state, "other"), O_RDWR | O_CLOEXEC);
    assert_int_equal(lock_take(path, 0, &fd, NULL, &report), OK);
    assert_int_equal(lock_inherit(fd, path, 77, &report), OK);
    uint32_t holder = 0;
    assert_true(lock_is_held(path, &holder));
    assert_int_equal(holder, 77);
    assert_int_equal(lock_inherit(other, path, 77, &report), ERR_INVALID);
    assert_int_equal(lock_inherit(-1, path, 77, &report), ERR_INVALID);
    int second = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(lock_inherit(second, path, 78, &report), ERR_BUSY);
    close(second);
    close(other);
    lock_release(fd);
}

static void test_random_numbers_differ_and_are_never_zero(void **state)
{
    (void)state;
    uint64_t numbers[64];
    for (int i = 0; i < 64; i++) {
        assert_int_equal(random_number(&numbers[i]), OK);
        assert_true(numbers[i] != 0);
        for (int k = 0; k < i; k++) {
            assert_true(numbers[i] != numbers[k]);
        }
    }
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_setup, folder_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(test_file_write_atomic_replaces_and_leaves_nothing_else),
        IN_FOLDER(test_file_write_atomic_that_fails_keeps_the_old_file),
        IN_FOLDER(test_file_write_on_a_full_disk_says_no_space_and_keeps_the_old_file),
        IN_FOLDER(test_file_read_bounded_refuses_what_is_larger),
        IN_FOLDER(test_dir_make_makes_all_private_and_refuses_a_file_in_the_way),
        IN_FOLDER(test_dir_remove_tree_takes_read_only_folders_and_never_follows_links),
        IN_FOLDER(test_dir_remove_tree_beyond_its_depth_fails_and_says_so),
        IN_FOLDER(test_lock_held_by_one_refuses_another_and_names_its_pid),
        IN_FOLDER(test_lock_inherited_over_exec_outlives_its_taker),
        IN_FOLDER(test_lock_inherit_takes_only_the_right_descriptor),
        IN_FOLDER(test_random_numbers_differ_and_are_never_zero),
    };
    return cmocka_run_group_tests_name("sys/files", tests, NULL, NULL);
}
