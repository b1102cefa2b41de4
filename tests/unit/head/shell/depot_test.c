/* The depot's bound on the number of blobs; its other behaviour is shown end to end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "head/shell/depot.h"
#include "sys/files.h"

enum { BLOBS_SURPLUS = 1 };

struct fixture {
    struct loop *loop;
    struct depot *depot;
    char folder[64];
    const char *named;
    uint32_t uploaded;
    error_code error;
};

static bool on_is_named(void *context, const char *hash)
{
    const struct fixture *f = context;
    return f->named != NULL && strcmp(f->named, hash) == 0;
}

static void on_room(void *context, uint64_t id)
{
    (void)context;
    (void)id;
}

static void on_uploaded(void *context, uint64_t id, error_code error, const struct report *report)
{
    struct fixture *f = context;
    (void)id;
    (void)report;
    f->uploaded++;
    f->error = error;
    loop_stop(f->loop);
}

static bool on_can_send(void *context, uint64_t peer)
{
    const struct fixture *f = context;
    return peer != f->full_peer;
}

static void on_piece(void *context, uint64_t peer, struct shared_frame *frame)
{
    struct fixture *f = context;
    assert_true(f->n_given < GIVEN_MAX);
    f->given[f->n_given++] = (struct given){peer, shared_frame_ref(frame)};
}

static void blob_name(uint32_t number, char ret_name[WORK_HASH_TEXT_BYTES])
{
    snprintf(ret_name, WORK_HASH_TEXT_BYTES, "%064x", number);
}

static error_code depot_make(struct fixture *f, struct report *report)
{
    const struct depot_callbacks callbacks = {on_is_named, on_room, on_uploaded, on_can_send, on_piece, f};
    return depot_new(f->loop, f->folder, 0, &callbacks, &f->depot, report);
}

static bool depot_has(struct fixture *f, uint32_t number)
{
    char name[WORK_HASH_TEXT_BYTES];
    uint64_t bytes;
    blob_name(number, name);
    return depot_find(f->depot, name, &bytes);
}

static bool file_is_there(const struct fixture *f, uint32_t number)
{
    char name[WORK_HASH_TEXT_BYTES], path[sizeof f->folder + sizeof name];
    blob_name(number, name);
    snprintf(path, sizeof path, "%s/%s", f->folder, name);
    return access(path, F_OK) == 0;
}

/* More than it may hold, as a depot of another bound left them: the head starts, and what comes
 * then takes the place of the oldest that nobody names. */
static void test_depot_full_of_small_blobs_starts_and_takes_more(void **state)
{
    (void)state;
    /* A hundred thousand files: in memory where there is such a folder. */
    struct fixture f = {.folder = "/dev/shm/muster-depot-XXXXXX"};
    struct report report = {0};
    char named[WORK_HASH_TEXT_BYTES], hash[WORK_HASH_TEXT_BYTES];
    struct work_hasher hasher;
    static const uint8_t text[] = "a packed folder";

    if (mkdtemp(f.folder) == NULL) {
        strcpy(f.folder, "/tmp/muster-depot-XXXXXX");
        assert_non_null(mkdtemp(f.folder));
    }
    int dir_fd = open(f.folder, O_RDONLY | O_DIRECTORY);
    assert_true(dir_fd >= 0);
    for (uint32_t i = 1; i <= DEPOT_BLOBS_MAX + BLOBS_SURPLUS; i++) {
        blob_name(i, hash);
        int fd = openat(dir_fd, hash, O_WRONLY | O_CREAT, 0600);
        const struct timespec times[2] = {{.tv_sec = i}, {.tv_sec = i}};
        assert_true(fd >= 0);
        assert_int_equal(futimens(fd, times), 0);
        close(fd);
    }
    close(dir_fd);
    assert_int_equal(loop_new(&f.loop, &report), OK);
    blob_name(1, named);
    f.named = named;
    if (depot_make(&f, &report) != OK) {
        fail_msg("%s", report.text);
    }

    work_hasher_init(&hasher);
    work_hasher_add(&hasher, text, sizeof text);
    work_hasher_end(&hasher, hash);
    if (depot_upload_begin(f.depot, 1, hash, sizeof text, &report) != OK) {
        fail_msg("%s", report.text);
    }
    assert_false(file_is_there(&f, 2)); /* its name is free before the file is removed */
    assert_int_equal(depot_upload_add(f.depot, 1, (struct bytes){text, sizeof text}), sizeof text);
    assert_true(depot_upload_end(f.depot, 1));
    while (f.uploaded == 0) {
        assert_int_equal(loop_run(f.loop), OK);
    }
    assert_int_equal(f.error, OK);
    uint64_t bytes;
    assert_true(depot_find(f.depot, hash, &bytes));
    assert_true(depot_has(&f, 1)); /* named */
    assert_false(depot_has(&f, 2));
    assert_false(depot_has(&f, 3));
    assert_true(depot_has(&f, 4));
    depot_free(f.depot);
    f.depot = NULL;

    assert_int_equal(depot_make(&f, &report), OK); /* and again */
    assert_true(depot_find(f.depot, hash, &bytes));
    depot_free(f.depot);
    loop_free(f.loop);
    assert_int_equal(dir_remove_tree(f.folder, NULL), OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_depot_full_of_small_blobs_starts_and_takes_more),
    };
    return cmocka_run_group_tests_name("head/shell/depot", tests, NULL, NULL);
}
