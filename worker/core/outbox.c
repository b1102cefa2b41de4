#include "worker/core/outbox.h"

#include "base/mem.h"
#include "worker/core/state.h"

void agent_outbox_init(struct agent_outbox *out)
{
    *out = (struct agent_outbox){0};
    arena_init(&out->arena, AGENT_OUTBOX_MAX_BYTES);
}

void agent_outbox_fini(struct agent_outbox *out)
{
    arena_fini(&out->arena);
    mem_free(out->effects);
    out->effects = NULL;
    out->n_effects = out->cap = 0;
}

void agent_outbox_reset(struct agent_outbox *out)
{
    arena_reset(&out->arena);
    out->n_effects = 0;
}
