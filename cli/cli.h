/* cli/cli.h -- the muster command: one table of verbs and options, and what every verb uses. One
 * thread. Exit codes: docs/CLI.md. Every error is one message on stderr: what, where, what to do.
 */
#ifndef MUSTER_CLI_CLI_H
#define MUSTER_CLI_CLI_H

#include <jansson.h>
#include <signal.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/id.h"

enum {
    EXIT_OK = 0,
    EXIT_REQUEST = 1, /* the request failed */
    EXIT_USAGE = 2,   /* usage or invalid file */
    EXIT_NOT_FOUND = 3,
    EXIT_UNREACHABLE = 4,   /* no head, or not allowed */
    EXIT_WAITED_FAILED = 5, /* the waited-for thing failed */
    EXIT_CANCELLED = 6,     /* cancelled or stopped */
    EXIT_NEVER = 7,         /* nothing can ever run it */
    /* 10 to 13: trial_acts.h */
    EXIT_TIMEOUT = 124,
    EXIT_CANNOT_RUN = 125,  /* run: the command could not be run */
    EXIT_INTERRUPTED = 130, /* the work goes on */
};

struct cli;

struct cli_option {
    const char *name;     /* without the dashes */
    char letter;          /* 0: none */
    const char *argument; /* its name in the help; NULL: a flag */
    const char *help;
};

struct cli_verb {
    const char *noun; /* NULL: the verb stands alone */
    const char *name;
    const char *arguments; /* as in the help, e.g. "FILE.yaml" */
    int arguments_min;
    int arguments_max; /* -1: any */
    int has_command;   /* CLI_COMMAND...: is everything after -- a command? */
    const char *help;
    const struct cli_option *options; /* up to an empty name; besides the ones that all have */
    int (*run)(struct cli *cli);
};

enum { CLI_NO_COMMAND, CLI_COMMAND, CLI_COMMAND_OR_FILE };
enum { CLI_OPTIONS_MAX = 512, CLI_PATH_MAX = 4096 };

struct cli {
    const struct cli_verb *verb;
    const char *program; /* argv[0] */
    const char *const *argv;
    int argc;
    const char **arguments;
    int n_arguments;
    const char *const *command; /* after -- */
    int n_command;
    struct {
        const char *name;
        const char *value; /* "" for a flag */
    } options[CLI_OPTIONS_MAX];
    int n_options;
    char state_dir[CLI_PATH_MAX];
    bool may_start;   /* cli_connect() was told so: a submission may start a cluster */
    bool has_signals; /* signals.h has the handlers */
};

extern const struct cli_verb cli_verbs[];
extern const unsigned cli_verbs_count;
extern const struct cli_option cli_options_of_all[];

/* The option's value, "" for a flag that is set, NULL if it was not given; the last one counts. */
const char *cli_option(const struct cli *cli, const char *name);
/* The k-th value of an option that may be given several times; NULL past the last. */
const char *cli_option_at(const struct cli *cli, const char *name, int k);
/* Parses argv by the table; EXIT_OK, or the exit code after the message. */
int cli_parse(struct cli *cli, int argc, char **argv);
/* One verb; without it the verbs of a noun, or all. */
void cli_help(FILE *to, const struct cli_verb *verb, const char *noun);
/* "muster: <text>" on stderr; returns `code`. */
int cli_fail(int code, const char *format, ...) PRINTF_LIKE(2, 3);
int cli_fail_report(int code, const struct report *report);
/* A whole number of 0..max; false after the message. */
bool cli_number(const char *what, const char *text, uint64_t max, uint64_t *ret_number);
/* 5, 1.5, 10s, 5m -> milliseconds; false after the message. */
bool cli_duration(const char *what, const char *text, int64_t *ret_ms);

/* From now on Ctrl-C sets the flag instead of ending the process: what waits says how to come back.
 * Nothing where signals.h has caught it. */
void cli_interrupt_catch(const struct cli *cli);
extern volatile sig_atomic_t cli_is_interrupted;

/* ---- output.c ---- */
typedef enum {
    OUTPUT_TABLE,
    OUTPUT_WIDE,
    OUTPUT_JSON,
    OUTPUT_NDJSON,
    OUTPUT_CSV,
    OUTPUT_YAML,
    OUTPUT_NAME,
} cli_output;
/* -o and --json; false after the message. */
bool cli_output_parse(const struct cli *cli, cli_output *ret_output);
/* The verb shows its own picture; else cli_print_...() prints. */
bool cli_output_is_text(const struct cli *cli, cli_output output);
struct cli_kind; /* kinds.h */
struct cli_column {
    const char *title;
    const char *path; /* keys with dots; "last.*metric" etc. are the verb's own business */
    bool is_right;
};
/* {"items": [...]} in the form that was asked for; `kind` NULL: things that no table describes. */
int cli_print_list(const struct cli *cli, const struct cli_kind *kind, json_t *list);
int cli_write_list(const struct cli *cli, FILE *to, const struct cli_kind *kind, json_t *list,
                   cli_output output);
/* One thing. */
int cli_print_kind(const struct cli *cli, const struct cli_kind *kind, json_t *object);
/* A list of things without a kind, whose table has these columns. */
int cli_print_items(const struct cli *cli, json_t *list, const struct cli_column *columns,
                    int n_columns);
error_code cli_json_append(struct buf *buf, const json_t *value); /* compact */
/* One value and a line end; numbers as short as they read back the same. */
void cli_json_write(FILE *to, const json_t *value, bool is_pretty);
int cli_print_object(const struct cli *cli, json_t *object);
/* One value as people see it, into ret_text; "" for null. */
void cli_value_print(const json_t *value, char *ret_text, size_t size_bytes);
const json_t *cli_json_get(const json_t *object, const char *path);
const char *cli_json_str(const json_t *object, const char *path); /* "" if absent */
int64_t cli_json_int(const json_t *object, const char *path);
/* Before a verb draws its own picture: control characters in texts become blanks (text.h). */
void cli_make_printable(json_t *value);
/* lr=0.003 layers=2 */
void cli_params_print(const json_t *params, char *ret_text, size_t size_bytes);

/* ---- client.c: HTTP to the head ---- */
struct client;
struct client_answer {
    long status;
    int64_t date_s; /* the head's clock, seconds since 1970; 0: not told */
    struct buf body;
    json_t *json; /* NULL if the body is no JSON */
};
typedef bool client_data_fn(void *context, const char *data,
                            size_t size); /* false: end the stream */

/* Finds the head (client_find.h). ERR_UNREACHABLE: none is known; ERR_NOT_ALLOWED: it may not be
 * called so. */
MUST_CHECK error_code client_open(struct cli *cli, struct client **ret_client,
                                  struct report *report);
/* The state folder's own head, whatever else is named. */
MUST_CHECK error_code client_open_here(struct cli *cli, struct client **ret_client,
                                       struct report *report);
/* A head that was restarted may be elsewhere: found anew, as `client` was. */
MUST_CHECK error_code client_open_again(struct cli *cli, const struct client *client,
                                        struct client **ret_client);
struct client_place;
MUST_CHECK error_code client_open_at(const struct client_place *place, struct client **ret_client,
                                     struct report *report);
/* A head is named (--head, MUSTER_HEAD, a login): none is to be started here. */
bool client_is_elsewhere(const struct cli *cli);
void client_close(struct client *client);
const char *client_url(const struct client *client);
/* Waits at most timeout_ms. ERR_UNREACHABLE: no connection; ERR_NOT_ALLOWED: its certificate is
 * not trusted; ERR_TIMEOUT. Any HTTP status is OK here. */
MUST_CHECK error_code client_call(struct client *client, const char *method, const char *path,
                                  const char *body, const char *key, int64_t timeout_ms,
                                  struct client_answer *ret_answer, struct report *report);
/* Gives the body piece by piece until it ends or `on_data` says so. Another status than 200 gives
 * no body; the report then has the head's words. */
MUST_CHECK error_code client_stream(struct client *client, const char *path,
                                    const char *last_event_id, client_data_fn *on_data,
                                    void *context, long *ret_status, struct report *report);
/* The next bytes of a body; *ret_n 0: the end. */
typedef error_code client_read_fn(void *context, void *buffer, size_t size_bytes, size_t *ret_n);
/* PUT of so many bytes, without a limit of time as long as they move. Any HTTP status is OK here.
 */
MUST_CHECK error_code client_upload(struct client *client, const char *path,
                                    client_read_fn *on_read, void *context, uint64_t bytes,
                                    struct client_answer *ret_answer, struct report *report);
void client_answer_fini(struct client_answer *answer);
/* A failed answer becomes the message and the exit code. */
int client_answer_fail(const struct client_answer *answer);

/* ---- cluster.c ---- */
/* May this user use the state folder? EXIT_OK or the exit code after the message. */
int cli_state_check(const struct cli *cli);
/* A client to a head that answers; starts an embedded cluster first if `may_start` and none runs
 * here. EXIT_OK or the exit code after the message. */
int cli_connect(struct cli *cli, bool may_start, bool with_worker, struct client **ret_client);
/* Like client_call, but a head that restarts or is busy is waited for (15 s), and found again where
 * it then listens. EXIT_OK: *ret_answer is set, whatever its status. */
int client_call_patiently(struct cli *cli, struct client **client, const char *method,
                          const char *path, const char *body, const char *key,
                          struct client_answer *ret_answer);
/* The same for one JSON value of a GET that must answer 200. */
int client_get_json(struct cli *cli, struct client **client, const char *path, json_t **ret_json);
/* GET path, one JSON value; EXIT_OK or the exit code after the message. Tries again while the head
 * restarts. */
int cli_get(struct cli *cli, const char *path, json_t **ret_json);

/* sweeps.c: "12" or "last" is well formed; else false after the message. */
bool cli_sweep_check(const char *text);
/* sweeps.c: "12", "last" or nothing (the last) -> the number; EXIT_OK or the exit code after the
 * message. */
int cli_sweep_number(struct cli *cli, struct client **client, const char *text,
                     uint32_t *ret_number);
/* "12.41"; EXIT_OK or the exit code after the message. */
int cli_task_id(const char *text, task_id *ret_id);
/* watch.c: to its end; prints the best at the end. The exit code. */
int cli_sweep_watch(struct cli *cli, struct client **client, uint32_t sweep, bool is_quiet,
                    int64_t timeout_ms);
/* submit.c: the number, or id, of what was made. */
int cli_id_print(const struct cli *cli, const json_t *answer);
/* acts.c: an idempotency key of its own protects against a lost answer: what is sent again finds
 * what it made. After sodium_init(). */
enum { CLI_KEY_TEXT_MAX = 2 * 16 + 1 };
void cli_key_make(char ret_text[CLI_KEY_TEXT_MAX]);

/* ---- the verbs ---- */
#define CLI_VERB(name) int name(struct cli *cli)
CLI_VERB(verb_up);
CLI_VERB(verb_down);
CLI_VERB(verb_head);
CLI_VERB(verb_worker);
CLI_VERB(verb_run);
CLI_VERB(verb_submit);
CLI_VERB(verb_check);
CLI_VERB(verb_sweep_run);
CLI_VERB(verb_sweep_list);
CLI_VERB(verb_sweep_show);
CLI_VERB(verb_sweep_best);
CLI_VERB(verb_sweep_wait);
CLI_VERB(verb_sweep_watch);
CLI_VERB(verb_sweep_pause);
CLI_VERB(verb_sweep_resume);
CLI_VERB(verb_sweep_stop);
CLI_VERB(verb_sweep_cancel);
CLI_VERB(verb_sweep_set);
CLI_VERB(verb_sweep_clone);
CLI_VERB(verb_sweep_export);
CLI_VERB(verb_sweep_rm);
CLI_VERB(verb_trial_list);
CLI_VERB(verb_trial_show);
CLI_VERB(verb_trial_logs);
CLI_VERB(verb_trial_metrics);
CLI_VERB(verb_trial_stop);
CLI_VERB(verb_trial_cancel);
CLI_VERB(verb_trial_retry);
CLI_VERB(verb_trial_pause);
CLI_VERB(verb_trial_resume);
CLI_VERB(verb_trial_rerun);
CLI_VERB(verb_task_list);
CLI_VERB(verb_task_show);
CLI_VERB(verb_task_wait);
CLI_VERB(verb_task_cancel);
CLI_VERB(verb_task_retry);
CLI_VERB(verb_node_list);
CLI_VERB(verb_node_show);
CLI_VERB(verb_node_drain);
CLI_VERB(verb_node_cordon);
CLI_VERB(verb_node_resume);
CLI_VERB(verb_node_rm);
CLI_VERB(verb_node_label);
CLI_VERB(verb_status);
CLI_VERB(verb_top);
CLI_VERB(verb_doctor);
CLI_VERB(verb_explain);
CLI_VERB(verb_events);
CLI_VERB(verb_debug_turn);
CLI_VERB(verb_completion);
CLI_VERB(verb_help);
CLI_VERB(verb_login);
CLI_VERB(verb_logout);
CLI_VERB(verb_key_new);
CLI_VERB(verb_key_list);
CLI_VERB(verb_key_revoke);
CLI_VERB(verb_version);
CLI_VERB(verb_debug_failpoints);
CLI_VERB(verb_report);
CLI_VERB(verb_save);
CLI_VERB(verb_commit);
CLI_VERB(verb_exploit);
CLI_VERB(verb_trial_env);

#endif
