/* What failed attempts said, and how many said the same; a sweep whose first trials all fail is
 * paused before it fails to its end. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "head/core/view.h"

enum {
    FIRST_TRIALS = 5,
    GROUPS_MAX = 256, /* further messages count as one */
    GROUP_MESSAGE_MAX = 240,
};

/* ---- the message of one failure ---- */

/* The last line that says something; what a terminal would have overwritten counts as a line. */
static struct bytes last_line(struct bytes text)
{
    size_t end = text.len;
    if (end == 0) {
        return text; /* perhaps without an address, to which nothing may be added */
    }
    while (end > 0 && (text.data[end - 1] <= ' ' || text.data[end - 1] == 0x7F)) {
        end--;
    }
    size_t begin = end;
    while (begin > 0 && text.data[begin - 1] != '\n' && text.data[begin - 1] != '\r') {
        begin--;
    }
    while (begin < end && text.data[begin] <= ' ') {
        begin++;
    }
    return (struct bytes){text.data + begin, end - begin};
}

/* Printable, at most `size_bytes`, never the half of a character. */
static void line_copy(struct bytes line, char *ret_text, size_t size_bytes)
{
    size_t n = line.len < size_bytes - 1 ? line.len : size_bytes - 1;
    while (n > 0 && n < line.len && (line.data[n] & 0xC0) == 0x80) {
        n--;
    }
    for (size_t i = 0; i < n; i++) {
        bool is_control = line.data[i] < ' ' || line.data[i] == 0x7F;
        ret_text[i] = is_control ? ' ' : (char)line.data[i];
    }
    ret_text[n] = '\0';
}

/* A program that ended by itself says why on stderr; what ended it otherwise is the reason. */
void core_failure_note(struct core *core, struct task *task, const struct attempt_result *result)
{
    char text[FAILURE_TEXT_MAX];
    struct bytes line = {0};
    if (result->cause == CAUSE_EXIT) {
        line = last_line(result->err_tail);
    }
    if (line.len == 0 && result->reason != NULL) {
        line = (struct bytes){(const uint8_t *)result->reason, strlen(result->reason)};
    }
    line_copy(line, text, sizeof text);
    core_str_set(core, &task->r.failure, text);
    core_task_dirty(core, task);
}

/* ---- equal failures ---- */

static bool is_path_char(char c)
{
    return isalnum((unsigned char)c) || (c != '\0' && strchr("/._-+@~%", c) != NULL);
}

/* Of a path its last part; of a number, in whatever base, a sign that there was one. */
static size_t part_normalise(const char *text, bool is_in_word, char *ret_char, size_t *ret_read)
{
    size_t n = 0;
    if (text[0] == '/' && !is_in_word) {
        while (is_path_char(text[n])) {
            n++;
        }
        size_t last = n;
        while (last > 0 && text[last - 1] != '/') {
            last--;
        }
        *ret_read = last > 0 ? last : 1; /* its last part is looked at by itself */
        return 0;
    }
    if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X') && isxdigit((unsigned char)text[2])) {
        n = 2;
        while (isxdigit((unsigned char)text[n])) {
            n++;
        }
    } else if (isdigit((unsigned char)text[0])) {
        while (isdigit((unsigned char)text[n]) ||
               (text[n] == '.' && isdigit((unsigned char)text[n + 1]))) {
            n++;
        }
    } else {
        *ret_read = 1;
        *ret_char = text[0];
        return 1;
    }
    *ret_read = n;
    *ret_char = '#';
    return 1;
}

void core_failure_normalise(const char *text, char *ret_text, size_t size_bytes)
{
    size_t at = 0, n = 0;
    while (text[at] != '\0' && n + 1 < size_bytes) {
        size_t read = 1;
        bool is_in_word = at > 0 && (isalnum((unsigned char)text[at - 1]) || text[at - 1] == '_');
        n += part_normalise(text + at, is_in_word, &ret_text[n], &read);
        at += read;
    }
    /* Not the half of a character at the end. */
    while (text[at] != '\0' && n > 0 && ((unsigned char)ret_text[n - 1] & 0x80) != 0) {
        n--;
    }
    ret_text[n] = '\0';
}

struct failure_group {
    char message[GROUP_MESSAGE_MAX];
    uint32_t count;  /* trials */
    uint32_t failed; /* of them, for good */
    task_id example;
    UT_hash_handle hh;
};

struct failure_groups {
    struct failure_group *by_message;
    uint32_t n;
    uint32_t n_trials;
    error_code failed;
};

static void groups_fini(struct failure_groups *groups)
{
    struct failure_group *group, *next;
    HASH_ITER (hh, groups->by_message, group, next) {
        HASH_DELETE(hh, groups->by_message, group);
        mem_free(group);
    }
}

static struct failure_group *group_of(struct failure_groups *groups, const char *message)
{
    struct failure_group *group;
    HASH_FIND_STR(groups->by_message, message, group);
    if (group != NULL) {
        return group;
    }
    if (groups->n >= GROUPS_MAX && strcmp(message, "others") != 0) {
        return group_of(groups, "others");
    }
    group = mem_zalloc(sizeof *group);
    if (group != NULL) {
        snprintf(group->message, sizeof group->message, "%s", message);
        HASH_ADD_STR(groups->by_message, message, group);
    }
    if (group == NULL || group->hh.tbl == NULL) {
        mem_free(group);
        groups->failed = ERR_NO_MEMORY;
        return NULL;
    }
    groups->n++;
    return group;
}

static int group_order(struct failure_group *a, struct failure_group *b)
{
    if (a->count != b->count) {
        return a->count > b->count ? -1 : 1;
    }
    return a->example.index < b->example.index ? -1 : 1;
}

static void groups_add(struct failure_groups *groups, const struct task *task)
{
    const char *text = task->r.failure != NULL ? task->r.failure : task->r.reason;
    bool is_failed = task->r.outcome == OUTCOME_FAILED;
    if (!is_failed && task->r.failure == NULL) {
        return;
    }
    char message[GROUP_MESSAGE_MAX];
    core_failure_normalise(text != NULL ? text : "", message, sizeof message);
    struct failure_group *group = group_of(groups, message);
    if (group != NULL) {
        group->example = group->count == 0 ? task->r.id : group->example;
        group->count++;
        group->failed += is_failed;
        groups->n_trials++;
    }
}

/* The largest first. */
static void groups_make(const struct work *work, struct failure_groups *ret_groups)
{
    struct failure_groups groups = {0};
    for (uint32_t i = 0; i < work->n_tasks && groups.failed == OK; i++) {
        groups_add(&groups, work->tasks[i]);
    }
    HASH_SORT(groups.by_message, group_order);
    *ret_groups = groups;
}

void view_failures(struct core *core, time_ms now, uint64_t request, uint32_t number)
{
    (void)now;
    struct work *work = core_work_find(core, number);
    if (work == NULL) {
        char what[32];
        snprintf(what, sizeof what, "sweep or job %u", number);
        view_not_found(core, request, what);
        return;
    }
    struct failure_groups groups;
    struct view view;
    groups_make(work, &groups);
    view_begin(&view, core, request);
    json_object_begin(&view.json, NULL);
    json_str(&view.json, "api", "v1");
    json_array_begin(&view.json, "items");
    for (const struct failure_group *group = groups.by_message; group != NULL;
         group = group->hh.next) {
        struct api_failure object = {
            .message = group->message,
            .count = group->count,
            .failed = group->failed,
            .example = group->example,
        };
        schema_print_json(&api_failure_schema, &object, &view.json, NULL);
    }
    json_array_end(&view.json);
    json_u64(&view.json, "total", groups.n);
    json_out_null(&view.json, "next");
    json_object_end(&view.json);
    if (groups.failed != OK) {
        view.buf.failed = groups.failed;
    }
    view_end(&view);
    groups_fini(&groups);
}

/* ---- the first trials ---- */

/* Others may be at work: what they have reported speaks for the sweep. */
static bool core_has_worked(const struct work *work)
{
    for (uint32_t i = 0; i < work->n_tasks; i++) {
        const struct task *task = work->tasks[i];
        if (task->r.state != TASK_ENDED && task->r.failures == 0 && task->r.last_seq > 0) {
            return true;
        }
    }
    return false;
}

void core_first_trials_judge(struct core *core, time_ms now, struct sweep *sweep)
{
    struct tune_counts counts;
    tune_counts_get(sweep->tuner, &counts);
    if (sweep->r.state != SWEEP_RUNNING || sweep->r.is_failure_judged ||
        counts.failed < FIRST_TRIALS || counts.done + counts.stopped + counts.invalid > 0 ||
        core_has_worked(sweep->work)) {
        return;
    }
    struct failure_groups groups;
    groups_make(sweep->work, &groups);
    const struct failure_group *most = groups.by_message;
    if (most != NULL) {
        char reason[512], id[TASK_ID_TEXT_MAX];
        snprintf(reason, sizeof reason,
                 "the first %u trials all failed; %u of them like trial %s: %s", counts.failed,
                 most->failed, task_id_print(most->example, id), most->message);
        core_sweep_pause(core, now, sweep, reason);
    } else if (groups.failed != OK) {
        core_fail(core, groups.failed);
    }
    groups_fini(&groups);
}
