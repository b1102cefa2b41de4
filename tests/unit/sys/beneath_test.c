/* Paths that somebody else wrote lead nowhere but beneath their folder. */
#include "../folder.h"

#include "sys/beneath.h"

static int folder_open(void **state)
{
    int fd = open(*state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static void test_path_is_good_only_if_no_name_leads_out(void **state)
{
    static const struct {
        const char *path;
        bool is_good;
    } rows[] = {
        {"a", true},     {"a/b", true},   {"a/b/c", true},   {"..a", true},
        {"a..", true},   {"...", true},   {".a/b.", true},   {"", false},
        {"/", false},    {"/a", false},   {"a/", false},     {"a//b", false},
        {".", false},    {"..", false},   {"./a", false},    {"a/.", false},
        {"a/..", false}, {"../a", false}, {"a/../b", false}, {"a/b/c/d", false}, /* deeper than 3 */
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (beneath_path_is_good(rows[i].path, 3) != rows[i].is_good) {
            fail_msg("'%s' is %s", rows[i].path, rows[i].is_good ? "refused" : "let through");
        }
    }
    char name[300];
    memset(name, 'x', sizeof name);
    name[255] = '\0';
    assert_true(beneath_path_is_good(name, 3));
    name[255] = 'x';
    name[256] = '\0';
    assert_false(beneath_path_is_good(name, 3));
}

static void test_open_beneath_makes_and_finds_files(void **state)
{
    int folder = folder_open(state);
    assert_int_equal(beneath_open(folder, "a/b/file", O_WRONLY | O_CREAT, 0600), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(beneath_folders_make(folder, "a/b/file"), 0);
    assert_int_equal(beneath_folders_make(folder, "a/b/file"), 0);
    int fd = beneath_open(folder, "a/b/file", O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "here", 4), 4);
    assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    close(fd);
    folder_assert_text(state, "a/b/file", "here");
    assert_int_equal(beneath_open(folder, "a/../a/b/file", O_RDONLY, 0), -1);
    assert_int_equal(errno, EINVAL);
    close(folder);
}

static void test_open_beneath_follows_no_link(void **state)
{
    int folder = folder_open(state);
    folder_write(state, "file", "text");
    assert_int_equal(mkdir(folder_path(state, "real"), 0700), 0);
    folder_write(state, "real/file", "text");
    assert_int_equal(symlink("file", folder_path(state, "link")), 0);
    assert_int_equal(symlink("real", folder_path(state, "linked")), 0);
    assert_int_equal(beneath_open(folder, "link", O_RDONLY, 0), -1);
    assert_int_equal(errno, ELOOP);
    assert_int_equal(beneath_open(folder, "linked/file", O_RDONLY, 0), -1);
    assert_int_equal(errno, ENOTDIR);
    assert_int_equal(beneath_open(folder, "linked/new", O_WRONLY | O_CREAT, 0600), -1);
    assert_int_equal(beneath_folders_make(folder, "linked/sub/new"), -1);
    assert_int_equal(access(folder_path(state, "real/sub"), F_OK), -1);
    assert_int_equal(beneath_open(folder, "file/x", O_RDONLY, 0), -1);
    assert_int_equal(errno, ENOTDIR);
    close(folder);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, folder_setup, folder_teardown)
    const struct CMUnitTest tests[] = {
        T(test_path_is_good_only_if_no_name_leads_out),
        T(test_open_beneath_makes_and_finds_files),
        T(test_open_beneath_follows_no_link),
    };
    return cmocka_run_group_tests_name("sys/beneath", tests, NULL, NULL);
}
