/* What was read lately counts as read until anything about the file changes. */
#include <sys/mman.h>
#include <time.h>

#include "tests/unit/folder.h"
#include "worker/shell/proofs.h"

enum { SETTLE_MS = 3 * PROOF_TICK_MS };

static const uint64_t SUM = 0x1234;

static void settle(void)
{
    assert_int_equal(nanosleep(&(struct timespec){.tv_nsec = SETTLE_MS * 1000000L}, NULL), 0);
}

static int file_open(const char *folder, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/file", folder);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    return fd;
}

static struct stat look(int fd)
{
    struct stat about;
    assert_int_equal(fstat(fd, &about), 0);
    return about;
}

static bool is_known(struct proofs *proofs, int fd, uint64_t sum)
{
    struct stat about = look(fd);
    return proofs_have(proofs, &about, sum);
}

static struct proofs *noted(int fd)
{
    struct proofs *proofs = proofs_new();
    assert_non_null(proofs);
    struct stat about = look(fd);
    settle();
    proofs_note(proofs, &about, SUM, proofs_clock());
    return proofs;
}

static void test_file_that_was_read_is_known_by_its_checksum(void **state)
{
    int fd = file_open(*state, "weights");
    struct proofs *proofs = noted(fd);
    assert_true(is_known(proofs, fd, SUM));
    assert_false(is_known(proofs, fd, SUM + 1));
    proofs_free(proofs);
    close(fd);
}

static void test_file_that_was_written_to_is_not_known_any_more(void **state)
{
    int fd = file_open(*state, "weights");
    struct proofs *proofs = noted(fd);
    struct stat before = look(fd);
    assert_int_equal(pwrite(fd, "W", 1, 0), 1);
    /* Its time of modification can be set back; its time of change cannot. */
    assert_int_equal(futimens(fd, (struct timespec[]){before.st_atim, before.st_mtim}), 0);
    assert_false(is_known(proofs, fd, SUM));
    proofs_free(proofs);
    close(fd);
}

static void test_file_that_was_written_to_through_a_mapping_is_not_known_any_more(void **state)
{
    int fd = file_open(*state, "weights");
    char *text = mmap(NULL, 7, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_ptr_not_equal(text, MAP_FAILED);
    text[1] = 'E'; /* the page is dirty: only what writes it to disk makes the next write seen */
    assert_int_equal(fsync(fd), 0);
    struct proofs *proofs = noted(fd);
    text[0] = 'W';
    bool is_seen = !is_known(proofs, fd, SUM);
    assert_int_equal(munmap(text, 7), 0);
    proofs_free(proofs);
    close(fd);
    if (!is_seen) {
        print_message("the file system of /tmp does not tell of writes through a mapping\n");
        skip();
    }
}

static void test_file_that_was_changed_just_before_is_not_noted(void **state)
{
    struct proofs *proofs = proofs_new();
    assert_non_null(proofs);
    int fd = file_open(*state, "weights");
    struct stat about = look(fd);
    proofs_note(proofs, &about, SUM, about.st_ctim);
    assert_false(is_known(proofs, fd, SUM));
    proofs_free(proofs);
    close(fd);
}

static void test_file_whose_times_are_whole_seconds_is_not_noted(void **state)
{
    struct proofs *proofs = proofs_new();
    assert_non_null(proofs);
    int fd = file_open(*state, "weights");
    struct stat about = look(fd);
    about.st_ctim.tv_nsec = 0;
    settle();
    proofs_note(proofs, &about, SUM, proofs_clock());
    assert_false(proofs_have(proofs, &about, SUM));
    proofs_free(proofs);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_file_that_was_read_is_known_by_its_checksum,
                                        folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(test_file_that_was_written_to_is_not_known_any_more,
                                        folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(
            test_file_that_was_written_to_through_a_mapping_is_not_known_any_more, folder_setup,
            folder_teardown),
        cmocka_unit_test_setup_teardown(test_file_that_was_changed_just_before_is_not_noted,
                                        folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(test_file_whose_times_are_whole_seconds_is_not_noted,
                                        folder_setup, folder_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
