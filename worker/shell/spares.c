#include "worker/shell/spares.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "sys/clock.h"
#include "worker/shell/spare_folder.h"

enum {
    /* The kernel's clock of changes has ticks of up to 10 ms: what an attempt changes within the
     * tick in which its copy was made would not be seen. */
    SPARE_RIPE_MS = 50,
};

struct spare_job {
    uv_work_t work;
    struct spares *spares;
    struct spare spare;
    char from[FILES_PATH_MAX_BYTES]; /* where one that was used lies; "": a new one is made */
    bool must_remove;                /* there are enough */
    bool is_new;
    bool is_ready;
};

/* A tree of which spares are made; the first one is that of none. */
struct kind {
    char tree[WORK_TREE_NAME_MAX + 1];
    uint32_t want;      /* to be ready */
    uint32_t keep;      /* at most so many: those of one that comes back as it was */
    uint64_t used_at;   /* counts uses; 0: not in use */
    bool is_left_alone; /* the last one came back as it was: no new one is needed for each */
};

struct spares {
    struct loop *loop;
    bool is_stopped;
    uint32_t want;
    struct kind kinds[1 + SPARES_KINDS];
    uint64_t last_use;
    char trees[FILES_PATH_MAX_BYTES];
    uint32_t n_jobs, n_making;
    uint32_t last_number;
    struct spare *ready[SPARES_MAX];
    uint32_t n_ready;
    char folder[FILES_PATH_MAX_BYTES];
};

/* ---- in the pool ---- */

static void on_spare_work(uv_work_t *work)
{
    struct spare_job *job = work->data;
    if (job->from[0] == '\0') {
        job->is_ready = spare_make(&job->spare) && spare_fill(&job->spare, job->spares->trees);
    } else if (rename(job->from, job->spare.dir) == 0) {
        job->is_ready = !job->must_remove && spare_is_as_made(&job->spare);
    } else {
        memcpy(job->spare.dir, job->from, sizeof job->from);
    }
    if (!job->is_ready) {
        spare_remove(&job->spare);
    }
}

/* ---- on the loop ---- */

static void spares_refill(struct spares *spares);

static struct kind *kind_find(struct spares *spares, const char *tree)
{
    for (int i = 0; i <= SPARES_KINDS; i++) {
        struct kind *kind = &spares->kinds[i];
        if ((i == 0 || kind->used_at > 0) && strcmp(kind->tree, tree) == 0) {
            return kind;
        }
    }
    return NULL;
}

static uint32_t kind_ready(const struct spares *spares, const struct kind *kind)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < spares->n_ready; i++) {
        n += strcmp(spares->ready[i]->tree, kind->tree) == 0;
    }
    return n;
}

static bool job_start(struct spares *spares, const struct spare *used, const char *tree,
                      bool must_remove);

static void spare_drop(struct spares *spares, const struct spare *spare)
{
    if (!job_start(spares, spare, "", true)) {
        struct spare dropped = *spare;
        spare_remove(&dropped);
    }
}

static void spare_give_up(struct spares *spares, uint32_t i)
{
    struct spare *spare = spares->ready[i];
    spares->ready[i] = spares->ready[--spares->n_ready];
    spare_drop(spares, spare);
    mem_free(spare);
}

void spares_forget(struct spares *spares, const char *tree)
{
    struct kind *kind = spares != NULL && tree[0] != '\0' ? kind_find(spares, tree) : NULL;
    for (uint32_t i = 0; kind != NULL && i < spares->n_ready;) {
        if (strcmp(spares->ready[i]->tree, tree) == 0) {
            spare_give_up(spares, i);
        } else {
            i++;
        }
    }
    if (kind != NULL) {
        *kind = (struct kind){0};
    }
}

/* The least recently used tree makes room for a new one. */
static struct kind *kind_use(struct spares *spares, const char *tree, uint64_t tree_bytes)
{
    struct kind *kind = kind_find(spares, tree);
    if (kind == NULL) {
        kind = &spares->kinds[1];
        for (int i = 2; i <= SPARES_KINDS; i++) {
            kind = spares->kinds[i].used_at < kind->used_at ? &spares->kinds[i] : kind;
        }
        if (kind->used_at > 0) {
            char old[sizeof kind->tree];
            memcpy(old, kind->tree, sizeof old);
            spares_forget(spares, old);
        }
        uint64_t fit = SPARES_TREE_BYTES / (tree_bytes + 4096);
        kind->keep = fit == 0 ? 1 : fit < SPARES_MAX ? (uint32_t)fit : SPARES_MAX;
        kind->is_left_alone = false;
        ignore_error(snprintf(kind->tree, sizeof kind->tree, "%s", tree) < 0, "it fits");
    }
    /* Copies of a tree that one attempt uses are not worth their making: each use asks for more. */
    uint32_t most = kind->keep < spares->want ? kind->keep : spares->want;
    kind->want = kind->want == 0 ? 1 : 2 * kind->want < most ? 2 * kind->want : most;
    kind->used_at = ++spares->last_use;
    return kind;
}

static bool kind_has_room(const struct spares *spares, const struct kind *kind)
{
    return kind != NULL && kind_ready(spares, kind) < kind->keep;
}

/* A tree's spare goes where another tree's or an unused one would be kept past the maximum. */
static bool room_for(struct spares *spares, const struct spare *spare)
{
    const struct kind *kind = kind_find(spares, spare->tree);
    if (spares->is_stopped || !kind_has_room(spares, kind)) {
        return false;
    }
    for (uint32_t i = 0; spares->n_ready == SPARES_MAX && i < SPARES_MAX; i++) {
        const struct kind *other = kind_find(spares, spares->ready[i]->tree);
        if (other == NULL || (other != kind && other->used_at < kind->used_at)) {
            spare_give_up(spares, i);
        }
    }
    return spares->n_ready < SPARES_MAX;
}

static void on_spare_done(uv_work_t *work, int status)
{
    struct spare_job *job = work->data;
    struct spares *spares = job->spares;
    (void)status; /* nothing is ever cancelled */
    spares->n_jobs--;
    spares->n_making -= job->is_new;
    loop_again(spares->loop);
    struct spare *spare = NULL;
    struct kind *kind = kind_find(spares, job->spare.tree);
    if (kind != NULL && !job->is_new && !job->must_remove) {
        kind->is_left_alone = job->is_ready;
    }
    if (job->is_ready && room_for(spares, &job->spare)) {
        spare = mem_alloc(sizeof *spare);
    }
    if (spare != NULL) {
        *spare = job->spare;
        spares->ready[spares->n_ready++] = spare;
        spares_refill(spares);
    } else if (job->is_ready) {
        spare_drop(spares, &job->spare);
    } else if (!job->is_new) {
        spares_refill(spares); /* it was removed: others are to be made */
    }
    mem_free(job);
}

/* `used` NULL: makes a new one. False: nothing was begun, and the descriptor is still the caller's.
 */
static bool job_start(struct spares *spares, const struct spare *used, const char *tree,
                      bool must_remove)
{
    struct spare_job *job = mem_zalloc(sizeof *job);
    if (job == NULL) {
        return false;
    }
    job->work.data = job;
    job->spares = spares;
    job->spare.listen_fd = -1;
    if (used != NULL) {
        job->spare = *used;
        memcpy(job->from, used->dir, sizeof job->from);
        job->must_remove = must_remove;
    } else {
        ignore_error(snprintf(job->spare.tree, sizeof job->spare.tree, "%s", tree) < 0, "it fits");
    }
    int n = snprintf(job->spare.dir, sizeof job->spare.dir, "%s/%" PRIu32, spares->folder,
                     ++spares->last_number);
    assert(n > 0 && (size_t)n < sizeof job->spare.dir);
    if (uv_queue_work(loop_uv(spares->loop), &job->work, on_spare_work, on_spare_done) != 0) {
        mem_free(job);
        return false;
    }
    spares->n_jobs++;
    spares->n_making += used == NULL;
    job->is_new = used == NULL;
    return true;
}

/* One after the other, those of the tree that was used last first. One that could not be made (a
 * full disk, say) is tried again when the next one is taken. */
static void spares_refill(struct spares *spares)
{
    const struct kind *next = NULL;
    for (int i = 0; i <= SPARES_KINDS; i++) {
        const struct kind *kind = &spares->kinds[i];
        bool is_short = (i == 0 || kind->used_at > 0) && kind_ready(spares, kind) < kind->want;
        if (is_short && (next == NULL || kind->used_at > next->used_at)) {
            next = kind;
        }
    }
    /* Empty ones that were used are looked at first: that is cheaper. */
    bool is_time = next != NULL && (next->tree[0] != '\0' ? spares->n_making : spares->n_jobs) == 0;
    if (is_time && !spares->is_stopped && spares->n_ready < SPARES_MAX) {
        ignore_error(job_start(spares, NULL, next->tree, false) ? OK : ERR_NO_MEMORY,
                     "starts make their own");
    }
}

bool spares_take(struct spares *spares, const char *tree, uint64_t tree_bytes,
                 struct spare *ret_spare)
{
    struct kind *kind = kind_use(spares, tree, tree_bytes);
    bool has_one = false;
    for (uint32_t i = spares->n_ready; !has_one && i > 0; i--) {
        struct spare *spare = spares->ready[i - 1];
        if (strcmp(spare->tree, tree) == 0) {
            *ret_spare = *spare;
            mem_free(spare);
            spares->ready[i - 1] = spares->ready[--spares->n_ready];
            has_one = true;
        }
    }
    if (has_one && clock_now() - ret_spare->made_at < SPARE_RIPE_MS) {
        ret_spare->fingerprint = 0;
    }
    /* Those that come back need not be made. */
    if (!has_one || kind_ready(spares, kind) < kind->want / (kind->is_left_alone ? 2 : 1)) {
        spares_refill(spares);
    }
    return has_one;
}

void spares_give(struct spares *spares, const struct spare *spare)
{
    const struct kind *kind = kind_find(spares, spare->tree);
    bool is_used_up = spare->tree[0] != '\0' && spare->fingerprint == 0;
    bool is_wanted = !spares->is_stopped && kind_has_room(spares, kind) && !is_used_up &&
                     spares->n_ready + spares->n_jobs < SPARES_MAX;
    if (!is_wanted || !job_start(spares, spare, "", false)) {
        spare_drop(spares, spare);
    }
}

/* ---- life ---- */

error_code spares_new(struct loop *loop, const char *folder, const char *trees, uint32_t want,
                      struct spares **ret_spares)
{
    size_t len = strlen(folder);
    if (len + 16 > FILES_PATH_MAX_BYTES || strlen(trees) >= FILES_PATH_MAX_BYTES) {
        return ERR_LIMIT;
    }
    struct spares *spares = mem_zalloc(sizeof *spares);
    if (spares == NULL) {
        return ERR_NO_MEMORY;
    }
    memcpy(spares->folder, folder, len + 1);
    spares->loop = loop;
    spares->want = want < SPARES_MAX ? want : SPARES_MAX;
    spares->kinds[0] =
        (struct kind){.want = spares->want, .keep = SPARES_MAX, .is_left_alone = true};
    ignore_error(snprintf(spares->trees, sizeof spares->trees, "%s", trees) < 0, "it fits");
    spares_refill(spares);
    *ret_spares = spares;
    return OK;
}

bool spares_busy(const struct spares *spares)
{
    return spares->n_jobs > 0;
}

void spares_stop(struct spares *spares)
{
    spares->is_stopped = true;
}

void spares_free(struct spares *spares)
{
    if (spares == NULL) {
        return;
    }
    assert(spares->n_jobs == 0);
    for (uint32_t i = 0; i < spares->n_ready; i++) {
        spare_remove(spares->ready[i]);
        mem_free(spares->ready[i]);
    }
    mem_free(spares);
}
