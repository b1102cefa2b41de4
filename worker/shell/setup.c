/* A sweep's setup on this node: a writable copy of the work folder, the script in it, and what it
 * leaves becomes the read-only tree that the sweep's attempts start from. Three steps: the folder
 * is made in the pool; the script runs as a process of its own; its tree of processes is ended and
 * the folder sealed, or removed, in the pool.
 *
 * The folder has its last name from the start, so that paths that a setup writes down (of a virtual
 * environment, say) stay right. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "sys/clock.h"
#include "sys/log.h"
#include "work/tree.h"
#include "worker/shell/environment.h"
#include "worker/shell/setup_inside.h"

enum {
    SETUP_MS = 30 * 60 * 1000, /* where timeouts.start says nothing */
};

static struct setup *setup_find(const struct works *works, const char *name)
{
    list_each (&works->setups, struct setup, link, setup) {
        if (strcmp(setup->name, name) == 0) {
            return setup;
        }
    }
    return NULL;
}

/* ---- killing it ---- */

static void on_kill_work(uv_work_t *work)
{
    setup_tree_kill(work->data);
}

/* Its end is seen by the pidfd, which may have been before this. */
static void on_kill_done(uv_work_t *work, int status)
{
    struct setup *setup = work->data;
    (void)status;
    setup->works->n_jobs--;
    setup->is_killing = false;
    if (setup->state == SETUP_ENDING) {
        setup_end(setup);
    }
}

static void setup_kill(struct setup *setup)
{
    if (setup->state != SETUP_RUNNING || setup->is_killing) {
        return;
    }
    setup->is_killing = true;
    setup->kill_work.data = setup;
    setup->works->n_jobs++;
    uv_queue_work(loop_uv(setup->works->worker->loop), &setup->kill_work, on_kill_work,
                  on_kill_done);
}

static void on_setup_timer(uv_timer_t *timer)
{
    struct setup *setup = timer->data;
    setup->is_late = true;
    setup_kill(setup);
}

static void on_setup_exit(uv_poll_t *poll, int status, int events)
{
    struct setup *setup = poll->data;
    (void)status;
    (void)events;
    uv_poll_stop(poll);
    if (setup->state != SETUP_RUNNING) {
        return;
    }
    setup->state = SETUP_ENDING;
    if (!setup->is_killing) {
        setup_end(setup);
    }
}

/* ---- the script ---- */

static error_code setup_watch(struct setup *setup)
{
    uv_loop_t *uv = loop_uv(setup->works->worker->loop);
    int64_t limit_ms =
        setup->lease->timeout_start_ms > 0 ? setup->lease->timeout_start_ms : SETUP_MS;
    if (uv_poll_init(uv, &setup->poll, setup->pidfd) != 0) {
        return ERR_SYSTEM;
    }
    setup->has_poll = true;
    setup->n_handles++;
    setup->poll.data = setup;
    uv_poll_start(&setup->poll, UV_READABLE, on_setup_exit);
    uv_timer_init(uv, &setup->timer);
    setup->has_timer = true;
    setup->n_handles++;
    setup->timer.data = setup;
    uv_timer_start(&setup->timer, on_setup_timer, (uint64_t)limit_ms, 0);
    return OK;
}

static void on_setup_spawned(void *context, const struct spawn_result *result)
{
    struct setup *setup = context;
    setup->state = SETUP_RUNNING;
    if (result->pid == 0) {
        setup->error = report_fail(&setup->report, error_from_errno(result->error),
                                   "its setup cannot start (%s): %s",
                                   spawn_place_words(result->place), strerror(result->error));
        setup_end(setup);
        return;
    }
    setup->pid = result->pid;
    setup->pidfd = result->pidfd;
    if (setup_watch(setup) != OK) {
        close(setup->pidfd);
        setup->error = report_fail(&setup->report, ERR_SYSTEM, "cannot wait for its setup");
        setup_end(setup);
    } else if (setup->is_stopped) {
        setup_kill(setup);
    }
}

/* What only an attempt has is left out, and so is what needs a trial's parameters. */
static error_code setup_environment(struct setup *setup, const char *const **ret_envp)
{
    static const char *const own[] = {
        "MUSTER_TRIAL=",       "MUSTER_SOCKET=", "MUSTER_SEED=",
        "MUSTER_PARAMS_FILE=", "MUSTER_PARAMS=", "MUSTER_ATTEMPT_NUMBER="};
    const struct worker *worker = setup->works->worker;
    struct msg_lease lease = *setup->lease;
    struct label_pair *env = arena_calloc(&setup->arena, lease.n_env, sizeof *env);
    if (env == NULL) {
        return ERR_NO_MEMORY;
    }
    lease.n_env = lease.n_params = lease.n_gpus = 0;
    for (uint32_t i = 0; i < setup->lease->n_env; i++) {
        const char *value = setup->lease->env[i].value;
        if (value == NULL || strstr(value, "${") == NULL) {
            env[lease.n_env++] = setup->lease->env[i];
        }
    }
    lease.env = env;
    const struct environment_facts facts = {
        .socket = "",
        .params_file = "",
        .trial_dir = setup->folder,
        .tmp_dir = "/tmp",
        .mark = setup->mark.text,
        .bin_dir = worker->bin_dir[0] != '\0' ? worker->bin_dir : NULL,
        .python_dir = worker->python_dir[0] != '\0' ? worker->python_dir : NULL,
    };
    const char *const *made;
    error_code error = environment_make(&lease, &facts, &setup->arena, &made, &setup->report);
    uint32_t n = 0, kept = 0;
    while (error == OK && made[n] != NULL) {
        n++;
    }
    const char **envp = error == OK ? arena_calloc(&setup->arena, n + 1, sizeof *envp) : NULL;
    for (uint32_t i = 0; envp != NULL && i < n; i++) {
        bool is_own = false;
        for (size_t k = 0; k < sizeof own / sizeof own[0]; k++) {
            is_own |= strncmp(made[i], own[k], strlen(own[k])) == 0;
        }
        if (!is_own) {
            envp[kept++] = made[i];
        }
    }
    *ret_envp = envp;
    return error == OK && envp == NULL ? ERR_NO_MEMORY : error;
}

static error_code setup_logs_open(struct setup *setup)
{
    setup->out_fd = open(setup->out_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    setup->err_fd = open(setup->err_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int number = errno;
    return setup->out_fd >= 0 && setup->err_fd >= 0
               ? OK
               : report_fail(&setup->report, error_from_errno(number),
                             "the log of its setup cannot be written: %s", strerror(number));
}

static void setup_run(struct setup *setup)
{
    struct worker *worker = setup->works->worker;
    const char *const *envp = NULL;
    const char *const argv[] = {"/bin/sh", "-e", "-c", setup->lease->setup, NULL};
    bool is_shared = setup->lease->work[0] == '\0';
    error_code error =
        proctree_mark_make(worker->prefix, setup->name, ++worker->last_serial, &setup->mark);
    error = error == OK ? setup_logs_open(setup) : error;
    error = error == OK ? setup_environment(setup, &envp) : error;
    if (error == OK) {
        const struct spawn_request request = {
            .argv = argv,
            .envp = envp,
            .folder = is_shared ? setup->lease->workdir : setup->folder,
            .out_fd = setup->out_fd,
            .err_fd = setup->err_fd,
            .mark = setup->mark.number,
            .nofile = worker->nofile,
        };
        setup->state = SETUP_STARTING;
        error = spawner_start(worker->spawner, &request, on_setup_spawned, setup);
    }
    if (error != OK) {
        setup->error = setup->report.text[0] != '\0'
                           ? error
                           : report_fail(&setup->report, error, "its setup cannot start: %s",
                                         error_word(error));
        setup_end(setup);
        return;
    }
    log_write(LOG_LEVEL_INFO, "setup of sweep %u begins; its log is %s", setup->lease->task.job,
              setup->out_path);
}

/* ---- the first step, in the pool ---- */

static void on_setup_copy_work(uv_work_t *work)
{
    struct setup *setup = work->data;
    char base[WORK_PATH_BYTES];
    setup->error = dir_remove_tree(setup->folder, &setup->report);
    if (setup->error == OK) {
        setup->error = dir_make(setup->folder, &setup->report);
    }
    if (setup->error == OK && setup->has_base) {
        works_path(setup->works, setup->lease->work, base);
        setup->error = work_tree_copy(base, setup->folder, UINT64_MAX, &setup->report);
    }
}

static void on_setup_copy_done(uv_work_t *work, int status)
{
    struct setup *setup = work->data;
    (void)status;
    setup->works->n_jobs--;
    if (setup->error == OK && (setup->is_stopped || setup->works->worker->spawner == NULL)) {
        setup->error = report_fail(&setup->report, ERR_CLOSED, "its setup is wanted no more");
    }
    if (setup->error == OK) {
        setup_run(setup);
    } else {
        setup_end(setup);
    }
}

/* The effect's lease is gone with its turn. */
static const struct msg_lease *lease_keep(const struct msg_lease *lease, struct arena *arena)
{
    struct buf frame;
    message_type type;
    void *copy = NULL;
    buf_init(&frame, MSG_MAX_BYTES);
    if (message_encode(MSG_LEASE, lease, &frame) != OK ||
        message_decode(buf_bytes(&frame), arena, &type, &copy, NULL) != OK) {
        copy = NULL;
    }
    buf_fini(&frame);
    return copy;
}

void works_setup(struct works *works, const char *name, const struct msg_lease *lease)
{
    struct report report = {0};
    uint64_t bytes;
    struct setup *setup = mem_zalloc(sizeof *setup);
    if (setup == NULL) {
        works_made(works, name, 0, ERR_NO_MEMORY, &report);
        return;
    }
    setup->works = works;
    setup->out_fd = setup->err_fd = setup->pidfd = -1;
    list_init(&setup->link);
    list_push_back(&works->setups, &setup->link);
    arena_init(&setup->arena, MSG_ARENA_MAX_BYTES + (8 << 20));
    ignore_error(snprintf(setup->name, sizeof setup->name, "%s", name) < 0, "it fits");
    works_path(works, name, setup->folder);
    ignore_error(snprintf(setup->out_path, sizeof setup->out_path, "%s/logs/setup-%u.out",
                          works->worker->node_dir, lease->task.job) < 0 ||
                     snprintf(setup->err_path, sizeof setup->err_path, "%s/logs/setup-%u.err",
                              works->worker->node_dir, lease->task.job) < 0,
                 "it fits");
    setup->lease = lease_keep(lease, &setup->arena);
    if (setup->lease == NULL) {
        setup->error = ERR_NO_MEMORY;
        setup_told(setup);
        return;
    }
    setup->has_base = setup->lease->work[0] != '\0' && works_ref(works, setup->lease->work, &bytes);
    if (setup->lease->work[0] != '\0' && !setup->has_base) {
        agent_tree_lost(works->worker->agent, setup->lease->work);
        setup->error = report_fail(&setup->report, ERR_NOT_FOUND, "its work folder was removed");
        setup_told(setup);
        return;
    }
    setup->work.data = setup;
    works->n_jobs++;
    uv_queue_work(loop_uv(works->worker->loop), &setup->work, on_setup_copy_work,
                  on_setup_copy_done);
}

void works_setup_stop(struct works *works, const char *name)
{
    struct setup *setup = setup_find(works, name);
    if (setup != NULL) {
        setup->is_stopped = true;
        setup_kill(setup);
    }
}

/* The spawner has gone: its children with it, and what it had not started will not be told. */
void works_setups_stop(struct works *works)
{
    list_each (&works->setups, struct setup, link, setup) {
        setup->is_stopped = true;
        if (setup->state == SETUP_STARTING) {
            setup_close(setup);
        } else {
            setup_kill(setup);
        }
    }
}
