/* msgpack-c has no limits of its own: five bytes (dd 10 00 00 00) make it reserve 8 GiB. So the
 * headers are walked first: every count must fit into the bytes that are left, and nesting stays
 * under SCHEMA_DEPTH_MAX. */
#include "schema/walk.h"

struct scan {
    const uint8_t *at;
    const uint8_t *end;
    uint32_t nodes; /* values seen so far */
    struct report *report;
};

typedef enum { SCAN_SCALAR, SCAN_ARRAY, SCAN_MAP, SCAN_BAD } scan_kind;

/* first byte range -> what it is: fixed size after the byte, width of a length that follows, items
 * a count */
static const struct {
    uint8_t first, last;
    scan_kind kind;
    uint8_t skip;     /* bytes of a scalar */
    uint8_t width;    /* bytes of a length or count that follows; 0: none */
    uint8_t low_mask; /* the count is in the first byte's low bits */
} scan_rows[] = {
    {0x00, 0x7f, SCAN_SCALAR, 0, 0, 0},   {0x80, 0x8f, SCAN_MAP, 0, 0, 0x0f},
    {0x90, 0x9f, SCAN_ARRAY, 0, 0, 0x0f}, {0xa0, 0xbf, SCAN_SCALAR, 0, 0, 0x1f},
    {0xc0, 0xc0, SCAN_SCALAR, 0, 0, 0},   {0xc1, 0xc1, SCAN_BAD, 0, 0, 0},
    {0xc2, 0xc3, SCAN_SCALAR, 0, 0, 0},   {0xc4, 0xc4, SCAN_SCALAR, 0, 1, 0},
    {0xc5, 0xc5, SCAN_SCALAR, 0, 2, 0},   {0xc6, 0xc6, SCAN_SCALAR, 0, 4, 0},
    {0xc7, 0xc9, SCAN_BAD, 0, 0, 0},      {0xca, 0xca, SCAN_SCALAR, 4, 0, 0},
    {0xcb, 0xcb, SCAN_SCALAR, 8, 0, 0},   {0xcc, 0xcc, SCAN_SCALAR, 1, 0, 0},
    {0xcd, 0xcd, SCAN_SCALAR, 2, 0, 0},   {0xce, 0xce, SCAN_SCALAR, 4, 0, 0},
    {0xcf, 0xcf, SCAN_SCALAR, 8, 0, 0},   {0xd0, 0xd0, SCAN_SCALAR, 1, 0, 0},
    {0xd1, 0xd1, SCAN_SCALAR, 2, 0, 0},   {0xd2, 0xd2, SCAN_SCALAR, 4, 0, 0},
    {0xd3, 0xd3, SCAN_SCALAR, 8, 0, 0},   {0xd4, 0xd8, SCAN_BAD, 0, 0, 0},
    {0xd9, 0xd9, SCAN_SCALAR, 0, 1, 0},   {0xda, 0xda, SCAN_SCALAR, 0, 2, 0},
    {0xdb, 0xdb, SCAN_SCALAR, 0, 4, 0},   {0xdc, 0xdc, SCAN_ARRAY, 0, 2, 0},
    {0xdd, 0xdd, SCAN_ARRAY, 0, 4, 0},    {0xde, 0xde, SCAN_MAP, 0, 2, 0},
    {0xdf, 0xdf, SCAN_MAP, 0, 4, 0},      {0xe0, 0xff, SCAN_SCALAR, 0, 0, 0},
};

static error_code scan_header(struct scan *scan, scan_kind *ret_kind, uint64_t *ret_count)
{
    if (scan->at == scan->end) {
        return report_fail(scan->report, ERR_FORMAT, "the message is cut short");
    }
    uint8_t first = *scan->at++;
    size_t row = 0;
    while (first > scan_rows[row].last) {
        row++;
    }
    uint64_t count = scan_rows[row].low_mask != 0 ? (uint64_t)(first & scan_rows[row].low_mask)
                                                  : scan_rows[row].skip;
    size_t left = (size_t)(scan->end - scan->at);
    if (scan_rows[row].kind == SCAN_BAD) {
        return report_fail(scan->report, ERR_FORMAT, "a type that no message has (0x%02x)", first);
    }
    if (scan_rows[row].width > left) {
        return report_fail(scan->report, ERR_FORMAT, "the message is cut short");
    }
    for (uint8_t i = 0; i < scan_rows[row].width; i++) {
        count = count << 8 | *scan->at++;
    }
    left = (size_t)(scan->end - scan->at);
    /* Every item takes a byte at least, every pair two. */
    if ((scan_rows[row].kind == SCAN_MAP ? count * 2 : count) > left) {
        return report_fail(scan->report, ERR_FORMAT,
                           "a count of %llu in a message with %zu bytes left",
                           (unsigned long long)count, left);
    }
    *ret_kind = scan_rows[row].kind;
    *ret_count = count;
    return OK;
}

static error_code scan_one(struct scan *scan, unsigned depth)
{
    scan_kind kind = SCAN_BAD;
    uint64_t count = 0;
    if (++scan->nodes > SCHEMA_NODES_MAX) {
        return report_fail(scan->report, ERR_LIMIT, "more than %d values", SCHEMA_NODES_MAX);
    }
    error_code error = scan_header(scan, &kind, &count);
    if (error != OK) {
        return error;
    }
    if (kind == SCAN_SCALAR) {
        scan->at += count;
        return OK;
    }
    if (depth >= SCHEMA_DEPTH_MAX) {
        return report_fail(scan->report, ERR_LIMIT, "nested deeper than %d", SCHEMA_DEPTH_MAX);
    }
    uint64_t items = kind == SCAN_MAP ? count * 2 : count;
    for (uint64_t i = 0; i < items && error == OK; i++) {
        error = scan_one(scan, depth + 1);
    }
    return error;
}

error_code schema_scan(struct bytes bytes, struct report *report)
{
    if (bytes.len == 0) {
        return report_fail(report, ERR_FORMAT, "the message is empty");
    }
    struct scan scan = {.at = bytes.data, .end = bytes.data + bytes.len, .report = report};
    error_code error = scan_one(&scan, 0);
    if (error == OK && scan.at != scan.end) {
        error = report_fail(report, ERR_FORMAT, "%zu bytes too many", (size_t)(scan.end - scan.at));
    }
    return error;
}
