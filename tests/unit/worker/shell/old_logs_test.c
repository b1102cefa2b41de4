/* Logs on the disk of a real agent: it names the jobs whose logs lie there, and removes those that
 * the head says are no more. */
#include "head_rig.h"

static struct array_range asked[8];
static uint32_t n_asked, n_asks;

static void on_logs(struct rig *rig, message_type type, const void *message)
{
    const struct msg_logs_held *held = message;
    (void)rig;
    if (type == MSG_LOGS_HELD) {
        n_asks++;
        n_asked = held->n_jobs < 8 ? held->n_jobs : 8;
        memcpy(asked, held->jobs, n_asked * sizeof asked[0]);
    }
}

static bool was_asked(struct rig *rig)
{
    return n_asks >= rig->want;
}

static bool is_there(const struct rig *rig, const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/nodes/n1/%s", rig->state, name);
    return access(path, F_OK) == 0;
}

static bool are_gone(struct rig *rig)
{
    return !is_there(rig, "logs/3.1") && !is_there(rig, "logs/3.12") &&
           !is_there(rig, "arrays/3") && !is_there(rig, "arrays/9");
}

static void put(const struct rig *rig, const char *folder, const char *file)
{
    char path[256];
    snprintf(path, sizeof path, "%s/nodes/n1/%s", rig->state, folder);
    assert_int_equal(dir_make(path, NULL), OK);
    snprintf(path, sizeof path, "%s/nodes/n1/%s/%s", rig->state, folder, file);
    assert_int_equal(file_write(path, (struct bytes){(const uint8_t *)"x", 1}, 0600, NULL), OK);
}

static void test_logs_of_removed_jobs_go_and_all_else_stays(void **state)
{
    (void)state;
    struct rig rig;
    n_asks = 0;
    rig_begin(&rig);
    const char *text = "echo hello";
    struct msg_lease lease = rig_shell(1, 0, &text); /* of job 1 */
    rig_run(&rig, &lease);
    put(&rig, "logs/3.1", "0.out");
    put(&rig, "logs/3.12", "0.err.1");
    put(&rig, "logs/30.1", "0.out");
    put(&rig, "logs/4.1", "0.out");
    put(&rig, "arrays/3", "index");
    put(&rig, "arrays/9", "0.0.out");
    put(&rig, "logs/setup-2", "of no job");
    put(&rig, "logs/07.1", "of no job");

    rig.on_message = on_logs;
    rig_worker_kill(&rig); /* what lies there is found by the next start */
    rig_worker_start(&rig);
    rig.want = 1;
    assert_true(rig_until(&rig, was_asked));
    static const struct array_range all[] = {{1, 1}, {3, 2}, {9, 1}, {30, 1}};
    assert_int_equal(n_asked, 4);
    assert_memory_equal(asked, all, sizeof all);

    static const struct array_range gone[] = {{9, 2}, {3, 1}, {2, 1}};
    rig_send(&rig, MSG_LOGS_DROP, &(struct msg_logs_drop){gone, 3});
    assert_true(rig_until(&rig, are_gone));
    assert_true(is_there(&rig, "logs/1.1/0.out"));
    assert_true(is_there(&rig, "logs/30.1/0.out") && is_there(&rig, "logs/4.1/0.out"));
    assert_true(is_there(&rig, "logs/setup-2") && is_there(&rig, "logs/07.1"));
    rig_send(&rig, MSG_LOGS_DROP, &(struct msg_logs_drop){gone, 3}); /* once more harms nothing */
    rig_end(&rig);
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        return rig_worker_main(argv);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_logs_of_removed_jobs_go_and_all_else_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
