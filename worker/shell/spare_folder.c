#include "worker/shell/spare_folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/clock.h"
#include "work/tree.h"
#include "worker/shell/trial_socket.h"

enum { PATH_BYTES = FILES_PATH_MAX_BYTES + 16 };

static const char *const folders[] = {"work", "tmp", "save"};
enum { FOLDERS = sizeof folders / sizeof folders[0], FOLDER_WORK = 0 };

static void entry_path(const struct spare *spare, const char *name, char ret_path[PATH_BYTES])
{
    ignore_error(snprintf(ret_path, PATH_BYTES, "%s/%s", spare->dir, name) < 0, "it fits");
}

bool spare_make(struct spare *spare)
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

bool spare_fill(struct spare *spare, const char *trees)
{
    char from[FILES_PATH_MAX_BYTES + WORK_TREE_NAME_MAX + 2], to[PATH_BYTES];
    if (spare->tree[0] == '\0') {
        return true;
    }
    ignore_error(snprintf(from, sizeof from, "%s/%s", trees, spare->tree) < 0, "it fits");
    entry_path(spare, "work", to);
    if (work_tree_copy(from, to, WORK_COPY_MAX_BYTES, NULL) != OK) {
        return false;
    }
    spare->fingerprint = work_tree_fingerprint(to);
    spare->made_at = clock_now();
    return true;
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

bool spare_is_as_made(const struct spare *spare)
{
    char path[PATH_BYTES];
    struct stat about;
    bool is_good = spare->listen_fd >= 0 && folder_is_as_made(spare->dir, FOLDERS + 2);
    for (int i = 0; is_good && i < FOLDERS; i++) {
        bool has_copy = i == FOLDER_WORK && spare->tree[0] != '\0';
        entry_path(spare, folders[i], path);
        is_good = has_copy ? work_tree_fingerprint(path) == spare->fingerprint
                           : folder_is_as_made(path, 0);
    }
    entry_path(spare, "s", path);
    is_good = is_good && lstat(path, &about) == 0 && S_ISSOCK(about.st_mode) &&
              about.st_ino == spare->socket_ino && (about.st_mode & 07777) == 0600;
    entry_path(spare, "params.json", path);
    return is_good && lstat(path, &about) == 0 && S_ISREG(about.st_mode) && about.st_nlink == 1 &&
           (about.st_mode & 07777) == 0600 && truncate(path, 0) == 0;
}

void spare_remove(struct spare *spare)
{
    if (spare->listen_fd >= 0) {
        close(spare->listen_fd);
        spare->listen_fd = -1;
    }
    ignore_error(dir_remove_tree(spare->dir, NULL), "the next start of the agent removes it");
}
