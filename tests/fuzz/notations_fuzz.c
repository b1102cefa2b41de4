/* The small notations: durations, sizes, amounts, demands on labels, ids, addresses, keys, names of
 * connections. The first byte chooses; what is accepted prints as something that reads the same. */
#include <stdio.h>

#include "base/id.h"
#include "head/shell/store_url.h"
#include "input.h"
#include "net/address.h"
#include "net/keys.h"
#include "net/routing_id.h"
#include "spec/quantity.h"
#include "spec/spelling.h"
#include "spec/sweep.h"

typedef void notation(const char *text, size_t size, struct report *report);

static void duration(const char *text, size_t size, struct report *report)
{
    int64_t ms = -1, again = -2;
    char print[QUANTITY_TEXT_MAX];
    (void)size;
    if (spec_duration_parse(text, &ms, report) == OK) {
        assert(ms >= 0);
        quantity_duration_print(ms, print);
        assert(spec_duration_parse(print, &again, NULL) == OK && again == ms);
    }
}

static void size_of(const char *text, size_t size, struct report *report)
{
    uint64_t bytes = 1, again = 2;
    char print[QUANTITY_TEXT_MAX];
    (void)size;
    if (spec_size_parse(text, &bytes, report) == OK) {
        assert(bytes <= 1ULL << 53);
        quantity_size_print((int64_t)bytes, print);
        assert(spec_size_parse(print, &again, NULL) == OK && again == bytes);
    }
}

static void amount_of(const char *text, size_t size, struct report *report)
{
    amount parts = -1, again = -2;
    char print[QUANTITY_TEXT_MAX];
    (void)size;
    if (spec_amount_parse(text, &parts, report) == OK) {
        assert(parts >= 0);
        quantity_amount_print(parts, print);
        assert(spec_amount_parse(print, &again, NULL) == OK && again == parts);
    }
}

static void demand(const char *text, size_t size, struct report *report)
{
    struct require require;
    struct arena arena;
    (void)size;
    arena_init(&arena, 1 << 20);
    ignore_error(spec_require_parse(text, &arena, &require, report), "either");
    arena_fini(&arena);
}

static void id(const char *text, size_t size, struct report *report)
{
    task_id task;
    char print[TASK_ID_TEXT_MAX];
    (void)size;
    (void)report;
    if (task_id_parse(text, &task) == OK) {
        assert(strcmp(task_id_print(task, print), text) == 0);
    }
}

static void address(const char *text, size_t size, struct report *report)
{
    struct net_address one, two;
    char print[NET_ENDPOINT_MAX];
    (void)size;
    ignore_error(net_address_parse(text, NULL, 1, &two, NULL), "either");
    if (net_address_parse(text, "tcp", NET_PORT_AGENTS, &one, report) == OK) {
        net_address_endpoint(&one, print);
        assert(net_address_parse(print, "tcp", 1, &two, NULL) == OK);
        assert(two.port == one.port && two.kind == one.kind && strcmp(one.host, two.host) == 0);
        (void)net_address_is_loopback(&one);
    }
}

static void store(const char *text, size_t size, struct report *report)
{
    struct store_url url;
    (void)size;
    ignore_error(store_url_parse(text, &url, report), "either");
}

static void join(const char *text, size_t size, struct report *report)
{
    struct join_key one, two;
    char print[JOIN_KEY_TEXT_BYTES];
    (void)size;
    if (join_key_parse(text, &one, report) == OK) {
        join_key_print(&one, print);
        assert(join_key_parse(print, &two, NULL) == OK);
        assert(strcmp(one.head_public, two.head_public) == 0 &&
               strcmp(one.secret, two.secret) == 0);
    }
}

static void routing(const char *text, size_t size, struct report *report)
{
    struct routing_id one;
    char print[ROUTING_ID_TEXT_MAX];
    (void)report;
    if (routing_id_parse((struct bytes){(const uint8_t *)text, size}, &one) == OK) {
        assert(routing_id_print(&one, print) == size && memcmp(print, text, size) == 0);
    }
}

static void key(const char *text, size_t size, struct report *report)
{
    uint8_t bytes[KEY_BYTES];
    char print[KEY_TEXT_BYTES];
    (void)size;
    (void)report;
    if (key_decode(text, bytes) == OK) {
        key_encode(bytes, print);
        assert(strcmp(print, text) == 0);
    }
}

static void spelled(const char *text, size_t size, struct report *report)
{
    char excerpt[EXCERPT_MAX];
    struct spelling spelling = {.word = text};
    (void)size;
    (void)report;
    spelling_offer(&spelling, "parameters");
    assert(strlen(spelling_excerpt(text, excerpt)) < sizeof excerpt);
    assert(spelling_distance(text, text) == 0);
}

static notation *const notations[] = {duration, size_of, amount_of, demand, id,     address,
                                      store,    join,    routing,   key,    spelled};

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return keys_init() == OK ? 0 : 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    struct report report = {0};
    char *text = fuzz_text(data + 1, size - 1);
    notations[data[0] % (sizeof notations / sizeof notations[0])](text, size - 1, &report);
    free(text);
    return 0;
}
