/* Reports and snapshots. A report below the milestone is pipelined: written, its answer taken when
 * it is there; of one rank of several it is waited for. Anything that needs its own answer first
 * takes all that is owed. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "trial.h"

enum { WINDOW = 64 };

/* ---- reports ---- */

static bool name_is_plain(const char *name)
{
    for (const char *c = name; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || *c == '"' || *c == '\\') {
            return false;
        }
    }
    return true;
}

/* 0: a bad name, or too long. */
static size_t report_print(char *line, size_t size, int64_t step, size_t n,
                           const char *const names[], const double values[])
{
    size_t used =
        (size_t)snprintf(line, size, "{\"report\":{\"step\":%lld,\"m\":{", (long long)step);
    for (size_t i = 0; i < n; i++) {
        char value[32];
        if (isfinite(values[i])) {
            snprintf(value, sizeof value, "%.17g", values[i]);
        } else {
            const char *word = isnan(values[i]) ? "nan" : values[i] > 0 ? "inf" : "-inf";
            snprintf(value, sizeof value, "\"%s\"", word);
        }
        if (!name_is_plain(names[i])) {
            return 0;
        }
        int more =
            snprintf(line + used, size - used, "%s\"%s\":%s", i > 0 ? "," : "", names[i], value);
        if (more < 0 || (size_t)more >= size - used) {
            return 0;
        }
        used += (size_t)more;
    }
    int end = snprintf(line + used, size - used, "}}}\n");
    return (size_t)end < size - used ? used + (size_t)end : 0;
}

static void report_alone(int64_t step, size_t n, const char *const names[], const double values[])
{
    flockfile(stderr);
    fprintf(stderr, "step=%lld", (long long)step);
    for (size_t i = 0; i < n; i++) {
        fprintf(stderr, " %s=%.6g", names[i], values[i]);
    }
    fputc('\n', stderr);
    funlockfile(stderr);
}

/* What this report returns of its own answer and of all answers taken before it. Bits to obey go
 * before an earlier report's refusal, which then waits for the next call. */
static int report_result(muster_trial *t, int64_t step, int own)
{
    if (own < 0) {
        return own;
    }
    int acts = own | t->acts;
    t->acts = 0;
    if (t->saved == step) {
        acts &= ~MUSTER_CHECKPOINT; /* these weights are kept already */
    }
    if (acts == 0 && t->is_refused) {
        t->is_refused = false;
        return MUSTER_ERR_REFUSED;
    }
    return acts;
}

static int report_send(muster_trial *t, int64_t step, const char *line, size_t n)
{
    trial_owed_take(t, WINDOW - 1);
    /* What ranks are told is told at one step for all, so each report has its own answer first. */
    if (step >= t->milestone || t->world > 1) {
        return trial_exchange(t, line, n) ? trial_report_answer(t) : 0;
    }
    /* Its own answer is not there yet: it is taken before the next report. */
    connection_write(&t->connection, line, n);
    return 0;
}

int muster_report(muster_trial *t, int64_t step, size_t n, const char *const names[],
                  const double values[])
{
    char line[LINE_MAX_BYTES];
    int acts = 0;
    trial_lock(t);
    if (t->is_alone) {
        if (t->rank == 0) {
            report_alone(step, n, names, values);
        }
    } else if (t->is_exploit_owed) {
        acts = MUSTER_EXPLOIT | t->acts; /* of weights that are given up: not told */
    } else if (t->connection.fd >= 0) {
        size_t length = report_print(line, sizeof line, step, n, names, values);
        if (length == 0) {
            acts = connection_error(&t->connection, MUSTER_ERR_REFUSED,
                                    "a report with a bad metric name, or longer than 64 KiB");
        } else {
            acts = report_result(t, step, report_send(t, step, line, length));
        }
    }
    trial_unlock(t);
    return acts;
}

/* ---- snapshots ---- */

int64_t muster_save_at(muster_trial *t)
{
    trial_lock(t);
    int64_t step = t->save_at;
    trial_unlock(t);
    return step;
}

/* A trainer that reports every second step may pass the step asked for: the first one not below it
 * counts. */
int muster_save_due(muster_trial *t, int64_t step, int is_last)
{
    trial_lock(t);
    bool is_told = t->connection.fd >= 0 && !t->is_exploit_owed;
    bool is_asked = t->save_at >= 0 && step >= t->save_at && t->saved < t->save_at;
    bool is_end = is_last && t->keeps_end && t->saved != step;
    int is_due = is_told && (is_asked || is_end);
    trial_unlock(t);
    return is_due;
}

/* What is said between the question and the answer of an exploit would be taken as said of the new
 * weights. */
static bool exploit_is_owed(muster_trial *t)
{
    if (t->is_exploit_owed) {
        connection_error(&t->connection, 0, "muster_exploit() has no answer yet; ask it again");
    }
    return t->is_exploit_owed;
}

const char *muster_save_begin(muster_trial *t, int64_t step)
{
    char line[96];
    bool has_folder = false;
    trial_lock(t);
    int n = snprintf(line, sizeof line, "{\"save\":{\"step\":%lld}}\n", (long long)step);
    if (t->connection.fd < 0) {
        connection_error(&t->connection, 0, "there is no muster to save to");
    } else if (!exploit_is_owed(t) && trial_exchange(t, line, (size_t)n) && trial_answer_is_ok(t)) {
        struct json_span dir = json_find(connection_answer(&t->connection), "dir");
        has_folder = json_text(dir, t->save_dir, sizeof t->save_dir);
        t->save_step = step;
    }
    trial_unlock(t);
    return has_folder ? t->save_dir : NULL;
}

/* 0, or a negative result: one request whose answer is its own. */
static int request(muster_trial *t, const char *line, size_t n)
{
    if (t->connection.fd < 0) {
        return connection_error(&t->connection, MUSTER_ERR_SILENT, "there is no muster to ask");
    }
    if (!trial_exchange(t, line, n)) {
        return MUSTER_ERR_SILENT;
    }
    return trial_answer_is_ok(t) ? 0 : MUSTER_ERR_REFUSED;
}

int muster_save_commit(muster_trial *t)
{
    char line[96];
    trial_lock(t);
    int n = snprintf(line, sizeof line, "{\"commit\":{\"step\":%lld}}\n", (long long)t->save_step);
    int code = exploit_is_owed(t) ? MUSTER_ERR_SILENT : request(t, line, (size_t)n);
    if (code == 0) {
        t->saved = t->save_step;
    }
    trial_unlock(t);
    return code;
}

/* ---- exploit ---- */

/* The agent takes every later line as said of the donor's weights. So a question that was asked is
 * never given up: its answer is waited for again by the next call. */
static int exploit_ask(muster_trial *t)
{
    static const char line[] = "{\"exploit\":1}\n";
    struct connection *c = &t->connection;
    if (c->fd < 0) {
        return connection_error(c, MUSTER_ERR_SILENT, "there is no muster to ask");
    }
    t->is_exploit_owed = t->is_exploit_owed || connection_write(c, line, sizeof line - 1);
    if (!t->is_exploit_owed) {
        return MUSTER_ERR_SILENT;
    }
    if (!trial_answer_wait(t)) {
        connection_keep_last(c);
        t->is_exploit_owed = c->fd >= 0;
        return MUSTER_ERR_SILENT;
    }
    t->is_exploit_owed = false;
    return trial_answer_is_ok(t) ? 0 : MUSTER_ERR_REFUSED;
}

int muster_exploit(muster_trial *t)
{
    trial_lock(t);
    int code = exploit_ask(t);
    if (code == 0) {
        trial_start_take(t);
        /* Of the old weights nothing is wanted any more. */
        t->acts &= ~(MUSTER_CHECKPOINT | MUSTER_EXPLOIT);
    } else if (code == MUSTER_ERR_SILENT && t->connection.fd >= 0) {
        t->acts |= MUSTER_EXPLOIT;
    }
    trial_unlock(t);
    return code;
}
