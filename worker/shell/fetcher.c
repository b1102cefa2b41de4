#include "worker/shell/fetcher.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/mem.h"
#include "sys/clock.h"
#include "worker/shell/fetch.h"

enum {
    FETCHES_MAX = 16, /* at a time; more wait for their turn */
    IO_THREADS = 2,
    LEFT_MAX = 4,              /* of copies that were cut, kept for the next try */
    LEFT_KEPT_MS = 600 * 1000, /* and for how long, if another copy begins then */
};

struct fetcher {
    struct loop *loop;
    fetcher_done_fn *done;
    void *context;
    char snapshots_dir[FILES_PATH_MAX_BYTES];
    char staging_dir[FILES_PATH_MAX_BYTES];
    time_ms silence_max;
    struct curve_clients *clients; /* NULL: nothing was copied yet */
    atomic_bool must_stop;
    uint32_t n_running;
    struct list waiting;
    struct fetch_staging *left[LEFT_MAX]; /* of copies that were cut, the oldest first */
    uint32_t n_left;
    uv_async_t async;
    pthread_mutex_t lock; /* of what follows */
    struct list ended;
};

/* ---- what was cut and may go on ---- */

static bool names_equal(struct snapshot_name a, struct snapshot_name b)
{
    return task_id_equal(a.task, b.task) && a.ordinal == b.ordinal;
}

static struct fetch_staging *left_remove(struct fetcher *fetcher, uint32_t at)
{
    struct fetch_staging *staging = fetcher->left[at];
    fetcher->n_left--;
    memmove(&fetcher->left[at], &fetcher->left[at + 1],
            (fetcher->n_left - at) * sizeof fetcher->left[0]);
    return staging;
}

static struct fetch_staging *left_take(struct fetcher *fetcher, struct snapshot_name name)
{
    for (uint32_t i = 0; i < fetcher->n_left; i++) {
        if (names_equal(fetcher->left[i]->name, name)) {
            return left_remove(fetcher, i);
        }
    }
    return fetch_staging_new(fetcher->staging_dir, name);
}

/* One that is to make room, or has waited for long; NULL: none. */
static struct fetch_staging *left_old(struct fetcher *fetcher)
{
    bool is_old = fetcher->n_left == LEFT_MAX ||
                  (fetcher->n_left > 0 && clock_now() - fetcher->left[0]->left_at > LEFT_KEPT_MS);
    return is_old ? left_remove(fetcher, 0) : NULL;
}

static void left_keep(struct fetcher *fetcher, struct fetch_staging *staging)
{
    if (fetcher->n_left == LEFT_MAX) {
        struct fetch_staging *oldest = left_remove(fetcher, 0);
        fetch_staging_clear(oldest);
        fetch_staging_free(oldest);
    }
    staging->left_at = clock_now();
    fetcher->left[fetcher->n_left++] = staging;
}

/* ---- the ends ---- */

static void fetch_free(struct fetch *fetch)
{
    fetch_staging_free(fetch->old);
    fetch_staging_free(fetch->staging);
    mem_free(fetch);
}

static void *fetch_main(void *context)
{
    struct fetch *fetch = context;
    struct fetcher *fetcher = fetch->fetcher;
    fetch_run(fetch);
    pthread_mutex_lock(&fetcher->lock);
    list_push_back(&fetcher->ended, &fetch->link);
    uv_async_send(&fetcher->async);
    pthread_mutex_unlock(&fetcher->lock);
    return NULL;
}

/* ---- the beginnings ---- */

static bool text_copy(char *ret_text, size_t size, const char *text)
{
    size_t len = text != NULL ? strlen(text) : 0;
    if (len >= size) {
        return false;
    }
    memcpy(ret_text, text != NULL ? text : "", len + 1);
    return true;
}

static error_code fetch_make(struct fetcher *fetcher, const struct msg_source *source,
                             const uint8_t pass[PASS_BYTES], struct fetch **ret_fetch)
{
    struct fetch *fetch = mem_zalloc(sizeof *fetch);
    if (fetch == NULL) {
        return ERR_NO_MEMORY;
    }
    list_init(&fetch->link);
    fetch->fetcher = fetcher;
    fetch->name = source->name;
    fetch->snapshots_dir = fetcher->snapshots_dir;
    fetch->clients = fetcher->clients;
    fetch->must_stop = &fetcher->must_stop;
    fetch->silence_max = fetcher->silence_max;
    memcpy(fetch->pass, pass, PASS_BYTES);
    if (!text_copy(fetch->node, sizeof fetch->node, source->node) ||
        !text_copy(fetch->lender, sizeof fetch->lender, source->lender) ||
        !text_copy(fetch->lender_key, sizeof fetch->lender_key, source->lender_key)) {
        fetch_free(fetch);
        return ERR_LIMIT;
    }
    fetch->staging = left_take(fetcher, source->name);
    if (fetch->staging == NULL) {
        fetch_free(fetch);
        return ERR_NO_MEMORY;
    }
    fetch->old = left_old(fetcher);
    *ret_fetch = fetch;
    return OK;
}

static error_code fetch_begin(struct fetcher *fetcher, struct fetch *fetch)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&fetch->thread, NULL, fetch_main, fetch);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    fetcher->n_running += rc == 0;
    return rc == 0 ? OK : error_from_errno(rc);
}

static void fetch_cannot_begin(struct fetcher *fetcher, struct fetch *fetch, error_code error)
{
    fetcher->done(fetcher->context, fetch->name, COPY_AGAIN, error_word(error));
    fetch_free(fetch);
}

static void waiting_begin(struct fetcher *fetcher)
{
    struct fetch *fetch;
    while (fetcher->n_running < FETCHES_MAX && !atomic_load(&fetcher->must_stop) &&
           (fetch = list_first(&fetcher->waiting, struct fetch, link)) != NULL) {
        list_remove(&fetch->link);
        error_code error = fetch_begin(fetcher, fetch);
        if (error != OK) {
            fetch_cannot_begin(fetcher, fetch, error);
        }
    }
}

error_code fetcher_start(struct fetcher *fetcher, const struct msg_source *source,
                         const uint8_t pass[PASS_BYTES])
{
    struct fetch *fetch;
    assert(!atomic_load(&fetcher->must_stop));
    error_code error =
        fetcher->clients == NULL ? curve_clients_new(IO_THREADS, &fetcher->clients, NULL) : OK;
    error = error == OK ? fetch_make(fetcher, source, pass, &fetch) : error;
    if (error != OK) {
        return error;
    }
    if (fetcher->n_running >= FETCHES_MAX) {
        list_push_back(&fetcher->waiting, &fetch->link);
        return OK;
    }
    error = fetch_begin(fetcher, fetch);
    if (error != OK) {
        fetch_free(fetch);
    }
    return error;
}

static void on_fetch_ended(struct fetcher *fetcher, struct fetch *fetch)
{
    pthread_join(fetch->thread, NULL);
    fetcher->n_running--;
    if (fetch->end == COPY_AGAIN) {
        left_keep(fetcher, TAKE(fetch->staging));
    }
    if (!atomic_load(&fetcher->must_stop)) {
        fetcher->done(fetcher->context, fetch->name, fetch->end,
                      fetch->end == COPY_DONE ? "" : fetch->report.text);
    }
    fetch_free(fetch);
}

static void on_async(uv_async_t *async)
{
    struct fetcher *fetcher = async->data;
    for (;;) {
        pthread_mutex_lock(&fetcher->lock);
        struct fetch *fetch = list_first(&fetcher->ended, struct fetch, link);
        if (fetch != NULL) {
            list_remove(&fetch->link);
        }
        pthread_mutex_unlock(&fetcher->lock);
        if (fetch == NULL) {
            break;
        }
        on_fetch_ended(fetcher, fetch);
    }
    waiting_begin(fetcher);
    loop_again(fetcher->loop);
}

/* ---- life ---- */

static error_code fetcher_folders(struct fetcher *fetcher, const char *snapshots_dir,
                                  const char *staging_dir, struct report *report)
{
    if (!text_copy(fetcher->snapshots_dir, sizeof fetcher->snapshots_dir, snapshots_dir) ||
        !text_copy(fetcher->staging_dir, sizeof fetcher->staging_dir, staging_dir)) {
        return report_fail(report, ERR_LIMIT, "the path %.200s is too long", staging_dir);
    }
    error_code error = dir_remove_tree(staging_dir, report);
    return error == OK ? dir_make(staging_dir, report) : error;
}

error_code fetcher_new(struct loop *loop, const char *snapshots_dir, const char *staging_dir,
                       fetcher_done_fn *done, void *context, struct fetcher **ret_fetcher,
                       struct report *report)
{
    struct fetcher *fetcher = mem_zalloc(sizeof *fetcher);
    if (fetcher == NULL) {
        return report_fail(report, ERR_NO_MEMORY, "out of memory");
    }
    fetcher->loop = loop;
    fetcher->done = done;
    fetcher->context = context;
    fetcher->silence_max = FETCHER_SILENCE_MS;
    list_init(&fetcher->ended);
    list_init(&fetcher->waiting);
    error_code error = fetcher_folders(fetcher, snapshots_dir, staging_dir, report);
    if (error == OK && uv_async_init(loop_uv(loop), &fetcher->async, on_async) != 0) {
        error = report_fail(report, ERR_SYSTEM, "the loop takes no more handles");
    }
    if (error != OK) {
        mem_free(fetcher);
        return error;
    }
    fetcher->async.data = fetcher;
    pthread_mutex_init(&fetcher->lock, NULL);
    *ret_fetcher = fetcher;
    return OK;
}

void fetcher_silence_set(struct fetcher *fetcher, time_ms silence_max)
{
    fetcher->silence_max = silence_max;
}

void fetcher_stop(struct fetcher *fetcher)
{
    atomic_store(&fetcher->must_stop, true);
    if (fetcher->clients != NULL) {
        curve_clients_end(fetcher->clients);
    }
}

bool fetcher_busy(const struct fetcher *fetcher)
{
    return fetcher->n_running > 0;
}

static void on_closed(uv_handle_t *handle)
{
    mem_free(handle->data);
}

void fetcher_free(struct fetcher *fetcher)
{
    if (fetcher == NULL) {
        return;
    }
    assert(fetcher->n_running == 0);
    list_each (&fetcher->waiting, struct fetch, link, fetch) {
        list_remove(&fetch->link);
        fetch_free(fetch);
    }
    curve_clients_free(fetcher->clients);
    while (fetcher->n_left > 0) {
        fetch_staging_free(left_remove(fetcher, 0));
    }
    pthread_mutex_destroy(&fetcher->lock);
    uv_close((uv_handle_t *)&fetcher->async, on_closed);
}
