/* Where what an attempt writes lies: a file a stream, and those that it was renamed to
 * (sys/logfile.h). Of tasks of arrays only what is not in their lane's file (array_logs.h). */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "spec/array_text.h"
#include "worker/shell/shell.h"

static void path_print(const struct worker *worker, struct attempt_ref ref, bool is_of_array,
                       uint32_t stream, const char *ending, char ret_path[LOG_PATH_BYTES])
{
    char id[TASK_ID_TEXT_MAX], name[ARRAY_LOG_TEXT_MAX];
    if (is_of_array) {
        spec_array_log_print(ref.task, ref.attempt, stream, name);
    } else {
        ignore_error(snprintf(name, sizeof name, "logs/%s/%" PRIu32 ".%s",
                              task_id_print(ref.task, id), ref.attempt,
                              stream == 0 ? "out" : "err") < 0,
                     "it fits");
    }
    ignore_error(snprintf(ret_path, LOG_PATH_BYTES, "%s/%s%s", worker->node_dir, name, ending) < 0,
                 "it fits");
}

void log_path_make(const struct worker *worker, struct attempt_ref ref, bool is_of_array,
                   uint32_t stream, char ret_path[LOG_PATH_BYTES])
{
    path_print(worker, ref, is_of_array, stream, "", ret_path);
    char *name = strrchr(ret_path, '/');
    *name = '\0';
    /* On a full disk the attempt goes on without a log. */
    ignore_error(dir_make(ret_path, NULL), "the log is tried again with each write");
    *name = '/';
}

int log_part_open(const struct worker *worker, struct attempt_ref ref, uint32_t stream,
                  const char *ending, struct stat *ret_about)
{
    char path[LOG_PATH_BYTES];
    int fd = -1;
    for (int is_of_array = 0; fd < 0 && is_of_array < 2; is_of_array++) {
        path_print(worker, ref, is_of_array, stream, ending, path);
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    }
    if (fd >= 0 && fstat(fd, ret_about) != 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}
