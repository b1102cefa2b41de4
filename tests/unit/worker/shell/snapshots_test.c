/* Snapshots on a real disk: whole or not there, and never used when they are not what was written.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "sys/clock.h"
#include "sys/files.h"
#include "worker/shell/manifest.h"
#include "worker/shell/snapshots.h"

enum { RIG_DEADLINE_MS = 20000 };

struct rig {
    struct loop *loop;
    struct snapshots *snapshots;
    char folder[64];
    char save[96];
    char store[96];
    uint32_t n_done;
    error_code error;
    struct snapshot_ref snapshot;
    char dir[256];
    char text[REPORT_TEXT_MAX];
    struct snapshot_name found[8];
    uint32_t n_found;
    time_ms deadline;
};

static void on_rig_turn(void *context, const struct loop_turn *turn)
{
    struct rig *rig = context;
    if (!snapshots_busy(rig->snapshots) || turn->now > rig->deadline) {
        loop_stop(rig->loop);
    }
    loop_deadline_set(rig->loop, turn->now + 5);
}

static void rig_wait(struct rig *rig)
{
    rig->deadline = clock_now() + RIG_DEADLINE_MS;
    loop_again(rig->loop);
    assert_int_equal(loop_run(rig->loop), OK);
    assert_false(snapshots_busy(rig->snapshots));
}

static void rig_begin(struct rig *rig)
{
    struct report report = {0};
    *rig = (struct rig){0};
    snprintf(rig->folder, sizeof rig->folder, "/tmp/muster-snapshots-XXXXXX");
    assert_non_null(mkdtemp(rig->folder));
    snprintf(rig->store, sizeof rig->store, "%s/snapshots", rig->folder);
    snprintf(rig->save, sizeof rig->save, "%s/save", rig->folder);
    assert_int_equal(loop_new(&rig->loop, &report), OK);
    loop_turn_set(rig->loop, on_rig_turn, rig);
    assert_int_equal(snapshots_new(rig->loop, rig->store, &rig->snapshots, &report), OK);
    assert_int_equal(mkdir(rig->save, 0700), 0);
}

static void rig_end(struct rig *rig)
{
    snapshots_free(rig->snapshots);
    loop_free(rig->loop);
    assert_int_equal(dir_remove_tree(rig->folder, NULL), OK);
    assert_int_equal(mem_live_count(), 0);
}

static void file_make(const char *folder, const char *name, const char *text)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(
        file_write(path, (struct bytes){(const uint8_t *)text, strlen(text)}, 0600, NULL), OK);
}

static void on_committed(void *context, const struct snapshot_commit *commit,
                         const struct snapshot_ref *snapshot, error_code error,
                         const struct report *report)
{
    struct rig *rig = context;
    assert_int_equal(commit->connection, 77);
    rig->n_done++;
    rig->error = error;
    rig->snapshot = *snapshot;
    snprintf(rig->dir, sizeof rig->dir, "%s", snapshot->dir);
    snprintf(rig->text, sizeof rig->text, "%s", report->text);
}

static error_code rig_commit(struct rig *rig, uint32_t ordinal)
{
    const struct snapshot_commit commit = {.ref = {{12, 41}, 3},
                                           .connection = 77,
                                           .ordinal = ordinal,
                                           .step = 27,
                                           .folder = rig->save};
    uint32_t before = rig->n_done;
    assert_int_equal(snapshots_commit(rig->snapshots, &commit, on_committed, rig), OK);
    rig_wait(rig);
    assert_int_equal(rig->n_done, before + 1);
    return rig->error;
}

static void on_verified(void *context, struct attempt_ref ref, error_code error,
                        const struct report *report)
{
    struct rig *rig = context;
    assert_int_equal(ref.attempt, 4);
    rig->n_done++;
    rig->error = error;
    snprintf(rig->text, sizeof rig->text, "%s", report->text);
}

static error_code rig_verify(struct rig *rig, const char *folder)
{
    assert_int_equal(snapshots_verify(rig->snapshots, folder, (struct attempt_ref){{12, 41}, 4},
                                      on_verified, rig),
                     OK);
    rig_wait(rig);
    return rig->error;
}

static error_code on_found(void *context, struct snapshot_name name)
{
    struct rig *rig = context;
    assert_true(rig->n_found < 8);
    rig->found[rig->n_found++] = name;
    return OK;
}

static void weights_make(struct rig *rig)
{
    char sub[128];
    file_make(rig->save, "weights.bin", "0123456789");
    snprintf(sub, sizeof sub, "%s/optimizer", rig->save);
    assert_int_equal(mkdir(sub, 0700), 0);
    file_make(sub, "state", "abc");
    file_make(rig->save, "empty", "");
}

static void test_commit_is_done_the_snapshot_is_whole_and_read_only(void **state)
{
    (void)state;
    struct rig rig;
    struct stat about;
    char path[512];
    struct manifest manifest;
    rig_begin(&rig);
    weights_make(&rig);
    assert_int_equal(rig_commit(&rig, 5), OK);
    assert_int_equal(rig.snapshot.ordinal, 5);
    assert_int_equal(rig.snapshot.step, 27);
    assert_int_equal(rig.snapshot.attempt, 3);
    assert_int_equal(rig.snapshot.bytes, 13);
    snprintf(path, sizeof path, "%s/12.41/5", rig.store);
    assert_string_equal(rig.dir, path);
    assert_int_not_equal(access(rig.save, F_OK), 0);
    snprintf(path, sizeof path, "%s/optimizer/state", rig.dir);
    assert_int_equal(stat(path, &about), 0);
    assert_int_equal(about.st_mode & 0777, 0444);
    assert_int_equal(stat(rig.dir, &about), 0);
    assert_int_equal(about.st_mode & 0777, 0555);
    assert_int_equal(
        manifest_verify(rig.dir, &(struct proving){.must_hash = true}, &manifest, NULL), OK);
    assert_int_equal(manifest.task.index, 41);
    assert_int_equal(manifest.step, 27);
    assert_int_equal(rig_verify(&rig, rig.dir), OK);
    assert_int_equal(snapshots_find(rig.snapshots, on_found, &rig, NULL), OK);
    assert_int_equal(rig.n_found, 1);
    assert_int_equal(rig.found[0].task.job, 12);
    assert_int_equal(rig.found[0].ordinal, 5);
    snapshots_drop(rig.snapshots, rig.found[0]);
    rig_wait(&rig);
    assert_int_not_equal(access(rig.dir, F_OK), 0);
    rig_end(&rig);
}

static void test_dropped_its_name_is_free_at_once(void **state)
{
    (void)state;
    struct rig rig;
    char path[512];
    rig_begin(&rig);
    weights_make(&rig);
    assert_int_equal(rig_commit(&rig, 5), OK);
    snapshots_drop(rig.snapshots, (struct snapshot_name){{12, 41}, 5});
    assert_int_not_equal(access(rig.dir, F_OK), 0);
    assert_int_equal(mkdir(rig.save, 0700), 0);
    file_make(rig.save, "weights.bin", "again");
    assert_int_equal(rig_commit(&rig, 5), OK);
    assert_int_equal(rig_verify(&rig, rig.dir), OK);
    /* Dropped by an agent that was killed before it was removed. */
    snprintf(path, sizeof path, "%s/12.41/dropped-7", rig.store);
    assert_int_equal(mkdir(path, 0555), 0);
    assert_int_equal(snapshots_find(rig.snapshots, on_found, &rig, NULL), OK);
    assert_int_equal(rig.n_found, 1);
    assert_int_not_equal(access(path, F_OK), 0);
    snapshots_drop(rig.snapshots, (struct snapshot_name){{12, 41}, 5});
    snapshots_drop(rig.snapshots, (struct snapshot_name){{12, 41}, 5});
    rig_wait(&rig);
    assert_int_equal(snapshots_find(rig.snapshots, on_found, &rig, NULL), OK);
    assert_int_equal(rig.n_found, 1);
    rig_end(&rig);
}

static void test_snapshot_has_changed_it_is_found_and_not_offered_again(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text;
        bool is_seen_by_size;
    } changes[] = {
        {"weights.bin", "0123456780", false}, /* the same length */
        {"weights.bin", "01234", true},           {"weights.bin", NULL, true},
        {MANIFEST_NAME, "{\"version\":1}", true}, {MANIFEST_NAME, NULL, true},
    };
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        struct rig rig;
        char path[512], dir[256];
        rig_begin(&rig);
        weights_make(&rig);
        assert_int_equal(rig_commit(&rig, 1), OK);
        snprintf(dir, sizeof dir, "%s", rig.dir);
        /* Read once and found whole, long enough after it was written to be trusted from then on.
         */
        assert_int_equal(nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL), 0);
        assert_int_equal(rig_verify(&rig, dir), OK);
        assert_int_equal(chmod(dir, 0700), 0);
        snprintf(path, sizeof path, "%s/%s", dir, changes[i].name);
        assert_int_equal(unlink(path), 0);
        if (changes[i].text != NULL) {
            file_make(dir, changes[i].name, changes[i].text);
        }
        if (changes[i].is_seen_by_size) {
            assert_int_equal(snapshots_find(rig.snapshots, on_found, &rig, NULL), OK);
            assert_int_equal(rig.n_found, 0);
        } else {
            assert_int_equal(rig_verify(&rig, dir), ERR_FORMAT);
            assert_non_null(strstr(rig.text, changes[i].name));
        }
        assert_int_not_equal(access(dir, F_OK), 0);
        rig_end(&rig);
    }
}

static void test_snapshot_is_missing_its_proof_fails(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig);
    assert_int_equal(rig_verify(&rig, "/tmp/no/such/snapshot"), ERR_NOT_FOUND);
    rig_end(&rig);
}

static void test_commit_has_what_no_snapshot_may_hold_it_is_refused(void **state)
{
    (void)state;
    static const char *const kinds[] = {"link", "fifo", "manifest", "name"};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct rig rig;
        char path[512];
        rig_begin(&rig);
        weights_make(&rig);
        snprintf(path, sizeof path, "%s/thing", rig.save);
        if (strcmp(kinds[i], "link") == 0) {
            assert_int_equal(symlink("/etc/passwd", path), 0);
        } else if (strcmp(kinds[i], "fifo") == 0) {
            assert_int_equal(mkfifo(path, 0600), 0);
        } else if (strcmp(kinds[i], "manifest") == 0) {
            file_make(rig.save, MANIFEST_NAME, "mine");
        } else {
            file_make(rig.save, "caf\xe9", "latin");
        }
        assert_int_equal(rig_commit(&rig, 1), ERR_INVALID);
        assert_string_not_equal(rig.text, "");
        assert_int_equal(rig.snapshot.ordinal, 1);
        snprintf(path, sizeof path, "%s/12.41/1", rig.store);
        assert_int_not_equal(access(path, F_OK), 0);
        rig_end(&rig);
    }
}

static void test_commit_finds_the_rest_of_a_crash_in_its_place_it_wins(void **state)
{
    (void)state;
    struct rig rig;
    char path[512];
    rig_begin(&rig);
    weights_make(&rig);
    snprintf(path, sizeof path, "%s/12.41/2", rig.store);
    assert_int_equal(dir_make(path, NULL), OK);
    file_make(path, "half", "half");
    assert_int_equal(rig_commit(&rig, 2), OK);
    snprintf(path, sizeof path, "%s/12.41/2/half", rig.store);
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_equal(rig_verify(&rig, rig.dir), OK);
    rig_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commit_is_done_the_snapshot_is_whole_and_read_only),
        cmocka_unit_test(test_dropped_its_name_is_free_at_once),
        cmocka_unit_test(test_snapshot_has_changed_it_is_found_and_not_offered_again),
        cmocka_unit_test(test_snapshot_is_missing_its_proof_fails),
        cmocka_unit_test(test_commit_has_what_no_snapshot_may_hold_it_is_refused),
        cmocka_unit_test(test_commit_finds_the_rest_of_a_crash_in_its_place_it_wins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
