#include "head/shell/array_rows.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "head/core/array_page.h"
#include "head/shell/store.h"

/* ---- one row ---- */

struct one_row {
    struct array_row_reader reader;
    uint32_t id;
    struct result_row row;
    bool is_found;
};

static void on_one(void *context, struct bytes field, struct bytes value)
{
    struct one_row *one = context;
    struct result_row row;
    (void)field;
    for (uint32_t i = 0; i < result_rows_count(value); i++) {
        result_row_read(value.data + (size_t)i * RESULT_ROW_BYTES, &row);
        if (row.id == one->id) {
            one->row = row;
            one->is_found = true;
        }
    }
}

static void on_one_end(void *context, error_code code)
{
    struct one_row *one = context;
    one->reader.on_found(one->reader.context, code == OK && one->is_found ? &one->row : NULL);
    mem_free(one);
}

/* Starts to read the rows of the chunk that has `id`. */
static bool chunk_read(struct head *head, task_id id, const struct store_reader *reader)
{
    char chunk[ARRAY_CHUNK_TEXT_MAX], key[ARRAY_CHUNK_TEXT_MAX + 8];
    if (!core_array_chunk(head->core, id, chunk)) {
        return false;
    }
    snprintf(key, sizeof key, "res:%s", chunk);
    return store_read_list(head->store, key, reader) == OK;
}

bool array_row_read(struct head *head, task_id id, const struct array_row_reader *reader)
{
    struct one_row *one = mem_zalloc(sizeof *one);
    if (one == NULL) {
        return false;
    }
    *one = (struct one_row){.reader = *reader, .id = id.index};
    struct store_reader rows = {one, on_one, on_one_end};
    if (!chunk_read(head, id, &rows)) {
        mem_free(one);
        return false;
    }
    return true;
}

/* ---- an answer with holes ---- */

struct hole {
    task_id id;
    struct result_row row;
    bool is_found;
};

struct filling {
    struct head *head;
    uint64_t request;
    struct buf answer;
    struct hole *holes; /* by id: pages are */
    uint32_t n;
    uint32_t left; /* reads that have not ended */
    bool has_failed;
};

static void filling_free(struct filling *filling)
{
    buf_fini(&filling->answer);
    mem_free(filling->holes);
    mem_free(filling);
}

static bool holes_find(struct filling *filling)
{
    struct bytes answer = buf_bytes(&filling->answer), text;
    size_t at = 0;
    uint32_t n = 0;
    task_id id;
    while (array_hole_next(answer, &at, &text, &id)) {
        n++;
    }
    filling->holes = mem_calloc(n > 0 ? n : 1, sizeof *filling->holes);
    at = 0;
    while (filling->holes != NULL && array_hole_next(answer, &at, &text, &id)) {
        filling->holes[filling->n++].id = id;
    }
    return filling->holes != NULL;
}

static int hole_order(const void *id, const void *hole)
{
    uint32_t a = *(const uint32_t *)id, b = ((const struct hole *)hole)->id.index;
    return a < b ? -1 : a > b;
}

static void on_rows(void *context, struct bytes field, struct bytes value)
{
    struct filling *filling = context;
    (void)field;
    for (uint32_t i = 0; i < result_rows_count(value); i++) {
        struct result_row row;
        result_row_read(value.data + (size_t)i * RESULT_ROW_BYTES, &row);
        struct hole *hole =
            bsearch(&row.id, filling->holes, filling->n, sizeof *filling->holes, hole_order);
        if (hole != NULL) {
            hole->row = row;
            hole->is_found = true;
        }
    }
}

/* False: the array has been removed meanwhile. */
static bool holes_fill(struct filling *filling, struct buf *ret_text)
{
    struct bytes answer = buf_bytes(&filling->answer), text;
    size_t at = 0;
    task_id id;
    uint32_t k = 0;
    bool is_there = true;
    while (is_there && array_hole_next(answer, &at, &text, &id)) {
        const struct hole *hole = &filling->holes[k++];
        ignore_error(buf_append(ret_text, text.data, text.len), "sticky");
        is_there = core_array_row_print(filling->head->core, id, hole->is_found ? &hole->row : NULL,
                                        ret_text);
    }
    ignore_error(buf_append(ret_text, text.data, text.len), "sticky");
    return is_there;
}

static void filling_end(struct filling *filling)
{
    struct head *head = filling->head;
    struct buf text;
    buf_init(&text, CORE_ANSWER_MAX_BYTES);
    if (head->http == NULL) {
        /* The head is closing. */
    } else if (filling->has_failed) {
        http_answer_error(head->http, filling->request, 503, "busy",
                          "the store could not be read; try again");
    } else if (!holes_fill(filling, &text)) {
        http_answer_error(head->http, filling->request, 404, "not_found",
                          "it has been removed meanwhile");
    } else if (text.failed != OK) {
        http_answer_error(head->http, filling->request, 503, "no_memory",
                          "too much to answer at once");
    } else {
        http_answer(head->http, filling->request, 200, "application/json", buf_bytes(&text));
    }
    buf_fini(&text);
    filling_free(filling);
}

static void on_rows_end(void *context, error_code code)
{
    struct filling *filling = context;
    filling->has_failed |= code != OK;
    if (--filling->left == 0) {
        filling_end(filling);
    }
}

/* One read for each chunk. */
static void holes_read(struct filling *filling)
{
    char last[ARRAY_CHUNK_TEXT_MAX] = "", chunk[ARRAY_CHUNK_TEXT_MAX];
    const struct store_reader reader = {filling, on_rows, on_rows_end};
    for (uint32_t i = 0; i < filling->n && !filling->has_failed; i++) {
        task_id id = filling->holes[i].id;
        if (!core_array_chunk(filling->head->core, id, chunk) || strcmp(chunk, last) == 0) {
            continue;
        }
        memcpy(last, chunk, sizeof last);
        filling->left++;
        if (!chunk_read(filling->head, id, &reader)) {
            filling->left--;
            filling->has_failed = true;
        }
    }
}

void array_rows_answer(struct head *head, uint64_t request, struct bytes answer)
{
    struct filling *filling = mem_zalloc(sizeof *filling);
    if (filling == NULL) {
        http_answer_error(head->http, request, 503, "no_memory", "out of memory");
        return;
    }
    *filling = (struct filling){.head = head, .request = request, .left = 1};
    buf_init(&filling->answer, CORE_ANSWER_MAX_BYTES);
    filling->has_failed =
        buf_append(&filling->answer, answer.data, answer.len) != OK || !holes_find(filling);
    if (!filling->has_failed) {
        holes_read(filling);
    }
    on_rows_end(filling, OK); /* the one that was held while reads were started */
}

/* ---- the attempts of one ---- */

struct attempts {
    struct head *head;
    uint64_t request;
    task_id id;
};

static void attempt_print(const struct head *head, task_id id, const struct result_row *row,
                          struct json_out *json)
{
    json_object_begin(json, NULL);
    json_u64(json, "attempt", row->attempt);
    json_str(json, "node", core_array_row_node(head->core, id.job, row->node));
    json_str(json, "cause", end_cause_names[CAUSE_EXIT]);
    json_u64(json, "exit_code", row->exit_code);
    json_u64(json, "signal", 0);
    json_time(json, "started", row->started_at);
    json_time(json, "ended", result_row_ended(row));
    json_out_real(json, "duration", (double)row->duration_us / 1e6);
    json_bool(json, "dry", (row->flags & RESULT_ROW_DRY) != 0);
    json_object_end(json);
}

static void on_attempt(void *context, const struct result_row *row)
{
    struct attempts *attempts = context;
    struct head *head = attempts->head;
    struct buf text;
    buf_init(&text, 64 << 10);
    struct json_out json = json_out_to(&text);
    json_object_begin(&json, NULL);
    json_str(&json, "api", "v1");
    json_array_begin(&json, "items");
    if (row != NULL) {
        attempt_print(head, attempts->id, row, &json);
    }
    json_array_end(&json);
    json_object_end(&json);
    if (head->http != NULL && row != NULL && text.failed == OK) {
        http_answer(head->http, attempts->request, 200, "application/json", buf_bytes(&text));
    } else if (head->http != NULL) {
        http_answer_error(head->http, attempts->request, 503, "busy",
                          "the store could not be read; try again");
    }
    buf_fini(&text);
    mem_free(attempts);
}

void array_attempts_answer(struct head *head, uint64_t request, task_id id)
{
    struct attempts *attempts = mem_zalloc(sizeof *attempts);
    if (attempts != NULL) {
        *attempts = (struct attempts){head, request, id};
        const struct array_row_reader reader = {attempts, on_attempt};
        if (array_row_read(head, id, &reader)) {
            return;
        }
        mem_free(attempts);
    }
    http_answer_error(head->http, request, 503, "busy", "the store is away or busy; try again");
}
