#include "worker/shell/lend_passes.h"

#include <string.h>
#include <unistd.h>

static bool names_equal(struct snapshot_name a, struct snapshot_name b)
{
    return task_id_equal(a.task, b.task) && a.ordinal == b.ordinal;
}

/* In a time that does not tell how much of it was equal. */
static bool pass_equal(const uint8_t known[PASS_BYTES], struct bytes given)
{
    uint8_t differs = 0;
    for (size_t i = 0; i < PASS_BYTES && given.len == PASS_BYTES; i++) {
        differs |= known[i] ^ given.data[i];
    }
    return given.len == PASS_BYTES && differs == 0;
}

void lend_passes_drop(struct lend_passes *passes, struct lend_pass *pass)
{
    if (pass->folder_fd >= 0) {
        close(pass->folder_fd);
    }
    manifest_list_fini(&pass->list);
    *pass = passes->rows[--passes->n_rows];
}

void lend_passes_fini(struct lend_passes *passes)
{
    while (passes->n_rows > 0) {
        lend_passes_drop(passes, &passes->rows[0]);
    }
}

static void passes_sweep(struct lend_passes *passes, time_ms now)
{
    for (uint32_t i = passes->n_rows; i > 0; i--) {
        struct lend_pass *row = &passes->rows[i - 1];
        if (now - row->used_at > row->valid_ms) {
            lend_passes_drop(passes, row);
        }
    }
}

static void room_make(struct lend_passes *passes)
{
    struct lend_pass *oldest = &passes->rows[0];
    for (uint32_t i = 1; i < passes->n_rows; i++) {
        if (passes->rows[i].used_at < oldest->used_at) {
            oldest = &passes->rows[i];
        }
    }
    lend_passes_drop(passes, oldest);
}

void lend_passes_add(struct lend_passes *passes, struct snapshot_name name,
                     const uint8_t pass[PASS_BYTES], int64_t valid_ms, time_ms now)
{
    passes_sweep(passes, now);
    for (uint32_t i = passes->n_rows; i > 0; i--) {
        if (pass_equal(passes->rows[i - 1].pass, (struct bytes){pass, PASS_BYTES})) {
            lend_passes_drop(passes, &passes->rows[i - 1]);
        }
    }
    if (passes->n_rows == LEND_PASSES_MAX) {
        room_make(passes);
    }
    struct lend_pass *row = &passes->rows[passes->n_rows++];
    *row = (struct lend_pass){.name = name, .valid_ms = valid_ms, .used_at = now, .folder_fd = -1};
    memcpy(row->pass, pass, PASS_BYTES);
}

struct lend_pass *lend_passes_use(struct lend_passes *passes, struct snapshot_name name,
                                  struct bytes pass, time_ms now)
{
    passes_sweep(passes, now);
    struct lend_pass *found = NULL;
    for (uint32_t i = 0; i < passes->n_rows; i++) {
        struct lend_pass *row = &passes->rows[i];
        if (pass_equal(row->pass, pass) && names_equal(row->name, name)) {
            row->used_at = now;
            found = row;
        }
    }
    return found;
}
