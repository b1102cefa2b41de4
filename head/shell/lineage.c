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

struct lineage {
    struct head *head;
    uint64_t request;
    uint32_t sweep;
    struct buf text;
    struct json_out json;
};

static void on_entry(void *context, struct bytes field, struct bytes value)
{
    struct lineage *lineage = context;
    struct arena arena;
    struct record_log record;
    (void)field;
    arena_init(&arena, LINEAGE_ARENA_MAX);
    if (record_decode(&record_log_schema, value, &arena, &record, NULL) == OK &&
        record.n_params > 0) {
        struct named_value params[SPEC_PARAMETERS_MAX];
        uint32_t n = core_params_named(lineage->head->core, lineage->sweep, record.params,
                                       record.n_params, params);
        struct api_lineage entry = {
            .trial = {lineage->sweep, record.trial},
            .time = record.time,
            .from = {record.donor != 0 ? lineage->sweep : 0, record.donor},
            .from_step = record.donor_step,
            .snapshot = record.donor_ordinal,
            .params = params,
            .n_params = n != UINT32_MAX ? n : 0, /* it was removed meanwhile */
        };
        schema_print_json(&api_lineage_schema, &entry, &lineage->json, NULL);
    }
    arena_fini(&arena);
}

static void on_entries_end(void *context, error_code code)
{
    struct lineage *lineage = context;
    struct http *http = lineage->head->http; /* NULL: the head is closing */
    json_array_end(&lineage->json);
    json_object_end(&lineage->json);
    if (http != NULL && code != OK) {
        http_answer_error(http, lineage->request, 503, error_word(code),
                          "the store could not be read; try again");
    } else if (http != NULL && lineage->text.failed != OK) {
        http_answer_error(http, lineage->request, 503, "no_memory", "too much to answer at once");
    } else if (http != NULL) {
        http_answer(http, lineage->request, 200, "application/json", buf_bytes(&lineage->text));
    }
    buf_fini(&lineage->text);
    mem_free(lineage);
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
    buf_init(&lineage->text, LINEAGE_TEXT_MAX);
    lineage->json = json_out_to(&lineage->text);
    json_object_begin(&lineage->json, NULL);
    json_str(&lineage->json, "api", "v1");
    json_array_begin(&lineage->json, "items");
    snprintf(key, sizeof key, "log:%u", sweep);
    struct store_reader reader = {lineage, on_entry, on_entries_end};
    if (store_read_list(head->store, key, &reader) != OK) {
        http_answer_error(head->http, request, 503, "busy", "the store is away or busy; try again");
        buf_fini(&lineage->text);
        mem_free(lineage);
    }
}
