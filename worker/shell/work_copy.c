/* An attempt for which no spare is ready: its tree is copied in the pool. */
#include <string.h>

#include "base/mem.h"
#include "work/tree.h"
#include "worker/shell/work_inside.h"

struct copy {
    uv_work_t work;
    struct works *works;
    struct attempt_ref ref;
    char from[WORK_PATH_BYTES];
    char to[ATTEMPT_PATH_MAX + 16];
    error_code error;
    struct report report;
};

static void on_copy_work(uv_work_t *work)
{
    struct copy *copy = work->data;
    copy->error = work_tree_copy(copy->from, copy->to, WORK_COPY_MAX_BYTES, &copy->report);
}

static void on_copy_done(uv_work_t *work, int status)
{
    struct copy *copy = work->data;
    struct works *works = copy->works;
    (void)status;
    works->n_jobs--;
    struct attempt_run *run = attempt_run_find(works->worker, copy->ref);
    if (run != NULL && !works->is_stopped) {
        attempt_folder_copied(run, copy->error, &copy->report);
    }
    mem_free(copy);
}

error_code works_copy(struct works *works, struct attempt_run *run, const char *name)
{
    struct copy *copy = mem_zalloc(sizeof *copy);
    if (copy == NULL) {
        return ERR_NO_MEMORY;
    }
    copy->works = works;
    copy->ref = run->ref;
    works_path(works, name, copy->from);
    memcpy(copy->to, run->trial_dir, sizeof run->trial_dir);
    copy->work.data = copy;
    works->n_jobs++;
    uv_queue_work(loop_uv(works->worker->loop), &copy->work, on_copy_work, on_copy_done);
    return OK;
}
