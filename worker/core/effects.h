/* worker/core/effects.h -- how the files of this folder put effects into the outbox. Pure.
 * Nothing here fails to its caller: want of memory stays in out->failed, and the shell leaves. */
#ifndef MUSTER_WORKER_CORE_EFFECTS_H
#define MUSTER_WORKER_CORE_EFFECTS_H

#include "worker/core/outbox.h"

void agent_outbox_fail(struct agent_outbox *out, error_code error);
/* A frame that is encoded already; copied. */
MUST_CHECK error_code agent_outbox_frame(struct agent_outbox *out, message_type type,
                                         const uint8_t *frame, size_t size_bytes);
void agent_outbox_send(struct agent_outbox *out, message_type type, const void *message);
void agent_outbox_reconnect(struct agent_outbox *out, time_ms at);
void agent_outbox_start(struct agent_outbox *out, struct attempt_ref ref,
                        const struct msg_lease *lease);
void agent_outbox_signal(struct agent_outbox *out, struct attempt_ref ref, int signal);
/* `text` without its line end; copied. */
void agent_outbox_answer(struct agent_outbox *out, uint64_t connection, const char *text);
/* AGENT_CLOSE, AGENT_READ_STOP, AGENT_READ_START */
void agent_outbox_connection(struct agent_outbox *out, agent_effect_kind kind, uint64_t connection);
void agent_outbox_save(struct agent_outbox *out, struct attempt_ref ref, uint64_t connection,
                       int64_t step);
void agent_outbox_commit(struct agent_outbox *out, struct attempt_ref ref, uint64_t connection,
                         uint32_t ordinal, int64_t step);
void agent_outbox_prove(struct agent_outbox *out, struct attempt_ref ref, uint64_t connection,
                        const struct snapshot_ref *snapshot);
void agent_outbox_drop(struct agent_outbox *out, struct snapshot_name name);
void agent_outbox_clean(struct agent_outbox *out, struct attempt_ref ref);
/* AGENT_BLOB_DROP and AGENT_TREE_*; lease: NULL but for SETUP. */
void agent_outbox_work(struct agent_outbox *out, agent_effect_kind kind, const char *name,
                       const struct msg_lease *lease);
void agent_outbox_piece(struct agent_outbox *out, const char *hash, const struct msg_blob *piece);
void agent_outbox_exit(struct agent_outbox *out, int code);
void agent_outbox_array(struct agent_outbox *out, const struct msg_array *array);
void agent_outbox_array_drop(struct agent_outbox *out, uint32_t job);
void agent_outbox_logs_drop(struct agent_outbox *out, struct array_range jobs);
void agent_outbox_lane_open(struct agent_outbox *out, uint32_t job, const struct array_lane *lane);
void agent_outbox_lane_close(struct agent_outbox *out, uint32_t job, uint32_t lane);
void agent_outbox_lane_recall(struct agent_outbox *out, uint32_t job, uint32_t lane);
void agent_outbox_lane_start(struct agent_outbox *out, struct attempt_ref ref, uint32_t lane,
                             uint32_t position);

void agent_outbox_copy(struct agent_outbox *out, const struct msg_source *source,
                       const uint8_t pass[PASS_BYTES]);
/* message: NULL, and why not. */
void agent_outbox_meet(struct agent_outbox *out, struct attempt_ref ref,
                       const struct msg_gang *message, const char *reason);
void agent_outbox_say(struct agent_outbox *out, const char *text);
void agent_outbox_lend(struct agent_outbox *out, const struct msg_lend *lend);

/* A deep copy of a message, by encoding and decoding it. NULL: ERR_NO_MEMORY. */
void *agent_message_copy(message_type type, const void *message, struct arena *arena);

#endif
