/* cli/plan.h -- one attempt as a worker would start it: the folder, the whole environment, the
 * expanded command line. Made here from the same parts; nothing is started. One thread. */
#ifndef MUSTER_CLI_PLAN_H
#define MUSTER_CLI_PLAN_H

#include "cli/cli.h"
#include "cli/sweep_file.h"
#include "schema/messages.h"

/* Where it would run; all borrowed. */
struct plan_places {
    const char *start;       /* the command starts there */
    const char *trial_dir;   /* ${trial.dir}; the same but in mode shared */
    const char *params_file; /* MUSTER_PARAMS_FILE */
    const char *tmp;
    const char *socket; /* NULL: no cluster listens, MUSTER_SOCKET is left out */
    uint32_t index;     /* of a task of an array; 0: none */
    const char *line;   /* that it is given; NULL: none */
};

struct plan {
    const char *const *argv;
    uint32_t argc;
    const char *const *envp;
    const char *start;
    const struct msg_lease *lease;
};

/* What the lease of a sweep's trial says, but for its parameters. In the file's arena. */
void plan_lease_of_sweep(const struct sweep_file *file, const char *name, task_id id,
                         uint64_t sweep_seed, struct msg_lease *ret_lease);
/* Everything of it lives in `arena`, the lease is borrowed. EXIT_OK or the code after the message.
 */
int plan_make(const struct msg_lease *lease, const struct plan_places *places, struct arena *arena,
              struct plan *ret_plan);
/* As shell text that can be pasted, or as JSON with -o json; `comment` stands first. */
int plan_print(const struct cli *cli, const struct plan *plan, const char *comment);
/* --dry-run of a sweep: its first trial. The exit code. */
int plan_show_first(const struct cli *cli, const struct sweep_file *file);

#endif
