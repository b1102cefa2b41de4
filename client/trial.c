/* The trial socket's other end: JSON lines over a Unix stream socket, reports pipelined below the milestone.
 *
 * The library counts the answers that it is owed. Below the milestone a report is written and answers are taken as they
 * come; anything that needs its own answer first takes all that is owed. After ten seconds without a byte it stops
 * waiting, remembers how many answers are owed, and skips them when they come. */
#include "muster.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "json.h"

enum { LINE_MAX_BYTES = 64 << 10, SILENT_MS = 10000, WINDOW = 64, PARAMS_MAX = 512, TEXT_MAX = 4096 };

struct param {
    char *name;
    char *text;
    bool is_number;
    double number;
};

struct muster_trial {
    pthread_mutex_t lock;
    int fd; /* -1: runs by itself, or the connection is gone */
    bool is_alone;
    unsigned owed;    /* answers to reports that were written and not waited for */
    unsigned skipped; /* answers that nobody waits for any more */
    char *line;       /* the last answer, NUL terminated */
    char *input;
    size_t input_bytes;
    struct param params[PARAMS_MAX];
    size_t n_params;
    char id[64];
    char restore[TEXT_MAX];
    bool has_restore;
    int64_t step;
    int64_t milestone; /* INT64_MAX: none */
    int64_t save_at;
    int acts; /* of answers taken below the milestone, until a report returns them */
    uint64_t seed;
    bool keeps_end;
    char save_dir[TEXT_MAX];
    int64_t save_step;
    char error[512];
};

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

__attribute__((format(printf, 3, 4))) static int trial_error(muster_trial *t, int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(t->error, sizeof t->error, format, args);
    va_end(args);
    return code;
}

static void connection_drop(muster_trial *t, const char *why)
{
    if (t->fd >= 0) {
        close(t->fd);
        t->fd = -1;
        trial_error(t, 0, "muster is gone: %s; training goes on", why);
    }
    t->owed = t->skipped = 0;
}

/* ---- lines ---- */

static bool line_write(muster_trial *t, const char *text, size_t n)
{
    int64_t deadline = now_ms() + SILENT_MS;
    while (n > 0) {
        ssize_t done = send(t->fd, text, n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (done > 0) {
            text += done;
            n -= (size_t)done;
            continue;
        }
        if (done < 0 && errno != EAGAIN && errno != EINTR) {
            connection_drop(t, strerror(errno));
            return false;
        }
        struct pollfd poll_fd = {.fd = t->fd, .events = POLLOUT};
        if (now_ms() >= deadline) {
            connection_drop(t, "it does not read");
            return false;
        }
        poll(&poll_fd, 1, 100);
    }
    return true;
}

/* Reads what is there; waits up to timeout_ms for the first byte. 1: something came, 0: nothing, -1: gone. */
static int input_fill(muster_trial *t, int timeout_ms)
{
    if (t->input_bytes == LINE_MAX_BYTES) {
        connection_drop(t, "a line longer than 64 KiB");
        return -1;
    }
    if (timeout_ms > 0) {
        struct pollfd poll_fd = {.fd = t->fd, .events = POLLIN};
        int ready = poll(&poll_fd, 1, timeout_ms);
        if (ready <= 0) {
            return 0;
        }
    }
    ssize_t n = recv(t->fd, t->input + t->input_bytes, LINE_MAX_BYTES - t->input_bytes, MSG_DONTWAIT);
    if (n > 0) {
        t->input_bytes += (size_t)n;
        return 1;
    }
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return 0;
    }
    connection_drop(t, n == 0 ? "it closed the socket" : strerror(errno));
    return -1;
}

/* Takes one line out of the input; false if none is complete. An empty line only says that muster lives. */
static bool input_line(muster_trial *t)
{
    for (;;) {
        char *end = memchr(t->input, '\n', t->input_bytes);
        if (end == NULL) {
            return false;
        }
        size_t n = (size_t)(end - t->input);
        memcpy(t->line, t->input, n);
        t->line[n] = '\0';
        t->input_bytes -= n + 1;
        memmove(t->input, end + 1, t->input_bytes);
        if (n == 0) {
            continue;
        }
        if (t->skipped > 0) {
            t->skipped--;
            continue;
        }
        return true;
    }
}

static struct json_span answer(const muster_trial *t)
{
    return (struct json_span){t->line, t->line + strlen(t->line)};
}

static void answer_refused(muster_trial *t)
{
    char code[64], text[400];
    json_text(json_find(answer(t), "error"), code, sizeof code);
    json_text(json_find(answer(t), "text"), text, sizeof text);
    trial_error(t, 0, "%s%s%s", code, text[0] != '\0' ? ": " : "", text);
}

static bool answer_is_ok(muster_trial *t)
{
    double ok = 0;
    if (json_number(json_find(answer(t), "ok"), &ok) && ok == 1) {
        return true;
    }
    answer_refused(t);
    return false;
}

static void milestone_take(muster_trial *t)
{
    double number;
    struct json_span milestone = json_find(answer(t), "milestone");
    if (milestone.begin != NULL) {
        t->milestone = json_number(milestone, &number) ? (int64_t)number : INT64_MAX;
    }
    struct json_span save = json_find(answer(t), "save");
    if (save.begin != NULL) {
        t->save_at = json_number(save, &number) ? (int64_t)number : -1;
    }
}

/* The answer to a report: its act bits. */
static int report_answer(muster_trial *t)
{
    double act = 0;
    if (!answer_is_ok(t)) {
        return MUSTER_ERR_REFUSED;
    }
    json_number(json_find(answer(t), "act"), &act);
    milestone_take(t);
    return (int)act;
}

/* Waits for one answer; false after ten silent seconds (it is owed from then on) or when muster is gone. */
static bool answer_wait(muster_trial *t)
{
    int64_t deadline = now_ms() + SILENT_MS;
    while (!input_line(t)) {
        int64_t left = deadline - now_ms();
        int got = left > 0 ? input_fill(t, (int)left) : 0;
        if (got < 0) {
            return false;
        }
        if (got > 0) {
            deadline = now_ms() + SILENT_MS;
        } else if (now_ms() >= deadline) {
            t->skipped += t->owed + 1;
            t->owed = 0;
            trial_error(t, 0, "muster said nothing for ten seconds; training goes on");
            return false;
        }
    }
    return true;
}

/* Takes the answers of pipelined reports: those that are there, or all until at most `left` are owed. */
static void owed_take(muster_trial *t, unsigned left)
{
    while (t->fd >= 0 && t->owed > 0) {
        bool has_line;
        if (t->owed > left) {
            has_line = answer_wait(t);
        } else {
            has_line = input_line(t) || (input_fill(t, 0) > 0 && input_line(t));
        }
        if (!has_line) {
            return;
        }
        t->owed--;
        int acts = report_answer(t);
        t->acts |= acts > 0 ? acts : 0;
    }
}

/* One line out, its own answer in t->line; false: none came. */
static bool exchange(muster_trial *t, const char *text, size_t n)
{
    owed_take(t, 0);
    return t->fd >= 0 && line_write(t, text, n) && answer_wait(t);
}

/* ---- opening ---- */

static void params_clear(muster_trial *t)
{
    for (size_t i = 0; i < t->n_params; i++) {
        free(t->params[i].name);
        free(t->params[i].text);
    }
    t->n_params = 0;
}

static void params_take(muster_trial *t, struct json_span object)
{
    struct json_span key, value;
    const char *at = object.begin;
    char name[256], text[TEXT_MAX];
    params_clear(t);
    while (at != NULL && t->n_params < PARAMS_MAX && json_next(object, &at, &key, &value)) {
        struct param *param = &t->params[t->n_params];
        bool has_text = json_text(value, text, sizeof text);
        json_text(key, name, sizeof name);
        param->name = strdup(name);
        param->text = strdup(has_text ? text : "");
        param->is_number = json_number(value, &param->number);
        if (value.begin[0] == 't' || value.begin[0] == 'f') {
            param->is_number = true;
            param->number = value.begin[0] == 't';
        }
        if (param->name == NULL || param->text == NULL) {
            free(param->name);
            free(param->text);
            return;
        }
        t->n_params++;
    }
}

static void start_take(muster_trial *t)
{
    double number;
    params_take(t, json_find(answer(t), "params"));
    t->has_restore = json_text(json_find(answer(t), "restore"), t->restore, sizeof t->restore);
    t->step = json_number(json_find(answer(t), "step"), &number) ? (int64_t)number : 0;
    milestone_take(t);
}

static int socket_open(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        return -1;
    }
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

muster_trial *muster_open(unsigned can)
{
    muster_trial *t = calloc(1, sizeof *t);
    char *line = malloc(LINE_MAX_BYTES + 1), *input = malloc(LINE_MAX_BYTES + 1);
    const char *path = getenv("MUSTER_SOCKET"), *seed = getenv("MUSTER_SEED"), *keeps = getenv("MUSTER_CHECKPOINTS");
    if (t == NULL || line == NULL || input == NULL) {
        free(t);
        free(line);
        free(input);
        return NULL;
    }
    pthread_mutex_init(&t->lock, NULL);
    t->line = line;
    t->input = input;
    t->milestone = INT64_MAX;
    t->save_at = -1;
    t->seed = seed != NULL ? strtoull(seed, NULL, 10) : 0;
    t->keeps_end = keeps != NULL && strstr(keeps, "end") != NULL;
    t->is_alone = path == NULL || path[0] == '\0';
    t->fd = t->is_alone ? -1 : socket_open(path);
    if (t->fd < 0) {
        if (!t->is_alone) {
            trial_error(t, 0, "%s cannot be opened: %s; training goes on", path, strerror(errno));
        }
        return t;
    }
    char hello[128];
    int n = snprintf(hello, sizeof hello, "{\"hello\":1,\"can\":[%s%s%s%s%s]}\n", can & MUSTER_CAN_CHECKPOINT ? "\"checkpoint\"" : "",
                     (can & MUSTER_CAN_CHECKPOINT) != 0 && can > MUSTER_CAN_CHECKPOINT ? "," : "", can & MUSTER_CAN_PAUSE ? "\"pause\"" : "",
                     (can & MUSTER_CAN_PAUSE) != 0 && (can & MUSTER_CAN_EXPLOIT) != 0 ? "," : "",
                     can & MUSTER_CAN_EXPLOIT ? "\"exploit\"" : "");
    if (exchange(t, hello, (size_t)n) && answer_is_ok(t)) {
        double number;
        start_take(t);
        json_text(json_find(answer(t), "trial"), t->id, sizeof t->id);
        t->acts = report_answer(t);
        if (json_number(json_find(answer(t), "seed"), &number)) {
            t->seed = (uint64_t)number;
        }
    }
    return t;
}

void muster_close(muster_trial *t, int outcome, const char *note)
{
    static const char *const words[] = {"done", "paused", "invalid", "error"};
    if (t == NULL) {
        return;
    }
    pthread_mutex_lock(&t->lock);
    if (t->fd >= 0) {
        char line[2048], safe[1024];
        size_t n = 0;
        for (const char *c = note != NULL ? note : ""; *c != '\0' && n + 2 < sizeof safe; c++) {
            safe[n++] = (unsigned char)*c < 0x20 || *c == '"' || *c == '\\' ? ' ' : *c;
        }
        safe[n] = '\0';
        int length = snprintf(line, sizeof line, "{\"bye\":\"%s\",\"note\":\"%s\"}\n", words[outcome >= 0 && outcome <= 3 ? outcome : 3], safe);
        if (length > 0 && exchange(t, line, (size_t)length)) {
            answer_is_ok(t);
        }
    }
    if (t->fd >= 0) {
        close(t->fd);
    }
    params_clear(t);
    pthread_mutex_unlock(&t->lock);
    pthread_mutex_destroy(&t->lock);
    free(t->line);
    free(t->input);
    free(t);
}

/* ---- parameters ---- */

/* By itself: MUSTER_P_<name>, with characters outside [A-Za-z0-9_] as _. */
static const struct param *param_alone(muster_trial *t, const char *name)
{
    char variable[256] = "MUSTER_P_";
    size_t n = strlen(variable);
    for (const char *c = name; *c != '\0' && n + 1 < sizeof variable; c++) {
        bool is_plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9');
        variable[n++] = is_plain ? *c : '_';
    }
    variable[n] = '\0';
    const char *text = getenv(variable);
    if (text == NULL || t->n_params == PARAMS_MAX) {
        return NULL;
    }
    struct param *param = &t->params[t->n_params];
    char *end = NULL;
    *param = (struct param){.name = strdup(name), .text = strdup(text), .number = strtod(text, &end)};
    param->is_number = end != text && *end == '\0';
    if (param->name == NULL || param->text == NULL) {
        free(param->name);
        free(param->text);
        return NULL;
    }
    t->n_params++;
    return param;
}

static const struct param *param_find(muster_trial *t, const char *name)
{
    for (size_t i = 0; i < t->n_params; i++) {
        if (strcmp(t->params[i].name, name) == 0) {
            return &t->params[i];
        }
    }
    const struct param *param = param_alone(t, name);
    if (param == NULL) {
        trial_error(t, 0, "there is no parameter '%s'", name);
    }
    return param;
}

int muster_f64(muster_trial *t, const char *name, double *ret_value)
{
    pthread_mutex_lock(&t->lock);
    const struct param *param = param_find(t, name);
    int code = param == NULL ? MUSTER_ERR_NAME : param->is_number ? 0 : MUSTER_ERR_TYPE;
    if (code == 0) {
        *ret_value = param->number;
    } else if (code == MUSTER_ERR_TYPE) {
        trial_error(t, 0, "parameter '%s' is '%s', not a number", name, param->text);
    }
    pthread_mutex_unlock(&t->lock);
    return code;
}

int muster_i64(muster_trial *t, const char *name, int64_t *ret_value)
{
    double number = 0;
    int code = muster_f64(t, name, &number);
    if (code != 0) {
        return code;
    }
    if (floor(number) != number || fabs(number) > 9e15) {
        return trial_error(t, MUSTER_ERR_TYPE, "parameter '%s' is no whole number", name);
    }
    *ret_value = (int64_t)number;
    return 0;
}

const char *muster_str(muster_trial *t, const char *name)
{
    pthread_mutex_lock(&t->lock);
    const struct param *param = param_find(t, name);
    pthread_mutex_unlock(&t->lock);
    return param != NULL ? param->text : NULL;
}

const char *muster_id(muster_trial *t)
{
    return t->id;
}

uint64_t muster_seed(muster_trial *t)
{
    return t->seed;
}

const char *muster_restore(muster_trial *t)
{
    return t->has_restore ? t->restore : NULL;
}

int64_t muster_step(muster_trial *t)
{
    return t->step;
}

const char *muster_error(muster_trial *t)
{
    return t->error;
}

/* ---- reports ---- */

static size_t report_print(char *line, size_t size, int64_t step, size_t n, const char *const names[], const double values[])
{
    int used = snprintf(line, size, "{\"report\":{\"step\":%lld,\"m\":{", (long long)step);
    for (size_t i = 0; i < n && used >= 0 && (size_t)used < size; i++) {
        const char *comma = i > 0 ? "," : "";
        size_t left = size - (size_t)used;
        int more;
        if (isfinite(values[i])) {
            more = snprintf(line + used, left, "%s\"%s\":%.17g", comma, names[i], values[i]);
        } else {
            more = snprintf(line + used, left, "%s\"%s\":\"%s\"", comma, names[i],
                            isnan(values[i]) ? "nan" : values[i] > 0 ? "inf" : "-inf");
        }
        used = more < 0 ? -1 : used + more;
    }
    if (used < 0 || (size_t)used + 4 >= size) {
        return 0;
    }
    memcpy(line + used, "}}}\n", 5);
    return (size_t)used + 4;
}

static bool names_are_plain(size_t n, const char *const names[])
{
    for (size_t i = 0; i < n; i++) {
        for (const char *c = names[i]; *c != '\0'; c++) {
            if ((unsigned char)*c < 0x20 || *c == '"' || *c == '\\') {
                return false;
            }
        }
    }
    return true;
}

static int report_alone(int64_t step, size_t n, const char *const names[], const double values[])
{
    fprintf(stderr, "step=%lld", (long long)step);
    for (size_t i = 0; i < n; i++) {
        fprintf(stderr, " %s=%.6g", names[i], values[i]);
    }
    fputc('\n', stderr);
    return 0;
}

int muster_report(muster_trial *t, int64_t step, size_t n, const char *const names[], const double values[])
{
    char line[LINE_MAX_BYTES];
    if (t->is_alone) {
        return report_alone(step, n, names, values);
    }
    pthread_mutex_lock(&t->lock);
    size_t length = names_are_plain(n, names) ? report_print(line, sizeof line, step, n, names, values) : 0;
    int acts = 0;
    if (length == 0) {
        acts = trial_error(t, MUSTER_ERR_REFUSED, "a report with a bad metric name, or longer than 64 KiB");
    } else if (t->fd >= 0) {
        owed_take(t, step >= t->milestone ? 0 : WINDOW - 1);
        if (t->fd >= 0 && line_write(t, line, length)) {
            if (step >= t->milestone) {
                acts = answer_wait(t) ? report_answer(t) : 0;
            } else {
                t->owed++;
                owed_take(t, WINDOW - 1);
            }
        }
        if (acts >= 0) {
            acts |= t->acts;
            t->acts = 0;
        }
    }
    t->step = step;
    pthread_mutex_unlock(&t->lock);
    return acts;
}

/* ---- snapshots ---- */

int64_t muster_save_at(muster_trial *t)
{
    return t->save_at;
}

int muster_save_due(muster_trial *t, int64_t step, int is_last)
{
    return t->fd >= 0 && (t->save_at == step || (is_last && t->keeps_end));
}

const char *muster_save_begin(muster_trial *t, int64_t step)
{
    char line[96];
    bool has_folder = false;
    pthread_mutex_lock(&t->lock);
    int n = snprintf(line, sizeof line, "{\"save\":{\"step\":%lld}}\n", (long long)step);
    if (t->fd < 0) {
        trial_error(t, 0, "there is no muster to save to");
    } else if (exchange(t, line, (size_t)n) && answer_is_ok(t)) {
        has_folder = json_text(json_find(answer(t), "dir"), t->save_dir, sizeof t->save_dir);
        t->save_step = step;
    }
    pthread_mutex_unlock(&t->lock);
    return has_folder ? t->save_dir : NULL;
}

int muster_save_commit(muster_trial *t)
{
    char line[96];
    int code = MUSTER_ERR_SILENT;
    pthread_mutex_lock(&t->lock);
    int n = snprintf(line, sizeof line, "{\"commit\":{\"step\":%lld}}\n", (long long)t->save_step);
    if (t->fd >= 0 && exchange(t, line, (size_t)n)) {
        code = answer_is_ok(t) ? 0 : MUSTER_ERR_REFUSED;
    }
    pthread_mutex_unlock(&t->lock);
    return code;
}

int muster_exploit(muster_trial *t)
{
    static const char line[] = "{\"exploit\":1}\n";
    int code = MUSTER_ERR_SILENT;
    pthread_mutex_lock(&t->lock);
    if (t->fd >= 0 && exchange(t, line, sizeof line - 1)) {
        code = answer_is_ok(t) ? 0 : MUSTER_ERR_REFUSED;
        if (code == 0) {
            start_take(t);
        }
    }
    pthread_mutex_unlock(&t->lock);
    return code;
}
