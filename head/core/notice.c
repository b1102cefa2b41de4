/* Events for those who watch: one JSON object each, told once what they tell is on disk. */
#include <stdio.h>
#include <string.h>

#include "head/core/job_views.h"

enum { NOTICE_ARENA_MAX = 1 << 20 };

static void core_notice(struct core *core, time_ms now, const char *kind, const char *subject,
                        const char *text, const struct schema *schema, const void *object)
{
    struct buf data, body;
    buf_init(&data, CORE_ANSWER_MAX_BYTES);
    buf_init(&body, CORE_ANSWER_MAX_BYTES);
    struct json_out json = json_out_to(&data);
    schema_print_json(schema, object, &json, NULL);
    struct api_event event = {
        .kind = kind, .time = now, .subject = subject, .text = text, .data = buf_text(&data)};
    json = json_out_to(&body);
    schema_print_json(&api_event_schema, &event, &json, NULL);
    if (data.failed != OK || body.failed != OK) {
        core_fail(core, ERR_NO_MEMORY);
    }
    outbox_notice(&core->out, buf_bytes(&body));
    buf_fini(&data);
    buf_fini(&body);
}

void core_notice_task_text(struct core *core, time_ms now, const struct task *task,
                           const char *text)
{
    char subject[TASK_ID_TEXT_MAX];
    struct arena arena;
    arena_init(&arena, NOTICE_ARENA_MAX);
    task_id_print(task->r.id, subject);
    if (task->r.is_trial) {
        struct api_trial trial;
        api_trial_fill(core, task, &arena, &trial);
        core_notice(core, now, "task", subject, text, &api_trial_schema, &trial);
    } else {
        struct api_task object;
        api_task_fill(core, task, &arena, &object);
        core_notice(core, now, "task", subject, text, &api_task_schema, &object);
    }
    arena_fini(&arena);
}

void core_notice_task(struct core *core, time_ms now, const struct task *task)
{
    char id[TASK_ID_TEXT_MAX], text[256];
    snprintf(text, sizeof text, "%s %s %s%s%s%s", task->r.is_trial ? "trial" : "task",
             task_id_print(task->r.id, id), task_state_names[task->r.state],
             task->r.outcome != OUTCOME_NONE ? " " : "", task_outcome_names[task->r.outcome],
             task->r.is_dry ? ", dry" : "");
    core_notice_task_text(core, now, task, text);
}

void core_notice_array(struct core *core, time_ms now, const struct work *work)
{
    char subject[16], text[256];
    struct api_job object;
    struct arena arena;
    if (work->array == NULL) {
        return;
    }
    arena_init(&arena, NOTICE_ARENA_MAX);
    api_job_fill(core, now, work, &arena, &object);
    snprintf(subject, sizeof subject, "%u", work->number);
    snprintf(text, sizeof text, "array %u %s%s%s%s: %u of %u tasks done, %u failed, %u cancelled",
             work->number, task_state_names[object.state],
             object.outcome != OUTCOME_NONE ? " " : "", task_outcome_names[object.outcome],
             object.dry ? ", dry" : "", object.done, object.total, object.failed, object.cancelled);
    core_notice(core, now, "job", subject, text, &api_job_schema, &object);
    arena_fini(&arena);
}

void core_notice_sweep(struct core *core, time_ms now, const struct sweep *sweep)
{
    char subject[16], text[256];
    struct api_sweep object;
    struct arena arena;
    arena_init(&arena, NOTICE_ARENA_MAX);
    snprintf(subject, sizeof subject, "%u", sweep->r.number);
    snprintf(text, sizeof text, "sweep %s %s", subject,
             sweep->r.is_removing ? "removed" : sweep_state_names[sweep->r.state]);
    api_sweep_fill(core, sweep, now, &arena, &object);
    core_notice(core, now, "sweep", subject, text, &api_sweep_schema, &object);
    arena_fini(&arena);
}

void core_notice_best(struct core *core, time_ms now, const struct sweep *sweep)
{
    uint32_t trial;
    double value;
    int64_t step;
    struct sweep *mutable_sweep = sweep->work->sweep;
    if (!tune_best(sweep->tuner, &trial, &value, &step) ||
        (mutable_sweep->told_best_trial == trial && mutable_sweep->told_best_value == value)) {
        return;
    }
    mutable_sweep->told_best_trial = trial;
    mutable_sweep->told_best_value = value;
    char subject[16], text[256], number[REAL_TEXT_MAX];
    struct api_sweep object;
    struct arena arena;
    arena_init(&arena, NOTICE_ARENA_MAX);
    snprintf(subject, sizeof subject, "%u", sweep->r.number);
    snprintf(text, sizeof text, "sweep %s best %s %s trial %u.%u step %lld", subject,
             sweep->spec.metric.name, real_print(value, number), sweep->r.number, trial,
             (long long)step);
    api_sweep_fill(core, sweep, now, &arena, &object);
    core_notice(core, now, "best", subject, text, &api_sweep_schema, &object);
    arena_fini(&arena);
}

void core_notice_node_text(struct core *core, time_ms now, const struct node *node,
                           const char *text)
{
    struct api_node object;
    struct arena arena;
    arena_init(&arena, NOTICE_ARENA_MAX);
    api_node_fill(core, node, now, &arena, &object);
    core_notice(core, now, "node", node->r.name, text, &api_node_schema, &object);
    arena_fini(&arena);
}

void core_notice_node(struct core *core, time_ms now, const struct node *node)
{
    char text[256];
    snprintf(text, sizeof text, "node %s %s", node->r.name, node_state_names[node->r.state]);
    core_notice_node_text(core, now, node, text);
}

void core_notice_aside(struct core *core, time_ms now, const struct sweep *sweep,
                       const struct node *node, const char *reason)
{
    char text[640];
    struct api_node object;
    struct arena arena;
    arena_init(&arena, NOTICE_ARENA_MAX);
    snprintf(text, sizeof text, "node %s set aside for sweep %u: %s", node->r.name, sweep->r.number,
             reason);
    api_node_fill(core, node, now, &arena, &object);
    core_notice(core, now, "node", node->r.name, text, &api_node_schema, &object);
    arena_fini(&arena);
}
