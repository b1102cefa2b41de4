#include "sys/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/id.h"
#include "sys/clock.h"

enum { LOG_KEY_MAX_BYTES = 48, LOG_PATH_MAX_BYTES = 4096 };

struct log_key {
    char key[LOG_KEY_MAX_BYTES];
    time_ms written;
    uint64_t left_out;
};

static struct {
    pthread_mutex_t lock;
    int fd;      /* 0: stderr */
    bool is_tee; /* and to stderr */
    log_level level;
    uint64_t size_bytes;
    char path[LOG_PATH_MAX_BYTES];
    struct log_key keys[LOG_KEYS_MAX];
    uint32_t n_keys;
} log_state = {.lock = PTHREAD_MUTEX_INITIALIZER, .level = LOG_LEVEL_INFO};

static const char *const level_words[] = {"debug", "info", "warning", "error"};

/* ---- the file ---- */

static int log_file_open(const char *path, uint64_t *ret_size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600);
    struct stat about;
    if (fd >= 0) {
        *ret_size = fstat(fd, &about) == 0 ? (uint64_t)about.st_size : 0;
    }
    return fd;
}

error_code log_open(const char *path, struct report *report)
{
    if (strlen(path) >= LOG_PATH_MAX_BYTES) {
        return report_fail(report, ERR_LIMIT, "the path of the log file is too long");
    }
    uint64_t size_bytes;
    int fd = log_file_open(path, &size_bytes);
    if (fd < 0) {
        return report_fail(report, error_from_errno(errno), "cannot open the log file %s: %s", path,
                           strerror(errno));
    }
    pthread_mutex_lock(&log_state.lock);
    if (log_state.fd > 0) {
        close(log_state.fd);
    }
    log_state.fd = fd;
    log_state.size_bytes = size_bytes;
    memcpy(log_state.path, path, strlen(path) + 1);
    pthread_mutex_unlock(&log_state.lock);
    return OK;
}

void log_close(void)
{
    pthread_mutex_lock(&log_state.lock);
    if (log_state.fd > 0) {
        close(log_state.fd);
    }
    log_state.fd = 0;
    log_state.n_keys = 0;
    pthread_mutex_unlock(&log_state.lock);
}

void log_tee_set(bool is_on)
{
    pthread_mutex_lock(&log_state.lock);
    log_state.is_tee = is_on;
    pthread_mutex_unlock(&log_state.lock);
}

void log_level_set(log_level level)
{
    pthread_mutex_lock(&log_state.lock);
    log_state.level = level;
    pthread_mutex_unlock(&log_state.lock);
}

/* The old file stays in use if the new one cannot be had. */
static void log_rotate(void)
{
    char old[LOG_PATH_MAX_BYTES + 4];
    ignore_error(snprintf(old, sizeof old, "%s.1", log_state.path) < 0, "it fits");
    if (rename(log_state.path, old) != 0) {
        return;
    }
    uint64_t size_bytes;
    int fd = log_file_open(log_state.path, &size_bytes);
    if (fd >= 0) {
        close(log_state.fd);
        log_state.fd = fd;
        log_state.size_bytes = size_bytes;
    }
}

/* ---- lines ---- */

static void log_line(log_level level, const char *text, uint64_t left_out)
{
    char time[32], line[LOG_LINE_MAX_BYTES];
    int n = snprintf(line, sizeof line - 1, "%s %s %s", time_print(clock_now(), time),
                     level_words[level], text);
    size_t length = n < 0 ? 0 : (size_t)n;
    if (length > sizeof line - 2) {
        length = sizeof line - 2;
    }
    if (left_out > 0) {
        char more[48];
        int m = snprintf(more, sizeof more, " (%llu more like it)", (unsigned long long)left_out);
        size_t room = sizeof line - 2;
        length = length + (size_t)m > room ? room - (size_t)m : length;
        memcpy(line + length, more, (size_t)m);
        length += (size_t)m;
    }
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)line[i];
        line[i] = c < 0x20 || c == 0x7f ? ' ' : line[i];
    }
    line[length++] = '\n';
    bool is_file = log_state.fd > 0;
    if (is_file && log_state.size_bytes + length > LOG_FILE_MAX_BYTES) {
        log_rotate();
    }
    if (is_file && log_state.is_tee) {
        ssize_t told = write(STDERR_FILENO, line, length);
        (void)told; /* the file has it */
    }
    if (write(is_file ? log_state.fd : STDERR_FILENO, line, length) > 0 && is_file) {
        log_state.size_bytes += length;
    }
}

void log_write(log_level level, const char *format, ...)
{
    char text[LOG_LINE_MAX_BYTES];
    va_list args;
    va_start(args, format);
    ignore_error(vsnprintf(text, sizeof text, format, args) < 0, "an empty line is as good");
    va_end(args);
    pthread_mutex_lock(&log_state.lock);
    if (level >= log_state.level) {
        log_line(level, text, 0);
    }
    pthread_mutex_unlock(&log_state.lock);
}

static struct log_key *log_key_find(const char *key)
{
    for (uint32_t i = 0; i < log_state.n_keys; i++) {
        if (strncmp(log_state.keys[i].key, key, LOG_KEY_MAX_BYTES - 1) == 0) {
            return &log_state.keys[i];
        }
    }
    if (log_state.n_keys == LOG_KEYS_MAX) {
        return &log_state.keys[LOG_KEYS_MAX - 1];
    }
    struct log_key *made = &log_state.keys[log_state.n_keys++];
    *made = (struct log_key){.written = INT64_MIN};
    ignore_error(snprintf(made->key, sizeof made->key, "%s", key) < 0, "cut is fine");
    return made;
}

void log_once(const char *key, log_level level, const char *format, ...)
{
    char text[LOG_LINE_MAX_BYTES];
    va_list args;
    va_start(args, format);
    ignore_error(vsnprintf(text, sizeof text, format, args) < 0, "an empty line is as good");
    va_end(args);
    pthread_mutex_lock(&log_state.lock);
    if (level >= log_state.level) {
        struct log_key *known = log_key_find(key);
        time_ms now = clock_now();
        if (known->written == INT64_MIN || now - known->written >= LOG_ONCE_MS) {
            log_line(level, text, known->left_out);
            known->written = now;
            known->left_out = 0;
        } else {
            known->left_out++;
        }
    }
    pthread_mutex_unlock(&log_state.lock);
}
