/* worker/core/outbox.h -- what the agent's core wants done. Pure. Effects are carried out by the
 * shell in order, after each turn; the list owns all that its effects point to, until
 * agent_outbox_reset(), but the bytes of a piece: they are where the shell received them. */
#ifndef MUSTER_WORKER_CORE_OUTBOX_H
#define MUSTER_WORKER_CORE_OUTBOX_H

#include "base/arena.h"
#include "worker/core/agent.h"

typedef enum {
    AGENT_SEND,      /* frame: an encoded message for the head */
    AGENT_RECONNECT, /* drop the connection and connect again, not before `at` */
    AGENT_START,     /* lease: prepare and exec */
    AGENT_SIGNAL, /* ref, signal: SIGTERM to the attempt's main process and its group; SIGKILL ends
                     the whole tree */
    AGENT_ANSWER, /* connection, text: one line for a trainer, '\n' included */
    AGENT_CLOSE,  /* connection */
    AGENT_READ_STOP, /* connection: owes too much; read no more from it until AGENT_READ_START */
    AGENT_READ_START,
    AGENT_SAVE_BEGIN,     /* ref, connection, step: make an empty folder -> on_save_begun */
    AGENT_SAVE_COMMIT,    /* ref, connection, snapshot (ordinal, step): fsync, manifest, rename ->
                             on_save_committed */
    AGENT_SNAPSHOT_PROVE, /* ref, connection, snapshot (owner, ordinal): prove it by its checksums
                             -> on_exploit_proven */
    AGENT_DROP,           /* ref.task, snapshot.ordinal: delete this snapshot */
    AGENT_CLEAN, /* ref: the result is on disk at the head; remove the attempt's private folder */
    AGENT_EXIT,  /* code: leave */
    AGENT_BLOB_WRITE,  /* text: hash, offset, sum, frame: a piece, the `data` of its MSG_BLOB, which
                          stays until then -> on_blob_written, in their order */
    AGENT_BLOB_DROP,   /* text: hash; its pieces are wanted no more */
    AGENT_TREE_UNPACK, /* text: hash; all pieces are on disk: prove, unpack -> on_tree_made */
    AGENT_TREE_SETUP,  /* text: name, lease: a copy of the base, run the setup -> on_tree_made */
    AGENT_TREE_SETUP_STOP, /* text: name; end it -> on_tree_made with an error */
    AGENT_ARRAY,           /* array: what its tasks are; before the first of its lanes */
    AGENT_ARRAY_DROP,      /* job: nothing of it is here any more; its logs stay */
    AGENT_LANE_OPEN,       /* job, lane: with the GPUs that its tasks see */
    AGENT_LANE_CLOSE,      /* job, lane: nothing runs in it */
    AGENT_LANE_RECALL,     /* job, lane: on_attempt_recalled() for what has not begun */
    AGENT_LOGS_DROP,  /* jobs: were removed, and nothing of them is here; nor shall their logs */
    AGENT_LANE_START, /* ref, lane, position: prepare and exec; answers as of AGENT_START */
    AGENT_COPY,       /* source, frame (the pass): fetch a snapshot from another agent ->
                         on_snapshot_copied;       at most one of a name at a time */
    AGENT_LEND,       /* lend: whoever has this pass may copy this snapshot */
    AGENT_MEET,       /* ref, gang: its processes start, with these addresses; gang NULL: they do
                         not, text says why -> on_attempt_not_started, REFUSED */
    AGENT_SAY,        /* text: a line for the log, without '\n' */
} agent_effect_kind;

struct agent_effect {
    agent_effect_kind kind;
    struct bytes frame;
    message_type type; /* of the frame */
    time_ms at;
    struct attempt_ref ref;
    const struct msg_lease *lease;
    int signal;
    uint64_t connection;
    const char *text;
    uint64_t offset;
    uint64_t sum;
    int64_t step;
    struct snapshot_ref snapshot;
    int code;
    const struct msg_array *array;
    uint32_t job;
    struct array_lane lane;
    uint32_t position;
    struct array_range jobs;
    const struct msg_source *source;
    const struct msg_lend *lend;
    const struct msg_gang *gang;
};

struct agent_outbox {
    struct arena arena;
    struct agent_effect *effects;
    uint32_t n_effects;
    uint32_t cap;
    error_code
        failed; /* sticky ERR_NO_MEMORY: the shell leaves (the head will run everything again) */
};

void agent_outbox_init(struct agent_outbox *out);
void agent_outbox_fini(struct agent_outbox *out);
void agent_outbox_reset(struct agent_outbox *out);

#endif
