#include "worker/shell/arrays.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "spec/macros.h"
#include "sys/clock.h"
#include "worker/shell/work.h"

enum {
    LANE_ARENA_MAX_BYTES = 8 << 20,
    LINE_MAX_BYTES = MACROS_TEXT_MAX_BYTES - 16, /* with a name before it, one string of an exec */
};

struct array_here *arrays_find(const struct arrays *arrays, uint32_t job)
{
    struct array_here *array;
    HASH_FIND(hh, arrays->by_job, &job, sizeof job, array);
    return array;
}

static struct lane_here *lane_find(const struct array_here *array, uint32_t number)
{
    list_each (&array->lanes, struct lane_here, link, lane) {
        if (lane->number == number) {
            return lane;
        }
    }
    return NULL;
}

/* ---- arrays ---- */

static bool lease_has(const struct msg_lease *lease, const char *text)
{
    bool has = false;
    for (uint32_t i = 0; i < lease->n_words; i++) {
        has |= strstr(lease->words[i], text) != NULL;
    }
    for (uint32_t i = 0; i < lease->n_env; i++) {
        has |= lease->env[i].value != NULL && strstr(lease->env[i].value, text) != NULL;
    }
    return has;
}

static struct array_here *array_new(struct arrays *arrays, const struct msg_array *about)
{
    struct array_here *array = mem_zalloc(sizeof *array);
    struct buf frame;
    message_type type;
    void *copy = NULL;
    if (array == NULL) {
        return NULL;
    }
    arena_init(&array->arena, MSG_ARENA_MAX_BYTES);
    buf_init(&frame, MSG_MAX_BYTES);
    list_init(&array->lanes);
    array->job = about->job;
    array->worker = arrays->worker;
    if (message_encode(MSG_ARRAY, about, &frame) == OK &&
        message_decode(buf_bytes(&frame), &array->arena, &type, &copy, NULL) == OK) {
        array->about = copy;
        array->is_lean = agent_lease_is_lean(&array->about->lease);
        array->is_plain = !lease_has(&array->about->lease, "${");
        HASH_ADD(hh, arrays->by_job, job, sizeof array->job, array);
    }
    buf_fini(&frame);
    if (array->hh.tbl == NULL) {
        arena_fini(&array->arena);
        mem_free(array);
        return NULL;
    }
    return array;
}

void arrays_take(struct arrays *arrays, const struct msg_array *about)
{
    if (arrays_find(arrays, about->job) == NULL && array_new(arrays, about) == NULL) {
        arrays->worker->out.failed = ERR_NO_MEMORY;
    }
}

/* ---- lanes ---- */

static void lane_free(struct lane_here *lane)
{
    lane_task_release(lane);
    lane_logs_close(lane->logs);
    list_remove(&lane->link);
    arena_fini(&lane->task_arena);
    arena_fini(&lane->arena);
    mem_free(lane);
}

static error_code lane_gpus_copy(struct lane_here *lane, const struct array_lane *about)
{
    const char **gpus = arena_calloc(&lane->arena, (size_t)about->n_gpus + 1, sizeof *gpus);
    for (uint32_t i = 0; gpus != NULL && i < about->n_gpus; i++) {
        gpus[i] = arena_strdup(&lane->arena, about->gpus[i]);
        if (gpus[i] == NULL) {
            return ERR_NO_MEMORY;
        }
    }
    lane->lease.gpus = gpus;
    lane->lease.n_gpus = about->n_gpus;
    return gpus == NULL ? ERR_NO_MEMORY : OK;
}

static error_code lane_fill(struct lane_here *lane, const struct array_lane *about)
{
    char name[64];
    struct worker *worker = lane->worker;
    ignore_error(snprintf(name, sizeof name, "%u.lane%u", lane->array->job, lane->number) < 0,
                 "it fits");
    error_code error = lane_gpus_copy(lane, about);
    error = error == OK
                ? proctree_mark_make(worker->prefix, name, ++worker->last_serial, &lane->mark)
                : error;
    error = error == OK ? lane_logs_open(lane, &lane->logs) : error;
    return error == OK && lane->array->is_lean ? lane_task_open(lane) : error;
}

/* A lane that cannot be made is missing when its first task starts, which is then told. */
void arrays_lane_open(struct arrays *arrays, uint32_t job, const struct array_lane *about)
{
    struct array_here *array = arrays_find(arrays, job);
    struct lane_here *lane =
        array != NULL && lane_find(array, about->lane) == NULL ? mem_zalloc(sizeof *lane) : NULL;
    if (lane == NULL) {
        return;
    }
    lane->array = array;
    lane->worker = arrays->worker;
    lane->number = about->lane;
    lane->lease = array->about->lease;
    lane->lease.task.job = job;
    arena_init(&lane->arena, LANE_ARENA_MAX_BYTES);
    arena_init(&lane->task_arena, LANE_ARENA_MAX_BYTES);
    list_init(&lane->link);
    list_push_back(&array->lanes, &lane->link);
    if (lane_fill(lane, about) != OK) {
        lane_free(lane);
    }
}

void arrays_lane_close(struct arrays *arrays, uint32_t job, uint32_t number)
{
    struct array_here *array = arrays_find(arrays, job);
    struct lane_here *lane = array != NULL ? lane_find(array, number) : NULL;
    if (lane != NULL) {
        lane_free(lane);
    }
}

void arrays_lane_recall(struct arrays *arrays, uint32_t job, uint32_t number)
{
    struct array_here *array = arrays_find(arrays, job);
    struct lane_here *lane = array != NULL ? lane_find(array, number) : NULL;
    if (lane != NULL && array->is_lean) {
        lane_task_recall(lane);
    }
}

void arrays_lane_start(struct arrays *arrays, struct attempt_ref ref, uint32_t number,
                       uint32_t position)
{
    struct worker *worker = arrays->worker;
    struct array_here *array = arrays_find(arrays, ref.task.job);
    struct lane_here *lane = array != NULL ? lane_find(array, number) : NULL;
    struct report report = {0};
    error_code error = OK;
    (void)position;
    if (lane == NULL) {
        agent_nodes_fault(worker->agent, ref);
        error = report_fail(&report, ERR_SYSTEM,
                            "its node had no descriptors or no memory for a lane of its array");
    } else if (array->is_lean) {
        error = lane_task_start(lane, ref, &report);
    } else {
        lane->lease.task.index = ref.task.index;
        attempt_start(worker, ref, &lane->lease, lane);
    }
    if (error != OK) {
        on_attempt_not_started(worker->agent, clock_now(), ref, CAUSE_CANNOT_START, report.text,
                               &worker->out);
    }
}

/* ---- lines ---- */

static error_code items_want(struct array_here *array, struct attempt_ref ref,
                             struct report *report)
{
    struct worker *worker = array->worker;
    char folder[WORK_PATH_BYTES], path[WORK_PATH_BYTES + 8];
    const char *name = array->about->items;
    uint64_t bytes;
    if (array->items != NULL) {
        return OK;
    }
    if (strlen(name) >= sizeof array->items_tree || !works_ref(worker->works, name, &bytes)) {
        agent_tree_lost(worker->agent, name);
        agent_nodes_fault(worker->agent, ref);
        return report_fail(report, ERR_NOT_FOUND,
                           "the lines of its array were removed from its "
                           "node");
    }
    ignore_error(snprintf(array->items_tree, sizeof array->items_tree, "%s", name) < 0, "it fits");
    works_path(worker->works, name, folder);
    ignore_error(snprintf(path, sizeof path, "%s/items", folder) < 0, "it fits");
    error_code error = items_open(path, &array->items, report);
    if (error != OK) {
        agent_nodes_fault(worker->agent, ref);
        works_unref(worker->works, name);
        array->items_tree[0] = '\0';
    }
    return error;
}

static error_code line_take(struct bytes line, uint32_t position, struct arena *arena,
                            const char **ret_line, struct report *report)
{
    if (line.len > LINE_MAX_BYTES) {
        return report_fail(report, ERR_LIMIT,
                           "line %u of its array has %zu bytes, and a command or its environment "
                           "takes %d; put it into a file and name the file",
                           position + 1, line.len, LINE_MAX_BYTES);
    }
    if (memchr(line.data, '\0', line.len) != NULL) {
        return report_fail(report, ERR_INVALID,
                           "line %u of its array has a zero byte, which no command can take",
                           position + 1);
    }
    *ret_line = arena_strndup(arena, (const char *)line.data, line.len);
    return *ret_line != NULL ? OK : report_fail(report, ERR_NO_MEMORY, "no memory on its node");
}

error_code arrays_macros(struct arrays *arrays, struct attempt_ref ref, struct arena *arena,
                         const char **ret_line, struct report *report)
{
    struct array_here *array = arrays_find(arrays, ref.task.job);
    struct bytes line;
    uint32_t position;
    *ret_line = NULL;
    if (array == NULL || array->about->items == NULL || array->about->items[0] == '\0' ||
        !array_position_of(array->about->ids, ref.task.index, &position)) {
        return OK;
    }
    error_code error = items_want(array, ref, report);
    error = error == OK ? items_line(array->items, position, &line, report) : error;
    return error == OK ? line_take(line, position, arena, ret_line, report) : error;
}

/* ---- the end ---- */

static void array_free(struct arrays *arrays, struct array_here *array)
{
    list_each (&array->lanes, struct lane_here, link, lane) {
        lane_free(lane);
    }
    items_close(array->items);
    if (array->items_tree[0] != '\0') {
        works_unref(arrays->worker->works, array->items_tree);
    }
    array_log_index_close(array->index);
    HASH_DELETE(hh, arrays->by_job, array);
    arena_fini(&array->arena);
    mem_free(array);
}

void arrays_drop(struct arrays *arrays, uint32_t job)
{
    struct array_here *array = arrays_find(arrays, job);
    if (array != NULL) {
        array_free(arrays, array);
    }
}

void arrays_stop(struct arrays *arrays)
{
    struct array_here *array, *next;
    if (arrays == NULL) {
        return;
    }
    HASH_ITER (hh, arrays->by_job, array, next) {
        array_free(arrays, array);
    }
}

void arrays_free(struct arrays *arrays)
{
    if (arrays == NULL) {
        return;
    }
    if (arrays->children_fd >= 0) {
        close(arrays->children_fd);
    }
    mem_free(arrays);
}

error_code arrays_new(struct worker *worker, struct arrays **ret_arrays, struct report *report)
{
    struct arrays *arrays = mem_zalloc(sizeof *arrays);
    if (arrays == NULL) {
        return report_fail(report, ERR_NO_MEMORY, "no memory for task arrays");
    }
    arrays->worker = worker;
    arrays->children_fd = proctree_children_open();
    *ret_arrays = arrays;
    return OK;
}
