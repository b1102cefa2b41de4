#include "worker/shell/spares.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "worker/shell/trial_socket.h"

enum { PATH_BYTES = FILES_PATH_MAX_BYTES + 16 };

struct spare_job {
    uv_work_t work;
    struct spares *spares;
    struct spare spare;
    char from[FILES_PATH_MAX_BYTES]; /* where one that was used lies; "": a new one is made */
    bool must_remove;                /* there are enough */
    bool is_ready;
};

struct spares {
    struct loop *loop;
    bool is_stopped;
    uint32_t want;
    uint32_t n_jobs;
    uint32_t last_number;
    struct spare *ready[SPARES_MAX];
    uint32_t n_ready;
    char folder[FILES_PATH_MAX_BYTES];
};

static const char *const folders[] = {"work", "tmp", "save"};
enum { FOLDERS = sizeof folders / sizeof folders[0] };

/* ---- in the pool ---- */

static void entry_path(const struct spare *spare, const char *name, char ret_path[PATH_BYTES])
{
    ignore_error(snprintf(ret_path, PATH_BYTES, "%s/%s", spare->dir, name) < 0, "it fits");
}

static bool spare_make(struct spare *spare)
{
    char path[PATH_BYTES];
    struct stat about;
    bool is_made = mkdir(spare->dir, 0700) == 0;
    for (int i = 0; is_made && i < FOLDERS; i++) {
        entry_path(spare, folders[i], path);
        is_made = mkdir(path, 0700) == 0;
    }
    entry_path(spare, "params.json", path);
    int fd = is_made ? open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600) : -1;
    if (fd < 0) {
        return false;
    }
    close(fd);
    entry_path(spare, "s", path);
    if (strlen(path) > TRIAL_SOCKET_PATH_MAX) {
        return true;
    }
    is_made = trial_socket_listen(path, &spare->listen_fd, NULL) == OK && stat(path, &about) == 0;
    spare->socket_ino = is_made ? about.st_ino : 0;
    return is_made;
}

static int folder_count(const char *path)
{
    DIR *folder = opendir(path);
    int n = folder == NULL ? -1 : 0;
    while (folder != NULL && readdir(folder) != NULL) {
        n++;
    }
    if (folder != NULL) {
        closedir(folder);
    }
    return n - 2; /* . and .. */
}

static bool folder_is_as_made(const char *path, int n_entries)
{
    struct stat about;
    return lstat(path, &about) == 0 && S_ISDIR(about.st_mode) && about.st_uid == geteuid() &&
           (about.st_mode & 07777) == 0700 && folder_count(path) == n_entries;
}

/* Nothing of the attempt before may be seen by the next one. */
static bool spare_is_as_made(const struct spare *spare)
{
    char path[PATH_BYTES];
    struct stat about;
    bool is_good = spare->listen_fd >= 0 && folder_is_as_made(spare->dir, FOLDERS + 2);
    for (int i = 0; is_good && i < FOLDERS; i++) {
        entry_path(spare, folders[i], path);
        is_good = folder_is_as_made(path, 0);
    }
    entry_path(spare, "s", path);
    is_good = is_good && lstat(path, &about) == 0 && S_ISSOCK(about.st_mode) &&
              about.st_ino == spare->socket_ino && (about.st_mode & 07777) == 0600;
    entry_path(spare, "params.json", path);
    return is_good && lstat(path, &about) == 0 && S_ISREG(about.st_mode) && about.st_nlink == 1 &&
           (about.st_mode & 07777) == 0600 && truncate(path, 0) == 0;
}

static void spare_remove(struct spare *spare)
{
    if (spare->listen_fd >= 0) {
        close(spare->listen_fd);
        spare->listen_fd = -1;
    }
    ignore_error(dir_remove_tree(spare->dir, NULL), "the next start of the agent removes it");
}

static void on_spare_work(uv_work_t *work)
{
    struct spare_job *job = work->data;
    if (job->from[0] == '\0') {
        job->is_ready = spare_make(&job->spare);
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

static void on_spare_done(uv_work_t *work, int status)
{
    struct spare_job *job = work->data;
    struct spares *spares = job->spares;
    (void)status; /* nothing is ever cancelled */
    spares->n_jobs--;
    loop_again(spares->loop);
    struct spare *spare = NULL;
    if (job->is_ready && !spares->is_stopped && spares->n_ready < SPARES_MAX) {
        spare = mem_alloc(sizeof *spare);
    }
    if (spare != NULL) {
        *spare = job->spare;
        spares->ready[spares->n_ready++] = spare;
        spares_refill(spares);
    } else if (job->is_ready) {
        spare_remove(&job->spare);
    }
    /* One that could not be made (a full disk, say) is tried again when the next one is taken. */
    mem_free(job);
}

/* `from` NULL: makes a new one. False: nothing was begun, and the descriptor is still the caller's.
 */
static bool job_start(struct spares *spares, const struct spare *used)
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
        job->must_remove = spares->is_stopped || spares->n_ready + spares->n_jobs >= SPARES_MAX;
    }
    int n = snprintf(job->spare.dir, sizeof job->spare.dir, "%s/%" PRIu32, spares->folder,
                     ++spares->last_number);
    assert(n > 0 && (size_t)n < sizeof job->spare.dir);
    if (uv_queue_work(loop_uv(spares->loop), &job->work, on_spare_work, on_spare_done) != 0) {
        mem_free(job);
        return false;
    }
    spares->n_jobs++;
    return true;
}

/* One after the other, and none while used ones are looked at: those are cheaper. */
static void spares_refill(struct spares *spares)
{
    if (spares->n_jobs == 0 && !spares->is_stopped && spares->n_ready < spares->want) {
        ignore_error(job_start(spares, NULL) ? OK : ERR_NO_MEMORY, "starts make their own");
    }
}

bool spares_take(struct spares *spares, struct spare *ret_spare)
{
    bool has_one = spares->n_ready > 0;
    if (has_one) {
        struct spare *spare = spares->ready[--spares->n_ready];
        *ret_spare = *spare;
        mem_free(spare);
    }
    if (spares->n_ready < spares->want / 2) {
        spares_refill(spares);
    }
    return has_one;
}

void spares_give(struct spares *spares, const struct spare *spare)
{
    if (!job_start(spares, spare)) {
        struct spare given = *spare;
        spare_remove(&given);
    }
}

/* ---- life ---- */

error_code spares_new(struct loop *loop, const char *folder, uint32_t want,
                      struct spares **ret_spares)
{
    size_t len = strlen(folder);
    if (len + 16 > FILES_PATH_MAX_BYTES) {
        return ERR_LIMIT;
    }
    struct spares *spares = mem_zalloc(sizeof *spares);
    if (spares == NULL) {
        return ERR_NO_MEMORY;
    }
    memcpy(spares->folder, folder, len + 1);
    spares->loop = loop;
    spares->want = want < SPARES_MAX ? want : SPARES_MAX;
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
