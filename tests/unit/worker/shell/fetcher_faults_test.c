/* Snapshots that come from another agent by donors that are slow, die, fall silent or are damaged,
 * and onto disks that are full. */
#include "fetch_rig.h"

/* The disk stands still for so long, once: in the call that begins to write a piece to it, which
 * stands for libc's here. */
static _Atomic unsigned disk_stall_ms;

int sync_file_range(int fd, off_t offset, off_t len, unsigned flags)
{
    (void)fd, (void)offset, (void)len, (void)flags;
    usleep(atomic_exchange(&disk_stall_ms, 0) * 1000);
    return 0;
}

/* ---- passes ---- */

static void test_pass_that_the_donor_learns_later_is_waited_for(void **state)
{
    rig_open(state);
    donor_open(state, &rig.a, "a", make_small);
    rig.lend_at = clock_now() + 700;
    assert_int_equal(fetch(&rig.a), COPY_DONE);
    assert_is_committed(&rig.a);
    rig_close();
}

static void test_pass_that_the_donor_never_learns_ends_the_copy(void **state)
{
    rig_open(state);
    donor_open(state, &rig.a, "a", make_small);
    assert_int_equal(fetch(&rig.a), COPY_AGAIN);
    assert_text_has("pass");
    assert_true(access(rig.target, F_OK) != 0);
    rig_close();
}

/* ---- it is cut ---- */

static void test_donor_that_dies_half_way_is_gone_on_from_with_another_one(void **state)
{
    rig_open(state);
    donor_open(state, &rig.a, "a", make_large);
    donor_open(state, &rig.b, "b", make_large);
    atomic_store(&rig.a.wire.cut_at, LARGE_BYTES / 2);
    assert_int_equal(fetch_lent(&rig.a), COPY_AGAIN);
    assert_text_has("donor");
    assert_true(access(rig.target, F_OK) != 0);
    assert_true(atomic_load(&rig.b.wire.bytes) == 0);
    assert_int_equal(fetch_lent(&rig.b), COPY_DONE);
    assert_is_committed(&rig.b);
    /* Not twice: but for what was under way when it was cut, and what goes with each piece. */
    unsigned long long both = atomic_load(&rig.a.wire.bytes) + atomic_load(&rig.b.wire.bytes);
    assert_true(both < LARGE_BYTES + LARGE_BYTES / 5);
    assert_true(atomic_load(&rig.b.wire.bytes) > LARGE_BYTES / 4);
    rig_close();
}

static void test_copy_that_is_cut_goes_on_if_its_manifest_is_the_same_only(void **state)
{
    rig_open(state);
    donor_open(state, &rig.a, "a", make_large);
    donor_open(state, &rig.b, "b", make_nested); /* of the same name */
    atomic_store(&rig.a.wire.cut_at, LARGE_BYTES / 4);
    assert_int_equal(fetch_lent(&rig.a), COPY_AGAIN);
    assert_int_equal(fetch_lent(&rig.b), COPY_DONE);
    assert_is_committed(&rig.b);
    char path[600];
    snprintf(path, sizeof path, "%s/optimizer", rig.target);
    assert_true(access(path, F_OK) != 0);
    rig_close();
}

static void test_donor_that_is_not_there_is_told_at_once(void **state)
{
    rig_open(state);
    donor_open(state, &rig.a, "a", make_small);
    struct msg_source source = source_of(&rig.a);
    source.lender = "tcp://127.0.0.1:1";
    assert_int_equal(fetcher_start(rig.fetcher, &source, rig_pass), OK);
    fetch_wait(1);
    assert_int_equal(rig.end, COPY_AGAIN);
    assert_text_has("127.0.0.1:1");
    static const char *const bad[][2] = {
        {"ipc:///tmp/x", NULL},
        {"tcp://127.0.0.1", NULL},
        {"", NULL},
        {"tcp://127.0.0.1:x", NULL},
        {"tcp://a b:1", NULL},
        {NULL, "short"},
        {NULL, NULL},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        source = source_of(&rig.a);
        source.lender = bad[i][0] != NULL ? bad[i][0] : source.lender;
        source.lender_key = bad[i][0] != NULL ? source.lender_key : bad[i][1];
        assert_int_equal(fetcher_start(rig.fetcher, &source, rig_pass), OK);
        fetch_wait(1);
        assert_int_equal(rig.end, COPY_AGAIN);
        assert_text_has("donor");
    }
    rig_close();
}

/* Neither an end nor a byte: as if the network were cut. */
static void test_donor_that_falls_silent_is_given_up_and_gone_on_from(void **state)
{
    rig_open(state);
    donor_open(state, &rig.a, "a", make_large);
    donor_open(state, &rig.b, "b", make_large);
    atomic_store(&rig.a.wire.silent_at, LARGE_BYTES / 2);
    fetcher_silence_set(rig.fetcher, 5000);
    assert_int_equal(fetch_lent(&rig.a), COPY_AGAIN);
    assert_text_has("nothing for 5 s");
    fetcher_silence_set(rig.fetcher, DEADLINE_MS / 2);
    assert_int_equal(fetch_lent(&rig.b), COPY_DONE);
    assert_is_committed(&rig.b);
    assert_true(atomic_load(&rig.b.wire.bytes) < LARGE_BYTES * 3ULL / 4);
    rig_close();
}

static void test_disk_that_stands_still_is_no_silence_of_the_donor(void **state)
{
    rig_open(state);
    donor_open(state, &rig.a, "a", make_nested);
    fetcher_silence_set(rig.fetcher, 2000);
    disk_stall_ms = 3000;
    assert_int_equal(fetch_lent(&rig.a), COPY_DONE);
    assert_int_equal(disk_stall_ms, 0);
    assert_is_committed(&rig.a);
    rig_close();
}

static void test_fetcher_that_is_stopped_ends_its_copies_and_tells_nothing(void **state)
{
    rig_open(state);
    donor_open(state, &rig.a, "a", make_large);
    atomic_store(&rig.a.wire.silent_at, LARGE_BYTES / 10);
    lend(&rig.a, rig_name);
    const struct msg_source source = source_of(&rig.a);
    assert_int_equal(fetcher_start(rig.fetcher, &source, rig_pass), OK);
    while (!wire_is_past(&rig.a.wire, &rig.a.wire.silent_at)) {
        usleep(1000);
    }
    fetcher_stop(rig.fetcher);
    while (fetcher_busy(rig.fetcher)) {
        uv_run(loop_uv(rig.loop), UV_RUN_ONCE);
    }
    assert_int_equal(rig.n_done, 0);
    rig_close();
}

/* ---- it is damaged ---- */

static void test_damaged_file_is_fetched_once_more_and_then_given_up(void **state)
{
    rig_open(state);
    donor_open(state, &rig.a, "a", make_nested);
    rig_damage(rig.a.target, "a/one", 5);
    assert_int_equal(fetch_lent(&rig.a), COPY_GONE);
    assert_text_has("a/one");
    assert_true(access(rig.target, F_OK) != 0);
    assert_true(folder_is_empty(rig.staging));
    /* All of it, and that file again. */
    uint64_t all = 5 * FILE_PIECE_MAX_BYTES, again = FILE_PIECE_MAX_BYTES;
    assert_true(atomic_load(&rig.a.wire.bytes) > all + again);
    assert_true(atomic_load(&rig.a.wire.bytes) < all + 2 * again);
    rig_close();
}

static void test_damaged_piece_of_a_donor_before_is_fetched_from_the_next_one(void **state)
{
    rig_open(state);
    donor_open(state, &rig.a, "a", make_large);
    donor_open(state, &rig.b, "b", make_large);
    rig_damage(rig.a.target, "optimizer", 5); /* sorted before the weights: it comes first */
    atomic_store(&rig.a.wire.cut_at, LARGE_BYTES / 2);
    assert_int_equal(fetch_lent(&rig.a), COPY_AGAIN);
    assert_int_equal(fetch_lent(&rig.b), COPY_DONE);
    assert_is_committed(&rig.b);
    assert_true(rig_files_equal(rig.target, rig.b.target, "optimizer"));
    rig_close();
}

static void test_snapshot_that_the_donor_lost_is_gone(void **state)
{
    char path[600];
    rig_open(state);
    donor_open(state, &rig.a, "a", make_small);
    snprintf(path, sizeof path, "%s/weights", rig.a.target);
    assert_int_equal(chmod(rig.a.target, 0700), 0);
    assert_int_equal(truncate(path, 10), 0);
    assert_int_equal(fetch_lent(&rig.a), COPY_GONE);
    assert_text_has("weights");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(fetch_lent(&rig.a), COPY_GONE);
    assert_int_equal(dir_remove_tree(rig.a.target, NULL), OK);
    assert_int_equal(fetch_lent(&rig.a), COPY_GONE);
    assert_true(access(rig.target, F_OK) != 0);
    assert_true(folder_is_empty(rig.staging));
    rig_close();
}

/* ---- the disk ---- */

static void test_disk_without_room_fails_before_anything_comes(void **state)
{
    rig_open(state);
    donor_open(state, &rig.a, "a", make_large);
    char small[256], staging[300], store[300];
    snprintf(small, sizeof small, "%s", folder_path(state, "small"));
    assert_int_equal(mkdir(small, 0700), 0);
    if (mount("none", small, "tmpfs", 0, "size=8m") != 0) {
        print_message("SKIPPED: a small disk cannot be mounted here: %s\n", strerror(errno));
        rig_close();
        skip();
    }
    struct report report = {0};
    fetcher_free(rig.fetcher);
    snprintf(staging, sizeof staging, "%s/staging", small);
    snprintf(store, sizeof store, "%s/snapshots", small);
    assert_int_equal(mkdir(store, 0700), 0);
    assert_int_equal(fetcher_new(rig.loop, store, staging, on_done, &rig, &rig.fetcher, &report),
                     OK);
    assert_int_equal(fetch_lent(&rig.a), COPY_FAILED);
    assert_text_has("MiB");
    assert_true(atomic_load(&rig.a.wire.bytes) < 1 << 20);
    assert_true(folder_is_empty(store));
    assert_true(folder_is_empty(staging));
    assert_int_equal(umount(small), 0);
    rig_close();
}

static void test_file_that_cannot_be_written_fails_and_leaves_nothing(void **state)
{
    struct rlimit before, limit;
    rig_open(state);
    donor_open(state, &rig.a, "a", make_large);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = before;
    limit.rlim_cur = 10 << 20;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    copy_end end = fetch_lent(&rig.a);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(end, COPY_FAILED);
    assert_text_has("weights");
    assert_true(folder_is_empty(rig.store));
    assert_true(folder_is_empty(rig.staging));
    rig_close();
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, folder_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        T(test_pass_that_the_donor_learns_later_is_waited_for),
        T(test_pass_that_the_donor_never_learns_ends_the_copy),
        T(test_donor_that_dies_half_way_is_gone_on_from_with_another_one),
        T(test_copy_that_is_cut_goes_on_if_its_manifest_is_the_same_only),
        T(test_donor_that_is_not_there_is_told_at_once),
        T(test_donor_that_falls_silent_is_given_up_and_gone_on_from),
        T(test_disk_that_stands_still_is_no_silence_of_the_donor),
        T(test_fetcher_that_is_stopped_ends_its_copies_and_tells_nothing),
        T(test_damaged_file_is_fetched_once_more_and_then_given_up),
        T(test_damaged_piece_of_a_donor_before_is_fetched_from_the_next_one),
        T(test_snapshot_that_the_donor_lost_is_gone),
        T(test_disk_without_room_fails_before_anything_comes),
        T(test_file_that_cannot_be_written_fails_and_leaves_nothing),
    };
    return cmocka_run_group_tests_name("worker/shell/fetcher_faults", tests, NULL, NULL);
}
