/* Donors that lie: what they name leads elsewhere, what they send is not what they said. */
#include "fetch_rig.h"

/* ---- a donor that lies ---- */

struct liar {
    struct curve_server *server;
    pthread_t thread;
    const char *manifest;
    size_t too_short; /* bytes that each piece of a file lacks */
    file_word word;
    bool is_mad; /* answers what nobody asked for */
};

static void *liar_main(void *context)
{
    struct liar *liar = context;
    struct bytes frame;
    static uint8_t data[FILE_PIECE_MAX_BYTES];
    while (curve_server_receive(liar->server, &frame) == OK) {
        struct arena arena;
        message_type type;
        void *message;
        struct buf out;
        arena_init(&arena, 1 << 20);
        buf_init(&out, MSG_MAX_BYTES);
        assert_int_equal(message_decode(frame, &arena, &type, &message, NULL), OK);
        const struct msg_file_get *get = message;
        struct msg_file file = {.request = get->request + (liar->is_mad ? 1000 : 0),
                                .word = liar->word};
        size_t len = strlen(liar->manifest);
        if (strcmp(get->path, MANIFEST_NAME) == 0) {
            file.total = len;
            size_t left = get->offset < len ? len - (size_t)get->offset : 0;
            file.data = (struct bytes){(const uint8_t *)liar->manifest + get->offset,
                                       left < get->size ? left : get->size};
        } else {
            file.total = 1000;
            file.data = (struct bytes){data, 1000 - liar->too_short};
        }
        assert_int_equal(message_encode(MSG_FILE, &file, &out), OK);
        curve_server_answer(liar->server, &out);
        buf_fini(&out);
        arena_fini(&arena);
    }
    return NULL;
}

static copy_end fetch_from_liar(struct liar *liar)
{
    struct report report = {0};
    struct curve_server_options options = {
        .request_max_bytes = 8192, .answers_max = 16, .io_threads = 1};
    assert_int_equal(net_address_parse("127.0.0.1:0", NULL, 0, &options.address, &report), OK);
    assert_int_equal(curve_server_open(&options, &liar->server, &report), OK);
    assert_int_equal(pthread_create(&liar->thread, NULL, liar_main, liar), 0);
    const struct msg_source source = {.name = rig_name,
                                      .node = "liar",
                                      .lender = curve_server_endpoint(liar->server),
                                      .lender_key = curve_server_key(liar->server)};
    assert_int_equal(fetcher_start(rig.fetcher, &source, rig_pass), OK);
    fetch_wait(1);
    curve_server_end(liar->server);
    pthread_join(liar->thread, NULL);
    curve_server_close(liar->server);
    return rig.end;
}

#define MANIFEST_OF(name, size, bytes)                                                             \
    "{\"version\":1,\"trial\":\"12.41\",\"ordinal\":5,\"step\":1,\"attempt\":0,\"files\":[{"       \
    "\"name\":\"" name "\",\"size\":" size ",\"xxh3\":\"0123456789abcdef\"}],\"bytes\":" bytes "}"

static void test_manifest_that_leads_elsewhere_writes_nothing(void **state)
{
    static const struct {
        const char *manifest;
        copy_end end;
    } rows[] = {
        {MANIFEST_OF("../escaped", "1000", "1000"), COPY_GONE},
        {MANIFEST_OF("a/../../escaped", "1000", "1000"), COPY_GONE},
        {MANIFEST_OF("a/..", "1000", "1000"), COPY_GONE},
        {MANIFEST_OF("/tmp/escaped", "1000", "1000"), COPY_GONE},
        {MANIFEST_OF("", "1000", "1000"), COPY_GONE},
        {MANIFEST_OF("a//b", "1000", "1000"), COPY_GONE},
        {MANIFEST_OF("a\\u0000b", "1000", "1000"), COPY_GONE},
        {MANIFEST_OF("manifest.json", "1000", "1000"), COPY_GONE},
        {MANIFEST_OF("weights", "-1", "-1"), COPY_GONE},
        {MANIFEST_OF("weights", "1000", "999"), COPY_GONE},
        {MANIFEST_OF("weights", "4611686018427387904", "4611686018427387904"), COPY_FAILED},
        {MANIFEST_OF("weights", "1.5", "2"), COPY_GONE},
        {MANIFEST_OF("a\",\"size\":1000,\"xxh3\":\"0123456789abcdef\"},{\"name\":\"a", "1000",
                     "2000"),
         COPY_GONE},
        {MANIFEST_OF("a\",\"size\":1000,\"xxh3\":\"0123456789abcdef\"},{\"name\":\"a/b", "1000",
                     "2000"),
         COPY_GONE},
        {"{\"version\":1,\"trial\":\"12.42\",\"ordinal\":5,\"files\":[],\"bytes\":0}", COPY_GONE},
        {"{\"version\":1,\"trial\":\"12.41\",\"ordinal\":6,\"files\":[],\"bytes\":0}", COPY_GONE},
        {"{\"version\":9,\"trial\":\"12.41\",\"ordinal\":5,\"files\":[],\"bytes\":0}", COPY_FAILED},
        {"[1]", COPY_GONE},
        {"not JSON", COPY_GONE},
        {"", COPY_GONE},
    };
    rig_open(state);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct liar liar = {.manifest = rows[i].manifest};
        copy_end end = fetch_from_liar(&liar);
        if (end != rows[i].end) {
            fail_msg("%s: %d, '%s'", rows[i].manifest, end, rig.text);
        }
        assert_true(folder_is_empty(rig.store));
        assert_true(folder_is_empty(rig.staging));
        assert_true(access(folder_path(state, "escaped"), F_OK) != 0);
        assert_true(access("/tmp/escaped", F_OK) != 0);
    }
    rig_close();
}

static void test_pieces_that_are_not_as_said_end_the_copy(void **state)
{
    rig_open(state);
    struct liar liar = {.manifest = MANIFEST_OF("weights", "1000", "1000")};
    assert_int_equal(fetch_from_liar(&liar), COPY_GONE); /* another checksum */
    assert_text_has("weights");
    liar = (struct liar){.manifest = MANIFEST_OF("weights", "1000", "1000"), .too_short = 1};
    assert_int_equal(fetch_from_liar(&liar), COPY_GONE);
    liar = (struct liar){.manifest = MANIFEST_OF("weights", "999", "999")};
    assert_int_equal(fetch_from_liar(&liar), COPY_GONE);
    liar = (struct liar){.manifest = "x", .word = FILE_FAILED};
    assert_int_equal(fetch_from_liar(&liar), COPY_AGAIN);
    fetcher_silence_set(rig.fetcher, 2000);
    liar = (struct liar){.manifest = "x", .is_mad = true};
    assert_int_equal(fetch_from_liar(&liar), COPY_AGAIN);
    assert_true(folder_is_empty(rig.store));
    rig_close();
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, folder_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        T(test_manifest_that_leads_elsewhere_writes_nothing),
        T(test_pieces_that_are_not_as_said_end_the_copy),
    };
    return cmocka_run_group_tests_name("worker/shell/fetcher_liar", tests, NULL, NULL);
}
