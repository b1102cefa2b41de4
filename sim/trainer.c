/* Trainers: processes that talk to the agent line by line. They
 * pipeline, save, obey or not, crash, fall silent. Each request gets one answer, in order. */
#include "sim/trainer.h"
#include "sim/calendar.h"
#include "sim/lineage.h"
#include "sim/records.h"

#include <math.h>

void sim_trainer_later(struct sim *sim, struct sim_node *node, struct sim_process *p,
                       int64_t wait_ms)
{
    sim_push(sim, (struct sim_event){.at = sim->now + wait_ms,
                                     .kind = SIM_TRAINER,
                                     .node = node->index,
                                     .life = p->serial});
}

void sim_exit_later(struct sim *sim, struct sim_node *node, struct sim_process *p, end_cause cause,
                    int code, int64_t wait_ms)
{
    p->exit_cause = cause;
    p->exit_code = code;
    p->mood = TRAINER_IDLE;
    sim_push(sim, (struct sim_event){.at = sim->now + wait_ms,
                                     .kind = SIM_PROCESS_EXIT,
                                     .node = node->index,
                                     .life = p->serial});
}

static void sim_ring_push(struct sim *sim, struct sim_ring *ring, struct sim_request request)
{
    sim_require(sim, ring->n < SIM_REQUESTS_MAX, "a trainer's window is full");
    ring->items[(ring->first + ring->n++) % SIM_REQUESTS_MAX] = request;
}

struct sim_request sim_ring_pop(struct sim_ring *ring)
{
    struct sim_request request = ring->items[ring->first];
    ring->first = (ring->first + 1) % SIM_REQUESTS_MAX;
    ring->n--;
    return request;
}

static void sim_trainer_say(struct sim *sim, struct sim_node *node, struct sim_process *p,
                            struct sim_request request)
{
    sim_ring_push(sim, &p->unread, request);
    sim_ring_push(sim, &p->owed, request);
    p->mood = TRAINER_WAIT;
    sim_push(sim, (struct sim_event){.at = sim->now + (int64_t)sim_below(sim, 3),
                                     .kind = SIM_REQUESTS,
                                     .node = node->index,
                                     .life = p->serial});
}

/* ---- what it does next ---- */

/* The same for the same trial and step, whoever runs it. */
static double sim_value(uint64_t seed, int64_t step)
{
    uint64_t x = (seed ^ (uint64_t)step) * 0x9E3779B97F4A7C15U;
    x = (x ^ (x >> 29)) * 0xBF58476D1CE4E5B9U;
    double base = (double)(seed % 1000) / 1000.0 + 0.01;
    double noise = (double)((x >> 32) % 1000) / 5000.0;
    return x % 61 == 0 ? NAN : base / (double)(step + 1) + noise;
}

static void sim_trainer_report(struct sim *sim, struct sim_node *node, struct sim_process *p)
{
    if (p->next < 0) {
        p->next = p->step + 1 + (sim_chance(sim, 50) ? (int64_t)sim_below(sim, 4) : 0);
    }
    if (p->save_at >= 0 && p->next >= p->save_at && p->saved_for != p->save_at) {
        p->mood = TRAINER_WAIT; /* for what is owed: a save is never pipelined */
        if (p->owed.n == 0) {
            p->saved_for = p->save_at;
            sim_trainer_say(sim, node, p,
                            (struct sim_request){.kind = TRAINER_SAVE, .step = p->next});
        }
        return;
    }
    p->step = p->next;
    p->next = -1;
    bool is_milestone = p->step >= p->milestone && p->milestone != p->late;
    sim_trainer_say(
        sim, node, p,
        (struct sim_request){.kind = TRAINER_REPORT,
                             .step = p->step,
                             .seq = ++p->seq,
                             .value = sim_value(p->seed, p->step),
                             .names = sim_chance(sim, 100) ? 1 + (uint32_t)sim_below(sim, 2) : 0});
    if (!is_milestone && p->step < p->last && p->owed.n < p->window) {
        p->mood = TRAINER_TRAIN;
        sim_trainer_later(sim, node, p, 1 + (int64_t)sim_below(sim, (uint64_t)p->pace_ms));
    }
}

static void sim_trainer_leave(struct sim *sim, struct sim_node *node, struct sim_process *p,
                              bye_word bye, int code)
{
    p->is_leaving = true;
    p->exit_code = code;
    p->exit_cause = CAUSE_EXIT;
    if (sim_chance(sim, 200)) {
        sim_exit_later(sim, node, p, CAUSE_EXIT, code, 1 + (int64_t)sim_below(sim, 20));
    } else {
        sim_trainer_say(sim, node, p, (struct sim_request){.kind = TRAINER_BYE, .bye = bye});
    }
}

/* All answers are there: act on what they said, then train on, or leave. */
static void sim_trainer_go_on(struct sim *sim, struct sim_node *node, struct sim_process *p)
{
    if ((p->acts & TRAINER_ACT_CHECKPOINT) != 0 && p->step >= 0) {
        p->acts &= ~(uint32_t)TRAINER_ACT_CHECKPOINT;
        sim_trainer_say(sim, node, p, (struct sim_request){.kind = TRAINER_SAVE, .step = p->step});
        return;
    }
    if ((p->acts & TRAINER_ACT_EXPLOIT) != 0) {
        p->acts &= ~(uint32_t)TRAINER_ACT_EXPLOIT;
        sim_trainer_say(sim, node, p, (struct sim_request){.kind = TRAINER_EXPLOIT});
        return;
    }
    bool is_told = (p->acts & (TRAINER_ACT_STOP | TRAINER_ACT_PAUSE)) != 0;
    if (is_told && !p->is_disobedient) {
        bool is_pause = (p->acts & TRAINER_ACT_STOP) == 0;
        sim_trainer_leave(sim, node, p, is_pause ? BYE_PAUSED : BYE_DONE, is_pause ? 75 : 0);
    } else if (p->step >= p->last) {
        bool is_invalid = sim->crash_permille > 0 && !sim->is_calm && p->seed % 37 == 0;
        sim_trainer_leave(sim, node, p, is_invalid ? BYE_INVALID : BYE_DONE, is_invalid ? 1 : 0);
    } else {
        p->mood = TRAINER_TRAIN;
        sim_trainer_later(sim, node, p, 1 + (int64_t)sim_below(sim, (uint64_t)p->pace_ms));
    }
}

void sim_on_trainer(struct sim *sim, const struct sim_event *event)
{
    struct sim_node *node = &sim->nodes[event->node];
    struct sim_process *p = sim_process_by_serial(node, event->life);
    if (p == NULL || !p->is_alive || p->mood == TRAINER_WAIT || p->mood == TRAINER_IDLE) {
        return;
    }
    if (node->is_bad && p->is_trial) {
        sim_exit_later(sim, node, p, CAUSE_EXIT, 7, 0);
        return;
    }
    if (!sim->is_calm && sim_chance(sim, sim->crash_permille)) {
        bool is_signal = sim_chance(sim, 400);
        sim_exit_later(sim, node, p, is_signal ? CAUSE_SIGNAL : CAUSE_EXIT,
                       is_signal              ? SIGSEGV
                       : sim_chance(sim, 200) ? 75
                                              : 3,
                       0);
        return;
    }
    if (!sim->is_calm && sim_chance(sim, 2)) {
        sim->counts.over_memory++;
        on_attempt_over_memory(node->agent, sim->now, p->ref, "it takes too much memory");
    }
    if (p->is_hanging) {
        sim->counts.hanging++;
        p->mood = TRAINER_IDLE;
    } else if (p->mood == TRAINER_BOOT && p->node_rank > 0 && p->seed % 4 != 0) {
        p->mood = TRAINER_IDLE; /* it works for rank 0 until it is told */
    } else if (p->mood == TRAINER_BOOT && (!p->is_trial || p->is_silent || p->node_rank > 0)) {
        sim_exit_later(sim, node, p, CAUSE_EXIT, 0, p->last * p->pace_ms);
    } else if (p->mood == TRAINER_BOOT) {
        sim_trainer_say(sim, node, p, (struct sim_request){.kind = TRAINER_HELLO});
    } else if (p->mood == TRAINER_TRAIN) {
        sim_trainer_report(sim, node, p);
    }
}

/* ---- answers ---- */

static int64_t sim_line_number(const char *line, const char *key, int64_t missing)
{
    const char *found = strstr(line, key);
    if (found == NULL || strncmp(found + strlen(key), "null", 4) == 0) {
        return missing;
    }
    return strtoll(found + strlen(key), NULL, 10);
}

static void sim_answer_hello(struct sim *sim, struct sim_node *node, struct sim_process *p,
                             const struct sim_request *request, const char *line)
{
    (void)request;
    sim_lineage_told(sim, p, line);
    p->milestone = sim_line_number(line, "\"milestone\":", INT64_MAX);
    bool is_fresh = strstr(line, "\"restore\":null") != NULL;
    p->step = is_fresh ? -1 : sim_line_number(line, "\"step\":", 0);
    p->acts |= (uint32_t)sim_line_number(line, "\"act\":", 0);
    p->save_at = sim_line_number(line, "\"save\":", -1);
    if (!is_fresh) {
        sim->counts.restored++;
    }
    sim_trainer_go_on(sim, node, p);
}

static void sim_answer_report(struct sim *sim, struct sim_node *node, struct sim_process *p,
                              const struct sim_request *request, const char *line)
{
    if (strstr(line, "\"late\":1") != NULL) {
        sim->counts.late++;
        p->late = p->milestone;
    } else {
        /* Acknowledged: it is on disk. */
        const struct sim_rows *rows = sim_rows_of(sim, p->ref.task, p->ref.attempt);
        char id[TASK_ID_TEXT_MAX];
        sim_require(sim, !request->is_milestone || rows->last_seq >= request->seq,
                    "%s: the milestone at step %lld was answered before it was on disk",
                    task_id_print(p->ref.task, id), (long long)request->step);
        p->milestone = sim_line_number(line, "\"milestone\":", INT64_MAX);
        p->acts |= (uint32_t)sim_line_number(line, "\"act\":", 0);
        p->save_at = sim_line_number(line, "\"save\":", -1);
    }
    if (p->owed.n == 0) {
        sim_trainer_go_on(sim, node, p);
    }
}

static void sim_answer_save(struct sim *sim, struct sim_node *node, struct sim_process *p,
                            const struct sim_request *request, const char *line)
{
    (void)line;
    sim_trainer_say(sim, node, p,
                    (struct sim_request){.kind = TRAINER_COMMIT, .step = request->step});
}

static void sim_answer_commit(struct sim *sim, struct sim_node *node, struct sim_process *p,
                              const struct sim_request *request, const char *line)
{
    (void)request;
    (void)line;
    sim_trainer_go_on(sim, node, p);
}

static void sim_answer_exploit(struct sim *sim, struct sim_node *node, struct sim_process *p,
                               const struct sim_request *request, const char *line)
{
    (void)request;
    sim_lineage_told(sim, p, line);
    p->milestone = sim_line_number(line, "\"milestone\":", INT64_MAX);
    p->step = sim_line_number(line, "\"step\":", 0);
    p->save_at = sim_line_number(line, "\"save\":", -1);
    p->next = p->saved_for = p->late = -1;
    sim_trainer_go_on(sim, node, p);
}

static void sim_answer_bye(struct sim *sim, struct sim_node *node, struct sim_process *p,
                           const struct sim_request *request, const char *line)
{
    (void)request;
    (void)line;
    sim_exit_later(sim, node, p, p->exit_cause, p->exit_code, 1 + (int64_t)sim_below(sim, 10));
}

static void (*const sim_answers[])(struct sim *sim, struct sim_node *node, struct sim_process *p,
                                   const struct sim_request *request, const char *line) = {
    [TRAINER_HELLO] = sim_answer_hello,     [TRAINER_REPORT] = sim_answer_report,
    [TRAINER_SAVE] = sim_answer_save,       [TRAINER_COMMIT] = sim_answer_commit,
    [TRAINER_EXPLOIT] = sim_answer_exploit, [TRAINER_BYE] = sim_answer_bye,
};

void sim_trainer_hear(struct sim *sim, struct sim_node *node, struct sim_process *p,
                      const char *line)
{
    if (strcmp(line, "\n") == 0 || !p->is_alive) {
        return;
    }
    char id[TASK_ID_TEXT_MAX];
    sim_require(sim, p->owed.n > 0, "%s got an answer that it is not owed: %s",
                task_id_print(p->ref.task, id), line);
    struct sim_request request = sim_ring_pop(&p->owed);
    sim_trace(sim, "%-7s %s:%u hears %.*s", node->name, task_id_print(p->ref.task, id),
              p->ref.attempt, (int)strcspn(line, "\n"), line);
    if (p->mood == TRAINER_IDLE) {
        return; /* it is on its way out */
    }
    if (strstr(line, "\"ok\":1") != NULL) {
        sim_answers[request.kind](sim, node, p, &request, line);
    } else if (strstr(line, "\"gone\"") != NULL) {
        sim_exit_later(sim, node, p, CAUSE_EXIT, 1, (int64_t)sim_below(sim, 100));
    } else {
        /* An exploit may be overtaken by another order. */
        bool is_save = request.kind == TRAINER_SAVE || request.kind == TRAINER_COMMIT;
        sim_require(sim, is_save || request.kind == TRAINER_EXPLOIT, "%s: %s", id, line);
        sim_trainer_go_on(sim, node, p);
    }
}
