/* Answers from a sweep's log, which only the store holds: which parameters each trial got, and
 * whose weights with them. */
#include <stdio.h>
#include <string.h>

#include "base/json_out.h"
#include "base/mem.h"
#include "head/shell/shell.h"
#include "head/shell/store.h"
#include "spec/types.h"

enum { LINEAGE_TEXT_MAX = 128 << 20, LINEAGE_ARENA_MAX = 4 << 20 };

/* A change of a trial's parameters, as it is printed. One that was taken back has no text. */
struct change {
    uint32_t trial;
    uint64_t order; /* that brought it; 0: it was asked with them */
    char *text;
};

struct lineage {
    struct head *head;
    uint64_t request;
    uint32_t sweep;
    struct change *changes;
    uint32_t n_changes, cap_changes;
    size_t text_bytes;
    error_code failed;
};

static void lineage_free(struct lineage *lineage)
{
    for (uint32_t i = 0; i < lineage->n_changes; i++) {
        mem_free(lineage->changes[i].text);
    }
    mem_free(lineage->changes);
    mem_free(lineage);
}

/* NULL: no memory, or too much. */
static char *change_print(struct lineage *lineage, const struct record_log *record)
{
    struct named_value params[SPEC_PARAMETERS_MAX];
    uint32_t n = core_params_named(lineage->head->core, lineage->sweep, record->params,
                                   record->n_params, params);
    struct api_lineage entry = {
        .trial = {lineage->sweep, record->trial},
        .time = record->time,
        .from = {record->donor != 0 ? lineage->sweep : 0, record->donor},
        .from_step = record->donor_step,
        .snapshot = record->donor_ordinal,
        .params = params,
        .n_params = n != UINT32_MAX ? n : 0, /* it was removed meanwhile */
    };
    struct buf text;
    buf_init(&text, LINEAGE_TEXT_MAX);
    struct json_out json = json_out_to(&text);
    schema_print_json(&api_lineage_schema, &entry, &json, NULL);
    lineage->text_bytes += text.len;
    char *copy = text.failed == OK && lineage->text_bytes <= LINEAGE_TEXT_MAX
                     ? mem_strdup(buf_text(&text))
                     : NULL;
    buf_fini(&text);
    return copy;
}

static void change_add(struct lineage *lineage, const struct record_log *record)
{
    if (lineage->n_changes == lineage->cap_changes) {
        uint32_t cap = lineage->cap_changes == 0 ? 64 : lineage->cap_changes * 2;
        struct change *changes = mem_realloc(lineage->changes, cap * sizeof *changes);
        if (changes == NULL) {
            lineage->failed = ERR_NO_MEMORY;
            return;
        }
        lineage->changes = changes;
        lineage->cap_changes = cap;
    }
    char *text = change_print(lineage, record);
    if (text == NULL) {
        lineage->failed = ERR_NO_MEMORY;
        return;
    }
    lineage->changes[lineage->n_changes++] = (struct change){record->trial, record->order, text};
}

/* What an exploit was to bring came otherwise, from another snapshot, or not at all. */
static void change_replace(struct lineage *lineage, const struct record_log *record)
{
    for (uint32_t i = lineage->n_changes; i-- > 0;) {
        struct change *change = &lineage->changes[i];
        if (change->trial == record->trial && change->order == record->order) {
            mem_free(TAKE(change->text));
            change->text = record->donor != 0 ? change_print(lineage, record) : NULL;
            if (record->donor != 0 && change->text == NULL) {
                lineage->failed = ERR_NO_MEMORY;
            }
            return;
        }
    }
}

static void on_entry(void *context, struct bytes field, struct bytes value)
{
    struct lineage *lineage = context;
    struct arena arena;
    struct record_log record;
    (void)field;
    arena_init(&arena, LINEAGE_ARENA_MAX);
    if (lineage->failed == OK &&
        record_decode(&record_log_schema, value, &arena, &record, NULL) == OK &&
        record.n_params > 0) {
        if (record.kind == LOG_DONOR) {
            change_replace(lineage, &record);
        } else {
            change_add(lineage, &record);
        }
    }
    arena_fini(&arena);
}

static void lineage_print(struct lineage *lineage, struct buf *text)
{
    const char *separator = "";
    ignore_error(buf_append_text(text, "{\"api\":\"v1\",\"items\":["), "sticky");
    for (uint32_t i = 0; i < lineage->n_changes; i++) {
        if (lineage->changes[i].text != NULL) {
            ignore_error(buf_printf(text, "%s%s", separator, lineage->changes[i].text), "sticky");
            separator = ",";
        }
    }
    ignore_error(buf_append_text(text, "]}"), "sticky");
}

static void on_entries_end(void *context, error_code code)
{
    struct lineage *lineage = context;
    struct http *http = lineage->head->http; /* NULL: the head is closing */
    struct buf text;
    buf_init(&text, 2 * LINEAGE_TEXT_MAX);
    if (http != NULL && code == OK && lineage->failed == OK) {
        lineage_print(lineage, &text);
    }
    if (http != NULL && code != OK) {
        http_answer_error(http, lineage->request, 503, error_word(code),
                          "the store could not be read; try again");
    } else if (http != NULL && (lineage->failed != OK || text.failed != OK)) {
        http_answer_error(http, lineage->request, 503, "no_memory", "too much to answer at once");
    } else if (http != NULL) {
        http_answer(http, lineage->request, 200, "application/json", buf_bytes(&text));
    }
    buf_fini(&text);
    lineage_free(lineage);
}

void lineage_answer(struct head *head, uint64_t request, uint32_t sweep)
{
    char key[32];
    const struct value none = value_none();
    struct named_value named[SPEC_PARAMETERS_MAX];
    if (core_params_named(head->core, sweep, &none, 0, named) == UINT32_MAX) {
        http_answer_error(head->http, request, 404, "not_found", "there is no such sweep");
        return;
    }
    struct lineage *lineage = mem_zalloc(sizeof *lineage);
    if (lineage == NULL) {
        http_answer_error(head->http, request, 503, "no_memory", "out of memory");
        return;
    }
    lineage->head = head;
    lineage->request = request;
    lineage->sweep = sweep;
    snprintf(key, sizeof key, "log:%u", sweep);
    struct store_reader reader = {lineage, on_entry, on_entries_end};
    if (store_read_list(head->store, key, &reader) != OK) {
        http_answer_error(head->http, request, 503, "busy", "the store is away or busy; try again");
        lineage_free(lineage);
    }
}
