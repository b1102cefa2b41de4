/* What people see of arrays: jobs in figures, pages of tasks, and the holes where only the store
 * knows. */
#include "array_rig.h"
#include "head/core/array_page.h"

enum { TEXT_MAX = 4 << 20 };

/* The answer with its holes filled as a shell does, every row the same. */
static const char *filled(struct rig *r, uint64_t request, uint32_t *ret_holes)
{
    static char text[TEXT_MAX];
    const struct rig_sent *sent = rig_answer(r, request);
    const struct result_row row = {
        .attempt = 0, .started_at = 1000, .duration_us = 2500000, .flags = RESULT_ROW_DRY};
    struct buf out;
    struct bytes answer = {(const uint8_t *)sent->body, sent->len}, piece;
    size_t at = 0;
    task_id id;
    assert_non_null(sent);
    assert_int_equal(sent->status, 200);
    buf_init(&out, TEXT_MAX - 1);
    *ret_holes = 0;
    while (array_hole_next(answer, &at, &piece, &id)) {
        assert_int_equal(buf_append(&out, piece.data, piece.len), OK);
        assert_true(core_array_has_row(r->core, id));
        assert_true(core_array_row_print(r->core, id, &row, &out));
        (*ret_holes)++;
    }
    assert_int_equal(buf_append(&out, piece.data, piece.len), OK);
    snprintf(text, sizeof text, "%s", buf_text(&out));
    buf_fini(&out);
    return text;
}

static uint64_t list(struct rig *r, const struct view_filter *filter)
{
    static uint64_t request = 70000;
    view_tasks(r->core, r->now, ++request, filter);
    rig_turn(r);
    return request;
}

static uint32_t times(const char *text, const char *part)
{
    uint32_t n = 0;
    for (; (text = strstr(text, part)) != NULL; text++) {
        n++;
    }
    return n;
}

static void test_view_page_of_an_array_has_each_task_in_its_state(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct agent *a = agent_new("a", 7);
    agent_enrol(r, a, 2);
    struct record_job job = array_job(1, 19, 2); /* 1, 3, ..., 19 */
    uint32_t number = array_submit_job(r, &job), holes;
    agent_read(r, a);
    a->keeps_lanes = true;
    agent_run(r, a, number, 2, 2000000); /* too long to be leased ahead: 5 and 7 follow */
    agent_result(r, a, rig_id(number, 5), 0, CAUSE_EXIT, 3);
    struct view_filter all = {.job = number};
    const char *text = filled(r, list(r, &all), &holes);
    assert_int_equal(holes, 2);
    assert_int_equal(times(text, "\"state\":"), 10);
    assert_non_null(strstr(text, "\"total\":10"));
    assert_non_null(strstr(text, "\"next\":null"));
    assert_int_equal(times(text, "\"outcome\":\"done\""), 2);
    assert_int_equal(times(text, "\"dry\":true"), 2);
    assert_int_equal(times(text, "\"duration\":2.5"), 2);
    assert_int_equal(times(text, "\"node\":\"a\""), 5); /* two rows, the failed one, two that run */
    assert_int_equal(times(text, "\"outcome\":\"failed\""), 1);
    assert_int_equal(times(text, "\"state\":\"queued\""), 5);
    assert_true(strstr(text, ".3\"") < strstr(text, ".5\""));
    struct view_filter failed = {.job = number, .state = "failed"};
    text = filled(r, list(r, &failed), &holes);
    assert_int_equal(holes, 0);
    assert_int_equal(times(text, "\"id\":"), 1);
    assert_non_null(strstr(text, "\"total\":1,"));
    struct view_filter none = {.job = number, .state = "done", .outcome = "failed"};
    text = filled(r, list(r, &none), &holes);
    assert_int_equal(times(text, "\"id\":"), 0);
    free(a);
    rig_free(r);
}

static void test_view_pages_of_an_array_go_on_behind_their_cursor(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    uint32_t number = array_submit(r, 5000), holes;
    char cursor[32];
    struct view_filter filter = {.job = number};
    const char *text = filled(r, list(r, &filter), &holes);
    assert_int_equal(times(text, "\"id\":"), ARRAY_PAGE_MAX);
    snprintf(cursor, sizeof cursor, "\"next\":\"%u.%d\"", number, ARRAY_PAGE_MAX);
    assert_non_null(strstr(text, cursor));
    snprintf(cursor, sizeof cursor, "%u.4998", number);
    filter.cursor = cursor;
    text = filled(r, list(r, &filter), &holes);
    assert_int_equal(times(text, "\"id\":"), 2);
    assert_non_null(strstr(text, "\"next\":null"));
    filter.limit = 1;
    text = filled(r, list(r, &filter), &holes);
    assert_non_null(strstr(text, ".4999\""));
    assert_null(strstr(text, "\"next\":null"));
    snprintf(cursor, sizeof cursor, "%u.99999", number);
    text = filled(r, list(r, &filter), &holes);
    assert_int_equal(times(text, "\"id\":"), 0);
    rig_free(r);
}

/* A page that would need the rows of many chunks ends before. */
static void test_view_page_of_few_ends_in_many_chunks_is_bounded(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct agent *a = agent_new("a", 7);
    enum { CHUNKS = ARRAY_PAGE_CHUNKS_MAX + 1 };
    uint32_t number = array_submit(r, CHUNKS * ARRAY_CHUNK), holes, seen = 0, pages = 0;
    for (uint32_t i = 0; i < CHUNKS; i++) { /* all but the first of each chunk */
        struct id_range range = {i * ARRAY_CHUNK + 2, (i + 1) * ARRAY_CHUNK};
        on_job_cancel(r->core, r->now, 1, number, &range, 1, 0);
        rig_turn(r);
        rig_sent_clear(r);
    }
    agent_enrol(r, a, 4);
    agent_run_all(r, a, number);
    char cursor[32] = "";
    struct view_filter filter = {.job = number, .state = "done"};
    do {
        const char *text = filled(r, list(r, &filter), &holes);
        const char *next = strstr(text, "\"next\":\"");
        seen += holes;
        pages++;
        assert_true(holes > 0 && holes <= ARRAY_PAGE_CHUNKS_MAX);
        cursor[0] = '\0';
        if (next != NULL) {
            assert_int_equal(sscanf(next, "\"next\":\"%31[0-9.]", cursor), 1);
        }
        filter.cursor = cursor;
    } while (cursor[0] != '\0');
    assert_int_equal(seen, CHUNKS);
    assert_int_equal(pages, 2);
    free(a);
    rig_free(r);
}

static void test_view_list_of_an_array_refuses_what_it_cannot_do(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    uint32_t number = array_submit(r, 10);
    const struct view_filter wrong[] = {
        {.job = number, .sort = "node"},   {.job = number, .sort = "-id"},
        {.job = number, .node = "a"},      {.job = number, .offset = 3},
        {.job = number, .state = "great"}, {.job = number, .cursor = "x"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        const struct rig_sent *sent = rig_answer(r, list(r, &wrong[i]));
        assert_int_equal(sent->status, 400);
    }
    /* Another job's name, owner or label selects nothing of this one. */
    uint32_t holes;
    struct view_filter other = {.job = number, .name = "other"};
    assert_int_equal(times(filled(r, list(r, &other), &holes), "\"id\":"), 0);
    /* In the list of all tasks an array has none. */
    struct view_filter all = {0};
    assert_int_equal(times(filled(r, list(r, &all), &holes), "\"id\":"), 0);
    rig_free(r);
}

static void test_view_one_task_and_one_job(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct agent *a = agent_new("a", 7);
    uint32_t holes;
    agent_enrol(r, a, 1);
    uint32_t number = array_submit(r, 3);
    agent_read(r, a);
    agent_run(r, a, number, 1, 3000000);
    agent_result(r, a, rig_id(number, 2), 0, CAUSE_EXIT, 1);
    view_task(r->core, r->now, 801, rig_id(number, 1));
    view_task(r->core, r->now, 802, rig_id(number, 2));
    view_task(r->core, r->now, 803, rig_id(number, 3));
    view_task(r->core, r->now, 804, rig_id(number, 4));
    view_job(r->core, r->now, 805, number);
    view_explain(r->core, r->now, 806, rig_id(number, 3));
    view_explain(r->core, r->now, 807, rig_id(number, 0));
    view_failures(r->core, r->now, 808, number);
    rig_turn(r);
    assert_non_null(strstr(filled(r, 801, &holes), "\"outcome\":\"done\""));
    assert_int_equal(holes, 1);
    assert_non_null(strstr(filled(r, 802, &holes), "\"exit_code\":1"));
    assert_non_null(strstr(filled(r, 803, &holes), "\"state\":\"leased\""));
    assert_int_equal(rig_answer(r, 804)->status, 404);
    const char *text = filled(r, 805, &holes);
    assert_non_null(strstr(text, "\"ids\":\"1-3\",\"total\":3,\"queued\":0"));
    assert_non_null(strstr(text, "\"done\":1,\"failed\":1"));
    assert_non_null(strstr(text, "\"state\":\"running\""));
    assert_non_null(strstr(filled(r, 806, &holes), "leased on a"));
    assert_non_null(strstr(filled(r, 807, &holes), "\"can_run\":true"));
    assert_int_equal(times(filled(r, 808, &holes), "\"count\":1,\"failed\":1"), 1);
    agent_run(r, a, number, 1, 3000000);
    view_job(r->core, r->now, 809, number);
    rig_turn(r);
    text = filled(r, 809, &holes);
    assert_non_null(strstr(text, "\"state\":\"ended\",\"outcome\":\"failed\""));
    free(a);
    rig_free(r);
}

/* ---- dry ---- */

/* What is said of an array and of a command, by everything that the core shows. */
static void dry_is_said(struct rig *r, uint32_t array, uint32_t one, bool is_dry)
{
    uint32_t holes;
    view_job(r->core, r->now, 811, array);
    view_job(r->core, r->now, 812, one);
    view_task(r->core, r->now, 813, rig_id(one, 1));
    view_explain(r->core, r->now, 814, rig_id(array, 0));
    view_explain(r->core, r->now, 815, rig_id(array, 2));
    view_explain(r->core, r->now, 816, rig_id(one, 1));
    view_tasks(r->core, r->now, 817, &(struct view_filter){.job = one});
    view_jobs(r->core, r->now, 818, &(struct view_filter){.job = array});
    rig_turn(r);
    for (uint64_t request = 811; request <= 818; request++) {
        const char *text = filled(r, request, &holes);
        bool is_text = request >= 814 && request <= 816;
        bool is_said = strstr(text, is_text ? "dry" : "\"dry\":true") != NULL;
        if (is_said != is_dry) {
            fail_msg("%s, and it is%s dry", text, is_dry ? "" : " not");
        }
    }
}

static bool is_told(const struct rig *r, const char *text)
{
    bool is_there = false;
    for (unsigned i = 0; i < r->n_sent; i++) {
        is_there |= r->sent[i].kind == HEAD_NOTICE && strstr(r->sent[i].body, text) != NULL;
    }
    return is_there;
}

/* A command and an array, run to their ends by whoever is enrolled. */
static uint32_t both_run(struct rig *r, struct agent *a, uint32_t *ret_one)
{
    struct record_job one = array_job(0, 0, 0);
    char text[64];
    uint32_t number = array_submit(r, 3);
    agent_read(r, a);
    while (a->n_held > 0) {
        agent_run(r, a, number, a->n_held, 100);
    }
    *ret_one = array_submit_job(r, &one);
    agent_result(r, a, rig_id(*ret_one, 1), 0, CAUSE_EXIT, 0);
    snprintf(text, sizeof text, "array %u ended done, dry: 3 of 3", number);
    assert_true(is_told(r, text) == a->is_dry);
    snprintf(text, sizeof text, "task %u.1 ended done, dry", *ret_one);
    assert_true(is_told(r, text) == a->is_dry);
    return number;
}

/* Not of whoever is enrolled under the name of its node now, if anybody is. */
static void test_dry_is_said_of_results_that_a_dry_worker_told(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct agent *a = agent_new("a", 7);
    uint32_t dry_one, real_one;
    a->is_dry = true;
    agent_enrol(r, a, 1);
    uint32_t dry = both_run(r, a, &dry_one);
    dry_is_said(r, dry, dry_one, true);
    agent_restart(r, a, 1, false);
    dry_is_said(r, dry, dry_one, true);
    uint32_t real = both_run(r, a, &real_one);
    dry_is_said(r, real, real_one, false);
    agent_restart(r, a, 1, true);
    dry_is_said(r, real, real_one, false);
    dry_is_said(r, dry, dry_one, true);
    rig_store_delete(r, &(struct store_op){.kind = OP_DEL, .key = "nodes"}); /* it was forgotten */
    rig_restart(r);
    dry_is_said(r, real, real_one, false);
    dry_is_said(r, dry, dry_one, true);
    free(a);
    rig_free(r);
}

/* Told to leave alone, and done all the same; failed on a real one, and tried again on a dry one.
 */
static void test_dry_tasks_with_records_of_their_own_say_so(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct agent *a = agent_new("a", 7);
    agent_enrol(r, a, 1);
    struct record_job job = array_job(1, 2, 1);
    job.retries_max = 1;
    uint32_t number = array_submit_job(r, &job);
    agent_read(r, a);
    agent_result(r, a, rig_id(number, 1), 0, CAUSE_EXIT, 1);
    assert_false(rig_task(r, rig_id(number, 1))->r.is_dry);
    assert_false(core_job_record(r->core, number)->has_dry);
    struct id_range second = {2, 2};
    on_job_cancel(r->core, r->now, 1, number, &second, 1, 1000);
    rig_turn(r);
    a->is_dry = true; /* it says so of its rows, whatever it enrolled as */
    agent_run(r, a, number, 1, 100);
    assert_true(rig_task(r, rig_id(number, 2))->r.is_dry);
    assert_true(core_job_record(r->core, number)->has_dry);
    r->now += 1500; /* until it is tried again */
    on_tick(r->core, r->now);
    rig_turn(r);
    agent_result(r, a, rig_id(number, 1), 1, CAUSE_EXIT, 0);
    assert_int_equal(rig_task(r, rig_id(number, 1))->r.outcome, OUTCOME_DONE);
    assert_true(rig_task(r, rig_id(number, 1))->r.is_dry);
    free(a);
    rig_free(r);
}

/* ---- files for what each task writes ---- */

static void log_files_are(struct rig *r, task_id id, const char *want)
{
    static uint64_t request = 95000;
    uint32_t holes;
    view_task(r->core, r->now, ++request, id);
    rig_turn(r);
    const char *text = filled(r, request, &holes);
    if (strstr(text, want) == NULL) {
        fail_msg("%s, and not %s", text, want);
    }
}

static void test_log_files_of_a_task_are_named_by_its_last_attempt(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct agent *a = agent_new("a", 7);
    struct record_job job = array_job(1, 3, 1);
    struct arena arena;
    job.retries_max = 1;
    job.log_files = true;
    agent_enrol(r, a, 1);
    uint32_t number = array_submit_job(r, &job);
    arena_init(&arena, MSG_ARENA_MAX_BYTES);
    assert_true(((const struct msg_array *)rig_sent_last(r, MSG_ARRAY, &arena))->lease.log_files);
    agent_read(r, a);
    agent_run(r, a, number, 1, 3000000);
    log_files_are(r, rig_id(number, 1), "\"log_files\":[\"/n/a/arrays/1/tasks/1.out\",\"/n/a/");
    log_files_are(r, rig_id(number, 2), "/n/a/arrays/1/tasks/2.err\"]"); /* leased */
    log_files_are(r, rig_id(number, 3), "\"log_files\":[]");
    agent_result(r, a, rig_id(number, 2), 0, CAUSE_EXIT, 1);
    agent_run(r, a, number, 1, 3000000);
    r->now += 1500;
    on_tick(r->core, r->now);
    rig_turn(r);
    log_files_are(r, rig_id(number, 2), "[\"/n/a/arrays/1/tasks/2.1.out\"");
    assert_true(((const struct msg_lease *)rig_sent_last(r, MSG_LEASE, &arena))->log_files);
    struct record_job plain = array_job(1, 1, 1);
    uint32_t other = array_submit_job(r, &plain);
    log_files_are(r, rig_id(other, 1), "\"log_files\":[]");
    arena_fini(&arena);
    free(a);
    rig_free(r);
}

static uint32_t jobs(struct rig *r, const struct view_filter *filter)
{
    static uint64_t request = 90000;
    uint32_t holes;
    view_jobs(r->core, r->now, ++request, filter);
    rig_turn(r);
    return times(filled(r, request, &holes), "\"ids\":");
}

static void test_view_jobs_are_selected_by_kind_and_state(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct agent *a = agent_new("a", 7);
    struct record_job one = array_job(1, 1, 1);
    one.array = (struct array_ids){0};
    one.priority = 10;
    agent_enrol(r, a, 1);
    uint32_t number = array_submit(r, 2);
    (void)array_submit_job(r, &one);
    assert_int_equal(jobs(r, &(struct view_filter){0}), 2);
    assert_int_equal(jobs(r, &(struct view_filter){.is_arrays = true}), 1);
    assert_int_equal(jobs(r, &(struct view_filter){.state = "queued"}), 1);
    assert_int_equal(jobs(r, &(struct view_filter){.job = number}), 1);
    assert_int_equal(jobs(r, &(struct view_filter){.sort = "-id", .limit = 1}), 1);
    on_job_cancel(r->core, r->now, 1, number, NULL, 0, 0);
    rig_turn(r);
    assert_int_equal(jobs(r, &(struct view_filter){.state = "stopping"}), 1);
    agent_read(r, a);
    agent_return(r, a, number);
    agent_rows(r, a, number, NULL, 0);
    assert_int_equal(jobs(r, &(struct view_filter){.state = "cancelled", .is_arrays = true}), 1);
    assert_int_equal(jobs(r, &(struct view_filter){.outcome = "done"}), 0);
    free(a);
    rig_free(r);
}

static void test_hole_is_found_between_texts(void **state)
{
    (void)state;
    char text[2 * ARRAY_HOLE_BYTES + 8] = "[";
    size_t n = 1, at = 0;
    struct bytes piece;
    task_id id;
    array_hole_make((task_id){7, 0x01010101}, text + n); /* ids look like holes, too */
    n += ARRAY_HOLE_BYTES;
    text[n++] = ',';
    array_hole_make((task_id){1, 1}, text + n);
    n += ARRAY_HOLE_BYTES;
    text[n++] = ']';
    struct bytes answer = {(const uint8_t *)text, n};
    assert_true(array_hole_next(answer, &at, &piece, &id));
    assert_true(piece.len == 1 && id.job == 7 && id.index == 0x01010101);
    assert_true(array_hole_next(answer, &at, &piece, &id));
    assert_true(piece.len == 1 && piece.data[0] == ',' && id.job == 1 && id.index == 1);
    assert_false(array_hole_next(answer, &at, &piece, &id));
    assert_true(piece.len == 1 && piece.data[0] == ']');
    at = 0;
    answer.len = ARRAY_HOLE_BYTES; /* a torn one is text */
    assert_false(array_hole_next(answer, &at, &piece, &id));
    assert_int_equal(piece.len, ARRAY_HOLE_BYTES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_view_page_of_an_array_has_each_task_in_its_state),
        cmocka_unit_test(test_view_pages_of_an_array_go_on_behind_their_cursor),
        cmocka_unit_test(test_view_page_of_few_ends_in_many_chunks_is_bounded),
        cmocka_unit_test(test_view_list_of_an_array_refuses_what_it_cannot_do),
        cmocka_unit_test(test_view_one_task_and_one_job),
        cmocka_unit_test(test_dry_is_said_of_results_that_a_dry_worker_told),
        cmocka_unit_test(test_dry_tasks_with_records_of_their_own_say_so),
        cmocka_unit_test(test_log_files_of_a_task_are_named_by_its_last_attempt),
        cmocka_unit_test(test_view_jobs_are_selected_by_kind_and_state),
        cmocka_unit_test(test_hole_is_found_between_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
