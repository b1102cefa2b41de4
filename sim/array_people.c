#include "sim/array_people.h"

#include "sim/array_records.h"
#include "sim/lanes.h"
#include "sim/records.h"
#include "sim/verbs.h"
#include "sim/work_folders.h"

/* ---- what an array is ---- */

static uint32_t size_draw(struct sim *sim)
{
    static const uint32_t borders[] = {1023, 1024, 1025, 2047, 2048, 2049, 3072};
    uint64_t dice = sim_below(sim, 1000);
    if (dice < 450) {
        return 1 + (uint32_t)sim_below(sim, 12);
    }
    if (dice < 850) {
        return 10 + (uint32_t)sim_below(sim, 190);
    }
    if (dice < 950) {
        return borders[sim_below(sim, sizeof borders / sizeof borders[0])];
    }
    return 1000 + (uint32_t)sim_below(sim, 4001);
}

/* So that the calm has time for all of it: many tasks are short ones. */
static int64_t pace_draw(struct sim *sim, uint32_t n)
{
    static const int64_t few[] = {2000, 100000, 1500000, 4000000}, some[] = {1000, 8000, 50000},
                         many[] = {200, 1000, 3000};
    return n < 20    ? few[sim_below(sim, 4)]
           : n < 300 ? some[sim_below(sim, 3)]
                     : many[sim_below(sim, 3)];
}

void sim_array_draw(struct sim *sim, struct sim_client *client)
{
    static const uint32_t fails[] = {0, 0, 5, 30, 200};
    struct sim_array_work *work = &client->array_work;
    uint32_t n = size_draw(sim);
    client->array.first = 1 + (uint32_t)sim_below(sim, 3) * (uint32_t)sim_below(sim, 100);
    client->array.step = 1 + (uint32_t)sim_below(sim, 3) * (uint32_t)sim_below(sim, 2);
    client->array.last = client->array.first + (n - 1) * client->array.step;
    client->array.last += (uint32_t)sim_below(sim, client->array.step);
    work->pace_us = pace_draw(sim, n);
    work->fail_permille = n < 300 ? fails[sim_below(sim, 5)] : fails[sim_below(sim, 3)];
    bool is_long = n >= 20 && n < 300 && work->pace_us < 50000 && sim_chance(sim, 300);
    work->long_from = is_long ? n - 1 - (uint32_t)sim_below(sim, 8) : 0;
    const struct sim_node *node = &sim->nodes[sim_below(sim, sim->n_nodes)];
    uint64_t halves = sim_below(sim, (uint64_t)node->cpus * 2 / AMOUNT_ONE);
    work->cpus = AMOUNT_ONE / 2 * (1 + (int64_t)halves);
    work->gpus = sim_chance(sim, 300) ? AMOUNT_ONE * (int64_t)node->n_gpus : 0;
    work->priority = sim_chance(sim, 500) ? 50 : (uint32_t)sim_below(sim, 101);
    work->retries_max = (uint32_t)sim_below(sim, 3);
    work->max_fails = sim_chance(sim, 200) ? 1 + (uint32_t)sim_below(sim, 5) : 0;
    work->has_items = sim_chance(sim, 200);
}

void sim_ask_array(struct sim *sim, struct sim_client *client)
{
    const struct sim_array_work *work = &client->array_work;
    struct sim_array_command command;
    sim_array_command_make(&command, work->pace_us, work->fail_permille, work->long_from);
    struct record_job job = {.name = client->key,
                             .words = command.words,
                             .n_words = SIM_ARRAY_WORDS,
                             .workdir = "/",
                             .cpus = work->cpus,
                             .gpus = work->gpus,
                             .priority = work->priority,
                             .retries_max = work->retries_max,
                             .max_fails = work->max_fails,
                             .array = client->array,
                             .items = work->has_items ? sim_items_blob() : "",
                             .key = client->key,
                             .file_hash = "hash",
                             .work = sim_client_work(sim, client)};
    on_job_submit(sim->head.core, sim->now, client->request, &job);
}

/* ---- some of its tasks ---- */

static uint32_t id_draw(struct sim *sim, struct array_ids ids)
{
    return array_id_at(ids, (uint32_t)sim_below(sim, array_ids_count(ids)));
}

void sim_array_aim(struct sim *sim, struct sim_client *client, const struct sim_client *target)
{
    client->array = target->array;
    if (target->kind != CLIENT_ARRAY) {
        return;
    }
    client->index = id_draw(sim, client->array);
    client->n_ranges = sim_chance(sim, 400) ? 0 : 1 + (uint32_t)sim_below(sim, SIM_RANGES_MAX);
    client->is_failed = sim_chance(sim, 500);
    for (uint32_t i = 0; i < client->n_ranges; i++) {
        uint32_t first = id_draw(sim, client->array);
        bool is_long = sim_chance(sim, 100);
        uint32_t more = (uint32_t)sim_below(sim, is_long ? 2000 : 20);
        client->ranges[i] = (struct id_range){first, first + more};
    }
}

void sim_ask_cancel_job(struct sim *sim, struct sim_client *client)
{
    on_job_cancel(sim->head.core, sim->now, client->request, client->number, client->ranges,
                  client->n_ranges, sim_chance(sim, 500) ? 500 : -1);
}

void sim_ask_retry_job(struct sim *sim, struct sim_client *client)
{
    on_job_retry(sim->head.core, sim->now, client->request, client->number, client->ranges,
                 client->n_ranges, client->is_failed);
}

/* ---- what they were told ---- */

static bool is_undone(const struct sim *sim, uint32_t number)
{
    return sim_was_retried(sim, number) || sim_was_asked(sim, CLIENT_REMOVE, number);
}

static bool in_ranges(const struct sim_client *client, uint32_t id)
{
    for (uint32_t i = 0; i < client->n_ranges; i++) {
        if (id >= client->ranges[i].first && id <= client->ranges[i].last) {
            return true;
        }
    }
    return client->n_ranges == 0;
}

/* Ended, or told to leave; what was cancelled is not leased again. */
static void task_is_told(struct sim *sim, const struct sim_array *array, uint32_t position,
                         bool is_cancel)
{
    const struct sim_position *p = &array->positions[position];
    task_id id = {array->job, array_id_at(array->ids, position)};
    struct sim_task *task = sim_task_find(sim, id);
    bool is_over = array->is_told || array->has_ended || p->slot == SLOT_DONE;
    if (p->slot == SLOT_EXCEPTION && task != NULL) {
        is_over = task->r.state == TASK_ENDED || task->r.order.act == ACT_STOP;
        task->n_attempts_at_cancel =
            task->is_cancel_acked ? task->n_attempts_at_cancel : task->r.n_attempts;
        task->is_cancel_acked |= is_cancel;
    }
    sim_require(sim, is_over, "%u.%u: its cancel was told before it was on disk", id.job, id.index);
}

void sim_array_task_is_told(struct sim *sim, const struct sim_client *client)
{
    const struct sim_array *array = sim_array_find(sim, client->number);
    uint32_t position;
    if (array != NULL && !is_undone(sim, client->number) &&
        array_position_of(array->ids, client->index, &position)) {
        task_is_told(sim, array, position, client->kind == CLIENT_CANCEL_TASK);
    }
}

void sim_cancel_job_is_told(struct sim *sim, const struct sim_client *client)
{
    const struct sim_array *array = sim_array_find(sim, client->number);
    sim->counts.array_cancels += array != NULL;
    if (array == NULL || is_undone(sim, client->number)) {
        return;
    }
    sim_require(sim, client->n_ranges > 0 || array->is_told || array->has_ended,
                "array %u: its cancel was told before it was on disk", array->job);
    for (uint32_t i = 0; i < array->n_tasks; i++) {
        if (in_ranges(client, array_id_at(array->ids, i))) {
            task_is_told(sim, array, i, true);
        }
    }
}

/* What is tried again by its id has a record from then on. */
void sim_retry_job_is_told(struct sim *sim, const struct sim_client *client)
{
    const struct sim_array *array = sim_array_find(sim, client->number);
    sim->counts.array_retries += array != NULL;
    if (array == NULL || client->is_failed || client->n_ranges == 0 ||
        sim_was_asked(sim, CLIENT_REMOVE, client->number)) {
        return;
    }
    for (uint32_t i = 0; i < array->n_tasks; i++) {
        sim_require(sim,
                    !in_ranges(client, array_id_at(array->ids, i)) ||
                        array->positions[i].slot == SLOT_EXCEPTION,
                    "%u.%u: its retry was told before it was on disk", array->job,
                    array_id_at(array->ids, i));
    }
}
