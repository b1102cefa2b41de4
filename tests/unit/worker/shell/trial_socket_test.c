/* Trainers on real sockets: what they say is told in order, and nothing that they do costs more
 * than it may. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "sys/clock.h"
#include "sys/files.h"
#include "worker/shell/trial_socket.h"

enum { RIG_DEADLINE_MS = 20000, RIG_REQUESTS_MAX = 200000 };

struct rig {
    struct loop *loop;
    struct trial_sockets *sockets;
    struct trial_socket *socket;
    char folder[64];
    char path[TRIAL_SOCKET_PATH_MAX + 1];
    uint32_t opens, closes, requests, bads;
    uint64_t last; /* connection */
    int64_t steps[64];
    char error[32];
    bool is_heard;    /* step 777 */
    bool must_answer; /* every request, at the end of its turn */
    uint64_t *askers; /* of the turn */
    uint32_t n_askers, most_in_turn;
    uint32_t want;
    bool (*condition)(struct rig *rig);
    bool is_met;
    time_ms deadline;
};

static void on_rig_open(void *context, uint64_t connection, struct attempt_ref ref)
{
    struct rig *rig = context;
    assert_int_equal(ref.task.index, 41);
    rig->opens++;
    rig->last = connection;
}

static void on_rig_request(void *context, uint64_t connection,
                           const struct trainer_request *request)
{
    struct rig *rig = context;
    rig->steps[rig->requests % 64] = request->step;
    rig->requests++;
    rig->is_heard = rig->is_heard || request->step == 777;
    rig->bads += request->kind == TRAINER_BAD ? 1 : 0;
    if (request->kind == TRAINER_BAD) {
        snprintf(rig->error, sizeof rig->error, "%s", request->error);
    }
    assert_true(rig->n_askers < RIG_REQUESTS_MAX);
    rig->askers[rig->n_askers++] = connection;
}

static void on_rig_close(void *context, uint64_t connection)
{
    (void)connection;
    struct rig *rig = context;
    rig->closes++;
}

static void on_rig_turn(void *context, const struct loop_turn *turn)
{
    struct rig *rig = context;
    rig->most_in_turn = rig->n_askers > rig->most_in_turn ? rig->n_askers : rig->most_in_turn;
    for (uint32_t i = 0; rig->must_answer && i < rig->n_askers; i++) {
        trial_connection_answer(rig->sockets, rig->askers[i], "{\"ok\":1,\"act\":0}\n");
    }
    trial_sockets_flush(rig->sockets);
    rig->n_askers = 0;
    rig->is_met = rig->condition == NULL || rig->condition(rig);
    if (rig->is_met || turn->now > rig->deadline) {
        loop_stop(rig->loop);
    }
    loop_deadline_set(rig->loop, turn->now + 2);
}

static bool rig_until(struct rig *rig, bool (*condition)(struct rig *rig))
{
    rig->condition = condition;
    rig->deadline = clock_now() + RIG_DEADLINE_MS;
    loop_again(rig->loop);
    assert_int_equal(loop_run(rig->loop), OK);
    return rig->is_met;
}

/* So many turns, for what must not happen. */
static void rig_turns(struct rig *rig, int n)
{
    for (int i = 0; i < n; i++) {
        assert_true(rig_until(rig, NULL));
    }
}

static void rig_begin(struct rig *rig)
{
    const struct trial_callbacks callbacks = {on_rig_open, on_rig_request, on_rig_close, rig};
    struct report report = {0};
    *rig = (struct rig){.askers = calloc(RIG_REQUESTS_MAX, sizeof *rig->askers)};
    snprintf(rig->folder, sizeof rig->folder, "/tmp/muster-trial-XXXXXX");
    assert_non_null(mkdtemp(rig->folder));
    assert_int_equal(loop_new(&rig->loop, &report), OK);
    loop_turn_set(rig->loop, on_rig_turn, rig);
    assert_int_equal(trial_sockets_new(rig->loop, &callbacks, &rig->sockets), OK);
    assert_int_equal(trial_socket_path(rig->folder, rig->path, &report), OK);
    assert_int_equal(trial_socket_open(rig->sockets, rig->path, -1,
                                       (struct attempt_ref){{12, 41}, 0}, &rig->socket, &report),
                     OK);
}

static void rig_end(struct rig *rig)
{
    trial_socket_close(rig->socket);
    trial_sockets_free(rig->sockets);
    loop_free(rig->loop);
    free(rig->askers);
    assert_int_equal(dir_remove_tree(rig->folder, NULL), OK);
    assert_int_equal(mem_live_count(), 0);
}

static int trainer_open(const struct rig *rig)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    memcpy(address.sun_path, rig->path, strlen(rig->path) + 1);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void trainer_say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static bool has_requests(struct rig *rig)
{
    return rig->requests >= rig->want;
}

static bool has_closes(struct rig *rig)
{
    return rig->closes >= rig->want;
}

static bool has_opens(struct rig *rig)
{
    return rig->opens >= rig->want;
}

static void test_socket_is_open_only_its_user_may_reach_it(void **state)
{
    (void)state;
    struct rig rig;
    struct stat about;
    rig_begin(&rig);
    assert_int_equal(stat(rig.path, &about), 0);
    assert_true(S_ISSOCK(about.st_mode));
    assert_int_equal(about.st_mode & 0777, 0600);
    trial_socket_close(rig.socket);
    rig.socket = NULL;
    assert_int_not_equal(access(rig.path, F_OK), 0);
    rig_end(&rig);
}

static void test_lines_come_in_pieces_they_are_told_whole_and_in_order(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig);
    int fd = trainer_open(&rig);
    trainer_say(fd, "{\"save\":{\"step\":1}}\n{\"save\":{\"st");
    rig.want = 1;
    assert_true(rig_until(&rig, has_requests));
    rig_turns(&rig, 3);
    assert_int_equal(rig.requests, 1);
    trainer_say(fd, "ep\":2}}\r\n\n{\"save\":{\"step\":3}}\n");
    rig.want = 3;
    assert_true(rig_until(&rig, has_requests));
    assert_int_equal(rig.requests, 3);
    assert_int_equal(rig.bads, 0);
    assert_int_equal(rig.steps[0], 1);
    assert_int_equal(rig.steps[1], 2);
    assert_int_equal(rig.steps[2], 3);
    close(fd);
    rig.want = 1;
    assert_true(rig_until(&rig, has_closes));
    rig_end(&rig);
}

static void test_trainer_says_garbage_it_is_told_so_and_goes_on(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig);
    int fd = trainer_open(&rig);
    static const char garbage[] = "\0\377\200\n{]\nnull\n";
    assert_int_equal(send(fd, garbage, sizeof garbage - 1, 0), sizeof garbage - 1);
    trainer_say(fd, "{\"save\":{\"step\":9}}\n");
    rig.want = 4;
    assert_true(rig_until(&rig, has_requests));
    assert_int_equal(rig.bads, 3);
    assert_int_equal(rig.steps[3], 9);
    assert_int_equal(rig.closes, 0);
    close(fd);
    rig_end(&rig);
}

static void test_line_is_too_long_it_is_refused_once_and_skipped(void **state)
{
    (void)state;
    struct rig rig;
    char block[1000];
    rig_begin(&rig);
    int fd = trainer_open(&rig);
    memset(block, 'x', sizeof block);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    for (size_t sent = 0; sent < 300000;) {
        ssize_t n = send(fd, block, sizeof block, MSG_NOSIGNAL);
        sent += n > 0 ? (size_t)n : 0;
        if (n < 0) {
            rig_turns(&rig, 1);
        }
    }
    rig_turns(&rig, 5);
    trainer_say(fd, "\n{\"save\":{\"step\":5}}\n");
    rig.want = 2;
    assert_true(rig_until(&rig, has_requests));
    assert_int_equal(rig.requests, 2);
    assert_int_equal(rig.bads, 1);
    assert_string_equal(rig.error, "too_long");
    assert_int_equal(rig.steps[1], 5);
    close(fd);
    rig_end(&rig);
}

/* Sends until it would block; how many lines. */
static uint32_t trainer_flood(int fd, uint32_t lines_max)
{
    static const char text[] = "{\"save\":{\"step\":1}}\n";
    uint32_t n = 0;
    while (n < lines_max && send(fd, text, sizeof text - 1, MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
        n++;
    }
    return n;
}

static void test_trainer_never_reads_it_is_not_read_either(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig);
    rig.must_answer = true;
    int fd = trainer_open(&rig);
    uint32_t sent = 0, before, stuck = 0;
    for (int i = 0; i < 100000 && stuck < 50; i++) {
        before = sent;
        sent += trainer_flood(fd, 1000);
        rig_turns(&rig, 1);
        stuck = sent == before ? stuck + 1 : 0;
    }
    /* What it owes and what the kernel holds: far below what it would take without end. */
    assert_true(stuck >= 50);
    assert_true(rig.requests < 60000);
    assert_true(rig.most_in_turn <= TRIAL_SOCKET_LINES_PER_TURN);
    uint32_t told = rig.requests;
    /* It reads again: everything is answered. */
    char block[65536];
    uint64_t answers = 0;
    for (int i = 0; i < 200000 && answers < sent; i++) {
        ssize_t n = recv(fd, block, sizeof block, MSG_DONTWAIT);
        for (ssize_t k = 0; k < n; k++) {
            answers += block[k] == '\n' ? 1 : 0;
        }
        rig_turns(&rig, 1);
    }
    assert_true(rig.requests > told);
    assert_int_equal(answers, rig.requests);
    close(fd);
    rig_end(&rig);
}

static void test_one_trainer_floods_another_is_heard_in_the_same_turns(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig);
    int flood = trainer_open(&rig), quiet = trainer_open(&rig);
    rig.want = 2;
    assert_true(rig_until(&rig, has_opens));
    trainer_flood(flood, 5000);
    trainer_say(quiet, "{\"save\":{\"step\":777}}\n");
    bool is_heard = false;
    for (int turn = 0; turn < 20 && !is_heard; turn++) {
        rig_turns(&rig, 1);
        is_heard = rig.is_heard;
    }
    assert_true(is_heard);
    assert_true(rig.most_in_turn <= 2 * TRIAL_SOCKET_LINES_PER_TURN);
    close(flood);
    close(quiet);
    rig_end(&rig);
}

static void test_core_says_stop_nothing_more_is_told_until_start(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig);
    int fd = trainer_open(&rig);
    rig.want = 1;
    assert_true(rig_until(&rig, has_opens));
    trial_connection_read(rig.sockets, rig.last, false);
    trainer_say(fd, "{\"save\":{\"step\":1}}\n");
    rig_turns(&rig, 10);
    assert_int_equal(rig.requests, 0);
    trial_connection_read(rig.sockets, rig.last, true);
    assert_true(rig_until(&rig, has_requests));
    close(fd);
    rig_end(&rig);
}

static void test_trainer_shuts_its_side_down_it_still_gets_its_answer(void **state)
{
    (void)state;
    struct rig rig;
    char text[64] = "";
    rig_begin(&rig);
    int fd = trainer_open(&rig);
    trainer_say(fd, "{\"save\":{\"step\":1}}\n");
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    rig.want = 1;
    assert_true(rig_until(&rig, has_requests));
    rig_turns(&rig, 5);
    assert_int_equal(rig.closes, 0);
    trial_connection_answer(rig.sockets, rig.last, "\n");
    trial_connection_answer(rig.sockets, rig.last, "{\"ok\":1}\n");
    trial_sockets_flush(rig.sockets);
    assert_true(rig_until(&rig, has_closes));
    assert_int_equal(recv(fd, text, sizeof text - 1, 0), 10);
    assert_string_equal(text, "\n{\"ok\":1}\n");
    assert_int_equal(recv(fd, text, sizeof text, 0), 0);
    close(fd);
    rig_end(&rig);
}

static void test_attempt_is_over_what_its_sockets_hold_is_told_first(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig);
    int first = trainer_open(&rig);
    rig.want = 1;
    assert_true(rig_until(&rig, has_opens));
    trial_connection_read(rig.sockets, rig.last, false); /* as while it starts */
    uint32_t sent = trainer_flood(first, 3000);
    int second = trainer_open(&rig); /* not accepted yet */
    trainer_say(second, "{\"bye\":\"done\"}\n");
    close(first);
    close(second);
    trial_socket_drain(rig.socket);
    assert_int_equal(rig.requests, sent + 1);
    assert_int_equal(rig.opens, 2);
    assert_int_equal(rig.closes, 2);
    rig.n_askers = 0;
    rig_end(&rig);
}

static void test_trainers_come_in_masses_only_so_many_are_let_in(void **state)
{
    (void)state;
    struct rig rig;
    int fds[TRIAL_SOCKET_CONNECTIONS_MAX + 20];
    rig_begin(&rig);
    for (int i = 0; i < TRIAL_SOCKET_CONNECTIONS_MAX + 20; i++) {
        fds[i] = trainer_open(&rig);
        if (i % 50 == 0) {
            rig_turns(&rig, 2);
        }
    }
    rig_turns(&rig, 40);
    assert_int_equal(rig.opens, TRIAL_SOCKET_CONNECTIONS_MAX);
    assert_int_equal(trial_sockets_counters(rig.sockets)->refused, 20);
    for (int i = 0; i < TRIAL_SOCKET_CONNECTIONS_MAX + 20; i++) {
        close(fds[i]);
    }
    rig.want = TRIAL_SOCKET_CONNECTIONS_MAX;
    assert_true(rig_until(&rig, has_closes));
    rig_end(&rig);
}

static void test_path_is_too_long_the_socket_lies_in_a_private_short_folder(void **state)
{
    (void)state;
    struct rig rig;
    char folder[200], path[TRIAL_SOCKET_PATH_MAX + 1], other[TRIAL_SOCKET_PATH_MAX + 1];
    struct report report = {0};
    struct stat about;
    rig_begin(&rig);
    assert_int_equal(setenv("XDG_RUNTIME_DIR", rig.folder, 1), 0);
    snprintf(folder, sizeof folder, "%s/%0100d", rig.folder, 1);
    assert_int_equal(trial_socket_path(folder, path, &report), OK);
    assert_true(strlen(path) <= TRIAL_SOCKET_PATH_MAX);
    assert_memory_equal(path, rig.folder, strlen(rig.folder));
    snprintf(folder, sizeof folder, "%s/%0100d", rig.folder, 2);
    assert_int_equal(trial_socket_path(folder, other, &report), OK);
    assert_string_not_equal(path, other);
    snprintf(folder, sizeof folder, "%s/muster", rig.folder);
    assert_int_equal(stat(folder, &about), 0);
    assert_int_equal(about.st_mode & 0777, 0700);
    assert_int_equal(chmod(folder, 0755), 0);
    snprintf(folder, sizeof folder, "%s/%0100d", rig.folder, 1);
    assert_int_equal(trial_socket_path(folder, path, &report), ERR_NOT_ALLOWED);
    unsetenv("XDG_RUNTIME_DIR");
    rig_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_socket_is_open_only_its_user_may_reach_it),
        cmocka_unit_test(test_lines_come_in_pieces_they_are_told_whole_and_in_order),
        cmocka_unit_test(test_trainer_says_garbage_it_is_told_so_and_goes_on),
        cmocka_unit_test(test_line_is_too_long_it_is_refused_once_and_skipped),
        cmocka_unit_test(test_trainer_never_reads_it_is_not_read_either),
        cmocka_unit_test(test_one_trainer_floods_another_is_heard_in_the_same_turns),
        cmocka_unit_test(test_core_says_stop_nothing_more_is_told_until_start),
        cmocka_unit_test(test_trainer_shuts_its_side_down_it_still_gets_its_answer),
        cmocka_unit_test(test_attempt_is_over_what_its_sockets_hold_is_told_first),
        cmocka_unit_test(test_trainers_come_in_masses_only_so_many_are_let_in),
        cmocka_unit_test(test_path_is_too_long_the_socket_lies_in_a_private_short_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
