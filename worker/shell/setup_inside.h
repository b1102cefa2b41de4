/* worker/shell/setup_inside.h -- a sweep's setup under way, for the two files that bring it on and
 * to its end. */
#ifndef MUSTER_WORKER_SHELL_SETUP_INSIDE_H
#define MUSTER_WORKER_SHELL_SETUP_INSIDE_H

#include "worker/shell/work_inside.h"

typedef enum { SETUP_COPYING, SETUP_STARTING, SETUP_RUNNING, SETUP_ENDING } setup_state;

struct setup {
    struct list link;
    struct works *works;
    setup_state state;
    char name[WORK_TREE_NAME_MAX + 1];
    char folder[WORK_PATH_BYTES]; /* of the tree */
    char out_path[WORK_PATH_BYTES], err_path[WORK_PATH_BYTES];
    struct arena arena;
    const struct msg_lease *lease;
    bool has_base; /* in use until the end */
    bool is_stopped, is_late;
    bool is_killing; /* in the pool */
    int out_fd, err_fd;
    struct proctree_mark mark;
    pid_t pid;
    int pidfd;
    bool has_poll, has_timer;
    uint32_t n_handles;
    uv_poll_t poll;
    uv_timer_t timer;
    uv_work_t work, kill_work;
    uint64_t bytes;
    error_code error;
    struct report report;
};

/* ---- setup_end.c ---- */
/* The last step: what is left of its processes is ended, the folder sealed or removed, the core
 * told. `setup` is gone afterwards. */
void setup_end(struct setup *setup);
/* It never came to a folder: told, and gone. */
void setup_told(struct setup *setup);
void setup_close(struct setup *setup);
/* In the pool: its process tree is ended; the main process is not reaped. */
void setup_tree_kill(const struct setup *setup);

#endif
