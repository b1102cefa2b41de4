/* The end of a setup: its processes, its last words, its folder. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "work/tree.h"
#include "worker/shell/setup_inside.h"

enum {
    SETUP_TAIL_BYTES = 150, /* of its last words, in the reason */
    KILLS_MAX = 10,
};

/* ---- letting go ---- */

static void setup_free(struct setup *setup)
{
    list_remove(&setup->link);
    arena_fini(&setup->arena);
    mem_free(setup);
}

static void on_setup_closed(uv_handle_t *handle)
{
    struct setup *setup = handle->data;
    if (--setup->n_handles == 0) {
        setup->works->n_jobs--;
        setup_free(setup);
    }
}

void setup_close(struct setup *setup)
{
    int fds[] = {setup->out_fd, setup->err_fd};
    for (int i = 0; i < 2; i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
        }
    }
    if (setup->has_base) {
        works_unref(setup->works, setup->lease->work);
    }
    list_remove(&setup->link); /* nobody finds it any more */
    uint32_t n_handles = setup->n_handles;
    setup->works->n_jobs += n_handles > 0;
    if (setup->has_poll) {
        uv_close((uv_handle_t *)&setup->poll, on_setup_closed);
        close(setup->pidfd);
    }
    if (setup->has_timer) {
        uv_close((uv_handle_t *)&setup->timer, on_setup_closed);
    }
    if (n_handles == 0) {
        setup_free(setup);
    }
}

void setup_told(struct setup *setup)
{
    struct works *works = setup->works;
    char name[sizeof setup->name];
    memcpy(name, setup->name, sizeof name);
    uint64_t bytes = setup->bytes;
    error_code error = setup->error;
    struct report report = setup->report;
    if (!works->is_stopped) {
        loop_again(works->worker->loop);
    }
    setup_close(setup);
    works_made(works, name, bytes, error, &report);
}

/* ---- its last words ---- */

static void tail_read(const char *path, char ret_text[SETUP_TAIL_BYTES + 1])
{
    ret_text[0] = '\0';
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    off_t end = fd >= 0 ? lseek(fd, 0, SEEK_END) : 0;
    off_t from = end > SETUP_TAIL_BYTES ? end - SETUP_TAIL_BYTES : 0;
    ssize_t n = fd >= 0 ? pread(fd, ret_text, SETUP_TAIL_BYTES, from) : 0;
    if (fd >= 0) {
        close(fd);
    }
    n = n > 0 ? n : 0;
    while (n > 0 && (ret_text[n - 1] == '\n' || ret_text[n - 1] == ' ')) {
        n--;
    }
    ret_text[n] = '\0';
    for (ssize_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)ret_text[i];
        ret_text[i] = c < ' ' || c > '~' ? (c == '\n' ? '|' : '?') : ret_text[i];
    }
}

static void exit_judge(struct setup *setup, int status)
{
    char tail[SETUP_TAIL_BYTES + 1], how[64];
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && !setup->is_stopped && !setup->is_late) {
        return;
    }
    if (setup->is_late) {
        ignore_error(snprintf(how, sizeof how, "took longer than timeouts.start") < 0, "it fits");
    } else if (setup->is_stopped) {
        ignore_error(snprintf(how, sizeof how, "was ended: no trial waits for it") < 0, "it fits");
    } else if (WIFSIGNALED(status)) {
        ignore_error(snprintf(how, sizeof how, "was killed by signal %d", WTERMSIG(status)) < 0,
                     "it fits");
    } else {
        ignore_error(snprintf(how, sizeof how, "ended with exit code %d", WEXITSTATUS(status)) < 0,
                     "it fits");
    }
    tail_read(setup->err_path, tail);
    if (tail[0] == '\0') {
        tail_read(setup->out_path, tail);
    }
    setup->error = report_fail(&setup->report, ERR_SYSTEM, "its setup %s%s%s", how,
                               tail[0] != '\0' ? ": " : "", tail);
}

/* ---- in the pool: the last step ---- */

void setup_tree_kill(const struct setup *setup)
{
    /* When the agent leaves, whoever had this number may have been reaped already. */
    struct proctree_target target = {.mark = setup->mark,
                                     .main = setup->works->is_stopped ? 0 : setup->pid};
    uint32_t killed;
    error_code error = ERR_TIMEOUT;
    for (int i = 0; error == ERR_TIMEOUT && i < KILLS_MAX; i++) {
        error = proctree_kill(&target, &killed);
    }
}

static void on_setup_end_work(uv_work_t *work)
{
    struct setup *setup = work->data;
    int status = 0;
    if (setup->pid > 0) {
        setup_tree_kill(setup);
        while (waitpid(setup->pid, &status, 0) < 0 && errno == EINTR) {
        }
        setup->pid = 0;
        exit_judge(setup, status);
    }
    if (setup->error == OK) {
        setup->error = work_tree_seal(setup->folder, &setup->report);
        setup->bytes = work_tree_bytes(setup->folder);
    }
    if (setup->error == OK) {
        setup->error = works_mark(setup->works, setup->name, setup->bytes, &setup->report);
    }
    if (setup->error != OK) {
        ignore_error(dir_remove_tree(setup->folder, NULL),
                     "the next start of the agent removes it");
    }
}

static void on_setup_end_done(uv_work_t *work, int status)
{
    struct setup *setup = work->data;
    (void)status;
    setup->works->n_jobs--;
    setup_told(setup);
}

void setup_end(struct setup *setup)
{
    setup->state = SETUP_ENDING;
    setup->work.data = setup;
    setup->works->n_jobs++;
    uv_queue_work(loop_uv(setup->works->worker->loop), &setup->work, on_setup_end_work,
                  on_setup_end_done);
}
