/* What a trainer in shell says: report, save, commit. Exit codes stand for the act bits of an
 * answer, so that a script needs no more than `case $?`. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/trial_acts.h"

static const struct {
    int bit, code;
    const char *word;
} acts[] = {
    /* in the order in which they are obeyed */
    {1, EXIT_ACT_CHECKPOINT, "checkpoint"},
    {8, EXIT_ACT_EXPLOIT, "exploit"},
    {2, EXIT_ACT_PAUSE, "pause"},
    {4, EXIT_ACT_STOP, "stop"},
};

int trial_acts_exit(const struct cli *cli, const json_t *answer)
{
    int64_t bits = cli_json_int(answer, "act");
    int code = EXIT_OK;
    bool is_printed = cli_option(cli, "acts") != NULL;
    const char *blank = "";
    for (size_t i = 0; i < sizeof acts / sizeof acts[0]; i++) {
        if ((bits & acts[i].bit) == 0) {
            continue;
        }
        code = code == EXIT_OK ? acts[i].code : code;
        if (is_printed) {
            printf("%s%s", blank, acts[i].word);
            blank = " ";
        }
    }
    if (is_printed) {
        putchar('\n');
    }
    return code;
}

bool trial_step(const struct cli *cli, int64_t *ret_step)
{
    const char *text = cli_option(cli, "step");
    char *end = NULL;
    if (text == NULL) {
        cli_fail(EXIT_USAGE, "say with --step N which step it is");
        return false;
    }
    errno = 0;
    long long step = strtoll(text, &end, 10);
    if (text[0] == '\0' || *end != '\0' || errno != 0 || step < 0) {
        cli_fail(EXIT_USAGE, "--step is a whole number of 0 or more, not '%s'", text);
        return false;
    }
    *ret_step = step;
    return true;
}

int trial_talk_exit(talk_outcome outcome)
{
    if (outcome == TALK_ALONE) {
        return cli_fail(EXIT_UNREACHABLE,
                        "there is no MUSTER_SOCKET here: this works inside a trial only");
    }
    return outcome == TALK_SILENT ? EXIT_UNREACHABLE : EXIT_REQUEST;
}

/* ---- report ---- */

/* name=value of each argument; NULL after the message. */
static json_t *metrics_read(const struct cli *cli)
{
    json_t *metrics = json_object();
    for (int i = 0; i < cli->n_arguments; i++) {
        const char *text = cli->arguments[i], *equals = strrchr(text, '=');
        char name[128], *end = NULL;
        double value = equals != NULL ? strtod(equals + 1, &end) : 0;
        if (equals == NULL || equals == text || equals[1] == '\0' || *end != '\0') {
            cli_fail(EXIT_USAGE, "a metric is NAME=NUMBER, as loss=0.2, not '%s'", text);
            json_decref(metrics);
            return NULL;
        }
        if ((size_t)(equals - text) >= sizeof name) {
            cli_fail(EXIT_USAGE, "a metric's name has at most 127 bytes: '%s'", text);
            json_decref(metrics);
            return NULL;
        }
        snprintf(name, sizeof name, "%.*s", (int)(equals - text), text);
        json_t *number = isfinite(value) ? json_real(value)
                                         : json_string(isnan(value) ? "nan"
                                                       : value > 0  ? "inf"
                                                                    : "-inf");
        if (json_object_set_new(metrics, name, number) != 0) {
            cli_fail(EXIT_USAGE, "a metric's name is UTF-8: '%s'", text);
            json_decref(metrics);
            return NULL;
        }
    }
    return metrics;
}

/* As the libraries do it for a trainer that runs by itself. */
static int report_alone(const struct cli *cli, int64_t step)
{
    fprintf(stderr, "step=%lld", (long long)step);
    for (int i = 0; i < cli->n_arguments; i++) {
        fprintf(stderr, " %s", cli->arguments[i]);
    }
    fputc('\n', stderr);
    return EXIT_OK;
}

int verb_report(struct cli *cli)
{
    int64_t step;
    if (!trial_step(cli, &step)) {
        return EXIT_USAGE;
    }
    json_t *metrics = metrics_read(cli), *answer = NULL;
    if (metrics == NULL) {
        return EXIT_USAGE;
    }
    struct trial_talk talk;
    talk_outcome outcome = trial_talk_open(&talk);
    if (outcome == TALK_ANSWERED) {
        json_t *request =
            json_pack("{s:{s:I,s:O}}", "report", "step", (json_int_t)step, "m", metrics);
        outcome = trial_talk_ask(&talk, request, &answer);
    }
    int code = EXIT_OK; /* a muster that is silent or gone stops no training */
    if (outcome == TALK_ANSWERED) {
        code = trial_acts_exit(cli, answer);
    } else if (outcome == TALK_ALONE) {
        code = report_alone(cli, step);
    } else if (outcome == TALK_REFUSED) {
        code = EXIT_REQUEST;
    }
    json_decref(answer);
    json_decref(metrics);
    trial_talk_close(&talk);
    return code;
}

/* ---- snapshots ---- */

static bool keeps_end(void)
{
    const char *keeps = getenv("MUSTER_CHECKPOINTS");
    return keeps != NULL && strstr(keeps, "end") != NULL;
}

/* Is a snapshot wanted before `step` is reported? `answer` is the one to a hello. */
static bool save_is_due(const struct cli *cli, const json_t *answer, int64_t step)
{
    const json_t *at = cli_json_get(answer, "save");
    bool is_asked = json_is_integer(at) && step >= json_integer_value(at);
    return is_asked || (cli_option(cli, "last") != NULL && keeps_end());
}

static talk_outcome save_ask(const struct cli *cli, struct trial_talk *talk, int64_t step,
                             bool *ret_is_due)
{
    json_t *answer = NULL;
    talk_outcome outcome = TALK_ANSWERED;
    *ret_is_due = true;
    if (cli_option(cli, "due") != NULL) {
        outcome = trial_talk_ask(talk, json_pack("{s:i,s:[s]}", "hello", 1, "can", "checkpoint"),
                                 &answer);
        *ret_is_due = outcome == TALK_ANSWERED && save_is_due(cli, answer, step);
        json_decref(answer);
        answer = NULL;
    }
    if (*ret_is_due) {
        outcome =
            trial_talk_ask(talk, json_pack("{s:{s:I}}", "save", "step", (json_int_t)step), &answer);
    }
    if (outcome == TALK_ANSWERED && *ret_is_due) {
        puts(cli_json_str(answer, "dir"));
    }
    json_decref(answer);
    return outcome;
}

int verb_save(struct cli *cli)
{
    int64_t step;
    if (!trial_step(cli, &step)) {
        return EXIT_USAGE;
    }
    struct trial_talk talk;
    bool is_due = true;
    talk_outcome outcome = trial_talk_open(&talk);
    if (outcome == TALK_ANSWERED) {
        outcome = save_ask(cli, &talk, step, &is_due);
    }
    trial_talk_close(&talk);
    if (outcome == TALK_ANSWERED) {
        return is_due ? EXIT_OK : EXIT_REQUEST;
    }
    /* Nothing is due to a script that runs by itself; asked for without a look, it is an error. */
    bool is_question = cli_option(cli, "due") != NULL;
    return outcome == TALK_ALONE && is_question ? EXIT_REQUEST : trial_talk_exit(outcome);
}

/* After a commit the order that came with the checkpoint may still wait: a second question says
 * whether the trainer is to leave, so that it does not train a step for nothing. */
int verb_commit(struct cli *cli)
{
    int64_t step;
    if (!trial_step(cli, &step)) {
        return EXIT_USAGE;
    }
    struct trial_talk talk;
    json_t *answer = NULL;
    int code = EXIT_OK;
    talk_outcome outcome = trial_talk_open(&talk);
    if (outcome == TALK_ANSWERED) {
        outcome = trial_talk_ask(&talk, json_pack("{s:{s:I}}", "commit", "step", (json_int_t)step),
                                 &answer);
    }
    if (outcome != TALK_ANSWERED) {
        code = trial_talk_exit(outcome);
    } else {
        json_decref(answer);
        answer = NULL;
        outcome = trial_talk_ask(&talk, json_pack("{s:i,s:[]}", "hello", 1, "can"), &answer);
        code = outcome == TALK_ANSWERED ? trial_acts_exit(cli, answer) : EXIT_OK;
    }
    json_decref(answer);
    trial_talk_close(&talk);
    return code;
}
