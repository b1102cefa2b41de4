#include "sys/private_file.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

error_code private_file_check(const char *path, struct report *report)
{
    struct stat about;
    if (stat(path, &about) != 0) {
        return report_fail(report, error_from_errno(errno), "%s: %s", path, strerror(errno));
    }
    bool is_ours = about.st_uid == geteuid();
    mode_t forbidden = is_ours ? 077 : 027;
    if (!S_ISREG(about.st_mode) || (about.st_mode & forbidden) == 0) {
        return OK;
    }
    return report_fail(report, ERR_NOT_ALLOWED,
                       "other users may %s the key file %s (mode %03o), so it is not used; if they "
                       "did not, run: chmod 600 %s",
                       (about.st_mode & forbidden & 044) != 0 ? "read" : "change", path,
                       about.st_mode & 0777, path);
}
