/* head/shell/audit.h -- logs/audit.log: who changed what, and who was refused. Inside head/shell;
 * the loop's thread.
 *
 * One JSON object a line: {"time","user","role","peer","method","path","status"} and, where there
 * are some, "id" (of what was made), "key" (idempotency key), "refused" (why). Status 0: the client
 * left before its answer; what it asked for was done all the same. A line is in the page cache
 * before its answer leaves; a crash of the machine may take the last ones. Refusals are limited to
 * AUDIT_REFUSALS_MAX a minute; the next one that is written says in "unwritten" how many were not.
 * Past AUDIT_FILE_MAX_BYTES the file becomes <path>.1, that one .2, up to .AUDIT_FILES_KEPT. */
#ifndef MUSTER_HEAD_SHELL_AUDIT_H
#define MUSTER_HEAD_SHELL_AUDIT_H

#include "base/error.h"
#include "base/id.h"
#include "head/shell/http.h"

struct audit;

enum {
    AUDIT_FILE_MAX_BYTES = 8 << 20,
    AUDIT_FILES_KEPT = 4,
    AUDIT_REFUSALS_MAX = 60,
    AUDIT_LINE_MAX_BYTES = 8 << 10,
};

/* The file is appended to. `path` is copied. */
MUST_CHECK error_code audit_open(const char *path, struct audit **ret_audit, struct report *report);
void audit_close(struct audit *audit); /* NULL is fine */
/* A line that cannot be written is counted, said in the daemon's log, and stops nothing. */
void audit_write(struct audit *audit, time_ms now, const struct http_told *told);

#endif
