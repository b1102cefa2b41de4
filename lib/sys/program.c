#include "sys/program.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The folder of `path`, without a slash at its end; "/" becomes "". */
static void folder_cut(char *path)
{
    char *slash = strrchr(path, '/');
    if (slash != NULL) {
        *slash = '\0';
    }
}

error_code program_path_of(const char *exe, char ret_path[PATH_MAX])
{
    char folder[PATH_MAX];
    const char *slash = strrchr(exe, '/');
    if (slash == NULL || snprintf(folder, sizeof folder, "%s", exe) >= PATH_MAX) {
        return ERR_INVALID;
    }
    if (strncmp(slash + 1, "ld-", 3) != 0 || strstr(slash + 1, ".so") == NULL) {
        snprintf(ret_path, PATH_MAX, "%s", folder);
        return OK;
    }
    folder_cut(folder);
    folder_cut(folder);
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/bin/muster", folder) >= PATH_MAX) {
        return ERR_LIMIT;
    }
    memcpy(ret_path, path, strlen(path) + 1);
    return OK;
}

error_code program_path(char ret_path[PATH_MAX], struct report *report)
{
    char exe[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    if (n <= 0) {
        return report_fail(report, ERR_SYSTEM,
                           "cannot read /proc/self/exe; muster needs /proc mounted");
    }
    exe[n] = '\0';
    if (program_path_of(exe, ret_path) != OK) {
        return report_fail(report, ERR_LIMIT, "the path of the program %s is too long", exe);
    }
    return OK;
}

bool program_beside(const char *name, char ret_path[PATH_MAX])
{
    char path[PATH_MAX], found[PATH_MAX];
    struct stat entry;
    if (program_path(path, NULL) != OK) {
        return false;
    }
    folder_cut(path);
    if (snprintf(found, sizeof found, "%s/%s", path, name) >= PATH_MAX ||
        stat(found, &entry) != 0 || !S_ISREG(entry.st_mode) || access(found, X_OK) != 0) {
        return false;
    }
    memcpy(ret_path, found, strlen(found) + 1);
    return true;
}

bool program_ca_file(char ret_path[PATH_MAX])
{
    static const char *const machine[] = {
        "/etc/ssl/certs/ca-certificates.crt", /* Debian, Ubuntu, Arch, Alpine */
        "/etc/pki/tls/certs/ca-bundle.crt",   /* Fedora, RHEL */
        "/etc/ssl/ca-bundle.pem",             /* openSUSE */
        "/etc/ssl/cert.pem",
    };
    for (size_t i = 0; i < sizeof machine / sizeof machine[0]; i++) {
        if (access(machine[i], R_OK) == 0) {
            snprintf(ret_path, PATH_MAX, "%s", machine[i]);
            return true;
        }
    }
    char path[PATH_MAX], found[PATH_MAX];
    if (program_path(path, NULL) != OK) {
        return false;
    }
    folder_cut(path);
    folder_cut(path);
    if (snprintf(found, sizeof found, "%s/share/ca-certificates.crt", path) >= PATH_MAX ||
        access(found, R_OK) != 0) {
        return false;
    }
    memcpy(ret_path, found, strlen(found) + 1);
    return true;
}
