/* cli/submit.h -- new work: a sweep from its file, or a command as a task. One thread. */
#ifndef MUSTER_CLI_SUBMIT_H
#define MUSTER_CLI_SUBMIT_H

#include "base/array_ids.h"
#include "cli/work.h"

typedef enum { SUBMIT_DETACH, SUBMIT_WAIT, SUBMIT_WATCH } submit_then;

/* The exit code: of the submission, or of what was waited for. */
int submit_sweep(struct cli *cli, const char *path, submit_then then);
int submit_task(struct cli *cli, submit_then then);
/* --array, --each-line or --from-json was given. */
bool submit_is_array(const struct cli *cli);
int submit_array(struct cli *cli, submit_then then);

/* The user's name here; the head prefers the one of the key. */
const char *submit_owner(void);
/* --name and --label. */
void submit_options_add(const struct cli *cli, json_t *body);
/* A signal came before anything was sent: the exit code, after the message. */
bool submit_is_called_off(int *ret_code);

/* run.c: --workdir DIR, packed whole but for .git/; without it nothing is sent. `ret_folder` has
 * PATH_MAX bytes. EXIT_OK, or the exit code after the message. */
int submit_workdir(const struct cli *cli, char *ret_folder, struct cli_work *ret_work);
/* run.c: POST jobs, with a key of its own if none was given; the number of what was made. */
int submit_job_post(struct cli *cli, struct client **client, struct cli_work *const works[],
                    int n_works, json_t *body, uint32_t *ret_number);

/* What the tasks of an array have beside what one command has. */
struct task_array {
    struct array_ids ids;
    const char *items; /* hash; "": none */
    const char *first; /* what the first task is given of them; NULL: nothing */
    uint32_t max_fails;
};

/* task_body.c: what POST jobs wants, from the options and the command; `folder` NULL: it starts in
 * the current one; `array` NULL: one task, whose words are taken as they are. NULL after the
 * message. */
json_t *task_body(const struct cli *cli, const char *folder, const struct task_array *array);
/* task_body.c: --dry-run of a command, or of the first task of an array. The exit code. */
int task_show_plan(const struct cli *cli, const char *folder, const struct task_array *array);

#endif
