/* sys/log.h -- a daemon's own log: one line an event, with level and RFC 3339 time. Any thread.
 * Only daemons and the command write here; library code tells its caller instead. The file is
 * bounded: past LOG_FILE_MAX_BYTES it becomes <path>.1 and a new one begins. A log that cannot be
 * written (full disk) never stops its writer: lines are lost. */
#ifndef MUSTER_SYS_LOG_H
#define MUSTER_SYS_LOG_H

#include "base/error.h"

typedef enum { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARNING, LOG_LEVEL_ERROR } log_level;

enum {
    LOG_LINE_MAX_BYTES = 2048, /* longer ones are cut */
    LOG_FILE_MAX_BYTES = 8 << 20,
    LOG_KEYS_MAX = 512,
    LOG_ONCE_MS = 3600 * 1000,
};

/* Lines go to `path` (appended). Before it, and after log_close(), they go to stderr. Fails with
 * the file's error; what was in use stays in use then. */
MUST_CHECK error_code log_open(const char *path, struct report *report);
void log_close(void);
/* Lines go to stderr as well as to the file: a daemon in the foreground. */
void log_tee_set(bool is_on);
/* Below it nothing is written; LOG_LEVEL_INFO at first. */
void log_level_set(log_level level);

/* Line breaks and control characters in the text become spaces. */
void log_write(log_level level, const char *format, ...) PRINTF_LIKE(2, 3);
/* The first line of a key is written; what follows within LOG_ONCE_MS is counted only, and the
 * count is told with the next line of that key. `key` is copied; of LOG_KEYS_MAX keys the rest
 * shares one. */
void log_once(const char *key, log_level level, const char *format, ...) PRINTF_LIKE(3, 4);

#endif
