/* A packed folder comes in: its pieces are unpacked in order, one at a time in the pool; when all
 * are there and proven by their name, the folder appears by one rename. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "sys/clock.h"
#include "sys/failpoints.h"
#include "work/pack.h"
#include "work/unpack.h"
#include "worker/shell/work_inside.h"

#define UNPACKED_MAX_BYTES (16ULL << 30)

struct piece {
    struct list link;
    uint64_t offset;
    uint64_t sum; /* 0: the head does not know it */
    struct bytes bytes;
    struct received_frame *frame; /* in which they lie */
};

struct pull {
    struct list link;
    struct works *works;
    char hash[WORK_HASH_TEXT_BYTES];
    struct work_unpack *unpack; /* NULL: not begun */
    char temporary[WORK_PATH_BYTES];
    struct list pieces;
    struct piece *piece; /* being written */
    bool is_working;
    bool is_dropped;
    bool wants_unpack;
    uint64_t unpacked_bytes;
    error_code error;
    struct report report;
    uv_work_t work;
};

static struct pull *pull_find(const struct works *works, const char *hash)
{
    list_each (&works->pulls, struct pull, link, pull) {
        if (!pull->is_dropped && strcmp(pull->hash, hash) == 0) {
            return pull;
        }
    }
    return NULL;
}

static void piece_free(struct piece *piece)
{
    if (piece != NULL) {
        received_frame_free(piece->frame);
        mem_free(piece);
    }
}

static void pull_free(struct pull *pull)
{
    list_each (&pull->pieces, struct piece, link, piece) {
        list_remove(&piece->link);
        piece_free(piece);
    }
    piece_free(pull->piece);
    work_unpack_free(
        pull->unpack); /* in the pool already, but for one that is cut off by the end */
    list_remove(&pull->link);
    mem_free(pull);
}

/* ---- in the pool ---- */

static error_code unpack_begin(struct pull *pull)
{
    static const struct work_limits limits = {UNPACKED_MAX_BYTES, WORK_ENTRIES_MAX};
    error_code error = dir_remove_tree(pull->temporary, &pull->report);
    return error == OK ? work_unpack_new(pull->temporary, &limits, &pull->unpack, &pull->report)
                       : error;
}

static error_code unpack_end(struct pull *pull)
{
    char path[WORK_PATH_BYTES];
    works_path(pull->works, pull->hash, path);
    error_code error = dir_remove_tree(path, &pull->report);
    error = error == OK
                ? work_unpack_end(pull->unpack, pull->hash, &pull->unpacked_bytes, &pull->report)
                : error;
    if (error == OK && (FAILPOINT_FAILS(BLOB_RENAME) || rename(pull->temporary, path) != 0)) {
        int number = errno;
        error =
            report_fail(&pull->report, error_from_errno(number), "%s: %s", path, strerror(number));
    }
    return error == OK ? works_mark(pull->works, pull->hash, pull->unpacked_bytes, &pull->report)
                       : error;
}

static void on_pull_work(uv_work_t *work)
{
    struct pull *pull = work->data;
    if (pull->is_dropped) {
        work_unpack_free(TAKE(pull->unpack));
        return;
    }
    if (pull->error == OK && pull->unpack == NULL) {
        pull->error = unpack_begin(pull);
    }
    if (pull->error == OK && pull->piece != NULL) {
        if (FAILPOINT_FAILS(BLOB_UNPACK)) {
            int number = errno;
            pull->error = report_fail(&pull->report, error_from_errno(number), "%s: %s",
                                      pull->temporary, strerror(number));
        } else {
            pull->error =
                work_unpack_add(pull->unpack, pull->piece->bytes, pull->piece->sum, &pull->report);
        }
    } else if (pull->error == OK && pull->wants_unpack) {
        pull->error = unpack_end(pull);
    }
    if (pull->error != OK || pull->piece == NULL) {
        work_unpack_free(TAKE(pull->unpack));
    }
}

/* ---- on the loop ---- */

static void pull_continue(struct pull *pull);

static void piece_told(struct pull *pull)
{
    struct works *works = pull->works;
    struct worker *worker = works->worker;
    uint64_t written = pull->piece->offset + pull->piece->bytes.len;
    char reason[WORK_REASON_BYTES];
    works_reason(pull->error, &pull->report, reason);
    piece_free(TAKE(pull->piece));
    if (!works->is_stopped && !pull->is_dropped) {
        on_blob_written(worker->agent, clock_now(), pull->hash, written,
                        pull->error == OK ? NULL : reason, &worker->out);
    }
}

static void on_pull_done(uv_work_t *work, int status)
{
    struct pull *pull = work->data;
    struct works *works = pull->works;
    (void)status;
    works->n_jobs--;
    pull->is_working = false;
    loop_again(works->worker->loop);
    if (pull->piece != NULL) {
        piece_told(pull);
        pull_continue(pull);
        return;
    }
    char hash[WORK_HASH_TEXT_BYTES];
    memcpy(hash, pull->hash, sizeof hash);
    uint64_t bytes = pull->unpacked_bytes;
    error_code error = pull->error;
    struct report report = pull->report;
    bool was_unpacked = pull->wants_unpack && !pull->is_dropped;
    pull_free(pull);
    if (was_unpacked) {
        works_made(works, hash, bytes, error, &report);
    }
}

static void pull_continue(struct pull *pull)
{
    if (pull->is_working) {
        return;
    }
    bool is_over = pull->is_dropped || pull->works->is_stopped;
    struct piece *piece = is_over ? NULL : list_first(&pull->pieces, struct piece, link);
    if (is_over && pull->unpack == NULL) {
        pull_free(pull);
        return;
    }
    if (piece == NULL && !pull->wants_unpack && !is_over) {
        return;
    }
    if (piece != NULL) {
        list_remove(&piece->link);
        pull->piece = piece;
    }
    pull->work.data = pull;
    pull->is_working = true;
    pull->works->n_jobs++;
    uv_queue_work(loop_uv(pull->works->worker->loop), &pull->work, on_pull_work, on_pull_done);
}

static struct pull *pull_make(struct works *works, const char *hash)
{
    struct pull *pull = mem_zalloc(sizeof *pull);
    if (pull != NULL) {
        pull->works = works;
        char number[32];
        ignore_error(
            snprintf(number, sizeof number, "-%llu", (unsigned long long)++works->last_gone) < 0,
            "it fits");
        works_path_of(works, ".tree-", hash, number, pull->temporary);
        ignore_error(snprintf(pull->hash, sizeof pull->hash, "%s", hash) < 0, "it fits");
        list_init(&pull->pieces);
        list_init(&pull->link);
        list_push_back(&works->pulls, &pull->link);
    }
    return pull;
}

void works_write(struct works *works, const char *hash, uint64_t offset, uint64_t sum,
                 struct bytes data)
{
    struct pull *pull = pull_find(works, hash);
    pull = pull != NULL ? pull : pull_make(works, hash);
    struct piece *piece = pull != NULL ? mem_alloc(sizeof *piece) : NULL;
    if (piece == NULL) {
        works->worker->out.failed = ERR_NO_MEMORY;
        return;
    }
    *piece = (struct piece){
        .offset = offset, .sum = sum, .bytes = data, .frame = link_piece_take(works->worker, data)};
    assert(piece->frame != NULL);
    list_init(&piece->link);
    list_push_back(&pull->pieces, &piece->link);
    pull_continue(pull);
}

void works_drop(struct works *works, const char *hash)
{
    struct pull *pull = pull_find(works, hash);
    if (pull != NULL) {
        pull->is_dropped = true;
        pull_continue(pull);
    }
}

void works_unpack(struct works *works, const char *hash)
{
    struct pull *pull = pull_find(works, hash);
    if (pull == NULL) {
        struct report report = {0};
        works_made(works, hash, 0, ERR_NO_MEMORY, &report);
        return;
    }
    pull->wants_unpack = true;
    pull_continue(pull);
}

void works_pulls_free(struct works *works)
{
    list_each (&works->pulls, struct pull, link, pull) {
        pull_free(pull);
    }
}
