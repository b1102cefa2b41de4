/* What an agent hands out of its snapshots, and to whom: asked over real connections, by programs
 * that do not mean well. */
#include "copy_rig.h"

#include "net/curve_client.h"
#include "net/keys.h"
#include "sys/clock.h"
#include "worker/shell/lender.h"

enum { WAIT_MS = 10000, QUIET_MS = 150 };

struct rig {
    char save[256], store[256], target[512];
    struct lender *lender;
    struct curve_clients *clients;
    struct curve_client *client;
    uint64_t last_request;
    struct arena arena;
    const struct msg_file *answer;
};

static struct rig rig;

static void rig_open(void **state)
{
    struct report report = {0};
    rig = (struct rig){0};
    arena_init(&rig.arena, 1 << 20);
    assert_int_equal(keys_init(), OK);
    snprintf(rig.save, sizeof rig.save, "%s", folder_path(state, "save"));
    snprintf(rig.store, sizeof rig.store, "%s", folder_path(state, "store"));
    assert_int_equal(mkdir(rig.save, 0700), 0);
    char sub[300];
    snprintf(sub, sizeof sub, "%s/deep", rig.save);
    assert_int_equal(mkdir(sub, 0700), 0);
    rig_file(rig.save, "weights", 700 << 10, 1);
    rig_file(rig.save, "deep/state", 10, 2);
    rig_file(rig.save, "empty", 0, 3);
    rig_commit(rig.save, rig.store, rig.target);
    assert_int_equal(lender_open("127.0.0.1", rig.store, &rig.lender, &report), OK);
    assert_int_equal(curve_clients_new(1, &rig.clients, &report), OK);
    assert_int_equal(curve_client_open(rig.clients, lender_endpoint(rig.lender),
                                       lender_key(rig.lender), 64, &rig.client, &report),
                     OK);
}

static void rig_close(void)
{
    curve_client_close(rig.client);
    curve_clients_free(rig.clients);
    lender_close(rig.lender);
    arena_fini(&rig.arena);
}

static void lend(const uint8_t pass[PASS_BYTES], int64_t valid_ms)
{
    const struct msg_lend message = {rig_name, {pass, PASS_BYTES}, valid_ms};
    lender_pass(rig.lender, &message);
}

static void send_get(struct msg_file_get get)
{
    struct buf frame;
    buf_init(&frame, MSG_MAX_BYTES);
    get.request = ++rig.last_request;
    assert_int_equal(message_encode(MSG_FILE_GET, &get, &frame), OK);
    assert_true(curve_client_send(rig.client, buf_bytes(&frame)));
    buf_fini(&frame);
}

static bool receive(int64_t timeout_ms)
{
    struct bytes frame;
    message_type type;
    void *message;
    time_ms until = clock_now() + timeout_ms;
    while (curve_client_receive(rig.client, &frame) != OK) {
        if (clock_now() >= until) {
            return false;
        }
        error_code error = curve_clients_wait(&rig.client, 1, 20);
        assert_true(error == OK || error == ERR_TIMEOUT);
    }
    arena_reset(&rig.arena);
    assert_int_equal(message_decode_borrowing(frame, &rig.arena, &type, &message, NULL), OK);
    assert_int_equal(type, MSG_FILE);
    rig.answer = message;
    assert_int_equal(rig.answer->request, rig.last_request);
    return true;
}

static file_word ask(const char *path, uint64_t offset, uint32_t size)
{
    send_get((struct msg_file_get){.name = rig_name,
                                   .pass = {rig_pass, PASS_BYTES},
                                   .path = path,
                                   .offset = offset,
                                   .size = size});
    assert_true(receive(WAIT_MS));
    return rig.answer->word;
}

/* ---- what is handed out ---- */

static void test_piece_with_a_pass_is_the_file_s_bytes(void **state)
{
    rig_open(state);
    lend(rig_pass, 60000);
    struct buf whole;
    char path[600];
    buf_init(&whole, 1 << 20);
    snprintf(path, sizeof path, "%s/weights", rig.target);
    assert_int_equal(file_read_bounded(path, &whole, NULL), OK);

    assert_int_equal(ask("weights", 0, FILE_PIECE_MAX_BYTES), FILE_OK);
    assert_int_equal(rig.answer->total, 700 << 10);
    assert_int_equal(rig.answer->data.len, FILE_PIECE_MAX_BYTES);
    assert_memory_equal(rig.answer->data.data, whole.data, FILE_PIECE_MAX_BYTES);
    assert_int_equal(ask("weights", FILE_PIECE_MAX_BYTES, FILE_PIECE_MAX_BYTES), FILE_OK);
    assert_int_equal(rig.answer->data.len, (700 << 10) - FILE_PIECE_MAX_BYTES);
    assert_memory_equal(rig.answer->data.data, whole.data + FILE_PIECE_MAX_BYTES,
                        rig.answer->data.len);
    assert_int_equal(ask("deep/state", 3, 4), FILE_OK);
    assert_int_equal(rig.answer->data.len, 4);
    assert_int_equal(ask("empty", 0, 10), FILE_OK);
    assert_int_equal(rig.answer->total, 0);
    assert_int_equal(rig.answer->data.len, 0);
    assert_int_equal(ask(MANIFEST_NAME, 0, FILE_PIECE_MAX_BYTES), FILE_OK);
    assert_true(rig.answer->data.len > 0 && rig.answer->data.len == rig.answer->total);
    /* Beyond the end there is nothing, however far. */
    assert_int_equal(ask("weights", UINT64_MAX, FILE_PIECE_MAX_BYTES), FILE_OK);
    assert_int_equal(rig.answer->data.len, 0);
    assert_int_equal(ask("weights", 0, UINT32_MAX), FILE_OK);
    assert_int_equal(rig.answer->data.len, FILE_PIECE_MAX_BYTES);
    buf_fini(&whole);
    rig_close();
}

/* ---- passes ---- */

static void test_piece_without_its_pass_is_refused(void **state)
{
    static const uint8_t other[PASS_BYTES] = "0123456789abcdef";
    rig_open(state);
    assert_int_equal(ask("weights", 0, 10), FILE_NO_PASS);
    assert_int_equal(rig.answer->data.len, 0);
    lend(other, 60000);
    assert_int_equal(ask("weights", 0, 10), FILE_NO_PASS);
    lend(rig_pass, 60000);
    assert_int_equal(ask("weights", 0, 10), FILE_OK);
    /* A pass is for one snapshot, and all of it. */
    struct msg_file_get get = {.name = rig_name, .pass = {rig_pass, PASS_BYTES}, .path = "weights"};
    get.name.ordinal++;
    send_get(get);
    assert_true(receive(WAIT_MS));
    assert_int_equal(rig.answer->word, FILE_NO_PASS);
    get.name = rig_name;
    get.pass.len = PASS_BYTES - 1;
    send_get(get);
    assert_true(receive(WAIT_MS));
    assert_int_equal(rig.answer->word, FILE_NO_PASS);
    rig_close();
}

static void test_pass_that_is_given_back_or_unused_for_long_is_over(void **state)
{
    rig_open(state);
    lend(rig_pass, 60000);
    assert_int_equal(ask("weights", 0, 10), FILE_OK);
    send_get((struct msg_file_get){.name = rig_name, .pass = {rig_pass, PASS_BYTES}, .path = ""});
    assert_false(receive(QUIET_MS));
    assert_int_equal(ask("weights", 0, 10), FILE_NO_PASS);
    lend(rig_pass, 1);
    assert_false(receive(QUIET_MS)); /* longer than it holds */
    assert_int_equal(ask("weights", 0, 10), FILE_NO_PASS);
    rig_close();
}

static void test_passes_beyond_the_maximum_push_the_oldest_out(void **state)
{
    enum { MANY = 200 };
    rig_open(state);
    lend(rig_pass, 60000);
    for (int i = 0; i < MANY; i++) {
        uint8_t pass[PASS_BYTES] = {0};
        memcpy(pass, &i, sizeof i);
        lend(pass, 60000);
    }
    assert_int_equal(ask("weights", 0, 10), FILE_NO_PASS);
    lend(rig_pass, 60000);
    assert_int_equal(ask("weights", 0, 10), FILE_OK);
    rig_close();
}

/* ---- paths ---- */

static void test_path_that_the_manifest_does_not_name_is_refused(void **state)
{
    static const char *const paths[] = {
        "../../../secret",
        "/etc/passwd",
        "deep/../weights",
        "./weights",
        "weights/",
        "deep",
        ".",
        "..",
        "weights/../../",
        "deep//state",
        "unnamed",
        "deep/",
        "manifest.json/",
        "nothing",
    };
    rig_open(state);
    folder_write(state, "secret", "not for others");
    assert_int_equal(chmod(rig.target, 0700), 0);
    rig_file(rig.target, "unnamed", 10, 9); /* lies there, and is none of the snapshot's */
    lend(rig_pass, 60000);
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        file_word word = ask(paths[i], 0, 100);
        if (word != FILE_GONE || rig.answer->data.len != 0) {
            fail_msg("'%s' gives %s", paths[i], file_word_names[word]);
        }
        assert_true(strlen(rig.answer->text) > 0);
    }
    assert_int_equal(ask("weights", 0, 10), FILE_OK);
    rig_close();
}

/* A trainer of this node could put it there. */
static void test_link_in_the_place_of_a_file_is_not_followed(void **state)
{
    char path[600], moved[600];
    rig_open(state);
    folder_write(state, "secret", "not for others");
    assert_int_equal(chmod(rig.target, 0700), 0);
    snprintf(path, sizeof path, "%s/weights", rig.target);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink(folder_path(state, "secret"), path), 0);
    lend(rig_pass, 60000);
    assert_int_equal(ask("weights", 0, 100), FILE_GONE);
    assert_int_equal(rig.answer->data.len, 0);
    /* A folder likewise, also to a file of the right name. */
    snprintf(path, sizeof path, "%s/deep", rig.target);
    snprintf(moved, sizeof moved, "%s/moved", rig.target);
    assert_int_equal(rename(path, moved), 0);
    assert_int_equal(symlink("moved", path), 0);
    assert_int_equal(ask("deep/state", 0, 100), FILE_GONE);
    assert_int_equal(rig.answer->data.len, 0);
    /* And what would make an open wait for ever. */
    snprintf(path, sizeof path, "%s/empty", rig.target);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(ask("empty", 0, 100), FILE_GONE);
    rig_close();
}

static void test_snapshot_that_is_gone_or_another_one_s_is_told(void **state)
{
    rig_open(state);
    lend(rig_pass, 60000);
    char text[512];
    snprintf(text, sizeof text, "%s/12.41/6", rig.store);
    assert_int_equal(rename(rig.target, text), 0);
    assert_int_equal(ask("weights", 0, 100), FILE_GONE);
    const struct snapshot_name other = {rig_name.task, 6};
    const struct msg_lend lend_other = {other, {(const uint8_t *)"0123456789abcdef", 16}, 60000};
    lender_pass(rig.lender, &lend_other);
    send_get((struct msg_file_get){
        .name = other, .pass = lend_other.pass, .path = MANIFEST_NAME, .size = 100});
    assert_true(receive(WAIT_MS));
    assert_int_equal(rig.answer->word, FILE_GONE);
    rig_close();
}

/* ---- bytes of anybody ---- */

static void test_frames_that_are_none_get_no_answer(void **state)
{
    rig_open(state);
    lend(rig_pass, 60000);
    static uint8_t bytes[6000];
    memset(bytes, 0xdd, sizeof bytes);
    for (size_t len = 0; len < sizeof bytes; len += 37) {
        assert_true(curve_client_send(rig.client, (struct bytes){bytes, len}));
    }
    /* A message of ours that is none for a lender. */
    struct msg_lend own = {rig_name, {rig_pass, PASS_BYTES}, 1};
    struct buf frame;
    buf_init(&frame, MSG_MAX_BYTES);
    assert_int_equal(message_encode(MSG_LEND, &own, &frame), OK);
    assert_true(curve_client_send(rig.client, buf_bytes(&frame)));
    buf_fini(&frame);
    assert_int_equal(ask("weights", 0, 10), FILE_OK);
    rig_close();
}

static void test_frame_that_is_too_large_ends_its_connection_and_no_other(void **state)
{
    struct report report = {0};
    struct curve_client *rude;
    rig_open(state);
    lend(rig_pass, 60000);
    assert_int_equal(curve_client_open(rig.clients, lender_endpoint(rig.lender),
                                       lender_key(rig.lender), 64, &rude, &report),
                     OK);
    uint8_t *large = mem_zalloc(1 << 20);
    assert_true(curve_client_send(rude, (struct bytes){large, 1 << 20}));
    mem_free(large);
    assert_int_equal(curve_clients_wait(&rude, 1, WAIT_MS), ERR_UNREACHABLE);
    curve_client_close(rude);
    assert_int_equal(ask("weights", 0, 10), FILE_OK);
    rig_close();
}

static void test_connection_without_the_lender_s_key_gets_nowhere(void **state)
{
    struct report report = {0};
    struct key_pair other;
    struct curve_client *stranger;
    rig_open(state);
    assert_int_equal(key_pair_new(&other), OK);
    assert_int_equal(curve_client_open(rig.clients, lender_endpoint(rig.lender), other.public_key,
                                       64, &stranger, &report),
                     OK);
    assert_int_equal(curve_clients_wait(&stranger, 1, WAIT_MS), ERR_UNREACHABLE);
    curve_client_close(stranger);
    /* Nor does one that speaks no CURVE at all. */
    int port = atoi(strrchr(lender_endpoint(rig.lender), ':') + 1);
    int fd = wire_socket(port, false, NULL);
    static const char text[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n"
                               "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    uint8_t byte[256];
    assert_true(send(fd, text, sizeof text, MSG_NOSIGNAL) > 0);
    while (recv(fd, byte, sizeof byte, 0) > 0) {
    }
    close(fd);
    lend(rig_pass, 60000);
    assert_int_equal(ask("weights", 0, 10), FILE_OK);
    rig_close();
}

/* It asks for a gigabyte and reads nothing. */
static void test_taker_that_does_not_read_holds_up_nobody(void **state)
{
    struct report report = {0};
    struct curve_client *slow;
    rig_open(state);
    lend(rig_pass, 60000);
    assert_int_equal(curve_client_open(rig.clients, lender_endpoint(rig.lender),
                                       lender_key(rig.lender), 1, &slow, &report),
                     OK);
    const struct msg_file_get get = {.request = 1,
                                     .name = rig_name,
                                     .pass = {rig_pass, PASS_BYTES},
                                     .path = "weights",
                                     .size = FILE_PIECE_MAX_BYTES};
    struct buf frame;
    buf_init(&frame, MSG_MAX_BYTES);
    assert_int_equal(message_encode(MSG_FILE_GET, &get, &frame), OK);
    for (int i = 0; i < 2048; i++) {
        (void)curve_client_send(slow, buf_bytes(&frame));
    }
    buf_fini(&frame);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(ask("weights", 0, 1000), FILE_OK);
    }
    curve_client_close(slow);
    rig_close();
}

/* ---- life ---- */

static void test_lender_at_an_address_that_is_not_here_says_so(void **state)
{
    struct report report = {0};
    struct lender *lender;
    (void)state;
    assert_int_equal(keys_init(), OK);
    assert_int_equal(lender_open("192.0.2.1", "/tmp", &lender, &report), ERR_INVALID);
    assert_non_null(strstr(report.text, "192.0.2.1"));
    assert_int_equal(lender_open("not a host", "/tmp", &lender, &report), ERR_INVALID);
    assert_int_equal(lender_open("::1", "/tmp", &lender, &report), OK);
    assert_non_null(strstr(lender_endpoint(lender), "tcp://[::1]:"));
    lender_close(lender);
    lender_close(NULL);
}

static void test_host_is_the_address_from_which_the_head_is_reached(void **state)
{
    struct report report = {0};
    char host[64];
    (void)state;
    assert_int_equal(lender_host_find("ipc:///run/head.ipc", host, sizeof host, &report), OK);
    assert_string_equal(host, "127.0.0.1");
    assert_int_equal(lender_host_find("tcp://127.0.0.1:7700", host, sizeof host, &report), OK);
    assert_string_equal(host, "127.0.0.1");
    assert_int_equal(lender_host_find("tcp://localhost:7700", host, sizeof host, &report), OK);
    assert_string_equal(host, "127.0.0.1");
    assert_int_equal(lender_host_find("tcp://[::1]:7700", host, sizeof host, &report), OK);
    assert_string_equal(host, "::1");
    assert_int_equal(lender_host_find("tcp://127.0.0.1:7700", host, 4, &report), ERR_LIMIT);
    assert_int_equal(lender_host_find("ipc://x", host, 4, &report), ERR_LIMIT);
    assert_int_equal(lender_host_find("tcp://no-such-host.invalid:1", host, sizeof host, &report),
                     ERR_NOT_FOUND);
    assert_non_null(strstr(report.text, "no-such-host.invalid"));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, folder_setup, folder_teardown)
    const struct CMUnitTest tests[] = {
        T(test_piece_with_a_pass_is_the_file_s_bytes),
        T(test_piece_without_its_pass_is_refused),
        T(test_pass_that_is_given_back_or_unused_for_long_is_over),
        T(test_passes_beyond_the_maximum_push_the_oldest_out),
        T(test_path_that_the_manifest_does_not_name_is_refused),
        T(test_link_in_the_place_of_a_file_is_not_followed),
        T(test_snapshot_that_is_gone_or_another_one_s_is_told),
        T(test_frames_that_are_none_get_no_answer),
        T(test_frame_that_is_too_large_ends_its_connection_and_no_other),
        T(test_connection_without_the_lender_s_key_gets_nowhere),
        T(test_taker_that_does_not_read_holds_up_nobody),
        T(test_lender_at_an_address_that_is_not_here_says_so),
        T(test_host_is_the_address_from_which_the_head_is_reached),
    };
    return cmocka_run_group_tests_name("worker/shell/lender", tests, NULL, NULL);
}
