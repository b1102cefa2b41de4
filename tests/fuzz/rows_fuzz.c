/* Result rows of a task array as the store may have them, read back for everything that shows them:
 * a list (an answer with holes), one task, its attempts, its log. An array is there whose first
 * tasks have ended well; the input's bytes stand in place of the rows of its chunk. Each question
 * gets one answer, which is JSON, and of a task the last of its rows is what is shown. */
#include <jansson.h>
#include <stdio.h>

#include "head_ends.h"
#include "schema/result_rows.h"

enum { TASKS = 40, DONE = 8, JOB = 3 /* after the sweep and the task of ends_open() */ };

/* Of all inputs together. */
static uint64_t rows_read, rows_shown;

static void ask(http_method method, const char *path, const struct ends_pair *pairs,
                const char *body)
{
    static const struct http_identity admin = {"admin", ROLE_ADMIN, true};
    struct bytes text = {(const uint8_t *)body, strlen(body)};
    ends_request(method, path, pairs, text, &admin, NULL);
    ends_turn(false);
}

static bool array_make(void)
{
    static const struct ends_pair none[] = {{NULL, NULL}};
    char body[256];
    snprintf(body, sizeof body,
             "{\"words\":[\"true\"],\"workdir\":\"/w\",\"cpus\":100,"
             "\"array\":{\"first\":1,\"last\":%d,\"step\":1}}",
             TASKS);
    ask(HTTP_POST, "/api/v1/jobs", none, body);
    for (uint32_t n = 0; n < DONE && !ends_has_failed();) {
        uint32_t more = ends_array_done(JOB, DONE - n);
        n += more;
        if (!fuzz_must(more > 0)) {
            return false;
        }
    }
    return !ends_has_failed();
}

/* The last row of the task; false: there is none. */
static bool row_of(struct bytes blob, uint32_t id, struct result_row *ret_row)
{
    bool is_found = false;
    for (uint32_t i = 0; i < result_rows_count(blob); i++) {
        struct result_row row;
        result_row_read(blob.data + (size_t)i * RESULT_ROW_BYTES, &row);
        if (row.id == id) {
            *ret_row = row;
            is_found = true;
        }
    }
    return is_found;
}

/* What the list and the attempts of a task say of its end is what its row says. */
static void attempts_check(const struct result_row *row)
{
    struct bytes answer = ends_last_answer();
    json_t *root = json_loadb((const char *)answer.data, answer.len, 0, NULL);
    const json_t *items = json_object_get(root, "items");
    const json_t *item = json_array_get(items, 0);
    if (fuzz_must(json_array_size(items) == 1)) {
        assert(json_integer_value(json_object_get(item, "attempt")) == row->attempt);
        assert(json_integer_value(json_object_get(item, "exit_code")) == row->exit_code);
        rows_shown++;
    }
    json_decref(root);
}

static void list_check(struct bytes blob)
{
    struct bytes answer = ends_last_answer();
    json_t *root = json_loadb((const char *)answer.data, answer.len, 0, NULL);
    const json_t *items = json_object_get(root, "items");
    size_t n = json_array_size(items);
    (void)fuzz_must(n == TASKS);
    for (uint32_t id = 1; id <= DONE && n == TASKS; id++) {
        const json_t *item = json_array_get(items, id - 1);
        struct result_row row;
        if (row_of(blob, id, &row)) {
            assert(json_integer_value(json_object_get(item, "exit_code")) == row.exit_code);
            rows_shown++;
        }
    }
    json_decref(root);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct ends_pair of_job[] = {{"job", "3"}, {NULL, NULL}}, none[] = {{NULL, NULL}};
    static const char *const kinds[] = {"", "/attempts", "/logs", "/explain"};
    if (size < 2) {
        return 0;
    }
    struct bytes blob = {data + 1, size - 1};
    uint32_t id = 1 + data[0] % (DONE + 2U); /* one past those that have ended, too */
    ends_open(true);
    if (!ends_has_failed() && array_make()) {
        ends_store_gives(blob);
        rows_read += result_rows_count(blob);
        ask(HTTP_GET, "/api/v1/tasks", of_job, "");
        if (!mem_has_failed()) {
            list_check(blob);
        }
        for (size_t i = 0; i < sizeof kinds / sizeof kinds[0] && !ends_has_failed(); i++) {
            char path[64];
            struct result_row row;
            snprintf(path, sizeof path, "/api/v1/tasks/%d.%u%s", JOB, id, kinds[i]);
            ask(HTTP_GET, path, none, "");
            if (i == 1 && id <= DONE && row_of(blob, id, &row) && !mem_has_failed()) {
                attempts_check(&row);
            }
        }
    }
    ends_store_gives((struct bytes){NULL, 0});
    ends_close(false);
    return 0;
}

bool fuzz_corpus_reached(void)
{
    printf("stored rows: %llu read, %llu shown\n", (unsigned long long)rows_read,
           (unsigned long long)rows_shown);
    return rows_shown > 0;
}
