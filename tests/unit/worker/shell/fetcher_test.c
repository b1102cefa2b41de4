/* Snapshots that come from another agent: small, large, many at once, and goings-on from where one
 * was cut. */
#include "fetch_rig.h"

/* ---- it comes ---- */

static void test_copy_of_a_small_snapshot_is_committed_here(void **state)
{
    rig_open(state);
    donor_open(state, &rig.a, "a", make_small);
    assert_int_equal(fetch_lent(&rig.a), COPY_DONE);
    assert_is_committed(&rig.a);
    assert_int_equal(rig.a.wire.most_pairs, 1);
    rig_close();
}

static void test_copy_of_nested_folders_has_all_of_them(void **state)
{
    char path[600];
    struct stat about;
    rig_open(state);
    donor_open(state, &rig.a, "a", make_nested);
    assert_int_equal(fetch_lent(&rig.a), COPY_DONE);
    assert_is_committed(&rig.a);
    assert_true(rig_files_equal(rig.target, rig.a.target, "a/one"));
    assert_true(rig_files_equal(rig.target, rig.a.target, "a/b/two"));
    assert_true(rig_files_equal(rig.target, rig.a.target, "a/b/empty"));
    assert_true(rig_files_equal(rig.target, rig.a.target, "c/\xc3\xa9t\xc3\xa9 1"));
    snprintf(path, sizeof path, "%s/a/b", rig.target);
    assert_int_equal(stat(path, &about), 0);
    assert_int_equal(about.st_mode & 0777, 0555);
    rig_close();
}

static void test_copy_of_an_empty_file_and_of_many_files(void **state)
{
    rig_open(state);
    donor_open(state, &rig.a, "a", make_empty);
    assert_int_equal(fetch_lent(&rig.a), COPY_DONE);
    assert_is_committed(&rig.a);
    assert_int_equal(dir_remove_tree(rig.target, NULL), OK);
    donor_open(state, &rig.b, "b", make_many);
    assert_int_equal(fetch_lent(&rig.b), COPY_DONE);
    assert_is_committed(&rig.b);
    assert_true(rig_files_equal(rig.target, rig.b.target, "part-699"));
    rig_close();
}

static void test_copy_of_a_large_snapshot_takes_several_connections(void **state)
{
    rig_open(state);
    donor_open(state, &rig.a, "a", make_large);
    assert_int_equal(fetch_lent(&rig.a), COPY_DONE);
    assert_is_committed(&rig.a);
    assert_int_equal(rig.a.wire.most_pairs, 4);
    assert_true(atomic_load(&rig.a.wire.bytes) > LARGE_BYTES);
    assert_true(atomic_load(&rig.a.wire.bytes) < LARGE_BYTES + LARGE_BYTES / 10);
    rig_close();
}

static void test_snapshot_that_is_here_already_is_not_fetched(void **state)
{
    rig_open(state);
    donor_open(state, &rig.a, "a", make_small);
    assert_int_equal(fetch_lent(&rig.a), COPY_DONE);
    unsigned long long bytes = atomic_load(&rig.a.wire.bytes);
    assert_int_equal(fetch(&rig.a), COPY_DONE); /* the pass is over: nobody would answer */
    assert_int_equal(atomic_load(&rig.a.wire.bytes), bytes);
    /* A damaged one is. */
    rig_damage(rig.target, "weights", 7);
    assert_int_equal(fetch_lent(&rig.a), COPY_DONE);
    assert_is_committed(&rig.a);
    rig_close();
}

static void test_two_copies_at_once_both_come(void **state)
{
    const struct snapshot_name other = {{12, 42}, 1};
    char target[512], path[600];
    struct manifest manifest = {.task = other.task, .ordinal = other.ordinal, .step = 1};
    rig_open(state);
    donor_open(state, &rig.a, "a", make_large);
    snprintf(path, sizeof path, "%s", folder_path(state, "save2"));
    assert_int_equal(mkdir(path, 0700), 0);
    make_large(path);
    snprintf(target, sizeof target, "%s/12.42/1", rig.a.store);
    assert_int_equal(manifest_write(path, NULL, &manifest, NULL), OK);
    assert_int_equal(snapshot_put_in_place(path, target, NULL), OK);
    static const uint8_t pass[PASS_BYTES] = "0123456789abcdef";
    const struct msg_lend message = {other, {pass, PASS_BYTES}, 60000};
    lender_pass(rig.a.lender, &message);
    lend(&rig.a, rig_name);
    struct msg_source source = source_of(&rig.a);
    assert_int_equal(fetcher_start(rig.fetcher, &source, rig_pass), OK);
    source.name = other;
    assert_int_equal(fetcher_start(rig.fetcher, &source, pass), OK);
    fetch_wait(2);
    assert_int_equal(rig.end, COPY_DONE);
    assert_is_committed(&rig.a);
    snprintf(path, sizeof path, "%s/12.42/1", rig.store);
    assert_int_equal(manifest_verify(path, &(struct proving){.must_hash = true}, &manifest, NULL),
                     OK);
    rig_close();
}

/* ---- many ---- */

static struct snapshot_name many_name(uint32_t i)
{
    return (struct snapshot_name){{13, i + 1}, 1};
}

/* Snapshot i of the donor, and its pass. */
static void many_make(void **state, uint32_t i, size_t size, uint8_t ret_pass[PASS_BYTES])
{
    const struct snapshot_name name = many_name(i);
    char save[300], target[512];
    struct manifest manifest = {.task = name.task, .ordinal = name.ordinal, .step = 1};
    snprintf(save, sizeof save, "%s", folder_path(state, "many-save"));
    assert_int_equal(mkdir(save, 0700), 0);
    rig_file(save, "weights", size, i);
    snprintf(target, sizeof target, "%s/13.%u/1", rig.a.store, i + 1);
    assert_int_equal(manifest_write(save, NULL, &manifest, NULL), OK);
    assert_int_equal(snapshot_put_in_place(save, target, NULL), OK);
    memset(ret_pass, (int)i + 1, PASS_BYTES);
    const struct msg_lend message = {name, {ret_pass, PASS_BYTES}, 60000};
    lender_pass(rig.a.lender, &message);
}

static void many_start(uint32_t i, const uint8_t pass[PASS_BYTES])
{
    struct msg_source source = source_of(&rig.a);
    source.name = many_name(i);
    source.lender = lender_endpoint(rig.a.lender); /* past the wire, which takes a few only */
    assert_int_equal(fetcher_start(rig.fetcher, &source, pass), OK);
}

static void test_more_copies_than_run_at_once_all_come(void **state)
{
    enum { MANY = 40 };
    uint8_t pass[PASS_BYTES];
    rig_open(state);
    donor_open(state, &rig.a, "a", make_small);
    for (uint32_t i = 0; i < MANY; i++) {
        many_make(state, i, 10000 * i, pass);
        many_start(i, pass);
    }
    fetch_wait(MANY);
    for (uint32_t i = 0; i < MANY; i++) {
        char path[600];
        struct manifest manifest;
        snprintf(path, sizeof path, "%s/13.%u/1", rig.store, i + 1);
        assert_int_equal(
            manifest_verify(path, &(struct proving){.must_hash = true}, &manifest, NULL), OK);
    }
    assert_true(folder_is_empty(rig.staging));
    rig_close();
}

static void test_fetcher_that_is_stopped_forgets_those_that_wait(void **state)
{
    enum { MANY = 40 };
    uint8_t pass[PASS_BYTES];
    rig_open(state);
    donor_open(state, &rig.a, "a", make_small);
    for (uint32_t i = 0; i < MANY; i++) {
        many_make(state, i, 10000, pass);
    }
    for (uint32_t i = 0; i < MANY; i++) {
        memset(pass, (int)i + 1, PASS_BYTES);
        many_start(i, pass);
    }
    fetcher_stop(rig.fetcher);
    while (fetcher_busy(rig.fetcher)) {
        uv_run(loop_uv(rig.loop), UV_RUN_ONCE);
    }
    assert_int_equal(rig.n_done, 0);
    rig_close();
}

static uint32_t staging_count(void)
{
    uint32_t n = 0;
    DIR *folder = opendir(rig.staging);
    assert_non_null(folder);
    const struct dirent *entry;
    while ((entry = readdir(folder)) != NULL) {
        n += entry->d_name[0] != '.';
    }
    closedir(folder);
    return n;
}

static void test_copies_that_were_cut_keep_a_few_folders_only(void **state)
{
    enum { MANY = 7, SIZE = 8 << 20 };
    uint8_t pass[PASS_BYTES];
    rig_open(state);
    donor_open(state, &rig.a, "a", make_small);
    for (uint32_t i = 0; i < MANY; i++) {
        many_make(state, i, SIZE, pass);
        atomic_store(&rig.a.wire.bytes, 0);
        atomic_store(&rig.a.wire.cut_at, SIZE / 2);
        struct msg_source source = source_of(&rig.a);
        source.name = many_name(i);
        assert_int_equal(fetcher_start(rig.fetcher, &source, pass), OK);
        fetch_wait(1);
        assert_int_equal(rig.end, COPY_AGAIN);
        assert_true(staging_count() >= 1 && staging_count() <= 4);
    }
    /* The last one goes on, the first one begins anew. */
    atomic_store(&rig.a.wire.cut_at, 0);
    const uint32_t again[] = {MANY - 1, 0};
    unsigned long long bytes[2];
    for (uint32_t k = 0; k < 2; k++) {
        struct msg_source source = source_of(&rig.a);
        memset(pass, (int)again[k] + 1, PASS_BYTES);
        source.name = many_name(again[k]);
        const struct msg_lend message = {source.name, {pass, PASS_BYTES}, 60000};
        lender_pass(rig.a.lender, &message);
        atomic_store(&rig.a.wire.bytes, 0);
        assert_int_equal(fetcher_start(rig.fetcher, &source, pass), OK);
        fetch_wait(1);
        assert_int_equal(rig.end, COPY_DONE);
        bytes[k] = atomic_load(&rig.a.wire.bytes);
    }
    assert_true(bytes[0] < SIZE && bytes[1] > SIZE);
    rig_close();
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, folder_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        T(test_copy_of_a_small_snapshot_is_committed_here),
        T(test_copy_of_nested_folders_has_all_of_them),
        T(test_copy_of_an_empty_file_and_of_many_files),
        T(test_copy_of_a_large_snapshot_takes_several_connections),
        T(test_snapshot_that_is_here_already_is_not_fetched),
        T(test_two_copies_at_once_both_come),
        T(test_more_copies_than_run_at_once_all_come),
        T(test_fetcher_that_is_stopped_forgets_those_that_wait),
        T(test_copies_that_were_cut_keep_a_few_folders_only),
    };
    return cmocka_run_group_tests_name("worker/shell/fetcher", tests, NULL, NULL);
}
