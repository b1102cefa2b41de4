/* One trial used by many threads, and two trials in one process. */
#include "rig.h"

#include <stdatomic.h>

enum { THREADS = 8, STEPS = 200 };

static void play_all(struct rig *rig)
{
    static bool is_seen[THREADS * STEPS + 1];
    int64_t n = 0;
    agent_read(rig);
    agent_say(rig, RIG_HELLO);
    for (;;) {
        long long step = 0;
        const char *line = agent_read(rig);
        if (sscanf(line, "{\"report\":{\"step\":%lld,\"m\":{\"loss\":0.5}}}", &step) == 1) {
            if (step < 1 || step > THREADS * STEPS || is_seen[step]) {
                agent_note(rig, "step %lld came again or is none", step);
                return;
            }
            is_seen[step] = true;
            n++;
            agent_say(rig, "{\"ok\":1,\"act\":0,\"milestone\":null,\"save\":7}");
        } else if (strncmp(line, "{\"save\"", 7) == 0) {
            agent_say(rig, "{\"ok\":0,\"error\":\"not_now\",\"text\":\"busy\"}");
        } else {
            break;
        }
    }
    if (strncmp(rig->line, "{\"bye\"", 6) != 0 || n != THREADS * STEPS) {
        agent_note(rig, "%lld reports, then '%.100s'", (long long)n, rig->line);
    }
    agent_say(rig, "{\"ok\":1}");
}

struct crowd {
    muster_trial *trial;
    _Atomic int64_t step;
    _Atomic int bad;
};

static void *crowd_member(void *context)
{
    struct crowd *crowd = context;
    for (int i = 0; i < STEPS; i++) {
        double lr = 0;
        int64_t step = crowd->step++ + 1;
        bool is_good = report(crowd->trial, step, 0.5) == 0;
        is_good &= muster_f64(crowd->trial, "lr", &lr) == 0 && lr == 0.01;
        is_good &= muster_f64(crowd->trial, "none", &lr) == MUSTER_ERR_NAME;
        is_good &= muster_error(crowd->trial)[0] != '\0';
        is_good &= muster_restore(crowd->trial) == NULL && muster_step(crowd->trial) == 0;
        is_good &= muster_save_at(crowd->trial) >= -1 && muster_save_due(crowd->trial, 8, 0) >= 0;
        if (i % 50 == 0) {
            is_good &= muster_save_begin(crowd->trial, step) == NULL;
        }
        crowd->bad += !is_good;
    }
    return NULL;
}

static void test_calls_of_many_threads_are_taken_one_after_another(void **state)
{
    (void)state;
    struct rig rig;
    pthread_t threads[THREADS];
    rig_begin(&rig, play_all, MUSTER_CAN_CHECKPOINT);
    struct crowd crowd = {.trial = rig.trial};
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, crowd_member, &crowd), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(crowd.bad, 0);
    rig_end(&rig);
}

static void play_two(struct rig *rig)
{
    int fds[2];
    const char *const answers[] = {"{\"ok\":1,\"act\":4,\"milestone\":null}",
                                   "{\"ok\":1,\"act\":2,\"milestone\":null}"};
    fds[0] = rig->fd;
    agent_read(rig);
    agent_say(rig, RIG_HELLO);
    agent_accept(rig);
    fds[1] = rig->fd;
    agent_read(rig);
    agent_say(rig, RIG_HELLO);
    for (int i = 0; i < 2; i++) {
        rig->fd = fds[i];
        agent_read(rig);
        agent_say(rig, answers[i]);
    }
    sem_post(&rig->done);
    for (int i = 0; i < 2; i++) {
        rig->fd = fds[1 - i];
        agent_bye(rig);
    }
    close(fds[1]);
    rig->fd = fds[0];
}

static void test_two_trials_in_one_process_do_not_mix(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, play_two, 0);
    muster_trial *second = muster_open(0);
    report(rig.trial, 1, 1);
    report(second, 1, 1);
    rig_wait(&rig, &rig.done);
    double value = 0;
    assert_int_equal(muster_f64(second, "none", &value), MUSTER_ERR_NAME);
    assert_string_equal(muster_error(rig.trial), "");
    muster_close(second, MUSTER_DONE, NULL);
    rig_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls_of_many_threads_are_taken_one_after_another),
        cmocka_unit_test(test_two_trials_in_one_process_do_not_mix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
