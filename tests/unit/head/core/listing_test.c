/* Lists: what is selected, in which order, and pages that hold still while things change. */
#include "rig.h"

static uint64_t requests = 4000;

static const char list_file[] = "name: listed\n"
                                "labels: [night]\n"
                                "command: [train]\n"
                                "metric: {name: loss, goal: minimize}\n"
                                "parameters: {lr: {min: 0, max: 1}}\n"
                                "stop: {trials: 9}\n"
                                "retries: {max: 0}\n";

static const char *trials(struct rig *r, struct view_filter filter, uint32_t status)
{
    filter.is_trials = true;
    view_tasks(r->core, r->now, ++requests, &filter);
    rig_turn(r);
    assert_int_equal(rig_answer(r, requests)->status, status);
    return rig_answer(r, requests)->body;
}

static const char *sweeps(struct rig *r, struct view_filter filter, uint32_t status)
{
    view_sweeps(r->core, r->now, ++requests, &filter);
    rig_turn(r);
    assert_int_equal(rig_answer(r, requests)->status, status);
    return rig_answer(r, requests)->body;
}

/* The ids of a list, with a space after each. */
static void ids_of(const char *body, char *ret_ids, size_t size_bytes)
{
    ret_ids[0] = '\0';
    const char *at = body;
    while ((at = strstr(at, "{\"id\":")) != NULL) {
        at += 6 + (at[6] == '"');
        size_t n = strlen(ret_ids);
        snprintf(ret_ids + n, size_bytes - n, "%.*s ", (int)strcspn(at, "\","), at);
    }
}

/* The cursor of the next page; NULL: this was the last one. */
static char *next_of(const char *body)
{
    const char *next = strstr(body, "\"next\":");
    assert_non_null(next);
    return next[7] == 'n' ? NULL : strndup(next + 8, strcspn(next + 8, "\""));
}

#define assert_ids(body, wanted)                                                                   \
    do {                                                                                           \
        char ids_[1024];                                                                           \
        ids_of(body, ids_, sizeof ids_);                                                           \
        assert_string_equal(ids_, wanted);                                                         \
    } while (0)

/* Nine trials on four CPUs: the first two done with 0.9 and 0.1, the third failed, three run. */
static struct rig *listed(void)
{
    struct rig *r = rig_new();
    rig_enrol(r, 3);
    rig_submit(r, list_file, NULL);
    static const double values[] = {0.9, 0.1};
    for (uint32_t i = 1; i <= 3; i++) {
        r->now += 1000;
        rig_started(r, rig_id(1, i), 0);
        if (i <= 2) {
            rig_report_event(r, EVENT_ROWS, rig_id(1, i), 0, i, values[i - 1], 0);
        }
        rig_result(r, rig_id(1, i), 0, CAUSE_EXIT, i == 3, 0);
    }
    return r;
}

static void test_trials_are_selected_by_state_outcome_and_node(void **state)
{
    (void)state;
    struct rig *r = listed();
    assert_ids(trials(r, (struct view_filter){.job = 1, .state = "leased"}, 200), "1.4 1.5 1.6 ");
    assert_ids(trials(r, (struct view_filter){.state = "done"}, 200), "1.1 1.2 ");
    assert_ids(trials(r, (struct view_filter){.outcome = "failed"}, 200), "1.3 ");
    assert_ids(trials(r, (struct view_filter){.node = "elsewhere"}, 200), "");
    assert_ids(trials(r, (struct view_filter){.node = "local", .state = "ended"}, 200),
               "1.1 1.2 1.3 ");
    assert_ids(trials(r, (struct view_filter){.label = "night", .state = "failed"}, 200), "1.3 ");
    assert_ids(trials(r, (struct view_filter){.owner = "you"}, 200), "");
    assert_ids(trials(r, (struct view_filter){.owner = "me", .since = r->now}, 200), "1.6 ");
    trials(r, (struct view_filter){.job = 7}, 404);
    rig_free(r);
}

static void test_words_that_do_not_exist_are_answered_with_those_that_do(void **state)
{
    (void)state;
    struct rig *r = listed();
    const char *body = trials(r, (struct view_filter){.state = "runing"}, 400);
    assert_non_null(strstr(body, "running"));
    assert_non_null(strstr(body, "cancelled"));
    body = trials(r, (struct view_filter){.outcome = "queued"}, 400);
    assert_non_null(strstr(body, "stopped"));
    body = sweeps(r, (struct view_filter){.state = "leased"}, 400);
    assert_non_null(strstr(body, "paused"));
    body = sweeps(r, (struct view_filter){.sort = "-age"}, 400);
    assert_non_null(strstr(body, "created"));
    trials(r, (struct view_filter){.cursor = "no id"}, 400);
    trials(r, (struct view_filter){.cursor = "n:1|1.1"}, 400); /* of another order */
    trials(r, (struct view_filter){.cursor = "1.1", .sort = "best"}, 400);
    trials(r, (struct view_filter){.cursor = "t:x|1.1", .sort = "best"}, 400);
    rig_free(r);
}

static void test_sorted_list_has_what_has_no_value_last(void **state)
{
    (void)state;
    struct rig *r = listed();
    struct view_filter filter = {.job = 1, .sort = "best"};
    assert_ids(trials(r, filter, 200), "1.2 1.1 1.3 1.4 1.5 1.6 ");
    filter.sort = "-best";
    assert_ids(trials(r, filter, 200), "1.1 1.2 1.3 1.4 1.5 1.6 ");
    filter.sort = "-id";
    assert_ids(trials(r, filter, 200), "1.6 1.5 1.4 1.3 1.2 1.1 ");
    filter.sort = "id";
    assert_ids(trials(r, filter, 200), "1.1 1.2 1.3 1.4 1.5 1.6 ");
    filter.sort = "state";
    filter.offset = 2;
    filter.limit = 2;
    assert_ids(trials(r, filter, 200), "1.3 1.4 ");
    rig_free(r);
}

/* All pages, the second read after a trial has ended and new ones have come. */
static void pages_read(struct rig *r, struct view_filter filter, char *ret_ids, size_t size_bytes)
{
    char *cursor = NULL;
    ret_ids[0] = '\0';
    for (int page = 0; page == 0 || cursor != NULL; page++) {
        char ids[256];
        assert_true(page < 20);
        filter.cursor = cursor;
        const char *body = trials(r, filter, 200);
        free(cursor);
        cursor = next_of(body);
        ids_of(body, ids, sizeof ids);
        strncat(ret_ids, ids, size_bytes - strlen(ret_ids) - 1);
        if (page == 0) {
            rig_started(r, rig_id(1, 4), 0);
            rig_report_event(r, EVENT_ROWS, rig_id(1, 4), 0, 1, 0.5, 0);
            rig_result(r, rig_id(1, 4), 0, CAUSE_EXIT, 0, 0);
        }
    }
}

static void test_pages_hold_still_while_trials_come(void **state)
{
    (void)state;
    char ids[1024];
    struct rig *r = listed();
    pages_read(r, (struct view_filter){.job = 1, .limit = 2}, ids, sizeof ids);
    assert_string_equal(ids, "1.1 1.2 1.3 1.4 1.5 1.6 1.7 ");
    rig_free(r);
    r = listed();
    pages_read(r, (struct view_filter){.job = 1, .limit = 2, .sort = "-created"}, ids, sizeof ids);
    assert_string_equal(ids, "1.6 1.5 1.4 1.1 1.2 1.3 ");
    rig_free(r);
}

static void test_sweeps_are_listed_by_label_name_and_state(void **state)
{
    (void)state;
    struct rig *r = listed();
    rig_submit(r, rig_sweep, NULL);
    assert_ids(sweeps(r, (struct view_filter){0}, 200), "1 2 ");
    assert_ids(sweeps(r, (struct view_filter){.label = "night"}, 200), "1 ");
    assert_ids(sweeps(r, (struct view_filter){.name = "test"}, 200), "2 ");
    assert_ids(sweeps(r, (struct view_filter){.sort = "name"}, 200), "1 2 ");
    assert_ids(sweeps(r, (struct view_filter){.sort = "-name"}, 200), "2 1 ");
    char *next = next_of(sweeps(r, (struct view_filter){.sort = "-name", .limit = 1}, 200));
    assert_string_equal(next, "t:test|2");
    struct view_filter filter = {.sort = "-name", .limit = 1, .cursor = next};
    assert_ids(sweeps(r, filter, 200), "1 ");
    free(next);
    rig_free(r);
}

static void test_nodes_are_listed_by_state(void **state)
{
    (void)state;
    struct rig *r = listed();
    view_nodes(r->core, r->now, ++requests, &(struct view_filter){.state = "alive"});
    rig_turn(r);
    assert_non_null(strstr(rig_answer(r, requests)->body, "\"total\":1"));
    view_nodes(r->core, r->now, ++requests, &(struct view_filter){.state = "gone"});
    rig_turn(r);
    assert_non_null(strstr(rig_answer(r, requests)->body, "\"total\":0"));
    view_nodes(r->core, r->now, ++requests, &(struct view_filter){.outcome = "done"});
    rig_turn(r);
    assert_int_equal(rig_answer(r, requests)->status, 400);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trials_are_selected_by_state_outcome_and_node),
        cmocka_unit_test(test_words_that_do_not_exist_are_answered_with_those_that_do),
        cmocka_unit_test(test_sorted_list_has_what_has_no_value_last),
        cmocka_unit_test(test_pages_hold_still_while_trials_come),
        cmocka_unit_test(test_sweeps_are_listed_by_label_name_and_state),
        cmocka_unit_test(test_nodes_are_listed_by_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
