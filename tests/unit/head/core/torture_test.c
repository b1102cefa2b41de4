/* Allocation k fails, for every k of a day in a head's life. It is said by core_failed() or by a
 * loader's code, nothing crashes or leaks, and a head started anew on the store goes on as if
 * nothing had been: the day ends as the undisturbed one does. */
#include "rig.h"

struct torture {
    struct rig *r;
    uint64_t requests;
    bool is_answered;          /* the request of this step */
    bool is_refused;           /* for want of memory: the client asks again */
    uint32_t sweep, job, gone; /* numbers: one that was refused may have used one up */
    uint32_t number;           /* in the last answer */
    uint32_t restarts;
};

static const char torture_sweep[] = "name: test\n"
                                    "command: [train, \"${args}\"]\n"
                                    "metric: {name: loss, goal: minimize}\n"
                                    "parameters:\n"
                                    "  lr: {min: 1e-4, max: 1e-1, log: true}\n"
                                    "  opt: {values: [sgd, adamw]}\n"
                                    "search: {method: random, seed: 3}\n"
                                    "schedule: {type: asha, min: 1, max: 9, eta: 3}\n"
                                    "stop: {trials: 2}\n"
                                    "retries: {max: 1, backoff: 1s}\n"
                                    "resources: {gpus: 1}\n"
                                    "checkpoints: {on: [rung]}\n";

/* True: on disk and told; false: memory ran out, and the shell leaves. */
static bool torture_turn(struct torture *t)
{
    struct rig *r = t->r;
    const struct batch *batch;
    const struct head_effect *effect;
    core_turn_end(r->core, r->now);
    while (core_failed(r->core) == OK && (batch = core_batch(r->core)) != NULL) {
        rig_store_apply(r, batch);
        r->last_n = batch->n;
        on_batch_applied(r->core, r->now, batch->n);
    }
    if (core_failed(r->core) != OK) {
        assert_int_equal(core_failed(r->core), ERR_NO_MEMORY);
        assert_true(mem_has_failed());
        return false;
    }
    core_check(r->core);
    while ((effect = core_effect_next(r->core)) != NULL) {
        if (effect->kind == HEAD_ANSWER && effect->request == t->requests) {
            char body[256];
            snprintf(body, sizeof body, "%.*s", (int)effect->bytes.len,
                     (const char *)effect->bytes.data);
            t->is_refused = effect->status >= 300;
            t->is_answered = !t->is_refused;
            if (t->is_refused && (effect->status != 503 || strstr(body, "\"no_memory\"") == NULL)) {
                fail_msg("%u %s", effect->status, body);
            }
            t->number = strstr(body, "\"id\":") != NULL
                            ? (uint32_t)strtoul(strstr(body, "\"id\":") + 5, NULL, 10)
                            : 0;
        }
    }
    return true;
}

/* ---- the agent's events, numbered; what was not applied is sent again ---- */

static const double torture_values[] = {0.5, 0.25};
static const char *const torture_names[] = {"loss", "acc"};
static const struct metric_row torture_rows[] = {
    {.seq = 1, .step = 0, .time = 1, .values = torture_values, .n_values = 2},
    {.seq = 2, .step = 1, .time = 2, .values = torture_values, .n_values = 2},
    {.seq = 3, .step = 9, .time = 3, .values = torture_values, .n_values = 2},
};
#define ROWS(first)                                                                                \
    .rows = {.names = torture_names, .n_names = 2, .rows = &torture_rows[first], .n_rows = 1}
#define RESULT(...) .kind = EVENT_RESULT, .result = {.has_started = true, __VA_ARGS__}

static const struct node_event torture_events[] = {
    {.task = {0, 1}, .kind = EVENT_STARTED, .pid = 5},
    {.task = {0, 1}, .kind = EVENT_ROWS, ROWS(0)},
    {.task = {0, 1}, .kind = EVENT_SNAPSHOT, .snapshot = {.ordinal = 1, .step = 1}},
    {.task = {0, 1}, .kind = EVENT_MILESTONE, .reached = 1, ROWS(1)},
    {.task = {0, 1}, .kind = EVENT_BYE, .bye = BYE_ERROR, .note = "out of luck"},
    {.task = {0, 1}, RESULT(.cause = CAUSE_EXIT, .exit_code = 3, .reason = "it failed")},
    {.task = {0, 2}, .kind = EVENT_STARTED, .pid = 6},
    {.task = {0, 2}, .kind = EVENT_MILESTONE, .reached = 1, ROWS(2)},
    {.task = {0, 2}, RESULT(.cause = CAUSE_TOLD, .handed = 2, .reason = "")},
    {.task = {0, 1}, .attempt = 1, .kind = EVENT_STARTED, .pid = 7},
    {.task = {0, 1}, .attempt = 1, RESULT(.cause = CAUSE_EXIT, .reason = "")},
};
enum { TORTURE_EVENTS = sizeof torture_events / sizeof torture_events[0] };

static bool torture_events_send(struct torture *t, uint32_t until)
{
    for (uint64_t number = 1; number <= until; number++) {
        struct node_event event = torture_events[number - 1];
        const struct node *node = core_node_find(t->r->core, "local");
        if (node != NULL && number <= node->r.applied) {
            continue;
        }
        event.number = number;
        event.task.job = t->sweep;
        event.time = t->r->now;
        struct msg_events msg = {RIG_INCARNATION, &event, 1};
        on_events(t->r->core, t->r->now, RIG_PEER, &msg);
        if (!torture_turn(t)) {
            return false;
        }
    }
    return true;
}

static bool torture_enrol(struct torture *t)
{
    static const char *const gpus[] = {"GPU-1"};
    static const struct label_pair labels[] = {{"zone", "a"}};
    static const struct custom_pair custom[] = {{"licence", AMOUNT_ONE}};
    struct msg_enrol msg = {RIG_AGENT,
                            .node = "local",
                            .incarnation = RIG_INCARNATION,
                            .cpus = 2 * AMOUNT_ONE,
                            .gpus = gpus,
                            .n_gpus = 1,
                            .labels = labels,
                            .n_labels = 1,
                            .custom = custom,
                            .n_custom = 1,
                            .first_event = 1};
    on_enrol(t->r->core, t->r->now, RIG_PEER, &msg);
    return torture_turn(t);
}

/* ---- the steps of the day ---- */

static bool step_enrol(struct torture *t)
{
    return torture_enrol(t);
}

static bool step_submit(struct torture *t)
{
    static const char *const argv[] = {"muster", "sweep", "run"};
    struct submit_sweep submit = {.file = torture_sweep,
                                  .file_name = "t.yaml",
                                  .workdir = "/w",
                                  .owner = "me",
                                  .argv = argv,
                                  .n_argv = 3,
                                  .key = "sweep",
                                  .file_hash = "h"};
    on_sweep_submit(t->r->core, t->r->now, ++t->requests, &submit);
    bool is_done = torture_turn(t);
    t->sweep = t->number;
    return is_done;
}

static bool step_job(struct torture *t)
{
    static const char *const words[] = {"sleep", "1"};
    static const char *const require[] = {"zone == a"};
    struct record_job job = {.name = "job",
                             .words = words,
                             .n_words = 2,
                             .workdir = "/",
                             .cpus = AMOUNT_ONE,
                             .gpus = AMOUNT_ONE,
                             .require = require,
                             .n_require = 1,
                             .priority = 1,
                             .key = "job",
                             .file_hash = "h"};
    on_job_submit(t->r->core, t->r->now, ++t->requests, &job);
    bool is_done = torture_turn(t);
    t->job = t->number;
    return is_done;
}

static bool step_cancel(struct torture *t)
{
    on_task_verb(t->r->core, t->r->now, ++t->requests, rig_id(t->job, 1), VERB_CANCEL, -1);
    return torture_turn(t);
}

/* A second job, which never runs, so that all of it can go. */
static bool step_job_again(struct torture *t)
{
    static const char *const words[] = {"true"};
    struct record_job job = {.name = "gone",
                             .words = words,
                             .n_words = 1,
                             .workdir = "/",
                             .cpus = 2 * AMOUNT_ONE,
                             .labels = words,
                             .n_labels = 1,
                             .key = "gone",
                             .file_hash = "h"};
    on_job_submit(t->r->core, t->r->now, ++t->requests, &job);
    bool is_done = torture_turn(t);
    t->gone = t->number;
    return is_done;
}

static bool step_gone_cancel(struct torture *t)
{
    on_task_verb(t->r->core, t->r->now, ++t->requests, rig_id(t->gone, 1), VERB_CANCEL, -1);
    return torture_turn(t);
}

static bool step_gone_remove(struct torture *t)
{
    if (core_work_find(t->r->core, t->gone) == NULL && list_is_empty(&t->r->core->removing)) {
        t->is_answered = true; /* The head that died had done it all. */
        return torture_turn(t);
    }
    on_work_remove(t->r->core, t->r->now, ++t->requests, t->gone, false);
    return torture_turn(t) && torture_turn(t) && torture_turn(t);
}

static bool step_pause(struct torture *t)
{
    on_sweep_verb(t->r->core, t->r->now, ++t->requests, t->sweep, VERB_PAUSE, -1);
    return torture_turn(t);
}

static bool step_resume(struct torture *t)
{
    struct sweep_resume resume = {0, -1, "resume"};
    on_sweep_resume(t->r->core, t->r->now, ++t->requests, t->sweep, &resume);
    return torture_turn(t);
}

static bool step_label(struct torture *t)
{
    static const struct label_pair set[] = {{"disk", "nvme"}};
    static const char *const remove[] = {"rack"};
    struct node_verb verb = {
        .kind = NODE_VERB_LABEL, .set = set, .n_set = 1, .remove = remove, .n_remove = 1};
    on_node_verb(t->r->core, t->r->now, ++t->requests, "local", &verb);
    return torture_turn(t);
}

static bool step_drain(struct torture *t)
{
    struct node_verb verb = {.kind = NODE_VERB_DRAIN, .deadline_ms = 3600000, .reason = "later"};
    on_node_verb(t->r->core, t->r->now, ++t->requests, "local", &verb);
    return torture_turn(t);
}

static bool step_undrain(struct torture *t)
{
    struct node_verb verb = {.kind = NODE_VERB_RESUME};
    on_node_verb(t->r->core, t->r->now, ++t->requests, "local", &verb);
    return torture_turn(t);
}

static bool step_retry(struct torture *t)
{
    on_task_retry(t->r->core, t->r->now, ++t->requests, rig_id(t->job, 1), 0);
    return torture_turn(t);
}

static bool step_fail(struct torture *t)
{
    return torture_events_send(t, 6);
}

static bool step_top(struct torture *t)
{
    return torture_events_send(t, 9);
}

static bool step_views(struct torture *t)
{
    struct view_filter filter = {.is_trials = true};
    struct core *core = t->r->core;
    view_sweeps(core, t->r->now, 9, &filter);
    view_tasks(core, t->r->now, 9, &filter);
    view_task(core, t->r->now, 9, rig_id(t->sweep, 1));
    view_nodes(core, t->r->now, 9, NULL);
    view_sweep_config(core, t->r->now, 9, t->sweep);
    view_explain(core, t->r->now, 9, rig_id(t->sweep, 1));
    view_sweep(core, t->r->now, ++t->requests, t->sweep);
    return torture_turn(t);
}

static bool step_backoff(struct torture *t)
{
    t->r->now += 1500;
    on_tick(t->r->core, t->r->now);
    return torture_turn(t);
}

static bool step_end(struct torture *t)
{
    return torture_events_send(t, TORTURE_EVENTS);
}

static const struct {
    bool (*run)(struct torture *t);
    bool has_answer;
} torture_steps[] = {
    {step_enrol, false},    {step_submit, true},      {step_job, true},
    {step_job_again, true}, {step_gone_cancel, true}, {step_gone_remove, true},
    {step_pause, true},     {step_resume, true},      {step_label, true},
    {step_drain, true},     {step_undrain, true},     {step_fail, false},
    {step_cancel, true},    {step_retry, true},       {step_cancel, true},
    {step_top, false},      {step_views, true},       {step_backoff, false},
    {step_end, false},      {step_views, true},
};

/* The core is gone; false: memory ran out on the way, and the next one will try. */
static bool torture_load(struct torture *t)
{
    static const char *const tables[] = {"sweeps", "jobs", "tasks", "nodes"};
    struct rig *r = t->r;
    struct core_config config = {.version = "test",
                                 .cluster = "c",
                                 .state_dir = "/state",
                                 .epoch = 1000 + ++t->restarts,
                                 .pid = 1,
                                 .seed = 5};
    char n[32];
    r->core = NULL;
    error_code error = core_new(&config, &r->core);
    snprintf(n, sizeof n, "%llu", (unsigned long long)r->last_n);
    if (error == OK) {
        error = core_load_meta(r->core, "n", n);
    }
    for (size_t table = 0; table < sizeof tables / sizeof tables[0]; table++) {
        for (unsigned i = 0; error == OK && i < r->n_store; i++) {
            struct rig_field *f = &r->store[i];
            if (f->field != NULL && strcmp(f->key, tables[table]) == 0) {
                struct bytes field = {(uint8_t *)f->field, strlen(f->field)};
                struct bytes value = {f->value, f->len};
                error = core_load_record(r->core, tables[table], field, value, NULL);
            }
        }
    }
    for (unsigned i = 0; error == OK && i < r->n_store; i++) {
        struct rig_field *f = &r->store[i];
        if (f->field == NULL) {
            struct bytes value = {f->value, f->len};
            error = core_load_log(r->core, (uint32_t)atoi(f->key + 4), value, NULL);
        } else if (strcmp(f->key, "meta") == 0) {
            char text[32] = "";
            memcpy(text, f->value, f->len < sizeof text ? f->len : sizeof text - 1);
            error = core_load_meta(r->core, f->field, text);
        }
    }
    if (error == OK) {
        error = core_load_done(r->core, r->now, NULL);
    }
    if (error != OK) {
        assert_int_equal(error, ERR_NO_MEMORY);
        core_free(r->core);
        r->core = NULL;
        assert_int_equal(mem_live_count(), 0);
    }
    return error == OK;
}

static void torture_restart(struct torture *t)
{
    core_free(t->r->core);
    t->r->core = NULL;
    assert_int_equal(mem_live_count(), 0);
    while (t->r->core == NULL) {
        torture_load(t);
    }
}

/* A whole day; the head dies with the k-th allocation (0: with none), or, if `and_load`, is
 * started anew before each step so that loading meets the failure too. The end as text. */
static char *torture_day(uint64_t k, bool and_load, bool *ret_has_failed)
{
    struct torture t = {.r = calloc(1, sizeof *t.r)};
    assert_non_null(t.r);
    t.r->now = 1000000;
    mem_fail_at(k);
    while (!torture_load(&t)) {
    }
    for (size_t i = 0; i < sizeof torture_steps / sizeof torture_steps[0];) {
        t.is_answered = !torture_steps[i].has_answer;
        if (and_load && i > 0) {
            torture_restart(&t);
        }
        bool is_done = (!and_load || i == 0 || torture_enrol(&t)) && torture_steps[i].run(&t);
        bool is_again = !is_done || !t.is_answered;
        if (!is_done) {
            torture_restart(&t);
            is_done = torture_enrol(&t);
        }
        if (is_again) {
            is_done = is_done && torture_steps[i].run(&t);
        }
        assert_true(is_done); /* it fails once */
        assert_true(t.is_answered);
        i++;
    }
    *ret_has_failed = mem_has_failed();
    mem_fail_at(0);
    char *end = calloc(1, 65536);
    struct buf dump;
    buf_init(&dump, 1 << 20);
    assert_int_equal(core_tuner_dump(t.r->core, t.sweep, &dump), OK);
    const task_id ids[] = {{t.sweep, 1}, {t.sweep, 2}, {t.job, 1}};
    size_t len =
        (size_t)snprintf(end, 65536, "%s\n%s\n", buf_text(&dump),
                         sweep_state_names[core_work_find(t.r->core, t.sweep)->sweep->r.state]);
    for (size_t i = 0; i < 3; i++) {
        const struct record_task *task = &rig_task(t.r, ids[i])->r;
        len += (size_t)snprintf(
            end + len, 65536 - len, "%s %s attempts %u failures %u lost %u snapshot %u last %llu\n",
            task_state_names[task->state], task_outcome_names[task->outcome], task->n_attempts,
            task->failures, task->lost, task->snapshot.ordinal, (unsigned long long)task->last_seq);
    }
    unsigned n_rows = 0, n_logged = 0;
    for (unsigned i = 0; i < t.r->n_store; i++) {
        n_rows += strncmp(t.r->store[i].key, "rows:", 5) == 0;
        n_logged += strncmp(t.r->store[i].key, "log:", 4) == 0;
    }
    snprintf(end + len, 65536 - len, "log %u, rows %u, attempts %u\n", n_logged, n_rows,
             rig_store_count(t.r, "attempts"));
    buf_fini(&dump);
    rig_free(t.r);
    return end;
}

static void torture_all(bool and_load)
{
    bool has_failed;
    char *unbroken = torture_day(0, and_load, &has_failed);
    assert_non_null(strstr(unbroken, "done\nended done attempts 2 failures 1 lost 0 snapshot 1"));
    assert_non_null(strstr(unbroken, "ended cancelled attempts 0"));
    for (uint64_t k = 1;; k += torture_step()) {
        char *end = torture_day(k, and_load, &has_failed);
        if (strcmp(end, unbroken) != 0) {
            fail_msg("with allocation %llu failing the day ended\n%s\ninstead of\n%s",
                     (unsigned long long)k, end, unbroken);
        }
        free(end);
        if (!has_failed) {
            assert_true(k > 200); /* it was a day, not a moment */
            break;
        }
    }
    free(unbroken);
}

static void test_allocation_k_fails_and_the_day_ends_as_if_it_had_not(void **state)
{
    (void)state;
    torture_all(false);
}

static void test_allocation_k_fails_in_recovery_and_the_day_ends_as_if_it_had_not(void **state)
{
    (void)state;
    torture_all(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_allocation_k_fails_and_the_day_ends_as_if_it_had_not),
        cmocka_unit_test(test_allocation_k_fails_in_recovery_and_the_day_ends_as_if_it_had_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
