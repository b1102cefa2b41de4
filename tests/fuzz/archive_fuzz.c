/* Headers of an archive: an entry that is let in has a path that stays inside, and is written as
 * headers that read the same. */
#include "input.h"
#include "work/ustar.h"

static void check_again(const struct ustar_entry *entry)
{
    struct buf headers;
    struct ustar_reader reader;
    struct ustar_entry again;
    struct report report = {0};
    ustar_step step = USTAR_MORE;
    assert(ustar_path_is_good(entry->path));
    assert(entry->kind != USTAR_LINK || ustar_link_is_good(entry->path, entry->target));
    buf_init(&headers, USTAR_ENTRY_MAX_BYTES);
    ustar_reader_init(&reader);
    bool is_whole = fuzz_must(ustar_write(entry, &headers) == OK);
    for (size_t at = 0; is_whole && at < headers.len; at += USTAR_BLOCK_BYTES) {
        assert(step == USTAR_MORE && headers.len - at >= USTAR_BLOCK_BYTES);
        is_whole = fuzz_must(ustar_read(&reader, headers.data + at, &step, &again, &report) == OK);
    }
    if (is_whole) {
        assert(step == USTAR_ENTRY && again.kind == entry->kind);
        assert(strcmp(again.path, entry->path) == 0);
        assert(entry->kind != USTAR_FILE || again.size == entry->size);
        assert(entry->kind != USTAR_LINK || strcmp(again.target, entry->target) == 0);
    }
    ustar_reader_fini(&reader);
    buf_fini(&headers);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ustar_reader reader;
    struct report report = {0};
    ustar_reader_init(&reader);
    for (size_t at = 0; size - at >= USTAR_BLOCK_BYTES; at += USTAR_BLOCK_BYTES) {
        ustar_step step;
        struct ustar_entry entry;
        error_code error = ustar_read(&reader, data + at, &step, &entry, &report);
        if (error != OK || step == USTAR_END) {
            break;
        }
        if (step == USTAR_ENTRY) {
            check_again(&entry);
        }
    }
    ustar_reader_fini(&reader);
    return 0;
}
