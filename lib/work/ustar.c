#include "work/ustar.h"

#include <stdio.h>
#include <string.h>

/* The places of a header. */
enum {
    AT_NAME = 0,
    NAME_BYTES = 100,
    AT_MODE = 100,
    AT_UID = 108,
    AT_GID = 116,
    AT_SIZE = 124,
    AT_MTIME = 136,
    AT_SUM = 148,
    AT_TYPE = 156,
    AT_TARGET = 157,
    AT_MAGIC = 257,
    AT_DEVICES = 329,
    AT_PREFIX = 345,
    PREFIX_BYTES = 155,
    PAX_MAX_BYTES = 12 << 10,
};

static const char types[] = {[USTAR_FILE] = '0', [USTAR_FOLDER] = '5', [USTAR_LINK] = '2'};

/* ---- what is allowed ---- */

bool ustar_path_is_good(const char *path)
{
    size_t len = strlen(path), depth = 0;
    if (len == 0 || len > USTAR_PATH_MAX_BYTES) {
        return false;
    }
    for (const char *segment = path;; segment++) {
        size_t n = strcspn(segment, "/");
        if (n == 0 || (n == 1 && segment[0] == '.') || (n == 2 && memcmp(segment, "..", 2) == 0) ||
            ++depth > USTAR_DEPTH_MAX) {
            return false;
        }
        segment += n;
        if (*segment == '\0') {
            return true;
        }
    }
}

bool ustar_link_is_good(const char *path, const char *target)
{
    int depth = 0;
    if (*target == '\0' || *target == '/' || strlen(target) > USTAR_PATH_MAX_BYTES) {
        return false;
    }
    for (; *path != '\0'; path++) {
        depth += *path == '/';
    }
    while (*target != '\0') {
        size_t n = strcspn(target, "/");
        if (n == 2 && memcmp(target, "..", 2) == 0) {
            depth--;
        } else if (n > 0 && !(n == 1 && target[0] == '.')) {
            depth++;
        }
        if (depth < 0) {
            return false;
        }
        target += n + (target[n] == '/');
    }
    return true;
}

size_t ustar_padding(uint64_t size)
{
    return (size_t)(-size & (USTAR_BLOCK_BYTES - 1));
}

/* ---- writing ---- */

static void octal_put(uint8_t *field, int digits, uint64_t value)
{
    for (int i = digits - 1; i >= 0; i--, value >>= 3) {
        field[i] = (uint8_t)('0' + (value & 7));
    }
}

static uint32_t block_sum(const uint8_t block[USTAR_BLOCK_BYTES])
{
    uint32_t sum = 8 * ' ';
    for (int i = 0; i < USTAR_BLOCK_BYTES; i++) {
        sum += i < AT_SUM || i >= AT_SUM + 8 ? block[i] : 0;
    }
    return sum;
}

static void header_put(struct buf *buf, char type, uint32_t mode, uint64_t size, const char *path,
                       size_t prefix, const char *target)
{
    uint8_t block[USTAR_BLOCK_BYTES] = {0};
    const char *name = prefix > 0 ? path + prefix + 1 : path;
    size_t name_len = strnlen(name, NAME_BYTES), target_len = strnlen(target, NAME_BYTES);
    memcpy(block + AT_NAME, name, name_len);
    memcpy(block + AT_PREFIX, path, prefix);
    memcpy(block + AT_TARGET, target, target_len);
    octal_put(block + AT_MODE, 7, mode);
    octal_put(block + AT_UID, 7, 0);
    octal_put(block + AT_GID, 7, 0);
    octal_put(block + AT_SIZE, 11, size);
    octal_put(block + AT_MTIME, 11, 0);
    octal_put(block + AT_DEVICES, 7, 0);
    octal_put(block + AT_DEVICES + 8, 7, 0);
    block[AT_TYPE] = (uint8_t)type;
    static const uint8_t magic[8] = {'u', 's', 't', 'a', 'r', '\0', '0', '0'};
    memcpy(block + AT_MAGIC, magic, sizeof magic);
    octal_put(block + AT_SUM, 6, block_sum(block));
    block[AT_SUM + 7] = ' ';
    ignore_error(buf_append(buf, block, sizeof block), "sticky");
}

/* Where the path may be cut at a `/` into prefix and name; SIZE_MAX: nowhere. */
static size_t prefix_find(const char *path, size_t len)
{
    if (len <= NAME_BYTES) {
        return 0;
    }
    for (size_t i = len > NAME_BYTES + 1 ? len - NAME_BYTES - 1 : 0; i < len; i++) {
        if (path[i] == '/' && i > 0) {
            return i <= PREFIX_BYTES && len - i - 1 <= NAME_BYTES ? i : SIZE_MAX;
        }
    }
    return SIZE_MAX;
}

/* "<length> key=value\n", where the length counts itself. */
static void pax_put(struct buf *pax, const char *key, const char *value)
{
    size_t rest = strlen(key) + strlen(value) + 3, len = rest + 1, again;
    while ((again = rest + (size_t)snprintf(NULL, 0, "%zu", len)) != len) {
        len = again;
    }
    ignore_error(buf_printf(pax, "%zu %s=%s\n", len, key, value), "sticky");
}

static void zeroes_put(struct buf *buf, size_t n)
{
    static const uint8_t zeroes[USTAR_BLOCK_BYTES];
    ignore_error(buf_append(buf, zeroes, n), "sticky");
}

error_code ustar_write(const struct ustar_entry *entry, struct buf *buf)
{
    char path[USTAR_PATH_MAX_BYTES + 2];
    const char *target = entry->kind == USTAR_LINK ? entry->target : "";
    uint64_t size = entry->kind == USTAR_FILE ? entry->size : 0;
    if (!ustar_path_is_good(entry->path) || strlen(target) > USTAR_PATH_MAX_BYTES ||
        size > USTAR_SIZE_MAX) {
        return ERR_LIMIT;
    }
    ignore_error(snprintf(path, sizeof path, "%s%s", entry->path,
                          entry->kind == USTAR_FOLDER ? "/" : "") < 0,
                 "it fits");
    size_t prefix = prefix_find(path, strlen(path));
    bool has_long_target = strlen(target) > NAME_BYTES;
    if (prefix == SIZE_MAX || has_long_target) {
        struct buf pax;
        buf_init(&pax, PAX_MAX_BYTES);
        if (prefix == SIZE_MAX) {
            pax_put(&pax, "path", path);
        }
        if (has_long_target) {
            pax_put(&pax, "linkpath", target);
        }
        header_put(buf, 'x', 0644, pax.len, "pax", 0, "");
        ignore_error(buf_append(buf, pax.data, pax.len), "sticky");
        zeroes_put(buf, ustar_padding(pax.len));
        error_code error = pax.failed;
        buf_fini(&pax);
        if (error != OK) {
            return error;
        }
    }
    bool is_open = entry->kind != USTAR_FILE || entry->is_executable;
    header_put(buf, types[entry->kind], is_open ? 0755 : 0644, size, path,
               prefix == SIZE_MAX ? 0 : prefix, target);
    return buf->failed;
}

/* ---- reading ---- */

void ustar_reader_init(struct ustar_reader *reader)
{
    *reader = (struct ustar_reader){0};
    buf_init(&reader->pax, PAX_MAX_BYTES);
}

void ustar_reader_fini(struct ustar_reader *reader)
{
    buf_fini(&reader->pax);
}

static bool octal_get(const uint8_t *field, int bytes, uint64_t *ret_value)
{
    uint64_t value = 0;
    int i = 0;
    while (i < bytes && field[i] == ' ') {
        i++;
    }
    int first = i;
    for (; i < bytes && field[i] >= '0' && field[i] <= '7'; i++) {
        value = value << 3 | (uint64_t)(field[i] - '0');
    }
    *ret_value = value;
    return i > first && (i == bytes || field[i] == ' ' || field[i] == '\0');
}

/* One record of a pax header; what it took, 0: none. */
static size_t pax_take(struct ustar_reader *reader, const char *at, size_t left)
{
    size_t len = 0, i = 0;
    for (; i < left && i < 6 && at[i] >= '0' && at[i] <= '9'; i++) {
        len = len * 10 + (size_t)(at[i] - '0');
    }
    if (i == 0 || i >= left || at[i] != ' ' || len <= i + 2 || len > left || at[len - 1] != '\n') {
        return 0;
    }
    const char *key = at + i + 1;
    const char *equals = memchr(key, '=', len - i - 2);
    if (equals == NULL) {
        return 0;
    }
    size_t key_len = (size_t)(equals - key), value_len = (size_t)(at + len - 1 - equals - 1);
    bool is_path = key_len == 4 && memcmp(key, "path", 4) == 0;
    bool is_target = key_len == 8 && memcmp(key, "linkpath", 8) == 0;
    if ((!is_path && !is_target) || value_len > USTAR_PATH_MAX_BYTES ||
        memchr(equals + 1, '\0', value_len) != NULL) {
        return 0;
    }
    char *to = is_path ? reader->path : reader->target;
    memcpy(to, equals + 1, value_len);
    to[value_len] = '\0';
    reader->has_pax_path |= is_path;
    reader->has_pax_target |= is_target;
    return len;
}

static error_code pax_end(struct ustar_reader *reader, struct report *report)
{
    const char *at = (const char *)reader->pax.data;
    size_t left = reader->pax.len;
    while (left > 0) {
        size_t taken = pax_take(reader, at, left);
        if (taken == 0) {
            return report_fail(report, ERR_FORMAT,
                               "an extended header that is not of a work folder");
        }
        at += taken;
        left -= taken;
    }
    buf_reset(&reader->pax);
    return OK;
}

static error_code pax_block(struct ustar_reader *reader, const uint8_t *block, ustar_step *ret_step,
                            struct report *report)
{
    size_t n = reader->pax_left < USTAR_BLOCK_BYTES ? reader->pax_left : USTAR_BLOCK_BYTES;
    error_code error = buf_append(&reader->pax, block, n);
    reader->pax_left -= n;
    *ret_step = USTAR_MORE;
    return error == OK && reader->pax_left == 0 ? pax_end(reader, report) : error;
}

static void name_get(struct ustar_reader *reader, const uint8_t *block)
{
    int prefix = (int)strnlen((const char *)block + AT_PREFIX, PREFIX_BYTES);
    int name = (int)strnlen((const char *)block + AT_NAME, NAME_BYTES);
    if (!reader->has_pax_path) {
        ignore_error(snprintf(reader->path, sizeof reader->path, "%.*s%s%.*s", prefix,
                              (const char *)block + AT_PREFIX, prefix > 0 ? "/" : "", name,
                              (const char *)block + AT_NAME) < 0,
                     "it fits");
    }
    if (!reader->has_pax_target) {
        int target = (int)strnlen((const char *)block + AT_TARGET, NAME_BYTES);
        ignore_error(snprintf(reader->target, sizeof reader->target, "%.*s", target,
                              (const char *)block + AT_TARGET) < 0,
                     "it fits");
    }
    reader->has_pax_path = reader->has_pax_target = false;
}

static error_code entry_read(struct ustar_reader *reader, const uint8_t *block, uint64_t size,
                             struct ustar_entry *ret_entry, struct report *report)
{
    uint64_t mode;
    char type = (char)block[AT_TYPE];
    name_get(reader, block);
    size_t len = strlen(reader->path);
    if (type == '5' && len > 0 && reader->path[len - 1] == '/') {
        reader->path[len - 1] = '\0';
    }
    if (!ustar_path_is_good(reader->path)) {
        return report_fail(report, ERR_FORMAT, "the path '%.200s' leads out of the work folder",
                           reader->path);
    }
    if (type == '2' && !ustar_link_is_good(reader->path, reader->target)) {
        return report_fail(report, ERR_FORMAT,
                           "the link '%.200s' to '%.200s' leads out of the work "
                           "folder",
                           reader->path, reader->target);
    }
    bool is_known = type == '0' || type == '\0' || type == '5' || type == '2';
    if (!is_known || !octal_get(block + AT_MODE, 8, &mode) ||
        (type != '0' && type != '\0' && size != 0)) {
        return report_fail(report, ERR_FORMAT, "'%.200s' is neither file, folder nor link",
                           reader->path);
    }
    *ret_entry = (struct ustar_entry){
        .kind = type == '5'   ? USTAR_FOLDER
                : type == '2' ? USTAR_LINK
                              : USTAR_FILE,
        .path = reader->path,
        .target = type == '2' ? reader->target : NULL,
        .is_executable = (mode & 0111) != 0,
        .size = size,
    };
    return OK;
}

error_code ustar_read(struct ustar_reader *reader, const uint8_t block[USTAR_BLOCK_BYTES],
                      ustar_step *ret_step, struct ustar_entry *ret_entry, struct report *report)
{
    static const uint8_t zeroes[USTAR_BLOCK_BYTES];
    uint64_t sum, size;
    if (reader->pax_left > 0) {
        return pax_block(reader, block, ret_step, report);
    }
    if (memcmp(block, zeroes, sizeof zeroes) == 0) {
        *ret_step = ++reader->zero_blocks >= 2 ? USTAR_END : USTAR_MORE;
        return OK;
    }
    if (reader->zero_blocks > 0 || memcmp(block + AT_MAGIC, "ustar", 5) != 0 ||
        !octal_get(block + AT_SUM, 8, &sum) || sum != block_sum(block) ||
        !octal_get(block + AT_SIZE, 12, &size)) {
        return report_fail(report, ERR_FORMAT, "it is no archive of a work folder");
    }
    if (block[AT_TYPE] == 'x') {
        if (size == 0 || size > PAX_MAX_BYTES) {
            return report_fail(report, ERR_FORMAT, "an extended header of %llu bytes",
                               (unsigned long long)size);
        }
        reader->pax_left = (size_t)size;
        *ret_step = USTAR_MORE;
        return OK;
    }
    *ret_step = USTAR_ENTRY;
    return entry_read(reader, block, size, ret_entry, report);
}
