#include "head/shell/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json_out.h"
#include "base/mem.h"
#include "sys/log.h"

enum {
    AUDIT_PATH_BYTES = 4200,
    AUDIT_TEXT_MAX = 1024, /* of a path or a key */
    AUDIT_BODY_MAX = 4 << 10,
    MINUTE_MS = 60000,
};

struct audit {
    char path[AUDIT_PATH_BYTES];
    int fd; /* -1: could not be opened, tried again with the next line */
    uint64_t size_bytes;
    time_ms minute; /* that refusals are counted in */
    uint32_t refusals;
    uint64_t unwritten;
};

static error_code audit_file_open(struct audit *audit, struct report *report)
{
    struct stat about;
    audit->fd = open(audit->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (audit->fd < 0 || fstat(audit->fd, &about) != 0) {
        return report_fail(report, error_from_errno(errno), "%s: %s", audit->path, strerror(errno));
    }
    audit->size_bytes = (uint64_t)about.st_size;
    return OK;
}

error_code audit_open(const char *path, struct audit **ret_audit, struct report *report)
{
    struct audit *audit = mem_zalloc(sizeof *audit);
    if (audit == NULL) {
        return report_fail(report, ERR_NO_MEMORY, "out of memory");
    }
    snprintf(audit->path, sizeof audit->path, "%s", path);
    error_code error = audit_file_open(audit, report);
    if (error != OK) {
        audit_close(audit);
        return error;
    }
    *ret_audit = audit;
    return OK;
}

void audit_close(struct audit *audit)
{
    if (audit != NULL) {
        if (audit->fd >= 0) {
            close(audit->fd);
        }
        mem_free(audit);
    }
}

static void audit_rotate(struct audit *audit)
{
    char from[AUDIT_PATH_BYTES + 16], to[AUDIT_PATH_BYTES + 16];
    close(audit->fd);
    for (int i = AUDIT_FILES_KEPT; i > 0; i--) {
        snprintf(to, sizeof to, "%s.%d", audit->path, i);
        snprintf(from, sizeof from, i > 1 ? "%s.%d" : "%s", audit->path, i - 1);
        (void)rename(from, to); /* the first ones are not there yet */
    }
    ignore_error(audit_file_open(audit, NULL), "tried again with the next line");
}

/* The number of what a POST made, from its answer. */
static void id_print(struct json_out *json, struct bytes body)
{
    if (body.len == 0 || body.len > AUDIT_BODY_MAX) {
        return;
    }
    json_t *object = json_loadb((const char *)body.data, body.len, 0, NULL);
    const json_t *id = json_object_get(object, "id");
    if (json_is_integer(id)) {
        json_u64(json, "id", (uint64_t)json_integer_value(id));
    } else if (json_is_string(id)) {
        json_str(json, "id", json_string_value(id));
    }
    json_decref(object);
}

/* Bytes of a client's choice: bounded; control characters are escaped by the writer. */
static void text_print(struct json_out *json, const char *name, const char *text)
{
    if (text != NULL) {
        json_strn(json, name, text, strnlen(text, AUDIT_TEXT_MAX));
    }
}

static void line_print(struct buf *line, time_ms now, const struct http_told *told,
                       uint64_t unwritten)
{
    struct json_out json = json_out_to(line);
    json_object_begin(&json, NULL);
    json_time(&json, "time", now);
    json_str(&json, "user", told->identity != NULL ? told->identity->name : NULL);
    json_str(&json, "role", told->identity != NULL ? user_role_names[told->identity->role] : NULL);
    json_str(&json, "peer", told->peer);
    json_str(&json, "method", told->method);
    text_print(&json, "path", told->path);
    json_u64(&json, "status", told->status);
    text_print(&json, "key", told->idempotency_key);
    if (told->status / 100 == 2) {
        id_print(&json, told->body);
    }
    if (told->refusal != HTTP_REFUSALS_COUNT) {
        json_str(&json, "refused", told->refusal_text);
    }
    if (unwritten > 0) {
        json_u64(&json, "unwritten", unwritten);
    }
    json_object_end(&json);
    ignore_error(buf_append_byte(line, '\n'), "sticky");
}

/* Strangers may not fill the disk, nor push out what users did. */
static bool refusal_is_written(struct audit *audit, time_ms now)
{
    if (now - audit->minute >= MINUTE_MS || now < audit->minute) {
        audit->minute = now;
        audit->refusals = 0;
    }
    if (audit->refusals < AUDIT_REFUSALS_MAX) {
        audit->refusals++;
        return true;
    }
    audit->unwritten++;
    return false;
}

void audit_write(struct audit *audit, time_ms now, const struct http_told *told)
{
    bool is_refusal = told->refusal != HTTP_REFUSALS_COUNT;
    if (is_refusal && !refusal_is_written(audit, now)) {
        return;
    }
    struct buf line;
    buf_init(&line, AUDIT_LINE_MAX_BYTES);
    line_print(&line, now, told, is_refusal ? audit->unwritten : 0);
    audit->unwritten = is_refusal ? 0 : audit->unwritten;
    if (audit->fd < 0) {
        ignore_error(audit_file_open(audit, NULL), "said below");
    } else if (audit->size_bytes + line.len > AUDIT_FILE_MAX_BYTES) {
        audit_rotate(audit);
    }
    ssize_t n = audit->fd < 0 || line.failed != OK ? -1 : write(audit->fd, line.data, line.len);
    if (n != (ssize_t)line.len) {
        log_once("audit", LOG_LEVEL_ERROR, "%s cannot be written (%s): acts are not recorded",
                 audit->path, strerror(errno));
    }
    audit->size_bytes += n > 0 ? (uint64_t)n : 0;
    buf_fini(&line);
}
