#include "head/core/gang_end.h"

#include <stdio.h>
#include <string.h>

enum {
    EXIT_GIVE_BACK = 75, /* as of result.c */
    PARTS_GRACE_MS = 3000,
    VERDICT_ARENA_MAX = 4 << 20,
    VERDICT_REASON_MAX = 1024,
};

bool core_result_has_failed(const struct attempt_result *result)
{
    return result->cause != CAUSE_EXIT ||
           (result->exit_code != 0 && result->exit_code != EXIT_GIVE_BACK);
}

void core_verdict_clear(struct task *task)
{
    mem_free((void *)(uintptr_t)task->r.verdict.data);
    task->r.verdict = (struct bytes){0};
}

void core_verdict_own(struct core *core, struct task *task, struct bytes verdict)
{
    core_verdict_clear(task);
    if (verdict.len == 0) {
        return;
    }
    uint8_t *copy = mem_alloc(verdict.len);
    if (copy == NULL) {
        core_fail(core, ERR_NO_MEMORY);
        return;
    }
    memcpy(copy, verdict.data, verdict.len);
    task->r.verdict = (struct bytes){copy, verdict.len};
}

/* Its tails are left out where all of it is too much for the record. */
static void verdict_write(struct core *core, struct task *task, const struct attempt_result *result)
{
    struct record_attempt record = {
        .task = task->r.id, .attempt = task->r.attempt, .result = *result};
    struct buf buf;
    buf_init(&buf, VERDICT_MAX_BYTES);
    error_code error = record_encode(&record_attempt_schema, &record, &buf);
    if (error == ERR_LIMIT) {
        record.result.out_tail = record.result.err_tail = (struct bytes){0};
        record.result.n_line_names = 0;
        record.result.note = NULL;
        buf_reset(&buf);
        error = record_encode(&record_attempt_schema, &record, &buf);
    }
    if (error != OK) {
        core_fail(core, error);
    } else {
        core_verdict_own(core, task, buf_bytes(&buf));
    }
    buf_fini(&buf);
    core_task_dirty(core, task);
}

/* False: it cannot be read, and the core has failed. */
static bool verdict_read(struct core *core, const struct task *task, struct arena *arena,
                         struct record_attempt *ret_record)
{
    *ret_record = (struct record_attempt){0};
    error_code error =
        record_decode(&record_attempt_schema, task->r.verdict, arena, ret_record, NULL);
    if (error != OK) {
        core_fail(core, error);
    }
    return error == OK;
}

void core_verdict_set(struct core *core, struct task *task, uint32_t part,
                      const struct attempt_result *result)
{
    struct attempt_result copy = *result;
    char reason[VERDICT_REASON_MAX];
    bool has_left = result->cause == CAUSE_TOLD || !core_result_has_failed(result);
    if (part > 0 || !has_left) {
        const char *node = task->r.parts[part].node;
        bool is_early = !core_result_has_failed(result);
        bool has_reason = result->reason != NULL && result->reason[0] != '\0';
        snprintf(reason, sizeof reason, "node %s: %s", node != NULL ? node : "?",
                 is_early     ? "it ended before all its nodes were ready"
                 : has_reason ? result->reason
                              : end_cause_names[result->cause]);
        copy.reason = reason;
        copy.cause = is_early ? CAUSE_CANNOT_START : result->cause;
    }
    if (part > 0 && result->cause == CAUSE_REFUSED) {
        /* Its agent leaves; others may have begun, and it is nobody's failure. */
        copy.cause = CAUSE_AGENT_LEFT;
    }
    task->r.verdict_part = part;
    verdict_write(core, task, &copy);
}

void core_verdict_lost(struct core *core, time_ms now, struct task *task, uint32_t part,
                       const char *reason)
{
    char text[VERDICT_REASON_MAX];
    const char *node = task->r.parts[part].node;
    snprintf(text, sizeof text, "node %s: %s", node != NULL ? node : "?", reason);
    const struct attempt_result result = {
        .cause = CAUSE_LOST, .reason = text, .started_at = task->r.started, .ended_at = now};
    task->r.verdict_part = part;
    verdict_write(core, task, &result);
}

void core_verdict_add_first(struct core *core, struct task *task,
                            const struct attempt_result *result)
{
    struct arena arena;
    struct record_attempt record;
    arena_init(&arena, VERDICT_ARENA_MAX);
    if (verdict_read(core, task, &arena, &record)) {
        record.result.has_started |= result->has_started;
        record.result.handed = result->handed;
        record.result.bye = result->bye;
        record.result.note = result->note;
        record.result.last_seq = result->last_seq;
        record.result.is_restore_lost |= result->is_restore_lost;
        verdict_write(core, task, &record.result);
    }
    arena_fini(&arena);
}

/* Rank 0 has left as it was to, or by itself: the others have as much time as it had. */
static bool verdict_is_well(const struct task *task, const struct attempt_result *result)
{
    return task->r.verdict_part == 0 &&
           (!core_result_has_failed(result) || result->cause == CAUSE_TOLD ||
            result->cause == CAUSE_AGENT_LEFT);
}

void core_verdict_tell(struct core *core, const struct task *task, struct msg_gang *ret_message,
                       char *reason, size_t size_bytes)
{
    struct arena arena;
    struct record_attempt record;
    int64_t grace_ms = core_work_grace_ms(task->work);
    arena_init(&arena, VERDICT_ARENA_MAX);
    bool is_well =
        verdict_read(core, task, &arena, &record) && verdict_is_well(task, &record.result);
    const char *why = record.result.reason != NULL ? record.result.reason : "";
    snprintf(reason, size_bytes, "%s%s",
             is_well ? "rank 0 has left" : "its attempt has ended: ", is_well ? "" : why);
    *ret_message = (struct msg_gang){
        .task = task->r.id,
        .attempt = task->r.attempt,
        .act = GANG_END,
        .wait_ms = is_well ? grace_ms : 0,
        .grace_ms = grace_ms < PARTS_GRACE_MS ? grace_ms : PARTS_GRACE_MS,
        .reason = reason,
    };
    arena_fini(&arena);
}

void core_verdict_apply(struct core *core, time_ms now, struct task *task)
{
    struct arena arena;
    struct record_attempt record;
    arena_init(&arena, VERDICT_ARENA_MAX);
    if (verdict_read(core, task, &arena, &record)) {
        if (task->r.parts[0].state == PART_LOST) {
            record.result.last_seq = task->r.last_seq; /* all that will be known of it */
        }
        if (record.result.cause == CAUSE_LOST) {
            core_task_lost(core, now, task,
                           record.result.reason != NULL ? record.result.reason : "",
                           record.result.ended_at);
        } else {
            core_attempt_ended(core, now, task, &record.result);
        }
    }
    arena_fini(&arena);
}
