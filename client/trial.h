/* client/trial.h -- one trial as the files of this folder see it, and the answers of its socket.
 * Everything here is used between trial_lock() and trial_unlock(). */
#ifndef MUSTER_CLIENT_TRIAL_H
#define MUSTER_CLIENT_TRIAL_H

#include <locale.h>
#include <pthread.h>

#include "connection.h"
#include "muster.h"
#include "params.h"

enum { PATH_TEXT_MAX = 4096, TOLD_MAX = 128 };
#define WHOLE_MAX 9007199254740992.0 /* 2^53: JSON's numbers are doubles */

struct muster_trial {
    pthread_mutex_t lock;
    locale_t c_locale; /* numbers on the wire have a point, whatever the program's locale says */
    locale_t callers_locale;
    bool is_alone;   /* without MUSTER_SOCKET */
    int rank, world; /* of the processes that are this trial; 0 and 1: it is one */
    struct connection connection;
    struct params params;
    char id[64];
    char restore[PATH_TEXT_MAX];
    bool has_restore;
    int64_t step;
    int64_t milestone;    /* INT64_MAX: none */
    int64_t save_at;      /* -1: none */
    int64_t saved;        /* the step of the last snapshot, -1: none */
    int acts;             /* of answers taken below the milestone, until a report returns them */
    bool is_refused;      /* a report was, and no report has returned that yet */
    char told[TOLD_MAX];  /* the last answer to a report that was taken; "": it counts no more */
    int told_acts;        /* its act bits */
    bool is_exploit_owed; /* asked for, and its answer did not come yet */
    uint64_t seed;
    bool keeps_end;
    char save_dir[PATH_TEXT_MAX];
    int64_t save_step;
};

void trial_lock(muster_trial *t);
void trial_unlock(muster_trial *t);

/* A whole number of the last answer. */
int64_t trial_answer_i64(const muster_trial *t, const char *key, int64_t otherwise);
/* False, and the words of the refusal in the connection's error. */
bool trial_answer_is_ok(muster_trial *t);
/* The last answer tells where to start: parameters, snapshot, step, milestone. */
void trial_start_take(muster_trial *t);
/* The last answer is one to a report: its act bits, or MUSTER_ERR_REFUSED. */
int trial_report_answer(muster_trial *t);
/* Takes the answers of pipelined reports: those that are there, and waits until at most `left` are
 * owed. */
void trial_owed_take(muster_trial *t, unsigned left);
/* One line out, its own answer in, after all that is owed before it; false: none came. */
bool trial_exchange(muster_trial *t, const char *text, size_t n);
/* Its second half: what is owed before the last request's answer, then that answer. */
bool trial_answer_wait(muster_trial *t);

#endif
