#include "sys/spawner_find.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/files.h"

static const char path_default[] = "/usr/local/bin:/usr/bin:/bin";

static const char *env_path(const char *const *envp)
{
    for (; *envp != NULL; envp++) {
        if (strncmp(*envp, "PATH=", 5) == 0) {
            return *envp + 5;
        }
    }
    return path_default;
}

int program_check(const char *program, const char *folder)
{
    char path[2 * FILES_PATH_MAX_BYTES];
    const char *seen = program;
    if (program[0] != '/' && folder != NULL) {
        int n = snprintf(path, sizeof path, "%s/%s", folder, program);
        if (n < 0 || (size_t)n >= sizeof path) {
            return ENAMETOOLONG;
        }
        seen = path;
    }
    struct stat about;
    if (stat(seen, &about) != 0) {
        return errno;
    }
    if (!S_ISREG(about.st_mode)) {
        return EACCES;
    }
    return access(seen, X_OK) == 0 ? 0 : errno;
}

int program_find(const char *name, const char *const *envp, const char *folder, char *ret_program,
                 size_t size_bytes)
{
    if (name[0] == '\0') {
        return ENOENT;
    }
    if (strchr(name, '/') != NULL) {
        int n = snprintf(ret_program, size_bytes, "%s", name);
        return n < 0 || (size_t)n >= size_bytes ? ENAMETOOLONG : 0;
    }
    int error = ENOENT;
    for (const char *at = env_path(envp); at != NULL;) {
        const char *end = strchr(at, ':');
        size_t length = end != NULL ? (size_t)(end - at) : strlen(at);
        /* An empty entry is the current folder. */
        int n = snprintf(ret_program, size_bytes, "%.*s/%s", length > 0 ? (int)length : 1,
                         length > 0 ? at : ".", name);
        if (n > 0 && (size_t)n < size_bytes) {
            int found = program_check(ret_program, folder);
            if (found == 0) {
                return 0;
            }
            error = found == EACCES ? EACCES : error;
        }
        at = end != NULL ? end + 1 : NULL;
    }
    return error;
}
