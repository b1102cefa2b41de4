/* base/error.h -- the one list of error codes, and the report that carries an error's text to
 * people. Pure; any thread. */
#ifndef MUSTER_BASE_ERROR_H
#define MUSTER_BASE_ERROR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(text, first) __attribute__((format(printf, text, first)))

/* name, value, word (stable, seen in JSON and logs), retryable: the same call may succeed later */
#define ERROR_CODES(X)                                                                             \
    X(ERR_NO_MEMORY, -1, "no_memory", true)                                                        \
    X(ERR_LIMIT, -2, "limit", false)             /* larger, longer or deeper than allowed */       \
    X(ERR_FORMAT, -3, "format", false)           /* bytes that do not decode */                    \
    X(ERR_INVALID, -4, "invalid", false)         /* well formed, but not allowed */                \
    X(ERR_UNSUPPORTED, -5, "unsupported", false) /* a feature this version does not have */        \
    X(ERR_NEWER, -6, "newer", false)             /* written by a newer release */                  \
    X(ERR_NOT_FOUND, -7, "not_found", false)                                                       \
    X(ERR_EXISTS, -8, "exists", false)                                                             \
    X(ERR_CONFLICT, -9, "conflict", false) /* same key, other content; wrong state */              \
    X(ERR_NOT_ALLOWED, -10, "not_allowed", false)                                                  \
    X(ERR_BUSY, -11, "busy", true)   /* someone else holds it now */                               \
    X(ERR_AGAIN, -12, "again", true) /* nothing there yet; would block */                          \
    X(ERR_TIMEOUT, -13, "timeout", true)                                                           \
    X(ERR_UNREACHABLE, -14, "unreachable", true)                                                   \
    X(ERR_CLOSED, -15, "closed", true) /* the other side went away */                              \
    X(ERR_NO_SPACE, -16, "no_space", true)                                                         \
    X(ERR_IO, -17, "io", false)                                                                    \
    X(ERR_SYSTEM, -18, "system", false)     /* any other refusal of the operating system */        \
    X(ERR_PROTOCOL, -19, "protocol", false) /* a peer broke the protocol */                        \
    X(ERR_FENCED, -20, "fenced", false)     /* another head holds the store */                     \
    X(ERR_UNSATISFIABLE, -21, "unsatisfiable", false) /* nothing can ever run it */                \
    X(ERR_STALE, -22, "stale", false)                 /* an older attempt, epoch or count */

typedef enum {
    OK = 0,
#define X(name, value, word, retryable) name = (value),
    ERROR_CODES(X)
#undef X
} error_code;

/* The stable word of a code: "no_memory"; "ok" for OK, "unknown" for a number that is no code. */
const char *error_word(error_code code);
bool error_is_retryable(error_code code);
/* The one place where errno becomes our code. */
error_code error_from_errno(int number);

/* Says in the source why an error may be dropped. */
#define ignore_error(call, why) ((void)((call) == OK), (void)(why))

enum { REPORT_TEXT_MAX = 1024, REPORT_FILE_MAX = 256 };

/* What went wrong, for people. Passed down by whoever will show it; NULL is allowed everywhere. */
struct report {
    error_code code;
    uint32_t line;   /* 1-based; 0: no place in a file */
    uint32_t column; /* 1-based */
    char file[REPORT_FILE_MAX];
    char text[REPORT_TEXT_MAX];
};

/* Both write code and text (cut at the limit) and give `code`, so that `return report_fail(...)`
 * reads well. The code is given by the macro, not by a function, so that compiler and analyzer see
 * that it is not OK. */
#define report_fail(report, code, ...)                                                             \
    ({                                                                                             \
        error_code report_code_ = (code);                                                          \
        report_set((report), report_code_, 0, 0, __VA_ARGS__);                                     \
        report_code_;                                                                              \
    })
#define report_fail_at(report, code, line, column, ...)                                            \
    ({                                                                                             \
        error_code report_code_ = (code);                                                          \
        report_set((report), report_code_, (line), (column), __VA_ARGS__);                         \
        report_code_;                                                                              \
    })
void report_set(struct report *report, error_code code, uint32_t line, uint32_t column,
                const char *format, ...) PRINTF_LIKE(5, 6);
/* Appends to the text, e.g. "; did you mean 'lr'?". */
void report_add(struct report *report, const char *format, ...) PRINTF_LIKE(2, 3);
/* "text at file:line:column" into ret_text (as far as known). */
void report_print(const struct report *report, char *ret_text, uint32_t size_bytes);

#endif
