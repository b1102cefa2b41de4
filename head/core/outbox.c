#include "head/core/outbox.h"

#include <assert.h>

#include "base/mem.h"
#include "base/planted.h"

struct effect {
    struct list link;
    uint64_t group;
    struct head_effect effect;
    struct buf body;
};

static void effect_free(struct outbox *out, struct effect *effect)
{
    if (effect == NULL) {
        return;
    }
    out->effects_bytes -= effect->effect.bytes.len;
    list_remove(&effect->link);
    buf_fini(&effect->body);
    mem_free(effect);
}

void outbox_fini(struct outbox *out)
{
    list_each (&out->effects, struct effect, link, effect) {
        effect_free(out, effect);
    }
    effect_free(out, out->opened);
    out->opened = NULL;
    outbox_batch_fini(out);
}

void outbox_group_close(struct outbox *out)
{
    if (outbox_group_move(out)) {
        out->open_number++;
        return;
    }
    /* Nothing was written: its effects open with the group before, which may be on disk already. */
    for (struct list *node = out->effects.prev; node != &out->effects; node = node->prev) {
        struct effect *effect = list_entry(node, struct effect, link);
        if (effect->group != out->open_number) {
            break;
        }
        effect->group = out->open_number - 1;
    }
}

static struct effect *effect_add(struct outbox *out, head_effect_kind kind, size_t max_bytes)
{
    struct effect *effect = out->failed == OK ? mem_zalloc(sizeof *effect) : NULL;
    if (effect == NULL) {
        out->failed = ERR_NO_MEMORY;
        return NULL;
    }
    buf_init(&effect->body, max_bytes);
    effect->group = out->open_number;
    effect->effect.kind = kind;
    list_push_back(&out->effects, &effect->link);
    return effect;
}

static void effect_seal(struct outbox *out, struct effect *effect)
{
    if (effect->body.failed != OK) {
        out->failed = effect->body.failed;
    }
    effect->effect.bytes = buf_bytes(&effect->body);
    out->effects_bytes += effect->effect.bytes.len;
}

void outbox_send(struct outbox *out, uint64_t peer, message_type type, const void *message)
{
    if (peer == 0) {
        return; /* Not connected: what holds is told again at its enrolment. */
    }
    struct effect *effect = effect_add(out, HEAD_SEND, MSG_MAX_BYTES);
    if (effect == NULL) {
        return;
    }
    effect->effect.peer = peer;
    effect->effect.type = type;
    error_code error = message_encode(type, message, &effect->body);
    if (error != OK) {
        out->failed = error;
    }
    effect_seal(out, effect);
}

static void answer_add(struct outbox *out, uint64_t request, uint32_t status, struct bytes body,
                       bool has_holes)
{
    struct effect *effect = effect_add(out, HEAD_ANSWER, CORE_ANSWER_MAX_BYTES);
    if (effect == NULL) {
        return;
    }
    effect->effect.request = request;
    effect->effect.status = status;
    effect->effect.has_holes = has_holes;
    ignore_error(buf_append(&effect->body, body.data, body.len), "sticky, seen by effect_seal");
    effect_seal(out, effect);
}

void outbox_answer(struct outbox *out, uint64_t request, uint32_t status, struct bytes body)
{
    answer_add(out, request, status, body, false);
}

void outbox_answer_holes(struct outbox *out, uint64_t request, struct bytes body)
{
    answer_add(out, request, 200, body, true);
}

void outbox_notice(struct outbox *out, struct bytes body)
{
    struct effect *effect = effect_add(out, HEAD_NOTICE, CORE_ANSWER_MAX_BYTES);
    if (effect == NULL) {
        return;
    }
    ignore_error(buf_append(&effect->body, body.data, body.len), "sticky, seen by effect_seal");
    effect_seal(out, effect);
}

void outbox_exit(struct outbox *out)
{
    struct effect *effect = effect_add(out, HEAD_EXIT, 0);
    ignore_error(effect != NULL ? OK : ERR_NO_MEMORY, "out->failed says so");
}

const struct head_effect *outbox_next(struct outbox *out)
{
    effect_free(out, out->opened);
    out->opened = NULL;
    struct effect *effect = list_first(&out->effects, struct effect, link);
    if (effect == NULL || (effect->group > out->durable_number && !PLANTED(acknowledge_early))) {
        return NULL;
    }
    list_remove(&effect->link);
    out->opened = effect;
    return &effect->effect;
}
