/* A daemon's own log, and the bounded logs of attempts. */
#include <sys/mount.h>

#include "../folder.h"
#include "sys/log.h"
#include "sys/logfile.h"

static struct buf log_text(void **state, const char *name)
{
    struct buf text;
    buf_init(&text, 32 << 20);
    assert_int_equal(file_read_bounded(folder_path(state, name), &text, NULL), OK);
    return text;
}

static unsigned lines_with(struct buf *text, const char *word)
{
    unsigned n = 0;
    for (const char *at = buf_text(text); (at = strstr(at, word)) != NULL; at++) {
        n++;
    }
    return n;
}

static void test_log_line_has_time_level_and_stays_one_line(void **state)
{
    assert_int_equal(log_open(folder_path(state, "log"), NULL), OK);
    log_write(LOG_LEVEL_WARNING, "two\nlines and \x1b[31m%s", "colour");
    log_write(LOG_LEVEL_DEBUG, "not written");
    log_close();
    struct buf text = log_text(state, "log");
    assert_int_equal(lines_with(&text, "\n"), 1);
    assert_non_null(strstr(buf_text(&text), "Z warning two lines and  [31mcolour\n"));
    assert_int_equal(buf_text(&text)[4], '-');
    buf_fini(&text);
}

static void test_log_once_writes_a_key_once(void **state)
{
    assert_int_equal(log_open(folder_path(state, "log"), NULL), OK);
    for (int i = 0; i < 100; i++) {
        log_once("a", LOG_LEVEL_WARNING, "first %d", i);
        log_once("b", LOG_LEVEL_WARNING, "second %d", i);
    }
    log_close();
    struct buf text = log_text(state, "log");
    assert_int_equal(lines_with(&text, "\n"), 2);
    assert_non_null(strstr(buf_text(&text), "first 0\n"));
    assert_non_null(strstr(buf_text(&text), "second 0\n"));
    buf_fini(&text);
}

static void test_log_once_with_too_many_keys_stays_bounded(void **state)
{
    assert_int_equal(log_open(folder_path(state, "log"), NULL), OK);
    for (int i = 0; i < 10 * LOG_KEYS_MAX; i++) {
        char key[32];
        snprintf(key, sizeof key, "key %d", i);
        log_once(key, LOG_LEVEL_WARNING, "%s", key);
    }
    log_close();
    struct buf text = log_text(state, "log");
    assert_int_equal(lines_with(&text, "\n"), LOG_KEYS_MAX);
    buf_fini(&text);
}

static void test_log_file_past_its_maximum_is_rotated(void **state)
{
    char path[512];
    snprintf(path, sizeof path, "%s", folder_path(state, "log"));
    assert_int_equal(log_open(path, NULL), OK);
    char line[1024];
    memset(line, 'x', sizeof line - 1);
    line[sizeof line - 1] = '\0';
    for (int i = 0; i < 3 * (LOG_FILE_MAX_BYTES >> 10); i++) {
        log_write(LOG_LEVEL_INFO, "%s", line);
    }
    log_close();
    struct stat now, old;
    assert_int_equal(stat(path, &now), 0);
    assert_int_equal(stat(folder_path(state, "log.1"), &old), 0);
    assert_true(now.st_size <= LOG_FILE_MAX_BYTES && old.st_size <= LOG_FILE_MAX_BYTES);
    assert_true(old.st_size > LOG_FILE_MAX_BYTES / 2);
}

static void test_log_open_in_a_missing_folder_says_where(void **state)
{
    struct report report = {0};
    assert_int_equal(log_open(folder_path(state, "none/log"), &report), ERR_NOT_FOUND);
    assert_non_null(strstr(report.text, "none/log"));
}

/* ---- logfile ---- */

static void write_text(struct logfile *file, const char *text)
{
    logfile_write(file, (struct bytes){(const uint8_t *)text, strlen(text)});
}

static void test_logfile_keeps_all_of_a_short_log(void **state)
{
    struct logfile *file;
    assert_int_equal(logfile_open(folder_path(state, "0.out"), 8, &file), OK);
    write_text(file, "hello ");
    write_text(file, "world\n");
    struct bytes tail = logfile_tail(file);
    assert_int_equal(tail.len, 8);
    assert_memory_equal(tail.data, "o world\n", 8);
    assert_int_equal(logfile_lost_bytes(file), 0);
    logfile_close(file);
    folder_assert_text(state, "0.out", "hello world\n");
}

/* Every split of the same bytes gives the same tail. */
static void test_logfile_tail_is_the_same_however_it_was_written(void **state)
{
    char text[1000];
    for (size_t i = 0; i < sizeof text; i++) {
        text[i] = (char)('a' + i % 23);
    }
    for (size_t step = 1; step < 400; step = step * 3 / 2 + 1) {
        struct logfile *file;
        assert_int_equal(logfile_open(folder_path(state, "0.err"), 100, &file), OK);
        for (size_t at = 0; at < sizeof text; at += step) {
            size_t n = sizeof text - at < step ? sizeof text - at : step;
            logfile_write(file, (struct bytes){(const uint8_t *)text + at, n});
            struct bytes tail = logfile_tail(file);
            size_t wanted = at + n < 100 ? at + n : 100;
            assert_int_equal(tail.len, wanted);
            assert_memory_equal(tail.data, text + at + n - wanted, wanted);
        }
        logfile_close(file);
    }
}

static void test_logfile_flood_stays_bounded_and_keeps_both_ends(void **state)
{
    enum { CHUNK = 64 << 10, N = 640 }; /* 40 MiB */
    char path[512];
    snprintf(path, sizeof path, "%s", folder_path(state, "0.out"));
    struct logfile *file;
    assert_int_equal(logfile_open(path, LOGFILE_TAIL_MAX_BYTES, &file), OK);
    char *chunk = malloc(CHUNK + 1);
    for (int i = 0; i < N; i++) {
        memset(chunk, 'a' + i % 26, CHUNK);
        snprintf(chunk, 16, "chunk %d\n", i);
        logfile_write(file, (struct bytes){(const uint8_t *)chunk, CHUNK});
    }
    assert_int_equal(logfile_written_bytes(file), (uint64_t)CHUNK * N);
    assert_int_equal(logfile_lost_bytes(file), 0);
    struct bytes tail = logfile_tail(file);
    assert_int_equal(tail.len, CHUNK);
    assert_memory_equal(tail.data, chunk, CHUNK);
    free(chunk);
    logfile_close(file);

    struct buf first = log_text(state, "0.out.first"), last = log_text(state, "0.out"),
               before = log_text(state, "0.out.1");
    assert_int_equal(first.len, LOGFILE_FIRST_BYTES);
    assert_memory_equal(first.data, "chunk 0\n", 8);
    assert_true(last.len <= LOGFILE_PART_BYTES);
    assert_int_equal(before.len, LOGFILE_PART_BYTES);
    char wanted[16];
    snprintf(wanted, sizeof wanted, "chunk %d\n", N - 1);
    assert_memory_equal(last.data + last.len - CHUNK, wanted, strlen(wanted));
    buf_fini(&first);
    buf_fini(&last);
    buf_fini(&before);
}

static void test_logfile_whose_folder_is_missing_keeps_the_tail_and_counts(void **state)
{
    struct logfile *file;
    assert_int_equal(logfile_open(folder_path(state, "later/0.out"), 64, &file), OK);
    write_text(file, "lost\n");
    assert_int_equal(logfile_lost_bytes(file), 5);
    assert_int_equal(logfile_tail(file).len, 5);
    assert_int_equal(dir_make(folder_path(state, "later"), NULL), OK);
    write_text(file, "kept\n");
    logfile_close(file);
    folder_assert_text(state, "later/0.out",
                       "\n[muster: 5 bytes were lost here: no space]\nkept\n");
}

static void test_logfile_on_a_full_disk_goes_on_and_recovers(void **state)
{
    char disk[512];
    snprintf(disk, sizeof disk, "%s", folder_path(state, "disk"));
    assert_int_equal(dir_make(disk, NULL), OK);
    if (mount("none", disk, "tmpfs", 0, "size=64k") != 0) {
        print_message("SKIPPED: a small tmpfs cannot be mounted here: %s\n", strerror(errno));
        skip();
    }
    struct logfile *file = NULL;
    error_code error = logfile_open(folder_path(state, "disk/0.out"), 64, &file);
    static uint8_t chunk[16 << 10];
    memset(chunk, 'x', sizeof chunk);
    for (int i = 0; error == OK && i < 16; i++) {
        logfile_write(file, (struct bytes){chunk, sizeof chunk});
    }
    uint64_t lost = error == OK ? logfile_lost_bytes(file) : 0;
    /* Room again: the file says what is missing. */
    int rc = truncate(folder_path(state, "disk/0.out"), 100);
    if (error == OK) {
        write_text(file, "the end\n");
    }
    struct buf text;
    buf_init(&text, 1 << 20);
    error_code read = file_read_bounded(folder_path(state, "disk/0.out"), &text, NULL);
    logfile_close(file);
    umount(disk);
    assert_int_equal(error, OK);
    assert_int_equal(read, OK);
    assert_int_equal(rc, 0);
    assert_true(lost >= 16 * sizeof chunk - (64 << 10));
    assert_non_null(strstr(buf_text(&text), "bytes were lost here: no space]\nthe end\n"));
    buf_fini(&text);
}

static void test_logfile_out_of_memory_is_said(void **state)
{
    struct logfile *file = NULL;
    for (uint64_t k = 1; k <= 2; k++) {
        mem_fail_at(k);
        assert_int_equal(logfile_open(folder_path(state, "0.out"), 64, &file), ERR_NO_MEMORY);
        mem_fail_at(0);
    }
    assert_null(file);
    logfile_close(file);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_setup, folder_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(test_log_line_has_time_level_and_stays_one_line),
        IN_FOLDER(test_log_once_writes_a_key_once),
        IN_FOLDER(test_log_once_with_too_many_keys_stays_bounded),
        IN_FOLDER(test_log_file_past_its_maximum_is_rotated),
        IN_FOLDER(test_log_open_in_a_missing_folder_says_where),
        IN_FOLDER(test_logfile_keeps_all_of_a_short_log),
        IN_FOLDER(test_logfile_tail_is_the_same_however_it_was_written),
        IN_FOLDER(test_logfile_flood_stays_bounded_and_keeps_both_ends),
        IN_FOLDER(test_logfile_whose_folder_is_missing_keeps_the_tail_and_counts),
        IN_FOLDER(test_logfile_on_a_full_disk_goes_on_and_recovers),
        IN_FOLDER(test_logfile_out_of_memory_is_said),
    };
    return cmocka_run_group_tests_name("sys/logs", tests, NULL, NULL);
}
