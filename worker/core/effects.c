#include "worker/core/effects.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "worker/core/state.h"

static void outbox_add(struct agent_outbox *out, struct agent_effect effect)
{
    if (out->failed != OK) {
        return;
    }
    if (out->n_effects == out->cap) {
        uint32_t cap = out->cap == 0 ? 16 : out->cap * 2;
        struct agent_effect *effects = NULL;
        if (cap <= AGENT_EFFECTS_MAX) {
            effects = mem_realloc(out->effects, cap * sizeof *effects);
        }
        if (effects == NULL) {
            agent_outbox_fail(out, ERR_NO_MEMORY);
            return;
        }
        out->effects = effects;
        out->cap = cap;
    }
    out->effects[out->n_effects++] = effect;
}

void agent_outbox_fail(struct agent_outbox *out, error_code error)
{
    if (out->failed == OK) {
        out->failed = error;
    }
}

error_code agent_outbox_frame(struct agent_outbox *out, message_type type, const uint8_t *frame,
                              size_t size_bytes)
{
    uint8_t *copy = arena_alloc(&out->arena, size_bytes);
    if (copy == NULL) {
        return ERR_NO_MEMORY;
    }
    memcpy(copy, frame, size_bytes);
    outbox_add(
        out, (struct agent_effect){.kind = AGENT_SEND, .frame = {copy, size_bytes}, .type = type});
    return out->failed;
}

void agent_outbox_send(struct agent_outbox *out, message_type type, const void *message)
{
    CLEANUP(buf_fini) struct buf frame;
    buf_init(&frame, MSG_MAX_BYTES);
    error_code error = message_encode(type, message, &frame);
    if (error == OK) {
        error = agent_outbox_frame(out, type, frame.data, frame.len);
    }
    if (error != OK) {
        agent_outbox_fail(out, error);
    }
}

void agent_outbox_reconnect(struct agent_outbox *out, time_ms at)
{
    outbox_add(out, (struct agent_effect){.kind = AGENT_RECONNECT, .at = at});
}

void agent_outbox_start(struct agent_outbox *out, struct attempt_ref ref,
                        const struct msg_lease *lease)
{
    const struct msg_lease *copy = agent_message_copy(MSG_LEASE, lease, &out->arena);
    if (copy == NULL) {
        agent_outbox_fail(out, ERR_NO_MEMORY);
        return;
    }
    outbox_add(out, (struct agent_effect){.kind = AGENT_START, .ref = ref, .lease = copy});
}

void agent_outbox_signal(struct agent_outbox *out, struct attempt_ref ref, int signal)
{
    outbox_add(out, (struct agent_effect){.kind = AGENT_SIGNAL, .ref = ref, .signal = signal});
}

void agent_outbox_answer(struct agent_outbox *out, uint64_t connection, const char *text)
{
    size_t length = strlen(text);
    char *line = arena_alloc(&out->arena, length + 2);
    if (line == NULL) {
        agent_outbox_fail(out, ERR_NO_MEMORY);
        return;
    }
    /* NOLINTNEXTLINE(bugprone-not-null-terminated-result): the arena gives zeroes */
    memcpy(line, text, length);
    line[length] = '\n';
    outbox_add(out,
               (struct agent_effect){.kind = AGENT_ANSWER, .connection = connection, .text = line});
}

void agent_outbox_connection(struct agent_outbox *out, agent_effect_kind kind, uint64_t connection)
{
    assert(kind == AGENT_CLOSE || kind == AGENT_READ_STOP || kind == AGENT_READ_START);
    outbox_add(out, (struct agent_effect){.kind = kind, .connection = connection});
}

void agent_outbox_save(struct agent_outbox *out, struct attempt_ref ref, uint64_t connection,
                       int64_t step)
{
    outbox_add(out,
               (struct agent_effect){
                   .kind = AGENT_SAVE_BEGIN, .ref = ref, .connection = connection, .step = step});
}

void agent_outbox_commit(struct agent_outbox *out, struct attempt_ref ref, uint64_t connection,
                         uint32_t ordinal, int64_t step)
{
    outbox_add(out, (struct agent_effect){
                        .kind = AGENT_SAVE_COMMIT,
                        .ref = ref,
                        .connection = connection,
                        .step = step,
                        .snapshot = {.ordinal = ordinal, .step = step, .attempt = ref.attempt}});
}

void agent_outbox_prove(struct agent_outbox *out, struct attempt_ref ref, uint64_t connection,
                        const struct snapshot_ref *snapshot)
{
    outbox_add(out, (struct agent_effect){
                        .kind = AGENT_SNAPSHOT_PROVE,
                        .ref = ref,
                        .connection = connection,
                        .snapshot = {.ordinal = snapshot->ordinal, .owner = snapshot->owner},
                    });
}

void agent_outbox_drop(struct agent_outbox *out, struct snapshot_name name)
{
    outbox_add(out, (struct agent_effect){.kind = AGENT_DROP,
                                          .ref = {.task = name.task},
                                          .snapshot = {.ordinal = name.ordinal}});
}

void agent_outbox_clean(struct agent_outbox *out, struct attempt_ref ref)
{
    outbox_add(out, (struct agent_effect){.kind = AGENT_CLEAN, .ref = ref});
}

void agent_outbox_exit(struct agent_outbox *out, int code)
{
    outbox_add(out, (struct agent_effect){.kind = AGENT_EXIT, .code = code});
}

void agent_outbox_work(struct agent_outbox *out, agent_effect_kind kind, const char *name,
                       const struct msg_lease *lease)
{
    const char *text = arena_strdup(&out->arena, name);
    const struct msg_lease *copy =
        lease != NULL ? agent_message_copy(MSG_LEASE, lease, &out->arena) : NULL;
    if (text == NULL || (lease != NULL && copy == NULL)) {
        agent_outbox_fail(out, ERR_NO_MEMORY);
        return;
    }
    outbox_add(out, (struct agent_effect){.kind = kind, .text = text, .lease = copy});
}

void agent_outbox_piece(struct agent_outbox *out, const char *hash, const struct msg_blob *piece)
{
    const char *text = arena_strdup(&out->arena, hash);
    if (text == NULL) {
        agent_outbox_fail(out, ERR_NO_MEMORY);
        return;
    }
    outbox_add(out, (struct agent_effect){.kind = AGENT_BLOB_WRITE,
                                          .text = text,
                                          .offset = piece->offset,
                                          .sum = piece->sum,
                                          .frame = piece->data});
}

void agent_outbox_array(struct agent_outbox *out, const struct msg_array *array)
{
    const struct msg_array *copy = agent_message_copy(MSG_ARRAY, array, &out->arena);
    if (copy == NULL) {
        agent_outbox_fail(out, ERR_NO_MEMORY);
        return;
    }
    outbox_add(out, (struct agent_effect){.kind = AGENT_ARRAY, .array = copy, .job = copy->job});
}

void agent_outbox_array_drop(struct agent_outbox *out, uint32_t job)
{
    outbox_add(out, (struct agent_effect){.kind = AGENT_ARRAY_DROP, .job = job});
}

void agent_outbox_logs_drop(struct agent_outbox *out, struct array_range jobs)
{
    outbox_add(out, (struct agent_effect){.kind = AGENT_LOGS_DROP, .jobs = jobs});
}

void agent_outbox_lane_open(struct agent_outbox *out, uint32_t job, const struct array_lane *lane)
{
    const char **gpus = arena_calloc(&out->arena, (size_t)lane->n_gpus + 1, sizeof *gpus);
    for (uint32_t i = 0; gpus != NULL && i < lane->n_gpus; i++) {
        gpus[i] = arena_strdup(&out->arena, lane->gpus[i]);
        gpus = gpus[i] != NULL ? gpus : NULL;
    }
    if (gpus == NULL) {
        agent_outbox_fail(out, ERR_NO_MEMORY);
        return;
    }
    outbox_add(out, (struct agent_effect){.kind = AGENT_LANE_OPEN,
                                          .job = job,
                                          .lane = {lane->lane, gpus, lane->n_gpus}});
}

void agent_outbox_lane_close(struct agent_outbox *out, uint32_t job, uint32_t lane)
{
    outbox_add(out,
               (struct agent_effect){.kind = AGENT_LANE_CLOSE, .job = job, .lane = {.lane = lane}});
}

void agent_outbox_lane_recall(struct agent_outbox *out, uint32_t job, uint32_t lane)
{
    outbox_add(
        out, (struct agent_effect){.kind = AGENT_LANE_RECALL, .job = job, .lane = {.lane = lane}});
}

void agent_outbox_lane_start(struct agent_outbox *out, struct attempt_ref ref, uint32_t lane,
                             uint32_t position)
{
    outbox_add(out, (struct agent_effect){.kind = AGENT_LANE_START,
                                          .ref = ref,
                                          .job = ref.task.job,
                                          .lane = {.lane = lane},
                                          .position = position});
}

void agent_outbox_copy(struct agent_outbox *out, const struct msg_source *source,
                       const uint8_t pass[PASS_BYTES])
{
    const struct msg_source *copy = agent_message_copy(MSG_SOURCE, source, &out->arena);
    uint8_t *own = arena_alloc(&out->arena, PASS_BYTES);
    if (copy == NULL || own == NULL) {
        agent_outbox_fail(out, ERR_NO_MEMORY);
        return;
    }
    memcpy(own, pass, PASS_BYTES);
    outbox_add(
        out, (struct agent_effect){.kind = AGENT_COPY, .source = copy, .frame = {own, PASS_BYTES}});
}

void agent_outbox_lend(struct agent_outbox *out, const struct msg_lend *lend)
{
    const struct msg_lend *copy = agent_message_copy(MSG_LEND, lend, &out->arena);
    if (copy == NULL) {
        agent_outbox_fail(out, ERR_NO_MEMORY);
        return;
    }
    outbox_add(out, (struct agent_effect){.kind = AGENT_LEND, .lend = copy});
}

void agent_outbox_meet(struct agent_outbox *out, struct attempt_ref ref,
                       const struct msg_gang *message, const char *reason)
{
    const struct msg_gang *copy =
        message != NULL ? agent_message_copy(MSG_GANG, message, &out->arena) : NULL;
    const char *text = reason != NULL ? arena_strdup(&out->arena, reason) : NULL;
    if ((message != NULL && copy == NULL) || (reason != NULL && text == NULL)) {
        agent_outbox_fail(out, ERR_NO_MEMORY);
        return;
    }
    outbox_add(out,
               (struct agent_effect){.kind = AGENT_MEET, .ref = ref, .gang = copy, .text = text});
}

void agent_outbox_say(struct agent_outbox *out, const char *text)
{
    const char *copy = arena_strdup(&out->arena, text);
    if (copy == NULL) {
        agent_outbox_fail(out, ERR_NO_MEMORY);
        return;
    }
    outbox_add(out, (struct agent_effect){.kind = AGENT_SAY, .text = copy});
}

void *agent_message_copy(message_type type, const void *message, struct arena *arena)
{
    CLEANUP(buf_fini) struct buf frame;
    buf_init(&frame, MSG_MAX_BYTES);
    if (message_encode(type, message, &frame) != OK) {
        return NULL;
    }
    message_type copy_type;
    void *copy;
    if (message_decode(buf_bytes(&frame), arena, &copy_type, &copy, NULL) != OK) {
        return NULL;
    }
    return copy;
}
