/* What is kept for a trial, and why, as people see it. */
#include <math.h>

#include "head/core/state.h"

enum { SHOWN_MAX = SNAPSHOT_ROWS_MAX + 3 }; /* another one's, its own before, and a second place */

static const struct {
    uint32_t stays;
    const char *word;
} whys[] = {{STAYS_TO_RESUME, "resume"}, {STAYS_AS_LAST, "last"}, {STAYS_AS_BEST, "best"}};
static const char *const why_safe[] = {"safe"};
static const char *const why_resume[] = {"resume"};
static const char *const why_fallback[] = {"fallback"};
enum { N_WHYS = sizeof whys / sizeof whys[0] };

static void why_fill(const struct task *task, uint32_t stays, struct arena *arena,
                     struct api_checkpoint *ret)
{
    const char **words = arena_calloc(arena, N_WHYS + 1, sizeof *words);
    if (task->r.state == TASK_ENDED) {
        stays &= ~(uint32_t)STAYS_TO_RESUME;
    }
    for (uint32_t i = 0; words != NULL && i < N_WHYS; i++) {
        if ((stays & whys[i].stays) != 0) {
            words[ret->n_why++] = whys[i].word;
        }
    }
    ret->why = words;
}

static struct api_checkpoint checkpoint_of(const struct core *core, const struct task *task,
                                           const struct snapshot_ref *snapshot, const char *where,
                                           struct arena *arena)
{
    task_id maker = snapshot_maker(task->r.id, snapshot);
    return (struct api_checkpoint){
        .ordinal = snapshot->ordinal,
        .trial = maker,
        .step = snapshot->step,
        .value = NAN,
        .bytes = snapshot->bytes,
        .node = where,
        .path = api_snapshot_dir(core, maker, snapshot->ordinal, where, arena),
    };
}

static struct api_checkpoint row_show(const struct core *core, const struct task *task,
                                      const struct snapshot_row *row, struct arena *arena)
{
    const struct record_task *r = &task->r;
    const struct kept_snapshot *kept = core_kept_find(task, row->ordinal);
    const struct snapshot_ref *snapshot = kept != NULL     ? &kept->snapshot
                                          : row->is_resume ? &r->snapshot
                                                           : &r->best_snapshot;
    const char *where = kept != NULL     ? kept->node
                        : row->is_resume ? r->snapshot_node
                                         : r->best_node;
    struct api_checkpoint shown = checkpoint_of(core, task, snapshot, where, arena);
    shown.value = row->value;
    if (r->safe_snapshot.ordinal == row->ordinal && !core_text_equal(r->safe_node, where)) {
        shown.safe_node = r->safe_node;
    }
    why_fill(task, row->stays, arena, &shown);
    return shown;
}

/* The oldest first. */
static void shown_put(struct api_checkpoint *shown, uint32_t *n, struct api_checkpoint next)
{
    uint32_t at = (*n)++;
    while (at > 0 && shown[at - 1].ordinal > next.ordinal) {
        shown[at] = shown[at - 1];
        at--;
    }
    shown[at] = next;
}

void api_checkpoints_fill(const struct core *core, const struct task *task, struct arena *arena,
                          struct api_trial *ret)
{
    const struct record_task *r = &task->r;
    struct snapshot_row rows[SNAPSHOT_ROWS_MAX];
    uint32_t best, n_rows = core_snapshot_rows(task, rows, &best), n = 0;
    struct api_checkpoint *shown = arena_calloc(arena, SHOWN_MAX, sizeof *shown);
    bool is_safe_shown = false, is_own_shown = false;
    if (shown == NULL) {
        return;
    }
    for (uint32_t i = 0; i < n_rows; i++) {
        is_safe_shown |= rows[i].ordinal == r->safe_snapshot.ordinal;
        is_own_shown |= rows[i].ordinal == r->own_snapshot.ordinal;
        shown_put(shown, &n, row_show(core, task, &rows[i], arena));
    }
    if (r->safe_snapshot.ordinal != 0 && !is_safe_shown) {
        struct api_checkpoint safe =
            checkpoint_of(core, task, &r->safe_snapshot, r->safe_node, arena);
        safe.why = why_safe;
        safe.n_why = 1;
        shown_put(shown, &n, safe);
    }
    if (r->own_snapshot.ordinal != 0 && !is_own_shown) {
        struct api_checkpoint own = checkpoint_of(core, task, &r->own_snapshot, r->own_node, arena);
        own.why = why_fallback;
        own.n_why = 1;
        shown_put(shown, &n, own);
    }
    if (r->snapshot.ordinal != 0 && r->snapshot.owner != 0) {
        shown[n] = checkpoint_of(core, task, &r->snapshot, r->snapshot_node, arena);
        shown[n].why = why_resume;
        shown[n++].n_why = 1;
    }
    ret->checkpoints = shown;
    ret->n_checkpoints = n;
}
