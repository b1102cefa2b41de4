/* An event file: as it is, and as records whose checksums are made right, so that what is inside is
 * reached. Whole or byte by byte, the same scalars come of it. */
#include "input.h"
#include "lines/tfevents.h"

struct seen {
    uint64_t n, sum;
};

static void on_scalar(void *context, const struct tfevents_scalar *scalar)
{
    struct seen *seen = context;
    assert(scalar->tag[0] != '\0' && strlen(scalar->tag) <= TFEVENTS_TAG_MAX);
    seen->n++;
    seen->sum = seen->sum * 31 + (uint64_t)scalar->step + strlen(scalar->tag);
}

static struct seen read_in(const uint8_t *data, size_t size, size_t cut)
{
    struct seen seen = {0};
    struct tfevents *events;
    error_code error = OK;
    if (!fuzz_must(tfevents_new(&events) == OK)) {
        return seen;
    }
    for (size_t at = 0; error == OK && at < size; at += cut) {
        error = tfevents_feed(events, (struct bytes){data + at, size - at < cut ? size - at : cut},
                              on_scalar, &seen);
    }
    tfevents_free(events);
    return seen;
}

static void little_put(uint8_t *at, uint64_t value, int n_bytes)
{
    for (int i = 0; i < n_bytes; i++) {
        at[i] = (uint8_t)(value >> 8 * i);
    }
}

static void checksum_put(struct bytes bytes, uint8_t *at)
{
    uint32_t crc = tfevents_crc32c(bytes);
    little_put(at, (uint32_t)((crc >> 15 | crc << 17) + 0xA282EAD8U), 4);
}

/* The input as one record. */
static void record_read(const uint8_t *data, size_t size)
{
    uint8_t *record = malloc(size + 16);
    assert(record != NULL);
    little_put(record, size, 8);
    checksum_put((struct bytes){record, 8}, record + 8);
    memcpy(record + 12, data, size);
    checksum_put((struct bytes){record + 12, size}, record + 12 + size);
    read_in(record, size + 16, size + 16);
    free(record);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct seen whole = read_in(data, size, size + 1);
    struct seen parts = read_in(data, size, 1);
    fuzz_must(whole.n == parts.n && whole.sum == parts.sum);
    if (size > 12) {
        record_read(data + 12, size - 12);
    }
    return 0;
}
