/* A frame from the network, of whatever type it says: decoded within its limits, and what was
 * understood is encoded to a frame that reads the same. */
#include "input.h"
#include "schema/messages.h"

static void check_again(message_type type, const void *message, struct arena *arena)
{
    struct buf one, two;
    struct report report = {0};
    message_type again;
    void *back = NULL;
    buf_init(&one, 2 * MSG_MAX_BYTES);
    buf_init(&two, 2 * MSG_MAX_BYTES);
    if (fuzz_must(message_encode(type, message, &one) == OK)) {
        error_code error = message_decode(buf_bytes(&one), arena, &again, &back, &report);
        /* The arena may be full of the first one. */
        assert(error == OK || error == ERR_LIMIT || error == ERR_NO_MEMORY);
        if (error == OK && fuzz_must(message_encode(again, back, &two) == OK)) {
            assert(again == type && one.len == two.len);
            assert(memcmp(one.data, two.data, one.len) == 0);
        }
    }
    buf_fini(&one);
    buf_fini(&two);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct report report = {0};
    message_type type;
    void *message = NULL;
    arena_init(&arena, MSG_ARENA_MAX_BYTES);
    error_code error = message_decode((struct bytes){data, size}, &arena, &type, &message, &report);
    if (error == OK) {
        assert(message_schema(type) != NULL && message_name(type)[0] == 'M');
        check_again(type, message, &arena);
    } else {
        assert(report.text[0] != '\0' || error == ERR_NO_MEMORY);
    }
    assert(arena.used <= MSG_ARENA_MAX_BYTES);
    arena_fini(&arena);
    return 0;
}
