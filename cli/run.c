/* muster run, submit -- CMD: one command, its output, its exit code. */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <semaphore.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/acts.h"
#include "cli/jobs.h"
#include "cli/logs.h"
#include "cli/signals.h"
#include "cli/submit.h"
#include "cli/work.h"

enum { LOOK_MIN_MS = 20, LOOK_MAX_MS = 500 };

static int run_exit_code(const json_t *task)
{
    const char *outcome = cli_json_str(task, "outcome");
    int64_t signal = cli_json_int(task, "signal"), code = cli_json_int(task, "exit_code");
    if (strcmp(outcome, "done") == 0) {
        return EXIT_OK;
    }
    if (strcmp(outcome, "cancelled") == 0 || strcmp(outcome, "stopped") == 0) {
        return cli_fail(EXIT_CANCELLED, "task %s was %s", cli_json_str(task, "id"), outcome);
    }
    if (cli_json_str(task, "started")[0] == '\0') {
        return cli_fail(EXIT_CANNOT_RUN, "task %s could not be run: %s", cli_json_str(task, "id"),
                        cli_json_str(task, "reason"));
    }
    if (signal > 0) {
        return (int)(128 + signal);
    }
    return code > 0 ? (int)code
                    : cli_fail(EXIT_REQUEST, "task %s failed: %s", cli_json_str(task, "id"),
                               cli_json_str(task, "reason"));
}

/* ---- cancelling while the output is followed ---- */

struct canceller {
    struct cli *cli;
    task_id id;
    sem_t wanted;
    bool is_over; /* the task has ended: nothing is to be cancelled */
    pthread_t thread;
    bool has_thread;
};

static void *canceller_run(void *context)
{
    struct canceller *canceller = context;
    struct client *client = NULL;
    struct report report = {0};
    char path[96], what[48];
    while (sem_wait(&canceller->wanted) != 0) {
    }
    if (canceller->is_over) {
        return NULL;
    }
    task_id id = canceller->id;
    snprintf(path, sizeof path, "/api/v1/tasks/%u.%u/cancel", id.job, id.index);
    snprintf(what, sizeof what, "task %u.%u", id.job, id.index);
    if (client_open(canceller->cli, &client, &report) != OK) {
        cli_fail_report(EXIT_UNREACHABLE, &report);
    } else {
        (void)cli_signal_cancel(canceller->cli, &client, what, path);
    }
    client_close(client);
    return NULL;
}

static void canceller_start(struct canceller *canceller, struct cli *cli, task_id id)
{
    *canceller = (struct canceller){.cli = cli, .id = id};
    sem_init(&canceller->wanted, 0, 0);
    canceller->has_thread = pthread_create(&canceller->thread, NULL, canceller_run, canceller) == 0;
    if (canceller->has_thread) {
        cli_signal_tell(&canceller->wanted);
    }
}

static void canceller_end(struct canceller *canceller)
{
    cli_signal_tell(NULL);
    if (canceller->has_thread) {
        canceller->is_over = true;
        sem_post(&canceller->wanted);
        pthread_join(canceller->thread, NULL);
    }
    sem_destroy(&canceller->wanted);
}

/* ---- waiting ---- */

/* Until it has ended, silently. */
static int task_wait(struct cli *cli, struct client **client, task_id id)
{
    char path[96];
    snprintf(path, sizeof path, "/api/v1/tasks/%u.%u", id.job, id.index);
    for (long wait_ms = LOOK_MIN_MS; !cli_is_interrupted; wait_ms = wait_ms * 5 / 4) {
        json_t *task = NULL;
        int code = client_get_json(cli, client, path, &task);
        bool is_over = code == EXIT_OK && strcmp(cli_json_str(task, "state"), "ended") == 0;
        json_decref(task);
        if (code != EXIT_OK || is_over) {
            return code;
        }
        wait_ms = wait_ms < LOOK_MAX_MS ? wait_ms : LOOK_MAX_MS;
        struct timespec t = {wait_ms / 1000, wait_ms % 1000 * 1000000};
        nanosleep(&t, NULL);
    }
    return EXIT_INTERRUPTED;
}

int cli_task_wait(struct cli *cli, struct client **client, task_id id, int64_t timeout_ms)
{
    cli_interrupt_catch(cli);
    if (timeout_ms >= 0) {
        cli_signal_time_out(timeout_ms);
    }
    int code = task_wait(cli, client, id);
    return code == EXIT_INTERRUPTED && cli_signal_timed_out()
               ? cli_fail(EXIT_TIMEOUT, "task %u.%u is not over yet; it goes on", id.job, id.index)
               : code;
}

/* To its end; the head may restart meanwhile. */
static int run_follow(struct cli *cli, struct client **client, task_id id, submit_then then)
{
    char path[128];
    json_t *task = NULL;
    struct canceller canceller;
    struct logs_wanted wanted = {.id = id, .out = stdout, .err = stderr, .is_following = true};
    canceller_start(&canceller, cli, id);
    int code = then == SUBMIT_WAIT ? task_wait(cli, client, id) : cli_logs(cli, client, &wanted);
    canceller_end(&canceller);
    if (code == EXIT_INTERRUPTED && cli_signal_timed_out()) {
        return cli_fail(EXIT_TIMEOUT, "task %u.%u is not over yet; it goes on", id.job, id.index);
    }
    if (code == EXIT_INTERRUPTED) {
        fprintf(stderr,
                "\ndetached; task %u.%u goes on. Come back with 'muster task logs -f %u.%u', end "
                "it with 'muster task cancel %u.%u'\n",
                id.job, id.index, id.job, id.index, id.job, id.index);
    }
    if (code != EXIT_OK) {
        return code;
    }
    snprintf(path, sizeof path, "/api/v1/tasks/%u.%u", id.job, id.index);
    code = client_get_json(cli, client, path, &task);
    code = code == EXIT_OK ? run_exit_code(task) : code;
    json_decref(task);
    return code;
}

/* ---- submitting ---- */

int submit_workdir(const struct cli *cli, char *ret_folder, struct cli_work *ret_work)
{
    const struct workdir_spec spec = {.mode = WORKDIR_SNAPSHOT,
                                      .max_bytes = WORK_DEFAULT_MAX_BYTES};
    const char *folder = cli_option(cli, "workdir");
    if (folder == NULL) {
        return EXIT_OK;
    }
    if (realpath(folder, ret_folder) == NULL) {
        return cli_fail(EXIT_USAGE, "--workdir: %s cannot be found: %s", folder, strerror(errno));
    }
    return cli_work_pack(cli, ret_folder, &spec, ret_work);
}

int submit_job_post(struct cli *cli, struct client **client, struct cli_work *const works[],
                    int n_works, json_t *body, uint32_t *ret_number)
{
    char made_key[CLI_KEY_TEXT_MAX];
    struct client_answer answer;
    const char *key = cli_option(cli, "key");
    cli_key_make(made_key);
    int code = cli_work_post(cli, client, works, n_works, "/api/v1/jobs", body,
                             key != NULL ? key : made_key, &answer);
    if (code != EXIT_OK) {
        return code;
    }
    *ret_number = (uint32_t)cli_json_int(answer.json, "id");
    code = answer.status == 201 || answer.status == 200 ? EXIT_OK : client_answer_fail(&answer);
    client_answer_fini(&answer);
    return code;
}

static int task_then(struct cli *cli, struct client **client, task_id id, submit_then then)
{
    char text[TASK_ID_TEXT_MAX];
    if (then != SUBMIT_DETACH) {
        return run_follow(cli, client, id, then);
    }
    json_t *answer = json_pack("{s:s}", "id", task_id_print(id, text));
    int code = cli_id_print(cli, answer);
    json_decref(answer);
    return code;
}

int submit_task(struct cli *cli, submit_then then)
{
    char folder[PATH_MAX];
    struct cli_work work = {0};
    struct client *client = NULL;
    task_id id = {0, 1};
    int64_t timeout_ms = -1;
    json_t *body = NULL;
    cli_output output;
    const char *timeout = cli_option(cli, "timeout");
    if (!cli_output_parse(cli, &output) ||
        (timeout != NULL && !cli_duration("--timeout", timeout, &timeout_ms))) {
        return EXIT_USAGE;
    }
    int code = cli_signals_catch(cli);
    if (code == EXIT_OK && sodium_init() < 0) {
        code = cli_fail(EXIT_REQUEST, "this machine gives no random numbers");
    }
    code = code == EXIT_OK ? submit_workdir(cli, folder, &work) : code;
    if (code == EXIT_OK && cli_option(cli, "dry-run") != NULL) {
        code = task_show_plan(cli, work.folder, NULL);
        cli_work_fini(&work);
        return code;
    }
    if (code == EXIT_OK) {
        body = task_body(cli, work.folder, NULL);
        code = body != NULL ? EXIT_OK : EXIT_USAGE;
    }
    code = code == EXIT_OK ? cli_connect(cli, true, true, &client) : code;
    if (code == EXIT_OK && !submit_is_called_off(&code)) {
        struct cli_work *works[] = {&work};
        code = submit_job_post(cli, &client, works, 1, body, &id.job);
    }
    json_decref(body);
    cli_work_fini(&work);
    if (code == EXIT_OK && timeout_ms >= 0) {
        cli_signal_time_out(timeout_ms);
    }
    code = code == EXIT_OK ? task_then(cli, &client, id, then) : code;
    client_close(client);
    return code;
}

int verb_run(struct cli *cli)
{
    return submit_task(cli, SUBMIT_WATCH);
}
