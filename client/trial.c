/* Opening, what a trial is, and closing. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trial.h"

enum { NOTE_MAX = 1024, RANK_MAX = 1000000 };

/* ---- opening and closing ---- */

/* A number from 0 to RANK_MAX of the environment; -1: there is none. */
static int rank_number(const char *name)
{
    const char *text = getenv(name);
    char *end = NULL;
    long number = text != NULL ? strtol(text, &end, 10) : -1;
    return text != NULL && end != text && *end == '\0' && number >= 0 && number <= RANK_MAX
               ? (int)number
               : -1;
}

/* muster's own names first, then those of torchrun and of everybody who follows it. */
static void rank_find(muster_trial *t)
{
    static const char *const names[][2] = {{"MUSTER_RANK", "MUSTER_WORLD"}, {"RANK", "WORLD_SIZE"}};
    t->world = 1;
    for (size_t i = 0; i < sizeof names / sizeof names[0] && t->world == 1; i++) {
        int rank = rank_number(names[i][0]), world = rank_number(names[i][1]);
        if (rank >= 0 && world > rank) {
            t->rank = rank;
            t->world = world;
        }
    }
}

static void hello(muster_trial *t, unsigned can)
{
    static const char *const words[] = {"checkpoint", "pause", "exploit"};
    char line[160] = "{\"hello\":1,\"can\":[";
    size_t n = strlen(line);
    const char *comma = "";
    for (unsigned i = 0; i < 3; i++) {
        if ((can & 1U << i) != 0) {
            n += (size_t)snprintf(line + n, sizeof line - n, "%s\"%s\"", comma, words[i]);
            comma = ",";
        }
    }
    n += (size_t)snprintf(line + n, sizeof line - n, "]");
    if (t->world > 1) {
        n += (size_t)snprintf(line + n, sizeof line - n, ",\"rank\":%d,\"world\":%d", t->rank,
                              t->world);
    }
    n += (size_t)snprintf(line + n, sizeof line - n, "}\n");
    if (!trial_exchange(t, line, n) || !trial_answer_is_ok(t)) {
        return;
    }
    trial_start_take(t);
    t->acts = (int)trial_answer_i64(t, "act", 0);
    t->seed = (uint64_t)trial_answer_i64(t, "seed", (int64_t)t->seed);
    json_text(json_find(connection_answer(&t->connection), "trial"), t->id, sizeof t->id);
}

muster_trial *muster_open(unsigned can)
{
    const char *path = getenv("MUSTER_SOCKET"), *seed = getenv("MUSTER_SEED");
    const char *keeps = getenv("MUSTER_CHECKPOINTS");
    muster_trial *t = calloc(1, sizeof *t);
    if (t == NULL || !connection_init(&t->connection)) {
        free(t);
        return NULL;
    }
    pthread_mutex_init(&t->lock, NULL);
    t->c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    t->milestone = INT64_MAX;
    t->save_at = t->saved = -1;
    t->seed = seed != NULL ? strtoull(seed, NULL, 10) : 0;
    t->keeps_end = keeps != NULL && strstr(keeps, "end") != NULL;
    rank_find(t);
    t->is_alone = path == NULL || path[0] == '\0';
    if (!t->is_alone && connection_open(&t->connection, path)) {
        trial_lock(t);
        hello(t, can);
        trial_unlock(t);
    }
    return t;
}

/* JSON text of a note: what is not printable ASCII or whole UTF-8 becomes a blank, so that the
 * good-bye always arrives. */
static void note_print(const char *note, char out[NOTE_MAX + 1])
{
    size_t n = 0;
    for (const unsigned char *c = (const unsigned char *)note; *c != '\0';) {
        size_t length = json_utf8_length((const char *)c);
        bool is_plain = length > 1 || (*c >= 0x20 && *c < 0x7F && *c != '"' && *c != '\\');
        length = length == 0 ? 1 : length;
        if (n + length > NOTE_MAX) {
            break;
        }
        if (is_plain) {
            memcpy(out + n, c, length);
            n += length;
        } else {
            out[n++] = *c == '"' ? '\'' : ' ';
        }
        c += length;
    }
    out[n] = '\0';
}

static void bye(muster_trial *t, int outcome, const char *note)
{
    static const char *const words[] = {"done", "paused", "invalid", "error"};
    char line[NOTE_MAX + 64], text[NOTE_MAX + 1];
    bool is_known = outcome >= MUSTER_DONE && outcome <= MUSTER_ERROR;
    note_print(note != NULL ? note : "", text);
    int n = snprintf(line, sizeof line, "{\"bye\":\"%s\",\"note\":\"%s\"}\n",
                     words[is_known ? outcome : MUSTER_ERROR], text);
    trial_exchange(t, line, (size_t)n);
}

void muster_close(muster_trial *t, int outcome, const char *note)
{
    if (t == NULL) {
        return;
    }
    trial_lock(t);
    if (t->connection.fd >= 0) {
        bye(t, outcome, note);
    }
    trial_unlock(t);
    connection_fini(&t->connection);
    params_clear(&t->params);
    if (t->c_locale != (locale_t)0) {
        freelocale(t->c_locale);
    }
    pthread_mutex_destroy(&t->lock);
    free(t);
}

/* ---- what it is ---- */

int muster_f64(muster_trial *t, const char *name, double *ret_value)
{
    trial_lock(t);
    const struct param *param = params_find(&t->params, name);
    int code = 0;
    if (param == NULL) {
        code = connection_error(&t->connection, MUSTER_ERR_NAME, "there is no parameter '%.200s'",
                                name);
    } else if (!param->is_number) {
        code = connection_error(&t->connection, MUSTER_ERR_TYPE,
                                "parameter '%.200s' is '%.200s', not a number", name, param->text);
    } else {
        *ret_value = param->number;
    }
    trial_unlock(t);
    return code;
}

int muster_i64(muster_trial *t, const char *name, int64_t *ret_value)
{
    double number = 0;
    int code = muster_f64(t, name, &number);
    if (code == 0 && fabs(number) <= WHOLE_MAX && (double)(int64_t)number == number) {
        *ret_value = (int64_t)number;
    } else if (code == 0) {
        trial_lock(t);
        code = connection_error(&t->connection, MUSTER_ERR_TYPE,
                                "parameter '%.200s' is no whole number", name);
        trial_unlock(t);
    }
    return code;
}

const char *muster_str(muster_trial *t, const char *name)
{
    trial_lock(t);
    const struct param *param = params_find(&t->params, name);
    const char *text = param != NULL ? param->text : NULL;
    if (param == NULL) {
        connection_error(&t->connection, 0, "there is no parameter '%.200s'", name);
    }
    trial_unlock(t);
    return text;
}

const char *muster_id(muster_trial *t)
{
    return t->id; /* written once, in muster_open(); the seed too */
}

uint64_t muster_seed(muster_trial *t)
{
    return t->seed;
}

int muster_rank(muster_trial *t)
{
    return t->rank;
}

int muster_world(muster_trial *t)
{
    return t->world;
}

const char *muster_restore(muster_trial *t)
{
    trial_lock(t);
    const char *folder = t->has_restore ? t->restore : NULL;
    trial_unlock(t);
    return folder;
}

int64_t muster_step(muster_trial *t)
{
    trial_lock(t);
    int64_t step = t->step;
    trial_unlock(t);
    return step;
}

const char *muster_error(muster_trial *t)
{
    static _Thread_local char text[ERROR_TEXT_MAX];
    trial_lock(t);
    memcpy(text, t->connection.error, sizeof text);
    trial_unlock(t);
    return text;
}
