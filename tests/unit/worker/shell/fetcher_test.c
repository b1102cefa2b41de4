/* Snapshots that come from another agent: over real connections, onto a real disk, by donors that
 * are slow, die, lie or are damaged. */
#include "copy_rig.h"

#include <dirent.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "net/curve_server.h"
#include "net/keys.h"
#include "sys/clock.h"
#include "worker/shell/fetcher.h"
#include "worker/shell/lender.h"

enum { DEADLINE_MS = 60000, LARGE_BYTES = 100 << 20 };

struct donor {
    char store[256], target[512];
    struct lender *lender;
    struct wire wire; /* what the taker connects to */
    char endpoint[64];
};

struct rig {
    struct loop *loop;
    struct fetcher *fetcher;
    char store[256], staging[256], target[512];
    struct donor a, b;
    uint32_t n_done, n_wanted;
    copy_end end;
    char text[REPORT_TEXT_MAX];
    struct snapshot_name name;
    time_ms deadline;
    time_ms lend_at; /* 0: never */
};

static struct rig rig;

/* ---- the rig ---- */

static void lend(struct donor *donor, struct snapshot_name name)
{
    const struct msg_lend message = {name, {rig_pass, PASS_BYTES}, 60000};
    lender_pass(donor->lender, &message);
}

static void on_turn(void *context, const struct loop_turn *turn)
{
    (void)context;
    if (rig.lend_at != 0 && turn->now >= rig.lend_at) {
        rig.lend_at = 0;
        lend(&rig.a, rig_name);
    }
    if (rig.n_done >= rig.n_wanted || turn->now > rig.deadline) {
        loop_stop(rig.loop);
    }
    loop_deadline_set(rig.loop, turn->now + 10);
}

static void on_done(void *context, struct snapshot_name name, copy_end end, const char *text)
{
    assert_ptr_equal(context, &rig);
    rig.n_done++;
    rig.end = end;
    rig.name = name;
    snprintf(rig.text, sizeof rig.text, "%s", text);
    assert_int_equal(end == COPY_DONE, text[0] == '\0');
}

static void rig_open(void **state)
{
    struct report report = {0};
    rig = (struct rig){0};
    assert_int_equal(keys_init(), OK);
    snprintf(rig.store, sizeof rig.store, "%s", folder_path(state, "snapshots"));
    snprintf(rig.staging, sizeof rig.staging, "%s", folder_path(state, "staging"));
    snprintf(rig.target, sizeof rig.target, "%s/12.41/5", rig.store);
    assert_int_equal(dir_make(rig.store, &report), OK);
    assert_int_equal(loop_new(&rig.loop, &report), OK);
    loop_turn_set(rig.loop, on_turn, &rig);
    assert_int_equal(
        fetcher_new(rig.loop, rig.store, rig.staging, on_done, &rig, &rig.fetcher, &report), OK);
}

/* `make` writes the files of the snapshot. */
static void donor_open(void **state, struct donor *donor, const char *name,
                       void (*make)(const char *folder))
{
    struct report report = {0};
    char save[256], save_name[32];
    snprintf(donor->store, sizeof donor->store, "%s", folder_path(state, name));
    snprintf(save_name, sizeof save_name, "%s-save", name);
    snprintf(save, sizeof save, "%s", folder_path(state, save_name));
    assert_int_equal(mkdir(save, 0700), 0);
    make(save);
    rig_commit(save, donor->store, donor->target);
    assert_int_equal(lender_open("127.0.0.1", donor->store, &donor->lender, &report), OK);
    wire_begin(&donor->wire, lender_endpoint(donor->lender), donor->endpoint);
}

static void donor_close(struct donor *donor)
{
    if (donor->lender != NULL) {
        wire_end(&donor->wire);
        lender_close(donor->lender);
    }
}

static void rig_close(void)
{
    fetcher_free(rig.fetcher);
    loop_free(rig.loop);
    donor_close(&rig.a);
    donor_close(&rig.b);
}

static struct msg_source source_of(const struct donor *donor)
{
    return (struct msg_source){.name = rig_name,
                               .node = "donor",
                               .lender = donor->endpoint,
                               .lender_key = lender_key(donor->lender)};
}

static void fetch_wait(uint32_t n)
{
    rig.n_wanted = n;
    rig.deadline = clock_now() + DEADLINE_MS;
    loop_again(rig.loop);
    assert_int_equal(loop_run(rig.loop), OK);
    assert_int_equal(rig.n_done, n);
    assert_false(fetcher_busy(rig.fetcher));
    rig.n_done = 0;
}

static copy_end fetch(const struct donor *donor)
{
    const struct msg_source source = source_of(donor);
    assert_int_equal(fetcher_start(rig.fetcher, &source, rig_pass), OK);
    assert_true(fetcher_busy(rig.fetcher));
    fetch_wait(1);
    assert_int_equal(rig.name.ordinal, rig_name.ordinal);
    return rig.end;
}

static copy_end fetch_lent(struct donor *donor)
{
    lend(donor, rig_name);
    return fetch(donor);
}

static bool folder_is_empty(const char *path)
{
    return rmdir(path) == 0 && mkdir(path, 0700) == 0;
}

static void assert_text_has(const char *what)
{
    if (strstr(rig.text, what) == NULL) {
        fail_msg("'%s' does not say '%s'", rig.text, what);
    }
}

static void assert_is_committed(const struct donor *donor)
{
    struct manifest manifest;
    struct report report = {0};
    struct stat about;
    if (manifest_verify(rig.target, &(struct proving){.must_hash = true}, &manifest, &report) !=
        OK) {
        fail_msg("%s", report.text);
    }
    assert_int_equal(manifest.step, 27);
    assert_int_equal(manifest.attempt, 3);
    assert_true(rig_files_equal(rig.target, donor->target, MANIFEST_NAME));
    assert_true(rig_files_equal(rig.target, donor->target, "weights"));
    assert_int_equal(stat(rig.target, &about), 0);
    assert_int_equal(about.st_mode & 0777, 0555);
    char path[600];
    snprintf(path, sizeof path, "%s/weights", rig.target);
    assert_int_equal(stat(path, &about), 0);
    assert_int_equal(about.st_mode & 0777, 0444);
    assert_true(folder_is_empty(rig.staging));
}

/* ---- snapshots ---- */

static void make_small(const char *folder)
{
    rig_file(folder, "weights", 100000, 1);
}

static void make_nested(const char *folder)
{
    char path[300];
    snprintf(path, sizeof path, "%s/a/b", folder);
    assert_int_equal(dir_make(path, NULL), OK);
    snprintf(path, sizeof path, "%s/c", folder);
    assert_int_equal(dir_make(path, NULL), OK);
    rig_file(folder, "weights", FILE_PIECE_MAX_BYTES, 1);
    rig_file(folder, "a/one", FILE_PIECE_MAX_BYTES + 1, 2);
    rig_file(folder, "a/b/two", 3 * FILE_PIECE_MAX_BYTES - 1, 3);
    rig_file(folder, "a/b/empty", 0, 4);
    rig_file(folder, "c/\xc3\xa9t\xc3\xa9 1", 1, 5);
}

static void make_empty(const char *folder)
{
    rig_file(folder, "weights", 0, 1);
}

static void make_large(const char *folder)
{
    rig_file(folder, "weights", LARGE_BYTES, 1);
    rig_file(folder, "optimizer", 3 << 20, 2);
}

static void make_many(const char *folder)
{
    rig_file(folder, "weights", 5000, 1);
    for (int i = 0; i < 700; i++) {
        char name[32];
        snprintf(name, sizeof name, "part-%d", i);
        rig_file(folder, name, (size_t)(i % 40), 2 + (uint64_t)i);
    }
}

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
    assert_int_equal(fetch_lent(&rig.a), COPY_AGAIN);
    assert_text_has("nothing for 10 s");
    assert_int_equal(fetch_lent(&rig.b), COPY_DONE);
    assert_is_committed(&rig.b);
    assert_true(atomic_load(&rig.b.wire.bytes) < LARGE_BYTES * 3ULL / 4);
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

/* ---- a donor that lies ---- */

struct liar {
    struct curve_server *server;
    pthread_t thread;
    const char *manifest;
    size_t too_short; /* bytes that each piece of a file lacks */
    file_word word;
    bool is_mad; /* answers what nobody asked for */
};

static void *liar_main(void *context)
{
    struct liar *liar = context;
    struct bytes frame;
    static uint8_t data[FILE_PIECE_MAX_BYTES];
    while (curve_server_receive(liar->server, &frame) == OK) {
        struct arena arena;
        message_type type;
        void *message;
        struct buf out;
        arena_init(&arena, 1 << 20);
        buf_init(&out, MSG_MAX_BYTES);
        assert_int_equal(message_decode(frame, &arena, &type, &message, NULL), OK);
        const struct msg_file_get *get = message;
        struct msg_file file = {.request = get->request + (liar->is_mad ? 1000 : 0),
                                .word = liar->word};
        size_t len = strlen(liar->manifest);
        if (strcmp(get->path, MANIFEST_NAME) == 0) {
            file.total = len;
            size_t left = get->offset < len ? len - (size_t)get->offset : 0;
            file.data = (struct bytes){(const uint8_t *)liar->manifest + get->offset,
                                       left < get->size ? left : get->size};
        } else {
            file.total = 1000;
            file.data = (struct bytes){data, 1000 - liar->too_short};
        }
        assert_int_equal(message_encode(MSG_FILE, &file, &out), OK);
        curve_server_answer(liar->server, &out);
        buf_fini(&out);
        arena_fini(&arena);
    }
    return NULL;
}

static copy_end fetch_from_liar(struct liar *liar)
{
    struct report report = {0};
    struct curve_server_options options = {
        .request_max_bytes = 8192, .answers_max = 16, .io_threads = 1};
    assert_int_equal(net_address_parse("127.0.0.1:0", NULL, 0, &options.address, &report), OK);
    assert_int_equal(curve_server_open(&options, &liar->server, &report), OK);
    assert_int_equal(pthread_create(&liar->thread, NULL, liar_main, liar), 0);
    const struct msg_source source = {.name = rig_name,
                                      .node = "liar",
                                      .lender = curve_server_endpoint(liar->server),
                                      .lender_key = curve_server_key(liar->server)};
    assert_int_equal(fetcher_start(rig.fetcher, &source, rig_pass), OK);
    fetch_wait(1);
    curve_server_end(liar->server);
    pthread_join(liar->thread, NULL);
    curve_server_close(liar->server);
    return rig.end;
}

#define MANIFEST_OF(name, size, bytes)                                                             \
    "{\"version\":1,\"trial\":\"12.41\",\"ordinal\":5,\"step\":1,\"attempt\":0,\"files\":[{"       \
    "\"name\":\"" name "\",\"size\":" size ",\"xxh3\":\"0123456789abcdef\"}],\"bytes\":" bytes "}"

static void test_manifest_that_leads_elsewhere_writes_nothing(void **state)
{
    static const struct {
        const char *manifest;
        copy_end end;
    } rows[] = {
        {MANIFEST_OF("../escaped", "1000", "1000"), COPY_GONE},
        {MANIFEST_OF("a/../../escaped", "1000", "1000"), COPY_GONE},
        {MANIFEST_OF("a/..", "1000", "1000"), COPY_GONE},
        {MANIFEST_OF("/tmp/escaped", "1000", "1000"), COPY_GONE},
        {MANIFEST_OF("", "1000", "1000"), COPY_GONE},
        {MANIFEST_OF("a//b", "1000", "1000"), COPY_GONE},
        {MANIFEST_OF("a\\u0000b", "1000", "1000"), COPY_GONE},
        {MANIFEST_OF("manifest.json", "1000", "1000"), COPY_GONE},
        {MANIFEST_OF("weights", "-1", "-1"), COPY_GONE},
        {MANIFEST_OF("weights", "1000", "999"), COPY_GONE},
        {MANIFEST_OF("weights", "4611686018427387904", "4611686018427387904"), COPY_FAILED},
        {MANIFEST_OF("weights", "1.5", "2"), COPY_GONE},
        {MANIFEST_OF("a\",\"size\":1000,\"xxh3\":\"0123456789abcdef\"},{\"name\":\"a", "1000",
                     "2000"),
         COPY_GONE},
        {MANIFEST_OF("a\",\"size\":1000,\"xxh3\":\"0123456789abcdef\"},{\"name\":\"a/b", "1000",
                     "2000"),
         COPY_GONE},
        {"{\"version\":1,\"trial\":\"12.42\",\"ordinal\":5,\"files\":[],\"bytes\":0}", COPY_GONE},
        {"{\"version\":1,\"trial\":\"12.41\",\"ordinal\":6,\"files\":[],\"bytes\":0}", COPY_GONE},
        {"{\"version\":9,\"trial\":\"12.41\",\"ordinal\":5,\"files\":[],\"bytes\":0}", COPY_FAILED},
        {"[1]", COPY_GONE},
        {"not JSON", COPY_GONE},
        {"", COPY_GONE},
    };
    rig_open(state);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct liar liar = {.manifest = rows[i].manifest};
        copy_end end = fetch_from_liar(&liar);
        if (end != rows[i].end) {
            fail_msg("%s: %d, '%s'", rows[i].manifest, end, rig.text);
        }
        assert_true(folder_is_empty(rig.store));
        assert_true(folder_is_empty(rig.staging));
        assert_true(access(folder_path(state, "escaped"), F_OK) != 0);
        assert_true(access("/tmp/escaped", F_OK) != 0);
    }
    rig_close();
}

static void test_pieces_that_are_not_as_said_end_the_copy(void **state)
{
    rig_open(state);
    struct liar liar = {.manifest = MANIFEST_OF("weights", "1000", "1000")};
    assert_int_equal(fetch_from_liar(&liar), COPY_GONE); /* another checksum */
    assert_text_has("weights");
    liar = (struct liar){.manifest = MANIFEST_OF("weights", "1000", "1000"), .too_short = 1};
    assert_int_equal(fetch_from_liar(&liar), COPY_GONE);
    liar = (struct liar){.manifest = MANIFEST_OF("weights", "999", "999")};
    assert_int_equal(fetch_from_liar(&liar), COPY_GONE);
    liar = (struct liar){.manifest = "x", .word = FILE_FAILED};
    assert_int_equal(fetch_from_liar(&liar), COPY_AGAIN);
    liar = (struct liar){.manifest = "x", .is_mad = true};
    assert_int_equal(fetch_from_liar(&liar), COPY_AGAIN);
    assert_true(folder_is_empty(rig.store));
    rig_close();
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, folder_setup, folder_teardown)
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
        T(test_pass_that_the_donor_learns_later_is_waited_for),
        T(test_pass_that_the_donor_never_learns_ends_the_copy),
        T(test_donor_that_dies_half_way_is_gone_on_from_with_another_one),
        T(test_copy_that_is_cut_goes_on_if_its_manifest_is_the_same_only),
        T(test_donor_that_is_not_there_is_told_at_once),
        T(test_donor_that_falls_silent_is_given_up_and_gone_on_from),
        T(test_fetcher_that_is_stopped_ends_its_copies_and_tells_nothing),
        T(test_damaged_file_is_fetched_once_more_and_then_given_up),
        T(test_damaged_piece_of_a_donor_before_is_fetched_from_the_next_one),
        T(test_snapshot_that_the_donor_lost_is_gone),
        T(test_disk_without_room_fails_before_anything_comes),
        T(test_file_that_cannot_be_written_fails_and_leaves_nothing),
        T(test_manifest_that_leads_elsewhere_writes_nothing),
        T(test_pieces_that_are_not_as_said_end_the_copy),
    };
    return cmocka_run_group_tests_name("worker/shell/fetcher", tests, NULL, NULL);
}
