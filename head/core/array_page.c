#include "head/core/array_page.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "head/core/array_view.h"
#include "head/core/job_views.h"
#include "head/core/listing.h"

/* ---- holes ---- */

static void number_put(char *to, uint32_t number)
{
    for (int i = 0; i < 4; i++) {
        to[i] = (char)(number >> (8 * i));
    }
}

static uint32_t number_get(const uint8_t *from)
{
    return from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
}

void array_hole_make(task_id id, char ret_hole[ARRAY_HOLE_BYTES])
{
    ret_hole[0] = 1;
    number_put(ret_hole + 1, id.job);
    number_put(ret_hole + 5, id.index);
}

bool array_hole_next(struct bytes answer, size_t *at, struct bytes *ret_text, task_id *ret_id)
{
    const uint8_t *from = answer.data + *at;
    size_t left = answer.len - *at;
    const uint8_t *hole = left > 0 ? memchr(from, 1, left) : NULL;
    if (hole == NULL || (size_t)(answer.data + answer.len - hole) < ARRAY_HOLE_BYTES) {
        *ret_text = (struct bytes){from, left};
        *at = answer.len;
        return false;
    }
    *ret_text = (struct bytes){from, (size_t)(hole - from)};
    *ret_id = (task_id){number_get(hole + 1), number_get(hole + 5)};
    *at = (size_t)(hole - answer.data) + ARRAY_HOLE_BYTES;
    return true;
}

/* ---- one task ---- */

static void api_array_task_fill(const struct core *core, const struct record_job *job,
                                const struct array_task *task, struct arena *arena,
                                struct api_task *ret)
{
    ret->id = task->id;
    ret->state = task->state;
    ret->outcome = task->outcome;
    ret->attempts = task->slot == SLOT_LEASED || task->slot == SLOT_DONE;
    ret->node = task->node;
    ret->pid = task->pid;
    ret->started = task->started;
    api_task_log_files(core, job, 0, task->node, arena, ret);
    if (task->outcome == OUTCOME_CANCELLED) {
        ret->why = job->why;
        ret->reason = job->error;
        ret->ended = job->told_at;
    }
}

static void api_row_fill(const struct core *core, const struct result_row *row,
                         struct api_task *task)
{
    task->node = core_array_row_node(core, task->id.job, row->node);
    task->attempts = row->attempt + 1;
    task->exit_code = row->exit_code;
    task->started = row->started_at;
    task->ended = result_row_ended(row);
    task->duration = (double)row->duration_us / 1e6;
    task->dry = (row->flags & RESULT_ROW_DRY) != 0;
}

bool core_array_row_print(const struct core *core, task_id id, const struct result_row *row,
                          struct buf *json)
{
    const struct record_job *job = core_job_record(core, id.job);
    struct array_task task;
    struct api_task object;
    struct arena arena;
    if (job == NULL || !core_array_task(core, id, &task)) {
        return false;
    }
    arena_init(&arena, VIEW_ARENA_MAX);
    api_task_of_job(job, &arena, &object);
    /* It ended well when the answer was made, whatever became of it since. */
    object.id = id;
    object.state = TASK_ENDED;
    object.outcome = OUTCOME_DONE;
    object.attempts = 1;
    if (row != NULL) {
        api_row_fill(core, row, &object);
        api_task_log_files(core, job, row->attempt, object.node, &arena, &object);
    }
    struct json_out out = json_out_to(json);
    schema_print_json(&api_task_schema, &object, &out, NULL);
    arena_fini(&arena);
    return true;
}

bool core_array_has_row(const struct core *core, task_id id)
{
    struct array_task task;
    return core_array_task(core, id, &task) && task.slot == SLOT_DONE;
}

bool core_array_chunk(const struct core *core, task_id id, char ret_chunk[ARRAY_CHUNK_TEXT_MAX])
{
    const struct record_job *job = core_job_record(core, id.job);
    uint32_t position;
    if (job == NULL || !array_position_of(job->array, id.index, &position)) {
        return false;
    }
    (void)snprintf(ret_chunk, ARRAY_CHUNK_TEXT_MAX, "%" PRIu32 ".%" PRIu32, id.job,
                   position / ARRAY_CHUNK);
    return true;
}

const char *core_array_row_node(const struct core *core, uint32_t number, uint32_t node)
{
    const struct record_job *job = core_job_record(core, number);
    return job != NULL && node < job->n_nodes ? job->nodes[node] : "";
}

/* ---- a page ---- */

struct page {
    struct listing listing;
    const struct record_job *job;
    struct arena arena;
    struct api_task base; /* what all its tasks have in common */
    struct array_filter filter;
    uint32_t from, limit;
    uint32_t chunk, n_chunks; /* with holes */
};

static uint32_t word_bit(const char *const *names, uint32_t n, const char *word)
{
    for (uint32_t i = 0; word != NULL && i < n; i++) {
        if (names[i][0] != '\0' && strcmp(names[i], word) == 0) {
            return 1U << i;
        }
    }
    return 0;
}

/* Words that select nothing were refused before. False: both are given and never go together. */
static bool page_filter(struct page *page, const struct view_filter *filter)
{
    uint32_t outcome = word_bit(task_outcome_names, OUTCOME_SKIPPED + 1, filter->outcome);
    uint32_t as_outcome = word_bit(task_outcome_names, OUTCOME_SKIPPED + 1, filter->state);
    page->filter.states = word_bit(task_state_names, TASK_ENDED + 1, filter->state);
    page->filter.outcomes = outcome != 0 ? outcome : as_outcome;
    return outcome == 0 || as_outcome == 0 || outcome == as_outcome;
}

/* As the figures of the whole say. */
static uint32_t page_total(const struct core *core, const struct page *page)
{
    struct array_counts counts = {0};
    (void)core_array_counts(core, page->job->number, &counts);
    const struct {
        uint32_t state, outcome, n;
    } parts[] = {
        {TASK_QUEUED, 0, counts.queued},
        {TASK_LEASED, 0, counts.leased},
        {TASK_RUNNING, 0, counts.running},
        {TASK_STOPPING, 0, counts.stopping},
        {TASK_ENDED, OUTCOME_DONE, counts.done},
        {TASK_ENDED, OUTCOME_FAILED, counts.failed},
        {TASK_ENDED, OUTCOME_CANCELLED, counts.cancelled},
    };
    uint32_t total = 0;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        bool is_in =
            (page->filter.states == 0 || (page->filter.states & 1U << parts[i].state) != 0) &&
            (page->filter.outcomes == 0 || (page->filter.outcomes & 1U << parts[i].outcome) != 0);
        total += is_in ? parts[i].n : 0;
    }
    return total;
}

/* False: it does not fit into this page any more. */
static bool page_put(struct page *page, const struct array_task *task)
{
    struct view *view = &page->listing.view;
    uint32_t chunk = task->position / ARRAY_CHUNK;
    char hole[ARRAY_HOLE_BYTES];
    if (task->slot == SLOT_DONE && (page->n_chunks == 0 || chunk != page->chunk)) {
        if (page->n_chunks == ARRAY_PAGE_CHUNKS_MAX) {
            return false;
        }
        page->chunk = chunk;
        page->n_chunks++;
    }
    if (task->slot == SLOT_DONE) {
        array_hole_make(task->id, hole);
        json_raw(&view->json, NULL, hole, sizeof hole);
        view->has_holes = true;
    } else if (task->slot == SLOT_EXCEPTION) {
        view_task_object(view, core_task_find(view->core, task->id));
    } else {
        struct api_task object = page->base;
        api_array_task_fill(view->core, page->job, task, &page->arena, &object);
        schema_print_json(&api_task_schema, &object, &view->json, NULL);
    }
    return true;
}

static void page_walk(struct page *page)
{
    const struct core *core = page->listing.view.core;
    struct listing *listing = &page->listing;
    uint32_t position, n = 0;
    while (core_array_next(core, page->job->number, &page->filter, page->from, &position)) {
        task_id id = {page->job->number, array_id_at(page->job->array, position)};
        struct array_task task;
        if (n == page->limit || !core_array_task(core, id, &task) || !page_put(page, &task)) {
            listing->is_more = true;
            return;
        }
        n++;
        task_id_print(id, listing->last);
        page->from = position + 1;
    }
}

/* What comes after the cursor's id, whether the array has that one or not. */
static uint32_t page_from(const struct page *page)
{
    task_id id = {0};
    struct array_ids ids = page->job->array;
    if (page->listing.cursor_id == NULL) {
        return 0;
    }
    ignore_error(task_id_parse(page->listing.cursor_id, &id), "it was checked");
    return id.index < ids.first ? 0 : (id.index - ids.first) / ids.step + 1;
}

static bool page_query_is_good(const struct view_filter *filter, struct report *report)
{
    bool is_by_id = filter->sort == NULL || strcmp(filter->sort, "id") == 0;
    if (is_by_id && filter->node == NULL && filter->offset == 0) {
        return true;
    }
    ignore_error(report_fail(report, ERR_UNSUPPORTED,
                             "tasks of an array come by id, and are selected by state and outcome; "
                             "sort, node and offset are not for them"),
                 "answered");
    return false;
}

void core_array_list(struct core *core, time_ms now, uint64_t request,
                     const struct listing_kind *kind, const struct record_job *job, bool is_match,
                     const struct view_filter *filter)
{
    struct report report = {0};
    struct page page = {.job = job};
    if (!page_query_is_good(filter, &report)) {
        core_answer_error(core, request, 400, &report);
        return;
    }
    if (!listing_begin(&page.listing, core, now, request, kind, filter)) {
        return;
    }
    page.limit =
        filter->limit > 0 && filter->limit < ARRAY_PAGE_MAX ? filter->limit : ARRAY_PAGE_MAX;
    page.from = page_from(&page);
    arena_init(&page.arena, VIEW_ARENA_MAX);
    api_task_of_job(job, &page.arena, &page.base);
    if (page_filter(&page, filter) && is_match && job->created >= filter->since) {
        page_walk(&page);
        page.listing.view.seen = page_total(core, &page);
    }
    listing_end(&page.listing);
    arena_fini(&page.arena);
}

bool core_array_view_task(struct core *core, uint64_t request, task_id id)
{
    const struct record_job *job = core_job_record(core, id.job);
    struct array_task task;
    struct view view;
    char hole[ARRAY_HOLE_BYTES];
    if (job == NULL || !core_array_task(core, id, &task)) {
        return false;
    }
    view_begin(&view, core, request);
    if (task.slot == SLOT_DONE) {
        array_hole_make(id, hole);
        json_raw(&view.json, NULL, hole, sizeof hole);
        view.has_holes = true;
    } else {
        struct api_task object;
        api_task_of_job(job, &view.arena, &object);
        api_array_task_fill(core, job, &task, &view.arena, &object);
        view_object(&view, &api_task_schema, &object);
    }
    view_end(&view);
    return true;
}
