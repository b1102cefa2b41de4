/* Answers from what only the store holds: metric rows and the evidence of attempts. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "head/core/array_page.h"
#include "head/shell/array_rows.h"
#include "head/shell/store.h"

enum {
    ROWS_ARENA_MAX = 8 << 20,
    ROWS_TEXT_MAX = 128 << 20,
    BLOCKS_MAX = 1000000,
    ATTEMPTS_SHOWN = 64
};

/* One block as it came, with its place: HSCAN gives no order. */
struct block {
    uint32_t attempt;
    uint64_t first_seq;
    uint8_t *data;
    size_t len;
};

struct reading {
    struct head *head;
    uint64_t request;
    struct block *blocks;
    uint32_t n, cap;
    bool has_failed;
};

static void on_block(void *context, struct bytes field, struct bytes value)
{
    struct reading *reading = context;
    char name[64] = "";
    unsigned attempt;
    unsigned long long seq;
    memcpy(name, field.data, field.len < sizeof name - 1 ? field.len : sizeof name - 1);
    if (sscanf(name, "%u:%llu", &attempt, &seq) != 2 || reading->has_failed) {
        return;
    }
    if (reading->n == reading->cap) {
        uint32_t cap = reading->cap == 0 ? 64 : reading->cap * 2;
        struct block *blocks =
            cap <= BLOCKS_MAX ? mem_realloc(reading->blocks, cap * sizeof *blocks) : NULL;
        if (blocks == NULL) {
            reading->has_failed = true;
            return;
        }
        reading->blocks = blocks;
        reading->cap = cap;
    }
    struct block block = {attempt, seq, mem_alloc(value.len), value.len};
    if (block.data == NULL) {
        reading->has_failed = true;
        return;
    }
    memcpy(block.data, value.data, value.len);
    reading->blocks[reading->n++] = block;
}

static int block_order(const void *a, const void *b)
{
    const struct block *x = a, *y = b;
    if (x->attempt != y->attempt) {
        return x->attempt < y->attempt ? -1 : 1;
    }
    return x->first_seq < y->first_seq ? -1 : x->first_seq > y->first_seq;
}

static void block_print(const struct block *block, struct json_out *json)
{
    struct arena arena;
    struct metric_rows rows;
    arena_init(&arena, ROWS_ARENA_MAX);
    if (record_decode(&metric_rows_schema, (struct bytes){block->data, block->len}, &arena, &rows,
                      NULL) == OK) {
        for (uint32_t i = 0; i < rows.n_rows; i++) {
            struct named_value metrics[METRICS_MAX];
            const struct metric_row *row = &rows.rows[i];
            uint32_t n = rows.n_names < row->n_values ? rows.n_names : row->n_values;
            for (uint32_t k = 0; k < n; k++) {
                metrics[k] = (struct named_value){rows.names[k], value_real(row->values[k])};
            }
            struct api_metric metric = {block->attempt, row->seq, row->step, row->time, metrics, n};
            schema_print_json(&api_metric_schema, &metric, json, NULL);
        }
    }
    arena_fini(&arena);
}

static void reading_free(struct reading *reading)
{
    for (uint32_t i = 0; i < reading->n; i++) {
        mem_free(reading->blocks[i].data);
    }
    mem_free(reading->blocks);
    mem_free(reading);
}

static void answer_list(struct head *head, uint64_t request, struct buf *text, bool has_failed)
{
    if (head->http == NULL) {
        return; /* The head is closing. */
    }
    if (has_failed || text->failed != OK) {
        http_answer_error(head->http, request, 503, "no_memory", "too much to answer at once");
    } else {
        http_answer(head->http, request, 200, "application/json", buf_bytes(text));
    }
}

static void on_rows_end(void *context, error_code code)
{
    struct reading *reading = context;
    struct buf text;
    buf_init(&text, ROWS_TEXT_MAX);
    if (code != OK && reading->head->http != NULL) {
        http_answer_error(reading->head->http, reading->request, 503, error_word(code),
                          "the store could not be read; try again");
    } else if (code == OK) {
        struct json_out json = json_out_to(&text);
        if (reading->n > 0) {
            qsort(reading->blocks, reading->n, sizeof *reading->blocks, block_order);
        }
        json_object_begin(&json, NULL);
        json_str(&json, "api", "v1");
        json_array_begin(&json, "items");
        for (uint32_t i = 0; i < reading->n; i++) {
            /* HSCAN may give a field twice. */
            if (i == 0 || block_order(&reading->blocks[i - 1], &reading->blocks[i]) != 0) {
                block_print(&reading->blocks[i], &json);
            }
        }
        json_array_end(&json);
        json_object_end(&json);
        answer_list(reading->head, reading->request, &text, reading->has_failed);
    }
    buf_fini(&text);
    reading_free(reading);
}

static bool task_is_known(struct head *head, uint64_t request, task_id id, uint32_t *ret_attempts)
{
    bool is_trial, is_ended;
    char node[NODE_NAME_MAX + 1];
    if (core_task_exists(head->core, id, &is_trial, &is_ended, ret_attempts, node)) {
        return true;
    }
    http_answer_error(head->http, request, 404, "not_found", "there is no such task or trial");
    return false;
}

static struct reading *reading_new(struct head *head, uint64_t request)
{
    struct reading *reading = mem_zalloc(sizeof *reading);
    if (reading == NULL) {
        http_answer_error(head->http, request, 503, "no_memory", "out of memory");
        return NULL;
    }
    reading->head = head;
    reading->request = request;
    return reading;
}

void rows_answer(struct head *head, uint64_t request, task_id id)
{
    char key[TASK_ID_TEXT_MAX + 8], text[TASK_ID_TEXT_MAX];
    uint32_t attempts;
    struct reading *reading =
        task_is_known(head, request, id, &attempts) ? reading_new(head, request) : NULL;
    if (reading == NULL) {
        return;
    }
    snprintf(key, sizeof key, "rows:%s", task_id_print(id, text));
    struct store_reader reader = {reading, on_block, on_rows_end};
    if (store_read_rows(head->store, key, &reader) != OK) {
        http_answer_error(head->http, request, 503, "busy", "the store is away or busy; try again");
        reading_free(reading);
    }
}

/* ---- evidence: one read for each attempt, the last ones ---- */

struct evidence {
    struct head *head;
    uint64_t request;
    uint32_t left; /* reads that have not ended */
    uint32_t n;
    char *items[ATTEMPTS_SHOWN]; /* JSON; NULL: none */
    bool has_failed;
};

struct evidence_read {
    struct evidence *all;
    uint32_t slot;
};

static char *attempt_print(const struct record_attempt *record)
{
    const struct attempt_result *result = &record->result;
    struct buf text;
    buf_init(&text, 1 << 20);
    struct json_out json = json_out_to(&text);
    json_object_begin(&json, NULL);
    json_u64(&json, "attempt", record->attempt);
    json_str(&json, "node", record->node);
    json_str(&json, "host", record->host);
    json_str(&json, "version", record->version);
    json_str(&json, "image", record->image);
    json_str(&json, "cause", end_cause_names[result->cause]);
    json_u64(&json, "exit_code", result->exit_code);
    json_u64(&json, "signal", result->signal);
    json_str(&json, "reason", result->reason);
    json_bool(&json, "dry", result->is_dry);
    json_str(&json, "bye", bye_word_names[result->bye]);
    json_str(&json, "note", result->note);
    json_time(&json, "leased", record->leased);
    json_time(&json, "started", result->started_at);
    json_time(&json, "ended", result->ended_at);
    json_out_real(&json, "cpu_seconds", (double)result->cpu_ms / 1000.0);
    json_u64(&json, "rss_peak", result->rss_peak_bytes);
    json_strn(&json, "stdout",
              result->out_tail.data != NULL ? (const char *)result->out_tail.data : "",
              result->out_tail.len);
    json_strn(&json, "stderr",
              result->err_tail.data != NULL ? (const char *)result->err_tail.data : "",
              result->err_tail.len);
    json_object_end(&json);
    char *copy = text.failed == OK ? mem_strndup((const char *)text.data, text.len) : NULL;
    buf_fini(&text);
    return copy;
}

static void on_evidence(void *context, struct bytes field, struct bytes value)
{
    struct evidence_read *read = context;
    struct arena arena;
    struct record_attempt record;
    (void)field;
    arena_init(&arena, ROWS_ARENA_MAX);
    if (record_decode(&record_attempt_schema, value, &arena, &record, NULL) == OK) {
        mem_free(read->all->items[read->slot]);
        read->all->items[read->slot] = attempt_print(&record);
    }
    arena_fini(&arena);
}

static void evidence_end(struct evidence *all)
{
    struct buf text;
    buf_init(&text, ROWS_TEXT_MAX);
    struct json_out json = json_out_to(&text);
    json_object_begin(&json, NULL);
    json_str(&json, "api", "v1");
    json_array_begin(&json, "items");
    for (uint32_t i = 0; i < all->n; i++) {
        if (all->items[i] != NULL) {
            json_raw(&json, NULL, all->items[i], strlen(all->items[i]));
        }
        mem_free(all->items[i]);
    }
    json_array_end(&json);
    json_object_end(&json);
    answer_list(all->head, all->request, &text, all->has_failed);
    buf_fini(&text);
    mem_free(all);
}

static void on_evidence_end(void *context, error_code code)
{
    struct evidence_read *read = context;
    struct evidence *all = read->all;
    all->has_failed |= code != OK;
    mem_free(read);
    if (--all->left == 0) {
        evidence_end(all);
    }
}

void attempts_answer(struct head *head, uint64_t request, task_id id)
{
    uint32_t attempts;
    if (!task_is_known(head, request, id, &attempts)) {
        return;
    }
    if (core_array_has_row(head->core, id)) {
        array_attempts_answer(head, request, id);
        return;
    }
    struct evidence *all = mem_zalloc(sizeof *all);
    if (all == NULL) {
        http_answer_error(head->http, request, 503, "no_memory", "out of memory");
        return;
    }
    *all = (struct evidence){.head = head, .request = request, .left = 1};
    all->n = attempts < ATTEMPTS_SHOWN ? attempts : ATTEMPTS_SHOWN;
    for (uint32_t i = 0; i < all->n; i++) {
        char field[TASK_ID_TEXT_MAX + 16], text[TASK_ID_TEXT_MAX];
        struct evidence_read *read = mem_zalloc(sizeof *read);
        snprintf(field, sizeof field, "%s:%u", task_id_print(id, text), attempts - all->n + i);
        if (read != NULL) {
            *read = (struct evidence_read){all, i};
            struct store_reader reader = {read, on_evidence, on_evidence_end};
            all->left++;
            if (store_read_field(head->store, "attempts", field, &reader) == OK) {
                continue;
            }
            all->left--;
            mem_free(read);
        }
        all->has_failed = true;
    }
    if (--all->left == 0) {
        evidence_end(all);
    }
}
