/* The depot's bounds: on the number of blobs, and on what agents may ask for; its other behaviour
 * is shown end to end. */
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

#include "base/mem.h"
#include "head/shell/depot.h"
#include "head/shell/depot_inside.h"
#include "schema/messages.h"
#include "sys/clock.h"
#include "sys/files.h"

enum { BLOBS_SURPLUS = 1, GIVEN_MAX = 64, BLOB_PIECES = 20, DEADLINE_MS = 20000 };

struct given {
    uint64_t peer;
    struct shared_frame *frame;
};

struct fixture {
    struct loop *loop;
    struct depot *depot;
    char folder[64];
    const char *named;
    uint32_t uploaded;
    error_code error;
    uint64_t full_peer; /* nothing can be sent to it now */
    bool is_slow;       /* what was given to a peer is not sent soon */
    uint32_t must_stay; /* a bit a peer: something waits to be sent */
    struct given given[GIVEN_MAX];
    uint32_t n_given;
    uint32_t want;
    time_ms deadline;
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
    return peer != f->full_peer && (f->must_stay & (1U << peer)) == 0;
}

static void on_piece(void *context, uint64_t peer, struct shared_frame *frame)
{
    struct fixture *f = context;
    assert_true(f->n_given < GIVEN_MAX);
    f->given[f->n_given++] = (struct given){peer, shared_frame_ref(frame)};
    f->must_stay |= f->is_slow ? 1U << peer : 0;
}

static void blob_name(uint32_t number, char ret_name[WORK_HASH_TEXT_BYTES])
{
    snprintf(ret_name, WORK_HASH_TEXT_BYTES, "%064x", number);
}

static error_code depot_make(struct fixture *f, struct report *report)
{
    const struct depot_callbacks callbacks = {on_is_named, on_room,  on_uploaded,
                                              on_can_send, on_piece, f};
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
 * then takes the place of those that were used longest ago and nobody names. */
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

    assert_true(depot_has(&f, 2)); /* used now: no longer the oldest */
    work_hasher_init(&hasher);
    work_hasher_add(&hasher, text, sizeof text);
    work_hasher_end(&hasher, hash);
    if (depot_upload_begin(f.depot, 1, hash, sizeof text, &report) != OK) {
        fail_msg("%s", report.text);
    }
    assert_false(file_is_there(&f, 3)); /* its name is free before the file is removed */
    assert_int_equal(depot_upload_add(f.depot, 1, (struct bytes){text, sizeof text}), sizeof text);
    assert_true(depot_upload_end(f.depot, 1));
    while (f.uploaded == 0) {
        assert_int_equal(loop_run(f.loop), OK);
    }
    assert_int_equal(f.error, OK);
    uint64_t bytes;
    assert_true(depot_find(f.depot, hash, &bytes));
    assert_true(depot_has(&f, 1)); /* named */
    assert_true(depot_has(&f, 2));
    assert_false(depot_has(&f, 3));
    assert_false(depot_has(&f, 4));
    assert_true(depot_has(&f, 5));
    depot_free(f.depot);
    f.depot = NULL;

    assert_int_equal(depot_make(&f, &report), OK); /* and again */
    assert_true(depot_find(f.depot, hash, &bytes));
    depot_free(f.depot);
    loop_free(f.loop);
    assert_int_equal(dir_remove_tree(f.folder, NULL), OK);
}

/* ---- pieces ---- */

static void on_pieces_turn(void *context, const struct loop_turn *turn)
{
    struct fixture *f = context;
    depot_turn(f->depot, turn->now);
    if (f->n_given >= f->want || turn->now > f->deadline) {
        loop_stop(f->loop);
    }
    time_ms at = depot_deadline(f->depot, turn->now);
    loop_deadline_set(f->loop, at < f->deadline ? at : f->deadline);
}

/* Turns until so many pieces were given in all. */
static void given_wait(struct fixture *f, uint32_t want)
{
    f->want = want;
    f->deadline = clock_now() + DEADLINE_MS;
    loop_again(f->loop);
    assert_int_equal(loop_run(f->loop), OK);
    assert_int_equal(f->n_given, want);
}

static void pieces_begin(struct fixture *f, char ret_hash[WORK_HASH_TEXT_BYTES])
{
    struct report report = {0};
    char path[sizeof f->folder + WORK_HASH_TEXT_BYTES];
    *f = (struct fixture){.folder = "/tmp/muster-depot-XXXXXX"};
    assert_non_null(mkdtemp(f->folder));
    blob_name(7, ret_hash);
    snprintf(path, sizeof path, "%s/%s", f->folder, ret_hash);
    FILE *file = fopen(path, "w");
    for (uint64_t i = 0; i < BLOB_PIECES * (uint64_t)BLOB_PIECE_MAX_BYTES / sizeof i; i++) {
        assert_int_equal(fwrite(&i, sizeof i, 1, file), 1);
    }
    fclose(file);
    assert_int_equal(loop_new(&f->loop, &report), OK);
    loop_turn_set(f->loop, on_pieces_turn, f);
    assert_int_equal(depot_make(f, &report), OK);
}

static void pieces_end(struct fixture *f)
{
    depot_free(f->depot); /* may give some yet */
    for (uint32_t i = 0; i < f->n_given; i++) {
        shared_frame_unref(f->given[i].frame);
    }
    loop_free(f->loop);
    assert_int_equal(dir_remove_tree(f->folder, NULL), OK);
    assert_int_equal(mem_live_count(), 0);
}

/* The k-th that was given is this piece, for this peer. */
static void piece_assert(const struct fixture *f, uint32_t k, uint64_t peer, uint64_t number)
{
    struct arena arena;
    message_type type;
    void *message;
    arena_init(&arena, MSG_ARENA_MAX_BYTES);
    assert_int_equal(f->given[k].peer, peer);
    assert_int_equal(
        message_decode(shared_frame_bytes(f->given[k].frame), &arena, &type, &message, NULL), OK);
    const struct msg_blob *piece = message;
    uint64_t first;
    assert_int_equal(type, MSG_BLOB);
    assert_string_equal(piece->error, "");
    assert_int_equal(piece->total, BLOB_PIECES * (uint64_t)BLOB_PIECE_MAX_BYTES);
    assert_int_equal(piece->offset, number * BLOB_PIECE_MAX_BYTES);
    assert_int_equal(piece->data.len, BLOB_PIECE_MAX_BYTES);
    memcpy(&first, piece->data.data, sizeof first);
    assert_int_equal(first, number * BLOB_PIECE_MAX_BYTES / sizeof first);
    arena_fini(&arena);
}

/* Of the k-th that was given. */
static uint64_t piece_sum(const struct fixture *f, uint32_t k, uint64_t *ret_real)
{
    struct arena arena;
    message_type type;
    void *message;
    arena_init(&arena, MSG_ARENA_MAX_BYTES);
    assert_int_equal(
        message_decode(shared_frame_bytes(f->given[k].frame), &arena, &type, &message, NULL), OK);
    const struct msg_blob *piece = message;
    uint64_t sum = piece->sum;
    *ret_real = work_piece_sum(piece->data);
    arena_fini(&arena);
    return sum;
}

static void piece_ask(struct fixture *f, uint64_t peer, const char *hash, uint64_t number)
{
    depot_read(f->depot, peer, hash, number * BLOB_PIECE_MAX_BYTES, BLOB_PIECE_MAX_BYTES);
}

static void upload(struct fixture *f, uint64_t id, struct bytes bytes,
                   char ret_hash[WORK_HASH_TEXT_BYTES])
{
    struct work_hasher hasher;
    struct report report = {0};
    work_hasher_init(&hasher);
    work_hasher_add(&hasher, bytes.data, bytes.len);
    work_hasher_end(&hasher, ret_hash);
    assert_int_equal(depot_upload_begin(f->depot, id, ret_hash, bytes.len, &report), OK);
    for (uint32_t before = f->uploaded; f->uploaded == before;) {
        size_t taken = depot_upload_add(f->depot, id, bytes);
        bytes.data += taken;
        bytes.len -= taken;
        if (bytes.len == 0) {
            assert_true(depot_upload_end(f->depot, id));
        }
        assert_int_equal(loop_run(f->loop), OK);
    }
    assert_int_equal(f->error, OK);
}

/* The sums are those of the upload, whatever lies on the disk by now; a part of a piece has none,
 * and neither has what was there when the head started. */
static void test_pieces_have_the_sums_of_what_was_uploaded(void **state)
{
    enum { BYTES = BLOB_PIECE_MAX_BYTES + 1000 };
    static uint8_t bytes[BYTES];
    (void)state;
    struct fixture f;
    char hash[WORK_HASH_TEXT_BYTES], path[sizeof f.folder + WORK_HASH_TEXT_BYTES];
    uint64_t real;
    pieces_begin(&f, hash);
    piece_ask(&f, 1, hash, 0);
    given_wait(&f, 1);
    assert_int_equal(piece_sum(&f, 0, &real), 0);
    memset(bytes, 'm', BYTES);
    upload(&f, 1, (struct bytes){bytes, BYTES}, hash);
    snprintf(path, sizeof path, "%s/%s", f.folder, hash);
    int fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, "#", 1, BLOB_PIECE_MAX_BYTES + 7), 1);
    close(fd);
    piece_ask(&f, 1, hash, 0);
    piece_ask(&f, 1, hash, 1);
    depot_read(f.depot, 1, hash, 100, 100);
    given_wait(&f, 4);
    assert_true(piece_sum(&f, 1, &real) == real && real != 0);
    assert_true(piece_sum(&f, 2, &real) != real && real != 0);
    assert_int_equal(piece_sum(&f, 3, &real), 0);
    pieces_end(&f);
}

static void test_pieces_come_in_the_order_of_the_asks_and_are_shared(void **state)
{
    (void)state;
    struct fixture f;
    char hash[WORK_HASH_TEXT_BYTES];
    pieces_begin(&f, hash);
    for (uint64_t i = 0; i < 4; i++) {
        piece_ask(&f, 1, hash, i);
    }
    given_wait(&f, 4);
    for (uint32_t i = 0; i < 4; i++) {
        piece_assert(&f, i, 1, i);
        piece_ask(&f, 2, hash, i);
    }
    given_wait(&f, 8);
    for (uint32_t i = 0; i < 4; i++) {
        piece_assert(&f, 4 + i, 2, i);
        assert_ptr_equal(f.given[i].frame, f.given[4 + i].frame); /* read and encoded once */
    }
    pieces_end(&f);
}

static void reading_wait(struct fixture *f)
{
    f->deadline = clock_now() + DEADLINE_MS;
    while (f->depot->n_reading > 0 && clock_now() < f->deadline) {
        f->want = 0; /* a turn */
        loop_again(f->loop);
        assert_int_equal(loop_run(f->loop), OK);
    }
}

/* By the time that an agent asks for its second piece there is no file any more. */
static void test_next_piece_is_read_while_the_last_one_is_sent(void **state)
{
    (void)state;
    struct fixture f;
    char hash[WORK_HASH_TEXT_BYTES], path[sizeof f.folder + WORK_HASH_TEXT_BYTES];
    pieces_begin(&f, hash);
    snprintf(path, sizeof path, "%s/%s", f.folder, hash);
    piece_ask(&f, 1, hash, BLOB_PIECES - 2);
    given_wait(&f, 1);
    reading_wait(&f);
    assert_int_equal(unlink(path), 0);
    piece_ask(&f, 1, hash, BLOB_PIECES - 1); /* behind it there is none */
    given_wait(&f, 2);
    piece_assert(&f, 1, 1, BLOB_PIECES - 1);
    assert_int_equal(f.depot->n_reading, 0);
    pieces_end(&f);
}

static void test_pieces_for_who_does_not_read_wait_and_are_bounded(void **state)
{
    (void)state;
    struct fixture f;
    char hash[WORK_HASH_TEXT_BYTES];
    pieces_begin(&f, hash);
    f.full_peer = 1;
    for (uint32_t i = 0; i < 100 * DEPOT_READS_OF_PEER; i++) {
        piece_ask(&f, 1, hash, i % BLOB_PIECES);
    }
    piece_ask(&f, 2, hash, 5);
    piece_ask(&f, 2, hash, 6);
    given_wait(&f, 2);
    piece_assert(&f, 0, 2, 5);
    piece_assert(&f, 1, 2, 6);
    time_ms later = clock_now() + 10; /* nothing is to be done then, and nothing wakes the loop */
    depot_turn(f.depot, later);
    assert_true(depot_deadline(f.depot, later) > later + 100);

    f.full_peer = 0;
    depot_look_again(f.depot);
    given_wait(&f, 2 + DEPOT_READS_OF_PEER);
    for (uint32_t i = 0; i < DEPOT_READS_OF_PEER; i++) {
        piece_assert(&f, 2 + i, 1, i);
    }
    piece_ask(&f, 2, hash, 7); /* and that was all of the first one's */
    given_wait(&f, 3 + DEPOT_READS_OF_PEER);
    piece_assert(&f, 2 + DEPOT_READS_OF_PEER, 2, 7);
    pieces_end(&f);
}

static void test_pieces_that_are_not_there_are_refused_at_once(void **state)
{
    (void)state;
    struct fixture f;
    char hash[WORK_HASH_TEXT_BYTES], other[WORK_HASH_TEXT_BYTES];
    pieces_begin(&f, hash);
    blob_name(8, other);
    piece_ask(&f, 1, other, 0);
    piece_ask(&f, 1, hash, BLOB_PIECES);
    piece_ask(&f, 1, "../../etc/passwd", 0);
    assert_int_equal(f.n_given, 3);
    for (uint32_t i = 0; i < 3; i++) {
        struct arena arena;
        message_type type;
        void *message;
        arena_init(&arena, MSG_ARENA_MAX_BYTES);
        assert_int_equal(
            message_decode(shared_frame_bytes(f.given[i].frame), &arena, &type, &message, NULL),
            OK);
        const struct msg_blob *piece = message;
        assert_true(piece->error[0] != '\0');
        assert_string_equal(piece->hash, i == 0 ? other : i == 1 ? hash : "");
        arena_fini(&arena);
    }
    pieces_end(&f);
}

/* All connections are slow, or their owners do not read: each gets one piece, and none of them
 * keeps the others waiting for good. */
static void test_pieces_for_slow_connections_go_on(void **state)
{
    (void)state;
    struct fixture f;
    char hash[WORK_HASH_TEXT_BYTES];
    pieces_begin(&f, hash);
    f.is_slow = true;
    for (uint32_t peer = 1; peer <= 6; peer++) {
        piece_ask(&f, peer, hash, 0);
        piece_ask(&f, peer, hash, 1);
    }
    given_wait(&f, 6);
    for (uint32_t i = 0; i < 6; i++) {
        piece_assert(&f, i, i + 1, 0);
    }
    f.is_slow = false;
    f.must_stay = 1U << 2; /* all but one are sent */
    depot_look_again(f.depot);
    given_wait(&f, 11);
    pieces_end(&f);
}

/* An agent that left, a head that leaves: what was asked for is nobody's loss. */
static void test_depot_freed_while_pieces_wait_leaves_nothing(void **state)
{
    (void)state;
    struct fixture f;
    char hash[WORK_HASH_TEXT_BYTES];
    pieces_begin(&f, hash);
    f.full_peer = 1;
    piece_ask(&f, 1, hash, 0);
    piece_ask(&f, 2, hash, 1);
    piece_ask(&f, 2, hash, 2);
    given_wait(&f, 1);
    pieces_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces_have_the_sums_of_what_was_uploaded),
        cmocka_unit_test(test_pieces_come_in_the_order_of_the_asks_and_are_shared),
        cmocka_unit_test(test_next_piece_is_read_while_the_last_one_is_sent),
        cmocka_unit_test(test_pieces_for_who_does_not_read_wait_and_are_bounded),
        cmocka_unit_test(test_pieces_that_are_not_there_are_refused_at_once),
        cmocka_unit_test(test_pieces_for_slow_connections_go_on),
        cmocka_unit_test(test_depot_freed_while_pieces_wait_leaves_nothing),
        cmocka_unit_test(test_depot_full_of_small_blobs_starts_and_takes_more),
    };
    return cmocka_run_group_tests_name("head/shell/depot", tests, NULL, NULL);
}
