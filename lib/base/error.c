#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *word;
    error_code code;
    bool retryable;
} error_rows[] = {
#define X(name, value, word, retryable) {word, name, retryable},
    ERROR_CODES(X)
#undef X
};

const char *error_word(error_code code)
{
    if (code == OK) {
        return "ok";
    }
    for (size_t i = 0; i < sizeof error_rows / sizeof error_rows[0]; i++) {
        if (error_rows[i].code == code) {
            return error_rows[i].word;
        }
    }
    return "unknown";
}

bool error_is_retryable(error_code code)
{
    for (size_t i = 0; i < sizeof error_rows / sizeof error_rows[0]; i++) {
        if (error_rows[i].code == code) {
            return error_rows[i].retryable;
        }
    }
    return false;
}

static const struct {
    int number;
    error_code code;
} errno_rows[] = {
    {0, OK},
    {ENOMEM, ERR_NO_MEMORY},
    {ENOSPC, ERR_NO_SPACE},
    {EDQUOT, ERR_NO_SPACE},
    {ENOENT, ERR_NOT_FOUND},
    {ENOTDIR, ERR_NOT_FOUND},
    {ESRCH, ERR_NOT_FOUND},
    {EEXIST, ERR_EXISTS},
    {EACCES, ERR_NOT_ALLOWED},
    {EPERM, ERR_NOT_ALLOWED},
    {EAGAIN, ERR_AGAIN},
    {EINTR, ERR_AGAIN},
    {EBUSY, ERR_BUSY},
    {ETIMEDOUT, ERR_TIMEOUT},
    {ECONNREFUSED, ERR_UNREACHABLE},
    {EHOSTUNREACH, ERR_UNREACHABLE},
    {ENETUNREACH, ERR_UNREACHABLE},
    {EPIPE, ERR_CLOSED},
    {ECONNRESET, ERR_CLOSED},
    {EIO, ERR_IO},
    {EINVAL, ERR_INVALID},
    {ENAMETOOLONG, ERR_LIMIT},
    {EMSGSIZE, ERR_LIMIT},
    {E2BIG, ERR_LIMIT},
    {EFBIG, ERR_LIMIT},
};

error_code error_from_errno(int number)
{
    for (size_t i = 0; i < sizeof errno_rows / sizeof errno_rows[0]; i++) {
        if (errno_rows[i].number == number) {
            return errno_rows[i].code;
        }
    }
    return ERR_SYSTEM;
}

void report_set(struct report *report, error_code code, uint32_t line, uint32_t column,
                const char *format, ...)
{
    if (report == NULL) {
        return;
    }
    report->code = code;
    report->line = line;
    report->column = column;
    va_list args;
    va_start(args, format);
    if (vsnprintf(report->text, sizeof report->text, format, args) < 0) {
        report->text[0] = '\0';
    }
    va_end(args);
}

void report_add(struct report *report, const char *format, ...)
{
    if (report == NULL) {
        return;
    }
    size_t used = strnlen(report->text, sizeof report->text - 1);
    va_list args;
    va_start(args, format);
    if (vsnprintf(report->text + used, sizeof report->text - used, format, args) < 0) {
        report->text[used] = '\0';
    }
    va_end(args);
}

void report_print(const struct report *report, char *ret_text, uint32_t size_bytes)
{
    const char *file = report->file[0] != '\0' ? report->file : "input";
    /* The place stands with what was wrong, the advice behind it. */
    const char *advice = strstr(report->text, "; did you mean");
    int n;
    if (report->line > 0) {
        int before = advice != NULL ? (int)(advice - report->text) : (int)strlen(report->text);
        n = snprintf(ret_text, size_bytes, "%.*s at %s:%u:%u%s", before, report->text, file,
                     report->line, report->column, advice != NULL ? advice : "");
    } else {
        n = snprintf(ret_text, size_bytes, "%s", report->text);
    }
    if (n < 0 && size_bytes > 0) {
        ret_text[0] = '\0';
    }
}
