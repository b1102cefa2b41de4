/* Allocation k fails, for every k of the life of a trial on two nodes: it is said, nothing crashes
 * or leaks, and a head started anew on the store brings it to the same end. */
#include "head/core/gang.h"
#include "rig.h"

enum { NODES = 2 };

struct day {
    struct rig *r;
    bool is_answered;
};

static const char file[] = "command: [train, \"${args}\"]\nmetric: {name: loss}\n"
                           "parameters: {lr: {min: 0.0, max: 1.0}}\n"
                           "search: {method: random, seed: 3}\nstop: {trials: 1}\n"
                           "launch: ranks\nresources: {cpus: 1, nodes: 2, ranks: 1}\n"
                           "retries: {max: 1, backoff: 1s}\n";

static const char *const names[NODES] = {"local", "second"};

#define PREPARED(host)                                                                             \
    .kind = EVENT_PREPARED, .address = (host), .master_port = 1, .peers = host ":2"
#define RESULT(...) .kind = EVENT_RESULT, .result = {.has_started = true, __VA_ARGS__}

/* What the agents tell, in this order. */
static const struct {
    uint32_t node;
    struct node_event event;
} told[] = {
    {1, {PREPARED("second")}},
    {0, {PREPARED("local")}},
    {1, {.kind = EVENT_STARTED, .pid = 5}},
    {0, {.kind = EVENT_STARTED, .pid = 6}},
    {1, {RESULT(.cause = CAUSE_EXIT, .exit_code = 3, .reason = "rank 1: exit code 3")}},
    {0, {RESULT(.cause = CAUSE_TOLD, .reason = "its attempt has ended")}},
    {0, {PREPARED("local"), .attempt = 1}},
    {1, {PREPARED("second"), .attempt = 1}},
    {0, {.kind = EVENT_STARTED, .pid = 7, .attempt = 1}},
    {1, {.kind = EVENT_STARTED, .pid = 8, .attempt = 1}},
    {0, {RESULT(.cause = CAUSE_EXIT, .bye = BYE_INVALID, .note = "no"), .attempt = 1}},
    {1, {RESULT(.cause = CAUSE_EXIT), .attempt = 1}},
};
enum { TOLD = sizeof told / sizeof told[0] };

/* True: on disk; false: memory ran out. */
static bool day_turn(struct day *day)
{
    struct rig *r = day->r;
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
        day->is_answered |= effect->kind == HEAD_ANSWER && effect->status < 300;
    }
    return true;
}

static bool day_enrol(struct day *day)
{
    static const struct running_ref running[] = {{{1, 1}, 0, 1}, {{1, 1}, 1, 1}};
    static uint64_t enrolments;
    bool is_done = true;
    for (uint32_t i = 0; i < NODES && is_done; i++) {
        struct msg_enrol msg = {.protocol = PROTOCOL_VERSION,
                                .schema_version = 1,
                                .secret = "s",
                                .node = names[i],
                                .incarnation = RIG_INCARNATION + i,
                                .host = names[i],
                                .pid = 9,
                                .version = "test",
                                .cpus = AMOUNT_ONE,
                                .memory_bytes = 1 << 30,
                                .running = running,
                                .n_running = 2,
                                .enrolment = ++enrolments,
                                .first_event = 1};
        on_enrol(day->r->core, day->r->now, RIG_PEER + i, &msg);
        is_done = day_turn(day);
    }
    return is_done;
}

/* The first `n` of what is told, but for what is on disk already. */
static bool day_tell(struct day *day, uint32_t n)
{
    uint64_t numbers[NODES] = {0};
    for (uint32_t i = 0; i < n; i++) {
        struct node_event event = told[i].event;
        const struct node *node = core_node_find(day->r->core, names[told[i].node]);
        event.number = ++numbers[told[i].node];
        event.task = rig_id(1, 1);
        event.time = day->r->now;
        if (node == NULL || event.number <= node->r.applied) {
            continue;
        }
        struct msg_events msg = {RIG_INCARNATION + told[i].node, &event, 1};
        on_events(day->r->core, day->r->now, RIG_PEER + told[i].node, &msg);
        if (!day_turn(day)) {
            return false;
        }
    }
    return true;
}

static bool day_submit(struct day *day)
{
    struct submit_sweep submit = {.file = file,
                                  .file_name = "t.yaml",
                                  .workdir = "/w",
                                  .owner = "me",
                                  .key = "key",
                                  .file_hash = "hash"};
    on_sweep_submit(day->r->core, day->r->now, 100, &submit);
    return day_turn(day) && day->is_answered;
}

/* The backoff of the retry is over. */
static bool day_wait(struct day *day)
{
    for (uint32_t i = 0; i < NODES; i++) {
        on_heartbeat(day->r->core, day->r->now, RIG_PEER + i,
                     &(struct msg_heartbeat){.incarnation = RIG_INCARNATION + i});
    }
    core_time(day->r->core, day->r->now, 0, false);
    return day_turn(day);
}

static bool day_load(struct day *day)
{
    static const char *const tables[] = {"sweeps", "jobs", "tasks", "nodes"};
    struct rig *r = day->r;
    struct core_config config = {
        .version = "test", .cluster = "c", .state_dir = "/state", .epoch = 1000, .seed = 5};
    char n[32];
    snprintf(n, sizeof n, "%llu", (unsigned long long)r->last_n);
    error_code error = core_new(&config, &r->core);
    error = error == OK ? core_load_meta(r->core, "n", n) : error;
    for (size_t table = 0; table < sizeof tables / sizeof tables[0]; table++) {
        for (unsigned i = 0; error == OK && i < r->n_store; i++) {
            struct rig_field *f = &r->store[i];
            if (f->field != NULL && strcmp(f->key, tables[table]) == 0) {
                struct bytes field = {(uint8_t *)f->field, strlen(f->field)};
                error = core_load_record(r->core, tables[table], field,
                                         (struct bytes){f->value, f->len}, NULL);
            }
        }
    }
    for (unsigned i = 0; error == OK && i < r->n_store; i++) {
        struct rig_field *f = &r->store[i];
        if (f->field == NULL) {
            error = core_load_log(r->core, (uint32_t)atoi(f->key + 4),
                                  (struct bytes){f->value, f->len}, NULL);
        }
    }
    error = error == OK ? core_load_done(r->core, r->now, NULL) : error;
    if (error != OK) {
        assert_int_equal(error, ERR_NO_MEMORY);
        core_free(r->core);
        r->core = NULL;
        assert_int_equal(mem_live_count(), 0);
    }
    return error == OK;
}

static void day_restart(struct day *day)
{
    core_free(day->r->core);
    day->r->core = NULL;
    assert_int_equal(mem_live_count(), 0);
    while (!day_load(day)) {
    }
}

/* Step 0 submits, the others tell. */
static bool day_step(struct day *day, uint32_t step)
{
    day->r->now = 1000000 + step * 2000;
    return (step > 0 || day->is_answered || day_submit(day)) && day_wait(day) &&
           day_tell(day, step);
}

/* False: no allocation failed. */
static bool day_run(uint64_t k, bool and_load)
{
    struct day day = {.r = calloc(1, sizeof *day.r)};
    assert_non_null(day.r);
    day.r->now = 1000000;
    mem_fail_at(k);
    while (!day_load(&day)) {
    }
    bool is_done = day_enrol(&day);
    for (uint32_t step = 0; step <= TOLD; step++) {
        if (and_load) {
            day_restart(&day);
            is_done = day_enrol(&day);
        }
        is_done = is_done && day_step(&day, step);
        if (!is_done) { /* it fails once */
            day_restart(&day);
            is_done = day_enrol(&day) && day_step(&day, step);
            assert_true(is_done);
        }
    }
    bool has_failed = mem_has_failed();
    mem_fail_at(0);
    const struct record_task *task = &rig_task(day.r, rig_id(1, 1))->r;
    assert_int_equal(task->state, TASK_ENDED);
    assert_int_equal(task->outcome, OUTCOME_INVALID);
    assert_int_equal(task->n_attempts, 2);
    assert_int_equal(task->failures, 1);
    assert_int_equal(task->lost, 0);
    assert_int_equal(rig_store_count(day.r, "attempts"), 2);
    struct scheduler_usage usage;
    scheduler_usage_get(day.r->core->scheduler, 0, &usage);
    assert_int_equal(usage.cpus_used, 0);
    rig_free(day.r);
    return has_failed;
}

static void day_run_all(bool and_load)
{
    uint64_t k = 1;
    day_run(0, and_load);
    while (day_run(k, and_load)) {
        k += torture_step();
    }
    assert_true(k > 200); /* it was a day, not a moment */
}

static void test_allocation_k_fails_and_the_gang_comes_to_the_same_end(void **state)
{
    (void)state;
    day_run_all(false);
}

static void test_allocation_k_fails_in_recovery_and_the_gang_comes_to_the_same_end(void **state)
{
    (void)state;
    day_run_all(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_allocation_k_fails_and_the_gang_comes_to_the_same_end),
        cmocka_unit_test(test_allocation_k_fails_in_recovery_and_the_gang_comes_to_the_same_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
