/* cli/work.h -- the work folder of a submission: packed here, sent to the head's depot unless it is
 * there already. One thread; blocks. */
#ifndef MUSTER_CLI_WORK_H
#define MUSTER_CLI_WORK_H

#include "cli/cli.h"
#include "spec/types.h"
#include "work/pack.h"

struct cli_work {
    const char *key;    /* of its hash in the body: "work", "items" */
    const char *folder; /* borrowed; NULL: nothing is sent */
    struct workdir_spec spec;
    struct work_pack *pack; /* NULL: nothing is sent */
    char hash[WORK_HASH_TEXT_BYTES];
};

enum { WORK_DEFAULT_MAX_BYTES = 200 << 20 }; /* as a sweep file's */

/* Packs `folder` (as realpath() gives it) by the rules of `spec`, without the state folder that
 * lies in it. EXIT_OK, or the exit code after the message. */
int cli_work_pack(const struct cli *cli, const char *folder, const struct workdir_spec *spec,
                  struct cli_work *ret_work);
void cli_work_fini(struct cli_work *work);
/* Sends what is packed of `works` and then posts `body`, where their hashes are set here; again if
 * the depot has lost one meanwhile. EXIT_OK: *ret_answer is set, whatever its status. */
int cli_work_post(struct cli *cli, struct client **client, struct cli_work *const works[],
                  int n_works, const char *path, json_t *body, const char *key,
                  struct client_answer *ret_answer);

/* ---- git.c ---- */
/* "commit <id>" and what differs from it in `folder`, cut at GIT_TEXT_MAX; NULL: no git folder, or
 * none that answers soon. Freed by the caller. */
enum { GIT_TEXT_MAX = 240 << 10 };
char *cli_git_text(const char *folder);

#endif
