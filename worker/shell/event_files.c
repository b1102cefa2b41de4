#include "worker/shell/event_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "lines/reports.h"
#include "lines/tfevents.h"

enum {
    DEPTH_MAX = 6,
    ENTRIES_MAX = 20000, /* of a look: in a folder of many files it sees the first ones */
    READ_BYTES = 64 << 10,
    READS_MAX = 64, /* of one file in one look: the rest comes with the next */
    REPORTS_MAX = 65536,
};

struct event_file {
    struct event_files *files;
    char path[PATH_MAX];
    uint64_t offset;
    struct tfevents *events;
    bool is_over; /* it is damaged: nothing more can be read of it */
    bool has_pending;
    struct event_report pending;
};

struct event_files {
    char *folder;
    char *metric;
    struct event_file *items[EVENT_FILES_MAX]; /* by path */
    uint32_t n_items;
    uint32_t n_entries; /* of this look */
    struct event_report *reports;
    uint32_t n_reports, cap;
    char *names[EVENT_NAMES_MAX];
    uint32_t n_names;
    error_code failed;
};

error_code event_files_new(const char *folder, const char *metric, struct event_files **ret_files)
{
    struct event_files *files = mem_zalloc(sizeof *files);
    if (files == NULL) {
        return ERR_NO_MEMORY;
    }
    files->folder = mem_strdup(folder);
    files->metric = mem_strdup(metric);
    if (files->folder == NULL || files->metric == NULL) {
        event_files_free(files);
        return ERR_NO_MEMORY;
    }
    *ret_files = files;
    return OK;
}

static void file_free(struct event_file *file)
{
    tfevents_free(file->events);
    mem_free(file);
}

void event_files_free(struct event_files *files)
{
    if (files == NULL) {
        return;
    }
    for (uint32_t i = 0; i < files->n_items; i++) {
        file_free(files->items[i]);
    }
    for (uint32_t i = 0; i < files->n_names; i++) {
        mem_free(files->names[i]);
    }
    mem_free(files->reports);
    mem_free(files->folder);
    mem_free(files->metric);
    mem_free(files);
}

uint32_t event_files_names(const struct event_files *files, const char *const **ret_names)
{
    *ret_names = (const char *const *)files->names;
    return files->n_names;
}

/* ---- scalars ---- */

static void value_add(struct event_files *files, const struct event_report *report)
{
    if (files->n_reports == files->cap) {
        uint32_t cap = files->cap == 0 ? 64 : files->cap * 2;
        struct event_report *more =
            cap <= REPORTS_MAX ? mem_realloc(files->reports, cap * sizeof *more) : NULL;
        if (more == NULL) {
            files->failed = cap <= REPORTS_MAX ? ERR_NO_MEMORY : files->failed;
            return;
        }
        files->reports = more;
        files->cap = cap;
    }
    files->reports[files->n_reports++] = *report;
}

static void pending_tell(struct event_file *file)
{
    if (file->has_pending) {
        file->has_pending = false;
        value_add(file->files, &file->pending);
    }
}

static void name_note(struct event_files *files, const char *tag)
{
    for (uint32_t i = 0; i < files->n_names; i++) {
        if (strcmp(files->names[i], tag) == 0) {
            return;
        }
    }
    char *copy = files->n_names < EVENT_NAMES_MAX ? mem_strdup(tag) : NULL;
    if (copy != NULL) {
        files->names[files->n_names++] = copy;
    }
}

static bool is_metric(const struct event_file *file, const char *tag)
{
    char full[PATH_MAX + TFEVENTS_TAG_MAX + 2];
    const char *end = strrchr(file->path, '/'), *start = end;
    while (start > file->path && start[-1] != '/') {
        start--;
    }
    ignore_error(snprintf(full, sizeof full, "%.*s/%s", (int)(end - start), start, tag) < 0,
                 "it fits");
    return line_name_equal(tag, file->files->metric) || line_name_equal(full, file->files->metric);
}

static void on_scalar(void *context, const struct tfevents_scalar *scalar)
{
    struct event_file *file = context;
    if (!is_metric(file, scalar->tag)) {
        name_note(file->files, scalar->tag);
        return;
    }
    if (file->has_pending && file->pending.step != scalar->step) {
        pending_tell(file);
    }
    if (scalar->step >= 0 && scalar->step <= 1LL << 53) {
        file->pending = (struct event_report){scalar->step, scalar->value};
        file->has_pending = true;
    }
}

/* ---- files ---- */

static void file_read(struct event_file *file)
{
    static _Thread_local uint8_t block[READ_BYTES];
    int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    for (int i = 0; fd >= 0 && i < READS_MAX && !file->is_over; i++) {
        ssize_t n = pread(fd, block, sizeof block, (off_t)file->offset);
        if (n <= 0) {
            break;
        }
        file->offset += (uint64_t)n;
        error_code error =
            tfevents_feed(file->events, (struct bytes){block, (size_t)n}, on_scalar, file);
        file->is_over = error != OK;
        file->files->failed = error == ERR_NO_MEMORY ? error : file->files->failed;
    }
    if (fd >= 0) {
        close(fd);
    }
}

static void file_add(struct event_files *files, const char *path)
{
    uint32_t at = 0;
    int order = 1;
    while (at < files->n_items && (order = strcmp(files->items[at]->path, path)) < 0) {
        at++;
    }
    if ((at < files->n_items && order == 0) || files->n_items == EVENT_FILES_MAX) {
        return;
    }
    struct event_file *file = mem_zalloc(sizeof *file);
    if (file == NULL || tfevents_new(&file->events) != OK) {
        mem_free(file);
        files->failed = ERR_NO_MEMORY;
        return;
    }
    file->files = files;
    ignore_error(snprintf(file->path, sizeof file->path, "%s", path) < 0, "it was made so long");
    memmove(&files->items[at + 1], &files->items[at],
            (files->n_items - at) * sizeof files->items[0]);
    files->items[at] = file;
    files->n_items++;
}

/* Links are not followed. */
static void folder_walk(struct event_files *files, const char *folder, int depth)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    while (dir != NULL && files->n_entries < ENTRIES_MAX && (entry = readdir(dir)) != NULL) {
        char path[PATH_MAX];
        struct stat about;
        int n = snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        files->n_entries++;
        if (entry->d_name[0] == '.' || n < 0 || (size_t)n >= sizeof path ||
            lstat(path, &about) != 0) {
            continue;
        }
        if (S_ISDIR(about.st_mode) && depth < DEPTH_MAX) {
            folder_walk(files, path, depth + 1);
        } else if (S_ISREG(about.st_mode) && strstr(entry->d_name, ".tfevents.") != NULL) {
            file_add(files, path);
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
}

error_code event_files_look(struct event_files *files, bool is_last,
                            const struct event_report **ret_reports, uint32_t *ret_n_reports)
{
    files->n_entries = files->n_reports = 0;
    folder_walk(files, files->folder, 0);
    for (uint32_t i = 0; i < files->n_items; i++) {
        file_read(files->items[i]);
        if (is_last) {
            pending_tell(files->items[i]);
        }
    }
    *ret_reports = files->reports;
    *ret_n_reports = files->n_reports;
    return files->failed;
}
