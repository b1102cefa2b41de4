/* worker/core/ranks.h -- a trial whose program is several processes, of which each may open it.
 * Pure; one thread; inside worker/core.
 *
 * The trial's metrics, steps and milestones are those of rank 0. What it is told to do is told to
 * every rank, at one step for all: at the milestone of rank 0 that brought the order, or else at
 * the first step that no rank has reported yet. So ranks that report the same steps always act at
 * the same one, whoever is ahead. Saves and exploits are made by all of them together. */
#ifndef MUSTER_WORKER_CORE_RANKS_H
#define MUSTER_WORKER_CORE_RANKS_H

#include "worker/core/parts.h"

struct rank {
    int64_t last_step;    /* of its weights; of rank 0 the attempt's own counts */
    uint64_t weights;     /* the order whose exploit brought them; 0: none */
    int64_t exploit_step; /* an exploit that these weights are not of is told from here on */
    bool is_told;         /* to leave; whoever was is not asked for a snapshot again */
    bool is_waiting;      /* its last report has no answer yet; of rank 0 see held_step */
    bool has_opened;
    bool has_ended; /* said good-bye, or exited with 0: nobody waits for it */
    bool is_saving; /* takes part in the save that is under way */
    bool has_committed;
};

/* Where all ranks have to come. */
typedef enum { MEETING_MILESTONE, MEETING_SAVE, MEETING_EXPLOIT, MEETINGS } meeting_kind;

struct meeting {
    time_ms since; /* the first one came; AGENT_NEVER: nobody waits */
    int64_t step;
    uint64_t weights;
};

struct ranks {
    uint32_t n;
    bool has_opened;   /* a rank above 0 has, so every rank saves */
    bool is_alone;     /* none did for a while: rank 0 saves alone until one does */
    bool has_reported; /* a rank above 0 has, so every rank reports */
    int64_t act_step;  /* from this step on, of act_weights, it is told to leave */
    uint64_t act_weights;
    bool is_act_fixed; /* the first rank was told, so act_bits hold for all */
    uint32_t act_bits;
    int64_t held_step; /* of rank 0's milestone whose answer waits; -1: none does */
    uint64_t late;     /* the order whose milestone rank 0 got a late answer of; 0: none */
    struct meeting meetings[MEETINGS];
    int64_t save_floor; /* no snapshot is asked for before this step */
    char *save_dir;     /* owned: of the save under way, once it is made */
    struct rank ranks[];
};

/* The attempt has `n` ranks, told by its lease or by its first hello. */
MUST_CHECK error_code agent_ranks_new(struct attempt *attempt, uint32_t n);
void agent_ranks_free(struct attempt *attempt);

/* A hello. False: it was answered with an error. */
bool agent_rank_open(struct agent *agent, time_ms now, struct connection *connection,
                     const struct trainer_request *request, struct agent_outbox *out);
/* A report of a rank above 0. */
void agent_rank_report(struct agent *agent, time_ms now, struct connection *connection,
                       const struct trainer_request *request, struct agent_outbox *out);
/* Rank 0 is at the milestone, and waits for the head. */
void agent_ranks_held(struct agent *agent, time_ms now, struct attempt *attempt, int64_t step);
/* The rank's good-bye. True: it is the trial's, too. */
bool agent_rank_bye(struct agent *agent, time_ms now, struct connection *connection,
                    const struct trainer_request *request, struct agent_outbox *out);

/* A new order holds; a drain has begun: at which step it is told. */
void agent_ranks_order(struct attempt *attempt);
void agent_ranks_drained(struct attempt *attempt);
/* The answer to a report of `step` leaves: its act bits; notes what was handed. */
uint32_t agent_ranks_hand(struct attempt *attempt, const struct connection *connection,
                          int64_t step);
/* A report of a rank above 0 waits for rank 0. */
bool agent_rank_must_wait(const struct connection *connection, int64_t step);
/* Rank 0 does not know either. */
bool agent_rank_is_late(const struct connection *connection, int64_t step);
/* The answer to a report that waited leaves, or will never do. */
void agent_ranks_released(struct attempt *attempt, bool is_late);
void agent_rank_released(const struct connection *connection);

/* ---- ranks_save.c ---- */
void agent_ranks_save(struct agent *agent, time_ms now, struct connection *connection, int64_t step,
                      struct agent_outbox *out);
void agent_ranks_commit(struct agent *agent, time_ms now, struct connection *connection,
                        int64_t step, struct agent_outbox *out);
/* The folder is there, or not (dir NULL). */
void agent_ranks_save_begun(struct attempt *attempt, const char *dir, struct agent_outbox *out);
/* A commit is over, or given up. */
void agent_ranks_save_over(struct attempt *attempt);
/* Somebody has ended: are the others all that were waited for? */
void agent_ranks_save_settle(struct agent *agent, time_ms now, struct attempt *attempt,
                             struct agent_outbox *out);
/* An exploit asked for by a rank above 0. */
void agent_rank_exploit(struct agent *agent, time_ms now, struct connection *connection,
                        struct agent_outbox *out);
/* Rank 0 will not make the exploit that others wait for, if none is due any more. */
void agent_ranks_exploit_settle(struct agent *agent, time_ms now, struct attempt *attempt,
                                struct agent_outbox *out);
/* Rank 0 goes on from other weights: whoever waits for them gets them. `text`: the answer. */
void agent_ranks_exploited(struct agent *agent, time_ms now, struct attempt *attempt,
                           const char *text, bool is_taken, struct agent_outbox *out);

/* ---- ranks_wait.c ---- */
void agent_meeting_begin(struct agent *agent, time_ms now, struct attempt *attempt,
                         meeting_kind kind, int64_t step);
/* Waited too long for one: the attempt has failed. Every attempt, every tick. */
void agent_ranks_tick(struct agent *agent, time_ms now, struct attempt *attempt,
                      struct agent_outbox *out);
time_ms agent_ranks_deadline(const struct attempt *attempt);
/* Who was waited for at this meeting and has not come; -1: all have. */
int64_t agent_meeting_missing(const struct attempt *attempt, meeting_kind kind);
int64_t agent_rank_step(const struct attempt *attempt, uint32_t rank);
uint64_t agent_rank_weights(const struct attempt *attempt, uint32_t rank);

#endif
