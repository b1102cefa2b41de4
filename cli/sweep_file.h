/* cli/sweep_file.h -- a sweep file as it is submitted: read, changed by --set, checked, its work
 * folder found. One thread. */
#ifndef MUSTER_CLI_SWEEP_FILE_H
#define MUSTER_CLI_SWEEP_FILE_H

#include <limits.h>

#include "base/arena.h"
#include "cli/cli.h"
#include "spec/sweep.h"

struct sweep_file {
    char *text;
    size_t length;
    const char *name;
    char folder[PATH_MAX];  /* of the file */
    char workdir[PATH_MAX]; /* absolute */
    struct arena arena;
    struct sweep_spec spec;
    const char *set[SPEC_SETS_MAX]; /* --set, and what other options mean in the file */
    uint32_t n_set;
    char priority[64];
    char *recorded; /* owned; NULL, or what schedule.from says, as the last one of `set` */
    char recorded_path[PATH_MAX];
    bool is_test;
};

/* Reads and checks. EXIT_OK or the exit code after the message; sweep_file_fini() in both cases. */
int sweep_file_load(const struct cli *cli, struct sweep_file *file, const char *path);
void sweep_file_fini(struct sweep_file *file);
/* `muster check --preview`: the number of trials and the first configurations (preview.c). The exit
 * code. */
int preview_print(const struct sweep_file *file);

#endif
