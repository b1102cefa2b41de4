/* Numbers, keys and the strings of records. */
#include <stdio.h>
#include <string.h>

#include "head/core/arrays.h"

void core_fail(struct core *core, error_code error)
{
    if (core->out.failed == OK) {
        core->out.failed = error;
    }
}

void core_str_clear(const char **field)
{
    mem_free((void *)(uintptr_t)*field);
    *field = NULL;
}

bool core_text_equal(const char *a, const char *b)
{
    return strcmp(a != NULL ? a : "", b != NULL ? b : "") == 0;
}

void core_str_set(struct core *core, const char **field, const char *text)
{
    char *copy = NULL;
    if (text != NULL) {
        copy = mem_strdup(text);
        if (copy == NULL) {
            core_fail(core, ERR_NO_MEMORY);
        }
    }
    core_str_clear(field);
    *field = copy;
}

void core_strs_clear(const char *const **field, uint32_t *n)
{
    const char **texts = (const char **)(uintptr_t)*field;
    for (uint32_t i = 0; i < *n; i++) {
        core_str_clear(&texts[i]);
    }
    mem_free(texts);
    *field = NULL;
    *n = 0;
}

void core_strs_set(struct core *core, const char *const **field, uint32_t *n,
                   const char *const *texts, uint32_t n_texts)
{
    core_strs_clear(field, n);
    const char **copy = mem_calloc(n_texts, sizeof *copy);
    if (copy == NULL) {
        core_fail(core, ERR_NO_MEMORY);
        return;
    }
    *field = copy;
    *n = n_texts;
    for (uint32_t i = 0; i < n_texts; i++) {
        core_str_set(core, &copy[i], texts[i]);
    }
}

void core_reason(struct core *core, struct task *task, const char *format, ...)
{
    char text[REPORT_TEXT_MAX];
    va_list args;
    va_start(args, format);
    if (vsnprintf(text, sizeof text, format, args) < 0) {
        text[0] = '\0';
    }
    va_end(args);
    core_str_set(core, &task->r.reason, text);
}

struct work *core_work_find(struct core *core, uint32_t number)
{
    struct work *work;
    HASH_FIND(hh, core->works, &number, sizeof number, work);
    return work;
}

error_code core_work_number_check(struct core *core, uint32_t number, const char *field,
                                  struct report *report)
{
    char name[16];
    snprintf(name, sizeof name, "%u", number);
    if (strcmp(name, field) != 0) {
        return report_fail(report, ERR_FORMAT, "it is the record of %u", number);
    }
    return core_work_find(core, number) == NULL
               ? OK
               : report_fail(report, ERR_FORMAT, "a sweep and a job have this number");
}

struct work *core_work_add(struct core *core, uint32_t number)
{
    struct work *work = mem_zalloc(sizeof *work);
    if (work == NULL) {
        core_fail(core, ERR_NO_MEMORY);
        return NULL;
    }
    work->number = number;
    list_init(&work->removing_link);
    HASH_ADD(hh, core->works, number, sizeof work->number, work);
    if (work->hh.tbl == NULL) {
        core_fail(core, ERR_NO_MEMORY);
        mem_free(work);
        return NULL;
    }
    return work;
}

void core_work_free(struct core *core, struct work *work)
{
    for (uint32_t i = 0; i < work->n_tasks; i++) {
        core_task_free(core, work->tasks[i]);
    }
    core_work_class_release(core, work);
    core_blob_unref(core, &work->blob);
    core_blob_unref(core, &work->items);
    core_array_free(core, work->array);
    core_sweep_free(core, work->sweep);
    core_job_free(core, work->job);
    if (list_is_empty(&work->removing_link)) {
        HASH_DELETE(hh, core->works, work);
    }
    list_remove(&work->removing_link);
    mem_free(work->tasks);
    mem_free(work);
}

struct used_key *core_key_find(struct core *core, const char *key)
{
    struct used_key *used;
    HASH_FIND_STR(core->keys, key, used);
    return used;
}

void core_key_add(struct core *core, struct used_key *used, const char *key, struct work *work)
{
    used->key = key;
    used->work = work;
    HASH_ADD_KEYPTR(hh, core->keys, used->key, strlen(used->key), used);
    if (used->hh.tbl == NULL) {
        used->key = NULL; /* It is not in the table: nobody may take it out. */
        core_fail(core, ERR_NO_MEMORY);
    }
}

error_code core_work_class_hold(struct core *core, struct work *work)
{
    if (work->cls != NULL) {
        return OK;
    }
    return work->sweep != NULL
               ? core_sweep_class_make(core, work->sweep)
               : scheduler_class_ref(core->scheduler, &work->job->request, &work->cls);
}

void core_work_class_release(struct core *core, struct work *work)
{
    if (work->cls == NULL) {
        return;
    }
    if (work->sweep != NULL) {
        scheduler_dequeue(core->scheduler, &work->sweep->ticket.item);
    }
    if (work->array != NULL) {
        scheduler_dequeue(core->scheduler, &work->array->lane.item);
    }
    scheduler_class_unref(core->scheduler, work->cls);
    work->cls = NULL;
    if (work->sweep != NULL) {
        scheduler_group_unref(core->scheduler, work->sweep->group);
        work->sweep->group = NULL;
    }
}

uint32_t core_number_next(struct core *core)
{
    core->is_number_dirty = true;
    return core->next_number++;
}
