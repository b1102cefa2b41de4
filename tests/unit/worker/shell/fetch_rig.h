/* tests/unit/worker/shell/fetch_rig.h -- a fetcher that copies snapshots from lenders, over real
 * connections and onto a real disk. */
#ifndef MUSTER_TESTS_UNIT_WORKER_SHELL_FETCH_RIG_H
#define MUSTER_TESTS_UNIT_WORKER_SHELL_FETCH_RIG_H

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

static inline void lend(struct donor *donor, struct snapshot_name name)
{
    const struct msg_lend message = {name, {rig_pass, PASS_BYTES}, 60000};
    lender_pass(donor->lender, &message);
}

static inline void on_turn(void *context, const struct loop_turn *turn)
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

static inline void on_done(void *context, struct snapshot_name name, copy_end end, const char *text)
{
    assert_ptr_equal(context, &rig);
    rig.n_done++;
    rig.end = end;
    rig.name = name;
    snprintf(rig.text, sizeof rig.text, "%s", text);
    assert_int_equal(end == COPY_DONE, text[0] == '\0');
}

static inline void rig_open(void **state)
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
    /* Donors and takers share a disk, which may stand still while others write much to it. */
    fetcher_silence_set(rig.fetcher, DEADLINE_MS / 2);
}

/* `make` writes the files of the snapshot. */
static inline void donor_open(void **state, struct donor *donor, const char *name,
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

static inline void donor_close(struct donor *donor)
{
    if (donor->lender != NULL) {
        wire_end(&donor->wire);
        lender_close(donor->lender);
    }
}

static inline void rig_close(void)
{
    fetcher_free(rig.fetcher);
    loop_free(rig.loop);
    donor_close(&rig.a);
    donor_close(&rig.b);
    rig = (struct rig){0};
}

/* A test that failed has left its copies and its donors. */
static inline int rig_teardown(void **state)
{
    if (rig.loop != NULL) {
        fetcher_stop(rig.fetcher);
        while (fetcher_busy(rig.fetcher)) {
            uv_run(loop_uv(rig.loop), UV_RUN_ONCE);
        }
        rig_close();
    }
    return folder_teardown(state);
}

static inline struct msg_source source_of(const struct donor *donor)
{
    return (struct msg_source){.name = rig_name,
                               .node = "donor",
                               .lender = donor->endpoint,
                               .lender_key = lender_key(donor->lender)};
}

static inline void fetch_wait(uint32_t n)
{
    rig.n_wanted = n;
    rig.deadline = clock_now() + DEADLINE_MS;
    loop_again(rig.loop);
    assert_int_equal(loop_run(rig.loop), OK);
    assert_int_equal(rig.n_done, n);
    assert_false(fetcher_busy(rig.fetcher));
    rig.n_done = 0;
}

static inline copy_end fetch(const struct donor *donor)
{
    const struct msg_source source = source_of(donor);
    assert_int_equal(fetcher_start(rig.fetcher, &source, rig_pass), OK);
    assert_true(fetcher_busy(rig.fetcher));
    fetch_wait(1);
    assert_int_equal(rig.name.ordinal, rig_name.ordinal);
    return rig.end;
}

static inline copy_end fetch_lent(struct donor *donor)
{
    lend(donor, rig_name);
    return fetch(donor);
}

static inline bool folder_is_empty(const char *path)
{
    return rmdir(path) == 0 && mkdir(path, 0700) == 0;
}

static inline void assert_text_has(const char *what)
{
    if (strstr(rig.text, what) == NULL) {
        fail_msg("'%s' does not say '%s'", rig.text, what);
    }
}

static inline void assert_is_committed(const struct donor *donor)
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

static inline void make_small(const char *folder)
{
    rig_file(folder, "weights", 100000, 1);
}

static inline void make_nested(const char *folder)
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

static inline void make_empty(const char *folder)
{
    rig_file(folder, "weights", 0, 1);
}

static inline void make_large(const char *folder)
{
    rig_file(folder, "weights", LARGE_BYTES, 1);
    rig_file(folder, "optimizer", 3 << 20, 2);
}

static inline void make_many(const char *folder)
{
    rig_file(folder, "weights", 5000, 1);
    for (int i = 0; i < 700; i++) {
        char name[32];
        snprintf(name, sizeof name, "part-%d", i);
        rig_file(folder, name, (size_t)(i % 40), 2 + (uint64_t)i);
    }
}

#endif
