/* Weights have no contents here, so each snapshot is known by what made it: the attempt, the step,
 * the parameters that its trainer had been told. An exploit moves weights, parameters and step as
 * one; whatever mixes two of them shows as a trainer that hears what does not belong together. */
#include "sim/lineage.h"

#include <math.h>

#include "sim/agent_effects.h"
#include "sim/calendar.h"
#include "sim/kept_check.h"
#include "sim/records.h"
#include "sim/verbs.h"

/* ---- what was made ---- */

static void made_name(task_id maker, uint32_t attempt, uint32_t ordinal, char *ret_name,
                      size_t size_bytes)
{
    char id[TASK_ID_TEXT_MAX];
    snprintf(ret_name, size_bytes, "%s:%u@%u", task_id_print(maker, id), attempt, ordinal);
}

struct sim_made *sim_made_find(const struct sim *sim, task_id maker, uint32_t attempt,
                               uint32_t ordinal)
{
    struct sim_made *made;
    char name[sizeof made->name];
    made_name(maker, attempt, ordinal, name, sizeof name);
    HASH_FIND_STR(sim->made, name, made);
    return made;
}

void sim_lineage_made(struct sim *sim, struct sim_node *node, const struct sim_event *event)
{
    struct sim_made *made = calloc(1, sizeof *made);
    const struct sim_process *p = sim_process_of(node, event->ref);
    sim_require(sim,
                sim_made_find(sim, event->ref.task, event->ref.attempt, event->ordinal) == NULL,
                "%s: an attempt made two snapshots %u", node->name, event->ordinal);
    made_name(event->ref.task, event->ref.attempt, event->ordinal, made->name, sizeof made->name);
    HASH_ADD_STR(sim->made, name, made);
    made->step = event->step;
    /* One whose attempt was disowned while it was written is dropped at once: nobody goes on from
     * it, with whatever parameters. */
    snprintf(made->params, sizeof made->params, "%s", p != NULL ? p->params : "");
}

void sim_lineage_lost(struct sim *sim, task_id maker, const struct snapshot_ref *snapshot)
{
    struct sim_made *made = sim_made_find(sim, maker, snapshot->attempt, snapshot->ordinal);
    made->is_lost = true;
    sim->counts.snapshots_lost++;
}

bool sim_lineage_is_lost(const struct sim *sim, task_id maker, const struct snapshot_ref *snapshot)
{
    const struct sim_made *made = sim_made_find(sim, maker, snapshot->attempt, snapshot->ordinal);
    return made != NULL && made->is_lost;
}

/* ---- what the log says ---- */

static void exploit_name(task_id task, uint64_t order, char *ret_name, size_t size_bytes)
{
    char id[TASK_ID_TEXT_MAX];
    snprintf(ret_name, size_bytes, "%s:%llu", task_id_print(task, id), (unsigned long long)order);
}

static struct sim_exploit *exploit_find(const struct sim *sim, task_id task, uint64_t order)
{
    struct sim_exploit *exploit;
    char name[sizeof exploit->name];
    exploit_name(task, order, name, sizeof name);
    HASH_FIND_STR(sim->exploits, name, exploit);
    return exploit;
}

/* The values that are active, as JSON, each with a blank behind it. */
static void values_print(const struct record_log *entry, char *ret_text, size_t size_bytes)
{
    struct buf buf;
    buf_init(&buf, size_bytes);
    for (uint32_t i = 0; i < entry->n_params; i++) {
        if (entry->params[i].kind != VALUE_NONE) {
            ignore_error(value_print_json(entry->params[i], &buf), "a long one does not compare");
            ignore_error(buf_append_byte(&buf, ' '), "a long one does not compare");
        }
    }
    snprintf(ret_text, size_bytes, "%s", buf_text(&buf));
    buf_fini(&buf);
}

/* The same of an answer's "params":{"name":value,...}; no value here has a comma or a brace. */
static void values_read(const char *line, char *ret_text, size_t size_bytes)
{
    size_t n = 0;
    const char *at = strstr(line, "\"params\":{");
    at = at != NULL ? at + strlen("\"params\":{") : "}";
    while (*at != '}' && *at != '\0') {
        at = strchr(at, ':') + 1;
        size_t len = strcspn(at, ",}");
        if (n + len + 2 > size_bytes) {
            break;
        }
        memcpy(ret_text + n, at, len);
        n += len;
        ret_text[n++] = ' ';
        at += len + (at[len] == ',');
    }
    ret_text[n] = '\0';
}

struct configuration {
    double lr, layers, m;
    bool is_sgd;
};

static struct configuration configuration_read(const char *text)
{
    struct configuration c = {NAN, NAN, NAN, strstr(text, "\"sgd\"") != NULL};
    char *end;
    c.lr = strtod(text, &end);
    c.layers = strtod(end, &end);
    if (c.is_sgd) {
        c.m = strtod(strstr(text, "\"sgd\"") + strlen("\"sgd\""), NULL);
    }
    return c;
}

static bool is_within(double x, double low, double high)
{
    return x >= low && x <= high;
}

/* 0.8 or 1.2 times, clipped. */
static bool is_scaled(double x, double from, double low, double high)
{
    double down = fmax(from * 0.8, low), up = fmin(from * 1.2, high);
    return fabs(x - down) <= 1e-9 * down || fabs(x - up) <= 1e-9 * up;
}

/* The space and `pbt` of sim_sweep_file(). */
static void explored_rightly(struct sim *sim, const struct sim_exploit *exploit,
                             const struct sim_made *made, bool is_resampled)
{
    struct configuration to = configuration_read(exploit->params),
                         from = configuration_read(made->params);
    bool is_inside = is_within(to.lr, 1e-4, 1e-1) && is_within(to.layers, 1, 4) &&
                     to.layers == round(to.layers) && (!to.is_sgd || is_within(to.m, 0.5, 0.99));
    sim_require(sim, is_inside, "%s is to train with %s, outside of its space", exploit->name,
                exploit->params);
    bool is_near = is_scaled(to.lr, from.lr, 1e-4, 1e-1) && fabs(to.layers - from.layers) <= 1 &&
                   to.is_sgd == from.is_sgd && (!to.is_sgd || is_scaled(to.m, from.m, 0.5, 0.99));
    sim_require(sim, is_resampled || is_near,
                "%s takes over weights that were made with %s, and is to go on with %s",
                exploit->name, made->params, exploit->params);
}

/* Nothing is drawn anew in sweeps that say so. */
static bool is_resampled(const struct sim *sim, uint32_t sweep)
{
    for (uint32_t i = 0; i < sim->n_clients; i++) {
        const struct sim_client *client = &sim->clients[i];
        if (client->kind == CLIENT_SWEEP && client->number == sweep) {
            return strstr(client->file, "resample: 0") == NULL;
        }
    }
    return true; /* a clone's, or one whose answer is still under way */
}

/* The log names no attempt: of those that made one of this number the last. */
static const struct sim_made *donated_find(const struct sim *sim, const struct record_log *entry,
                                           task_id maker)
{
    const struct sim_task *donor = sim_task_find(sim, maker);
    const struct sim_made *found = NULL;
    for (uint32_t i = 0; donor != NULL && i < donor->r.n_attempts; i++) {
        const struct sim_made *made = sim_made_find(sim, maker, i, entry->donor_ordinal);
        found = made != NULL ? made : found;
    }
    return found;
}

/* What an exploit was to bring is lost: another snapshot of the same trial's takes its place, or
 * the exploit never was. */
static void exploit_moved(struct sim *sim, uint32_t sweep, const struct record_log *entry)
{
    task_id task = {sweep, entry->trial}, maker = {sweep, entry->donor};
    struct sim_exploit *exploit = exploit_find(sim, task, entry->order);
    char id[TASK_ID_TEXT_MAX], params[SIM_PARAMS_MAX];
    task_id_print(task, id);
    sim_require(sim, exploit != NULL, "%s: order %llu was no exploit, and is taken back", id,
                (unsigned long long)entry->order);
    if (entry->donor == 0) {
        sim->counts.exploits_called_off++;
        HASH_DELETE(hh, sim->exploits, exploit);
        free(exploit);
        return;
    }
    const struct sim_made *made = donated_find(sim, entry, maker);
    values_print(entry, params, sizeof params);
    sim_require(sim, exploit->donor == entry->donor && exploit->ordinal != entry->donor_ordinal,
                "%s: instead of snapshot %u of trial %u it gets %u of trial %u", id,
                exploit->ordinal, exploit->donor, entry->donor_ordinal, entry->donor);
    sim_require(sim, made != NULL && made->step == entry->donor_step,
                "%s gets snapshot %u of trial %u at step %lld instead, which nobody made", id,
                entry->donor_ordinal, entry->donor, (long long)entry->donor_step);
    sim_require(sim, strcmp(params, exploit->params) == 0, "%s gets other parameters instead", id);
    sim->counts.exploits_moved++;
    exploit->ordinal = entry->donor_ordinal;
    exploit->step = entry->donor_step;
    explored_rightly(sim, exploit, made, is_resampled(sim, sweep));
}

void sim_lineage_logged(struct sim *sim, uint32_t sweep, const struct record_log *entry)
{
    if (entry->kind == LOG_DONOR) {
        exploit_moved(sim, sweep, entry);
        return;
    }
    if (entry->donor == 0) {
        return;
    }
    task_id task = {sweep, entry->trial}, maker = {sweep, entry->donor};
    const struct sim_made *made = donated_find(sim, entry, maker);
    char id[TASK_ID_TEXT_MAX];
    task_id_print(task, id);
    sim_require(sim, entry->donor != entry->trial, "%s takes over its own weights", id);
    sim_require(sim, made != NULL, "%s takes over snapshot %u of trial %u, which nobody made", id,
                entry->donor_ordinal, entry->donor);
    sim_require(sim, made->step == entry->donor_step,
                "%s takes over snapshot %u of trial %u at step %lld, which was made at step %lld",
                id, entry->donor_ordinal, entry->donor, (long long)entry->donor_step,
                (long long)made->step);
    sim_require(sim, exploit_find(sim, task, entry->order) == NULL, "%s: order %llu exploits twice",
                id, (unsigned long long)entry->order);
    struct sim_exploit *exploit = calloc(1, sizeof *exploit);
    exploit_name(task, entry->order, exploit->name, sizeof exploit->name);
    exploit->donor = entry->donor;
    exploit->ordinal = entry->donor_ordinal;
    exploit->step = entry->donor_step;
    values_print(entry, exploit->params, sizeof exploit->params);
    HASH_ADD_STR(sim->exploits, name, exploit);
    sim->counts.exploits_logged++;
    explored_rightly(sim, exploit, made, is_resampled(sim, sweep));
}

/* ---- what trainers are told ---- */

void sim_lineage_offered(struct sim_process *p, task_id maker, const struct snapshot_ref *snapshot)
{
    p->restore_maker = maker;
    p->restore = *snapshot;
    p->restore.dir = NULL;
}

/* Weights that another one made: by an exploit, of which the log says everything. */
static void borrowed_rightly(struct sim *sim, const struct sim_process *p, int64_t step)
{
    const struct sim_exploit *exploit = exploit_find(sim, p->ref.task, p->restore.lineage);
    char id[TASK_ID_TEXT_MAX];
    task_id_print(p->ref.task, id);
    sim_require(sim, exploit != NULL,
                "%s goes on from trial %u's weights, and the log knows not why", id,
                p->restore_maker.index);
    sim_require(sim,
                exploit->donor == p->restore_maker.index &&
                    exploit->ordinal == p->restore.ordinal && exploit->step == step,
                "%s goes on from snapshot %u of trial %u, step %lld; the log says %u of trial %u, "
                "step %lld",
                id, p->restore.ordinal, p->restore_maker.index, (long long)step, exploit->ordinal,
                exploit->donor, (long long)exploit->step);
    sim_require(sim, strcmp(exploit->params, p->params) == 0,
                "%s goes on with %s; the log says that with these weights go %s", id, p->params,
                exploit->params);
}

void sim_lineage_told(struct sim *sim, struct sim_process *p, const char *line)
{
    const char *at = strstr(line, "\"step\":");
    int64_t step = at != NULL ? strtoll(at + strlen("\"step\":"), NULL, 10) : -1;
    char id[TASK_ID_TEXT_MAX];
    task_id_print(p->ref.task, id);
    values_read(line, p->params, sizeof p->params);
    if (strstr(line, "\"restore\":null") != NULL) {
        sim_require(sim, step == 0, "%s begins with nothing at step %lld", id, (long long)step);
        return;
    }
    const struct sim_made *made =
        sim_made_find(sim, p->restore_maker, p->restore.attempt, p->restore.ordinal);
    sim_require(sim, made != NULL, "%s goes on from a snapshot that nobody made", id);
    sim_require(sim, made->step == step, "%s is told that weights of step %lld have done %lld", id,
                (long long)made->step, (long long)step);
    if (!task_id_equal(p->restore_maker, p->ref.task)) {
        borrowed_rightly(sim, p, step);
        return;
    }
    sim_require(sim, strcmp(made->params, p->params) == 0,
                "%s goes on with %s from weights that it made with %s", id, p->params,
                made->params);
}

/* ---- what goes ---- */

void sim_lineage_dropped(struct sim *sim, const struct sim_node *node, task_id maker,
                         uint32_t ordinal)
{
    if (sim_was_asked(sim, CLIENT_REMOVE, maker.job)) {
        return; /* its records go one after the other */
    }
    struct sim_task *task, *next;
    HASH_ITER (hh, sim->store.tasks, task, next) {
        bool is_last = task->r.snapshot.ordinal == ordinal &&
                       task_id_equal(snapshot_maker(task->id, &task->r.snapshot), maker) &&
                       strcmp(task->snapshot_node, node->name) == 0;
        bool is_best = task->r.best_snapshot.ordinal == ordinal && task_id_equal(task->id, maker) &&
                       strcmp(task->best_node, node->name) == 0;
        bool is_safe = task->r.safe_snapshot.ordinal == ordinal && task_id_equal(task->id, maker) &&
                       strcmp(task->safe_node, node->name) == 0;
        bool is_own = task->r.own_snapshot.ordinal == ordinal && task_id_equal(task->id, maker) &&
                      strcmp(task->own_node, node->name) == 0;
        bool is_kept = task_id_equal(task->id, maker) && sim_kept_is_at(task, ordinal, node->name);
        sim_require(sim, !is_last && !is_best && !is_safe && !is_own && !is_kept,
                    "%s drops snapshot %u of %u.%u, which %u.%u (%s) keeps", node->name, ordinal,
                    maker.job, maker.index, task->id.job, task->id.index,
                    task_state_names[task->r.state]);
    }
}

void sim_lineage_free(struct sim *sim)
{
    struct sim_made *made, *next_made;
    HASH_ITER (hh, sim->made, made, next_made) {
        HASH_DELETE(hh, sim->made, made);
        free(made);
    }
    struct sim_exploit *exploit, *next_exploit;
    HASH_ITER (hh, sim->exploits, exploit, next_exploit) {
        HASH_DELETE(hh, sim->exploits, exploit);
        free(exploit);
    }
}
