#include "worker/core/attempt_edges.h"

#include <stddef.h>

const char *const attempt_state_names[] = {
#define X(name, word) word,
    ATTEMPT_STATES(X)
#undef X
};

const char *const attempt_event_names[] = {
#define X(name, word) word,
    ATTEMPT_EVENTS(X)
#undef X
};

/* clang-format off */
const struct attempt_edge attempt_edges[] = {
    /* from              event                      to               */
    {ATTEMPT_NONE,      ATTEMPT_EVENT_LEASE,       ATTEMPT_STARTING},
    {ATTEMPT_STARTING,  ATTEMPT_EVENT_STARTED,     ATTEMPT_RUNNING },
    {ATTEMPT_STARTING,  ATTEMPT_EVENT_NOT_STARTED, ATTEMPT_ENDED   },
    {ATTEMPT_STARTING,  ATTEMPT_EVENT_GONE,        ATTEMPT_DISOWNED},
    {ATTEMPT_RUNNING,   ATTEMPT_EVENT_SIGNAL,      ATTEMPT_ENDING  },
    {ATTEMPT_RUNNING,   ATTEMPT_EVENT_EXITED,      ATTEMPT_SETTLING},
    {ATTEMPT_RUNNING,   ATTEMPT_EVENT_GONE,        ATTEMPT_DISOWNED},
    {ATTEMPT_ENDING,    ATTEMPT_EVENT_SIGNAL,      ATTEMPT_ENDING  },
    {ATTEMPT_ENDING,    ATTEMPT_EVENT_EXITED,      ATTEMPT_SETTLING},
    {ATTEMPT_ENDING,    ATTEMPT_EVENT_GONE,        ATTEMPT_DISOWNED},
    {ATTEMPT_SETTLING,  ATTEMPT_EVENT_SETTLED,     ATTEMPT_ENDED   },
    {ATTEMPT_SETTLING,  ATTEMPT_EVENT_GONE,        ATTEMPT_NONE    },
    {ATTEMPT_ENDED,     ATTEMPT_EVENT_ACKED,       ATTEMPT_NONE    },
    {ATTEMPT_ENDED,     ATTEMPT_EVENT_GONE,        ATTEMPT_NONE    },
    {ATTEMPT_DISOWNED,  ATTEMPT_EVENT_STARTED,     ATTEMPT_DISOWNED},
    {ATTEMPT_DISOWNED,  ATTEMPT_EVENT_NOT_STARTED, ATTEMPT_NONE    },
    {ATTEMPT_DISOWNED,  ATTEMPT_EVENT_EXITED,      ATTEMPT_NONE    },
};
/* clang-format on */
const unsigned attempt_edges_count = sizeof attempt_edges / sizeof attempt_edges[0];

const struct attempt_edge *attempt_edge_find(attempt_state from, attempt_event event)
{
    for (unsigned i = 0; i < attempt_edges_count; i++) {
        if (attempt_edges[i].from == from && attempt_edges[i].event == event) {
            return &attempt_edges[i];
        }
    }
    return NULL;
}

error_code attempt_edges_print(struct buf *buf)
{
    for (unsigned i = 0; i < attempt_edges_count; i++) {
        const struct attempt_edge *edge = &attempt_edges[i];
        ignore_error(buf_printf(buf, "%-9s -- %-12s -> %s\n", attempt_state_names[edge->from],
                                attempt_event_names[edge->event], attempt_state_names[edge->to]),
                     "sticky, returned below");
    }
    return buf->failed;
}
