#include "sys/state_paths.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SOCKET_PATH_MAX = 100 };

/* FNV-1a, 64 bits: only to give each folder a name of its own. */
static uint64_t path_hash(const char *path)
{
    uint64_t hash = 0xcbf29ce484222325U;
    for (const char *c = path; *c != '\0'; c++) {
        hash = (hash ^ (unsigned char)*c) * 0x100000001b3U;
    }
    return hash;
}

static error_code runtime_dir(char *ret_path, size_t size_bytes, struct report *report)
{
    const char *given = getenv("XDG_RUNTIME_DIR");
    struct stat about;
    if (given != NULL && given[0] == '/' && strlen(given) < 60) {
        snprintf(ret_path, size_bytes, "%s", given);
    } else {
        snprintf(ret_path, size_bytes, "/tmp/muster-%u", (unsigned)getuid());
        if (mkdir(ret_path, 0700) != 0 && errno != EEXIST) {
            return report_fail(report, error_from_errno(errno), "%s cannot be made: %s", ret_path,
                               strerror(errno));
        }
    }
    if (lstat(ret_path, &about) != 0 || !S_ISDIR(about.st_mode) || about.st_uid != getuid()) {
        return report_fail(report, ERR_NOT_ALLOWED, "%s is not a folder of this user's own",
                           ret_path);
    }
    return OK;
}

error_code state_ipc_address(const char *state_dir, char *ret_address, size_t size_bytes,
                             struct report *report)
{
    char path[4200];
    snprintf(path, sizeof path, "%s/run/head.ipc", state_dir);
    if (strlen(path) > SOCKET_PATH_MAX) {
        char folder[128];
        error_code error = runtime_dir(folder, sizeof folder, report);
        if (error != OK) {
            return error;
        }
        snprintf(path, sizeof path, "%s/%016llx.ipc", folder,
                 (unsigned long long)path_hash(state_dir));
    }
    int n = snprintf(ret_address, size_bytes, "ipc://%s", path);
    return n > 0 && (size_t)n < size_bytes
               ? OK
               : report_fail(report, ERR_LIMIT, "the address %s is too long", path);
}
