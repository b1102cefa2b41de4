#include "worker/shell/fetch.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "sys/failpoints.h"
#include "worker/shell/snapshots.h"

enum { PROOFS_MAX = 2 }; /* what is damaged is fetched again once */

/* ---- its steps; each gives fetch->end ---- */

static copy_end disk_failed(struct fetch *fetch, error_code error)
{
    return fetch->end = error == OK           ? COPY_DONE
                        : error == ERR_CLOSED ? COPY_AGAIN
                        : error == ERR_FORMAT ? COPY_GONE
                                              : COPY_FAILED;
}

static copy_end target_path(struct fetch *fetch, char ret_path[FILES_PATH_MAX_BYTES])
{
    char id[TASK_ID_TEXT_MAX];
    int n = snprintf(ret_path, FILES_PATH_MAX_BYTES, "%s/%s/%" PRIu32, fetch->snapshots_dir,
                     task_id_print(fetch->name.task, id), fetch->name.ordinal);
    return n > 0 && n < FILES_PATH_MAX_BYTES
               ? COPY_DONE
               : fetch_fail(fetch, COPY_FAILED, "the path of the snapshots here is too long");
}

static bool is_there(const struct fetch *fetch, const char *target)
{
    const struct proving how = {.must_hash = true};
    struct manifest manifest;
    return manifest_verify(target, &how, &manifest, NULL) == OK &&
           task_id_equal(manifest.task, fetch->name.task) &&
           manifest.ordinal == fetch->name.ordinal;
}

static copy_end fetch_plan(struct fetch *fetch)
{
    CLEANUP(buf_fini) struct buf text;
    buf_init(&text, MANIFEST_MAX_BYTES);
    if (fetch_connect(fetch, 1) != COPY_DONE || fetch_manifest(fetch, &text) != COPY_DONE) {
        return fetch->end;
    }
    return disk_failed(fetch, fetch_staging_plan(fetch->staging, &text, &fetch->report));
}

/* Files whose pieces came from a donor before this one, and are damaged, get their second chance
 * here, too. */
static copy_end fetch_pieces(struct fetch *fetch)
{
    for (int i = 0; i < PROOFS_MAX; i++) {
        bool is_large = fetch->staging->missing_bytes >= FETCH_LARGE_BYTES;
        if (fetch_connect(fetch, is_large ? FETCH_CLIENTS_MAX : 1) != COPY_DONE ||
            fetch_files(fetch) != COPY_DONE) {
            return fetch->end;
        }
        error_code error = fetch_staging_prove(fetch->staging, fetch->must_stop, &fetch->report);
        if (error != ERR_FORMAT) {
            return disk_failed(fetch, error);
        }
    }
    char what[REPORT_TEXT_MAX];
    memcpy(what, fetch->report.text, sizeof what);
    return fetch_fail(fetch, COPY_GONE, "it is damaged at node '%s': %.400s", fetch->node, what);
}

static copy_end fetch_place(struct fetch *fetch, const char *target)
{
    error_code error = fetch_staging_seal(fetch->staging, &fetch->report);
    if (error == OK && FAILPOINT_FAILS(COPY_RENAME)) {
        int number = errno;
        error = report_fail(&fetch->report, error_from_errno(number),
                            "cannot move a copied snapshot to its place: %s", strerror(number));
    }
    error =
        error == OK ? snapshot_put_in_place(fetch->staging->folder, target, &fetch->report) : error;
    return disk_failed(fetch, error);
}

void fetch_run(struct fetch *fetch)
{
    char target[FILES_PATH_MAX_BYTES];
    if (fetch->old != NULL) {
        fetch_staging_clear(fetch->old);
    }
    fetch->end = COPY_DONE;
    if (target_path(fetch, target) == COPY_DONE && !is_there(fetch, target) &&
        fetch_plan(fetch) == COPY_DONE && fetch_pieces(fetch) == COPY_DONE) {
        fetch_thank(fetch); /* it leaves while the disk works */
        fetch_place(fetch, target);
    }
    fetch_disconnect(fetch);
    if (fetch->end != COPY_AGAIN) {
        fetch_staging_clear(fetch->staging);
    }
    if (fetch->end == COPY_DONE) {
        FAILPOINT(COPY_TELL);
    }
}
