/* Whatever happens to connection and head, in the end the head's log holds every event exactly
 * once, in order. */
#include "model.h"

#ifdef __SANITIZE_ADDRESS__
enum { MODEL_TURNS = 12000, MODEL_SEEDS = 50 }; /* each takes ten times as long */
#else
enum { MODEL_TURNS = 12000, MODEL_SEEDS = 200 };
#endif

static void model_verify(const struct model *m)
{
    uint64_t seq[MODEL_ATTEMPTS + 1] = {0}, milestone[MODEL_ATTEMPTS + 1] = {0};
    uint32_t started[MODEL_ATTEMPTS + 1] = {0}, results[MODEL_ATTEMPTS + 1] = {0};
    for (uint64_t n = 1; n <= m->received; n++) {
        const struct model_entry *entry = &m->log[n];
        uint32_t i = entry->index;
        started[i] += entry->kind == EVENT_STARTED;
        if (entry->n_rows > 0) {
            assert_int_equal(entry->first_seq, seq[i] + 1); /* every row, once */
            assert_int_equal(entry->last_seq, seq[i] + entry->n_rows);
            seq[i] = entry->last_seq;
        }
        if (entry->kind == EVENT_MILESTONE) {
            assert_true(entry->reached > milestone[i]); /* once per order */
            milestone[i] = entry->reached;
        }
        if (entry->kind == EVENT_RESULT) {
            results[i]++;
            assert_int_equal(entry->result_last_seq, seq[i]);
        }
    }
    for (uint32_t i = 1; i <= MODEL_ATTEMPTS; i++) {
        assert_int_equal(started[i], 1);
        assert_int_equal(results[i], 1);
        assert_int_equal(seq[i], m->attempts[i].reports);
    }
}

static void model_run(uint64_t seed, uint32_t *restarts, uint32_t *breaks, uint32_t *duplicates)
{
    struct model *m = calloc(1, sizeof *m);
    struct agent_config config = rig_config();
    assert_non_null(m);
    arena_init(&m->arena, (size_t)1 << 30);
    agent_outbox_init(&m->out);
    random_init(&m->random, seed, 9);
    m->now = RIG_START_MS;
    m->epoch = RIG_EPOCH;
    assert_int_equal(agent_new(&config, &m->agent), OK);
    for (int turn = 0; turn < MODEL_TURNS; turn++) {
        model_step(m);
    }
    model_settle(m);
    model_verify(m);
    *restarts += m->restarts;
    *breaks += m->breaks;
    *duplicates += m->duplicates;
    agent_free(m->agent);
    agent_outbox_fini(&m->out);
    arena_fini(&m->arena);
    free(m);
    assert_int_equal(mem_live_count(), 0);
}

static void test_replay_random_breaks_and_restarts_deliver_every_event_once(void **state)
{
    (void)state;
    uint32_t restarts = 0, breaks = 0, duplicates = 0;
    for (uint64_t seed = 1; seed <= MODEL_SEEDS; seed++) {
        model_run(seed, &restarts, &breaks, &duplicates);
    }
    /* The runs must have met what they are for. */
    assert_true(restarts > MODEL_SEEDS && breaks > 4 * MODEL_SEEDS && duplicates > MODEL_SEEDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replay_random_breaks_and_restarts_deliver_every_event_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
