/* What the answers say. Of those taken on the way to another (act bits, a report that was refused)
 * the trial keeps what the next report is to return. */
#include <math.h>
#include <string.h>

#include "trial.h"

void trial_lock(muster_trial *t)
{
    pthread_mutex_lock(&t->lock);
    t->callers_locale = uselocale(t->c_locale);
}

void trial_unlock(muster_trial *t)
{
    uselocale(t->callers_locale);
    pthread_mutex_unlock(&t->lock);
}

int64_t trial_answer_i64(const muster_trial *t, const char *key, int64_t otherwise)
{
    double number;
    struct json_span span = json_find(connection_answer(&t->connection), key);
    bool fits = json_number(span, &number) && fabs(number) <= WHOLE_MAX;
    return fits ? (int64_t)number : otherwise;
}

bool trial_answer_is_ok(muster_trial *t)
{
    if (trial_answer_i64(t, "ok", 0) == 1) {
        return true;
    }
    char code[64], text[400];
    struct json_span answer = connection_answer(&t->connection);
    json_text(json_find(answer, "error"), code, sizeof code);
    json_text(json_find(answer, "text"), text, sizeof text);
    connection_error(&t->connection, 0, "%s%s%s", code[0] != '\0' ? code : "refused",
                     text[0] != '\0' ? ": " : "", text);
    return false;
}

/* A late answer has neither key: what it would say comes with the next one. */
static void milestone_take(muster_trial *t)
{
    if (json_find(connection_answer(&t->connection), "milestone").begin != NULL) {
        t->milestone = trial_answer_i64(t, "milestone", INT64_MAX);
        t->save_at = trial_answer_i64(t, "save", -1);
    }
}

/* Below the milestone one answer is like the other: what says the same again is not read again. */
int trial_report_answer(muster_trial *t)
{
    const char *line = t->connection.line;
    if (strcmp(line, t->told) == 0) {
        return t->told_acts;
    }
    t->told[0] = '\0';
    if (!trial_answer_is_ok(t)) {
        return MUSTER_ERR_REFUSED;
    }
    milestone_take(t);
    t->told_acts = (int)trial_answer_i64(t, "act", 0);
    size_t n = strlen(line);
    if (n < sizeof t->told) {
        memcpy(t->told, line, n + 1);
    }
    return t->told_acts;
}

/* One answer of a pipelined report; false: it is not there, or muster is silent. */
static bool owed_one_take(muster_trial *t, bool can_wait)
{
    if (!connection_read(&t->connection, can_wait)) {
        return false;
    }
    int acts = trial_report_answer(t);
    if (acts < 0) {
        t->is_refused = true;
    } else {
        t->acts |= acts;
    }
    return true;
}

void trial_owed_take(muster_trial *t, unsigned left)
{
    struct connection *c = &t->connection;
    while (connection_owed(c) > 0 && owed_one_take(t, connection_owed(c) > left)) {
    }
}

bool trial_exchange(muster_trial *t, const char *text, size_t n)
{
    return connection_write(&t->connection, text, n) && trial_answer_wait(t);
}

bool trial_answer_wait(muster_trial *t)
{
    struct connection *c = &t->connection;
    while (connection_owed(c) > 1 && owed_one_take(t, true)) {
    }
    return connection_owed(c) == 1 && connection_read(c, true);
}

void trial_start_take(muster_trial *t)
{
    struct json_span answer = connection_answer(&t->connection);
    t->told[0] = '\0';
    params_take(&t->params, json_find(answer, "params"));
    t->has_restore = json_text(json_find(answer, "restore"), t->restore, sizeof t->restore);
    t->step = trial_answer_i64(t, "step", 0);
    t->saved = t->has_restore ? t->step : -1;
    milestone_take(t);
}
