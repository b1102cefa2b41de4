/* The trees on this disk: found at start, used, and removed again to make room. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "sys/clock.h"
#include "sys/log.h"
#include "work/hash.h"
#include "worker/shell/work_inside.h"

enum { MARK_MAX_BYTES = 64, BOOT_MAX_BYTES = 128 };

void works_path_of(const struct works *works, const char *prefix, const char *name,
                   const char *ending, char ret_path[WORK_PATH_BYTES])
{
    ignore_error(
        snprintf(ret_path, WORK_PATH_BYTES, "%s/%s%s%s", works->folder, prefix, name, ending) < 0,
        "it fits");
}

void works_path(const struct works *works, const char *name, char ret_path[WORK_PATH_BYTES])
{
    works_path_of(works, "", name, "", ret_path);
}

struct work_entry *works_entry(const struct works *works, const char *name)
{
    struct work_entry *entry;
    HASH_FIND_STR(works->entries, name, entry);
    return entry;
}

void works_reason(error_code error, const struct report *report, char ret_text[WORK_REASON_BYTES])
{
    const char *text = report->text[0] != '\0' ? report->text : error_word(error);
    ignore_error(snprintf(ret_text, WORK_REASON_BYTES, "%s%.200s",
                          error == ERR_NO_SPACE ? "no space on its node: " : "", text) < 0,
                 "cut");
}

/* ---- use ---- */

bool works_ref(struct works *works, const char *name, uint64_t *ret_bytes)
{
    char mark[WORK_PATH_BYTES];
    struct work_entry *entry = works_entry(works, name);
    if (entry == NULL) {
        return false;
    }
    entry->n_users++;
    entry->used_at = ++works->last_use;
    *ret_bytes = entry->bytes;
    works_path_of(works, "", name, ".ok", mark);
    ignore_error(utimensat(AT_FDCWD, mark, NULL, 0) == 0 ? OK : ERR_IO, "it only looks older");
    return true;
}

void works_unref(struct works *works, const char *name)
{
    struct work_entry *entry = works_entry(works, name);
    if (entry != NULL && entry->n_users > 0) {
        entry->n_users--;
    }
}

/* ---- room ---- */

uint64_t works_bytes(const struct works *works, uint64_t *ret_max_bytes)
{
    *ret_max_bytes = works->max_bytes;
    return works->used_bytes;
}

struct removal {
    uv_work_t work;
    struct works *works;
    char path[WORK_PATH_BYTES];
};

static void on_removal_work(uv_work_t *work)
{
    struct removal *removal = work->data;
    ignore_error(dir_remove_tree(removal->path, NULL), "the next start of the agent removes it");
}

static void on_removal_done(uv_work_t *work, int status)
{
    struct removal *removal = work->data;
    (void)status;
    removal->works->n_jobs--;
    mem_free(removal);
}

static void tree_remove(struct works *works, struct work_entry *entry)
{
    char path[WORK_PATH_BYTES], mark[WORK_PATH_BYTES], number[32];
    struct removal *removal = mem_zalloc(sizeof *removal);
    works_path(works, entry->name, path);
    works_path_of(works, "", entry->name, ".ok", mark);
    unlink(mark);
    spares_forget(works->worker->spares, entry->name);
    if (removal != NULL) {
        ignore_error(
            snprintf(number, sizeof number, "%llu", (unsigned long long)++works->last_gone) < 0,
            "it fits");
        works_path_of(works, ".gone-", number, "", removal->path);
        removal->works = works;
        removal->work.data = removal;
        if (rename(path, removal->path) != 0) {
            memcpy(removal->path, path, sizeof path);
        }
        works->n_jobs++;
        uv_queue_work(loop_uv(works->worker->loop), &removal->work, on_removal_work,
                      on_removal_done);
    }
    works->used_bytes -= entry->bytes;
    agent_tree_lost(works->worker->agent, entry->name);
    HASH_DELETE(hh, works->entries, entry);
    mem_free(entry);
}

static void room_make(struct works *works, const struct work_entry *but)
{
    while (works->used_bytes > works->max_bytes) {
        struct work_entry *oldest = NULL;
        for (struct work_entry *entry = works->entries; entry != NULL; entry = entry->hh.next) {
            bool is_older = oldest == NULL || entry->used_at < oldest->used_at;
            if (entry != but && entry->n_users == 0 && is_older) {
                oldest = entry;
            }
        }
        if (oldest == NULL) {
            log_once("cache-max", LOG_LEVEL_WARNING,
                     "the work folders in use here take more than --cache-max");
            return;
        }
        tree_remove(works, oldest);
    }
}

static struct work_entry *entry_add(struct works *works, const char *name, uint64_t bytes)
{
    struct work_entry *entry = mem_zalloc(sizeof *entry);
    if (entry == NULL) {
        return NULL;
    }
    ignore_error(snprintf(entry->name, sizeof entry->name, "%s", name) < 0, "it fits");
    entry->bytes = bytes;
    entry->used_at = ++works->last_use;
    HASH_ADD_STR(works->entries, name, entry);
    if (entry->hh.tbl == NULL) {
        mem_free(entry);
        return NULL;
    }
    works->used_bytes += bytes;
    return entry;
}

error_code works_mark(const struct works *works, const char *name, uint64_t bytes,
                      struct report *report)
{
    char path[WORK_PATH_BYTES], text[MARK_MAX_BYTES];
    works_path_of(works, "", name, ".ok", path);
    int n = snprintf(text, sizeof text, "%llu\n", (unsigned long long)bytes);
    return file_write(path, (struct bytes){(const uint8_t *)text, (size_t)n}, 0600, report);
}

void works_made(struct works *works, const char *name, uint64_t bytes, error_code error,
                const struct report *report)
{
    struct worker *worker = works->worker;
    if (works->is_stopped) {
        return;
    }
    char reason[WORK_REASON_BYTES];
    struct work_entry *entry = error == OK ? entry_add(works, name, bytes) : NULL;
    if (error == OK && entry == NULL) {
        error = ERR_NO_MEMORY;
    }
    works_reason(error, report, reason);
    if (error != OK) {
        log_write(LOG_LEVEL_WARNING, "work folder %.24s...: %s", name, reason);
    } else {
        room_make(works, entry);
    }
    on_tree_made(worker->agent, clock_now(), name, error == OK ? NULL : reason, &worker->out);
    loop_again(worker->loop);
}

/* ---- start ---- */

/* What was written before the machine was started anew may be torn. */
static bool boot_is_same(const struct works *works)
{
    char path[WORK_PATH_BYTES];
    struct buf now, then;
    buf_init(&now, BOOT_MAX_BYTES);
    buf_init(&then, BOOT_MAX_BYTES);
    works_path_of(works, "", "boot", "", path);
    bool is_known = file_read_bounded("/proc/sys/kernel/random/boot_id", &now, NULL) == OK;
    bool is_same = is_known && file_read_bounded(path, &then, NULL) == OK && now.len == then.len &&
                   memcmp(now.data, then.data, now.len) == 0;
    buf_fini(&now);
    buf_fini(&then);
    return is_same;
}

static error_code boot_note(const struct works *works, struct report *report)
{
    char path[WORK_PATH_BYTES];
    struct buf now;
    buf_init(&now, BOOT_MAX_BYTES);
    works_path_of(works, "", "boot", "", path);
    ignore_error(file_read_bounded("/proc/sys/kernel/random/boot_id", &now, NULL), "stays empty");
    error_code error = file_write(path, buf_bytes(&now), 0600, report);
    buf_fini(&now);
    return error;
}

struct found_tree {
    char name[WORK_TREE_NAME_MAX + 1];
    uint64_t bytes;
    struct timespec used;
};

/* "<name>.ok" of a tree that is there. */
static bool mark_read(const struct works *works, const char *file, struct found_tree *ret_found)
{
    char path[WORK_PATH_BYTES];
    struct stat about;
    struct buf text;
    size_t len = strlen(file);
    if (len <= 3 || len - 3 > WORK_TREE_NAME_MAX || strcmp(file + len - 3, ".ok") != 0) {
        return false;
    }
    memcpy(ret_found->name, file, len - 3);
    ret_found->name[len - 3] = '\0';
    works_path(works, file, path);
    buf_init(&text, MARK_MAX_BYTES);
    bool is_good = stat(path, &about) == 0 && file_read_bounded(path, &text, NULL) == OK;
    ret_found->used = about.st_mtim;
    ret_found->bytes = is_good ? strtoull(buf_text(&text), NULL, 10) : 0;
    buf_fini(&text);
    works_path(works, ret_found->name, path);
    return is_good && lstat(path, &about) == 0 && S_ISDIR(about.st_mode);
}

static int found_compare(const void *a, const void *b)
{
    const struct timespec *x = &((const struct found_tree *)a)->used,
                          *y = &((const struct found_tree *)b)->used;
    return x->tv_sec != y->tv_sec ? (x->tv_sec < y->tv_sec ? -1 : 1)
                                  : (x->tv_nsec > y->tv_nsec) - (x->tv_nsec < y->tv_nsec);
}

static error_code trees_find(struct works *works)
{
    enum { FOUND_MAX = 10000 };
    DIR *folder = opendir(works->folder);
    struct found_tree *found = mem_calloc(FOUND_MAX, sizeof *found);
    struct dirent *entry;
    uint32_t n = 0;
    error_code error = folder == NULL ? ERR_IO : found == NULL ? ERR_NO_MEMORY : OK;
    while (error == OK && n < FOUND_MAX && (entry = readdir(folder)) != NULL) {
        n += mark_read(works, entry->d_name, &found[n]);
    }
    if (n > 0) {
        qsort(found, n, sizeof *found, found_compare);
    }
    for (uint32_t i = 0; error == OK && i < n; i++) {
        error = entry_add(works, found[i].name, found[i].bytes) == NULL ? ERR_NO_MEMORY : OK;
        error = error == OK ? agent_tree_found(works->worker->agent, found[i].name) : error;
    }
    if (folder != NULL) {
        closedir(folder);
    }
    mem_free(found);
    return error;
}

static void rest_remove(struct works *works)
{
    DIR *folder = opendir(works->folder);
    struct dirent *entry;
    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        char name[256], path[WORK_PATH_BYTES];
        size_t len = strlen(entry->d_name);
        bool is_mark = len > 3 && strcmp(entry->d_name + len - 3, ".ok") == 0;
        ignore_error(
            snprintf(name, sizeof name, "%.*s", (int)(is_mark ? len - 3 : len), entry->d_name) < 0,
            "it fits");
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strcmp(name, "boot") == 0 ||
            works_entry(works, name) != NULL) {
            continue;
        }
        works_path(works, entry->d_name, path);
        ignore_error(dir_remove_tree(path, NULL), "the next start tries again");
    }
    if (folder != NULL) {
        closedir(folder);
    }
}

error_code works_new(struct worker *worker, uint64_t max_bytes, struct works **ret_works,
                     struct report *report)
{
    struct works *works = mem_zalloc(sizeof *works);
    if (works == NULL) {
        return report_fail(report, ERR_NO_MEMORY, "no memory for the work folders");
    }
    works->worker = worker;
    works->max_bytes = max_bytes > 0 ? max_bytes : WORKS_BYTES_DEFAULT;
    list_init(&works->pulls);
    list_init(&works->setups);
    ignore_error(snprintf(works->folder, sizeof works->folder, "%s/work", worker->node_dir) < 0,
                 "it fits");
    error_code error = dir_make(works->folder, report);
    if (error == OK && boot_is_same(works)) {
        error = trees_find(works);
    }
    if (error == OK) {
        rest_remove(works);
        error = boot_note(works, report);
    }
    if (error != OK) {
        works_free(works);
        return report->text[0] != '\0'
                   ? error
                   : report_fail(report, error, "the work folders cannot be read: %s",
                                 error_word(error));
    }
    *ret_works = works;
    return OK;
}

bool works_busy(const struct works *works)
{
    return works->n_jobs > 0 || !list_is_empty(&works->setups);
}

void works_stop(struct works *works)
{
    works->is_stopped = true;
    works_setups_stop(works);
}

void works_free(struct works *works)
{
    if (works == NULL) {
        return;
    }
    works_pulls_free(works);
    struct work_entry *entry, *next;
    HASH_ITER (hh, works->entries, entry, next) {
        HASH_DELETE(hh, works->entries, entry);
        mem_free(entry);
    }
    mem_free(works);
}
