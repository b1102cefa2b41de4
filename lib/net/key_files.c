#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

#include "net/keys.h"
#include "sys/files.h"
#include "sys/private_file.h"

enum { KEY_PATH_MAX = FILES_PATH_MAX_BYTES, KEY_FILE_MAX = 256 };

static error_code path_join(const char *folder, const char *name, char ret_path[KEY_PATH_MAX],
                            struct report *report)
{
    int n = snprintf(ret_path, KEY_PATH_MAX, "%s/%s", folder, name);
    return n < 0 || n >= KEY_PATH_MAX
               ? report_fail(report, ERR_LIMIT, "path too long: %s/%s", folder, name)
               : OK;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\0';
}

/* One word of a small file, without the white space around it. ERR_NOT_FOUND: no such file. */
static error_code word_read(const char *path, char ret_word[KEY_FILE_MAX], struct report *report)
{
    struct buf buf;
    buf_init(&buf, KEY_FILE_MAX - 1);
    error_code code = private_file_check(path, report);
    if (code == OK) {
        code = file_read_bounded(path, &buf, report);
    }
    if (code == ERR_LIMIT) {
        code = report_fail(report, ERR_FORMAT, "%s is too long for a key file", path);
    }
    if (code == OK) {
        size_t begin = 0;
        while (begin < buf.len && is_blank(buf.data[begin])) {
            begin++;
        }
        size_t length = 0;
        while (begin + length < buf.len && !is_blank(buf.data[begin + length])) {
            ret_word[length] = (char)buf.data[begin + length];
            length++;
        }
        ret_word[length] = '\0';
    }
    if (buf.data != NULL) {
        sodium_memzero(buf.data, buf.cap);
    }
    buf_fini(&buf);
    return code;
}

/* `must_last`: forced to disk; else a crash may take it, and the next start makes it again. */
static error_code word_write(const char *path, const char *word, bool must_last,
                             struct report *report)
{
    char line[KEY_FILE_MAX + 1];
    int length = snprintf(line, sizeof line, "%s\n", word);
    struct bytes bytes = {(const uint8_t *)line, (size_t)length};
    error_code code = must_last ? file_write_atomic(path, bytes, 0600, report)
                                : file_write(path, bytes, 0600, report);
    sodium_memzero(line, sizeof line);
    return code;
}

error_code key_files_check(const char *folder, struct report *report)
{
    static const char *const names[] = {"head.secret", "join",     "token",
                                        "redis",       "http.key", "ca.key"};
    char path[KEY_PATH_MAX];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        error_code code = path_join(folder, names[i], path, report);
        if (code == OK) {
            struct report ignored = {0};
            code = private_file_check(path, &ignored);
            if (code == ERR_NOT_ALLOWED) {
                return report_fail(report, code, "%s", ignored.text);
            }
        } else {
            return code;
        }
    }
    return OK;
}

error_code head_keys_load(const char *folder, struct key_pair *ret_pair, struct report *report)
{
    char path[KEY_PATH_MAX];
    char word[KEY_FILE_MAX];
    uint8_t bytes[KEY_BYTES];
    struct key_pair pair;
    error_code code = path_join(folder, "head.secret", path, report);
    if (code != OK) {
        return code;
    }
    code = word_read(path, word, report);
    if (code == ERR_NOT_FOUND) {
        code = key_pair_new(&pair);
        if (code != OK) {
            return report_fail(report, code, "cannot make a CURVE key pair");
        }
        code = word_write(path, pair.secret_key, true, report);
    } else if (code == OK) {
        code = key_decode(word, bytes);
        if (code != OK) {
            return report_fail(report, ERR_FORMAT, "%s holds no CURVE secret key", path);
        }
        memcpy(pair.secret_key, word, KEY_TEXT_BYTES);
        sodium_memzero(bytes, sizeof bytes);
        sodium_memzero(word, sizeof word);
        if (zmq_curve_public(pair.public_key, pair.secret_key) != 0) {
            return report_fail(report, ERR_FORMAT, "%s holds no CURVE secret key", path);
        }
    }
    if (code != OK) {
        return code;
    }

    code = path_join(folder, "head.public", path, report);
    if (code == OK && (word_read(path, word, NULL) != OK || strcmp(word, pair.public_key) != 0)) {
        code = word_write(path, pair.public_key, false, report);
    }
    if (code == OK) {
        *ret_pair = pair;
    }
    key_pair_fini(&pair);
    return code;
}

error_code join_key_read(const char *path, struct join_key *ret_key, struct report *report)
{
    char word[KEY_FILE_MAX];
    error_code code = word_read(path, word, report);
    if (code != OK) {
        return code;
    }
    code = join_key_parse(word, ret_key, report);
    if (code != OK) {
        report_add(report, " (in %s)", path);
    }
    sodium_memzero(word, sizeof word);
    return code;
}

error_code join_key_load(const char *folder, const char *head_public, struct join_key *ret_key,
                         struct report *report)
{
    char path[KEY_PATH_MAX];
    struct join_key key;
    error_code code = path_join(folder, "join", path, report);
    if (code != OK) {
        return code;
    }
    code = join_key_read(path, &key, report);
    if (code == ERR_NOT_FOUND) {
        secret_new(key.secret);
    } else if (code != OK) {
        return code;
    }
    if (code == ERR_NOT_FOUND || strcmp(key.head_public, head_public) != 0) {
        char text[JOIN_KEY_TEXT_BYTES];
        memcpy(key.head_public, head_public, KEY_TEXT_BYTES);
        join_key_print(&key, text);
        code = word_write(path, text, true, report);
        sodium_memzero(text, sizeof text);
    }
    if (code == OK) {
        *ret_key = key;
    }
    sodium_memzero(&key, sizeof key);
    return code;
}

/* 16 characters of a hand-made token are enough to be no accident; more than ours has is not read
 * back. */
static bool secret_is_sound(const char *word)
{
    size_t length = strlen(word);
    for (size_t i = 0; i < length; i++) {
        if (word[i] < '!' || word[i] > '~') {
            return false;
        }
    }
    return length >= 16 && length < SECRET_TEXT_BYTES;
}

error_code secret_load(const char *path, char ret_text[SECRET_TEXT_BYTES], struct report *report)
{
    char word[KEY_FILE_MAX];
    error_code code = word_read(path, word, report);
    if (code == OK) {
        if (!secret_is_sound(word)) {
            return report_fail(report, ERR_FORMAT,
                               "%s holds no secret of 16 to %d visible characters", path,
                               SECRET_TEXT_BYTES - 1);
        }
        memcpy(ret_text, word, strlen(word) + 1);
        sodium_memzero(word, sizeof word);
        return OK;
    }
    if (code != ERR_NOT_FOUND) {
        return code;
    }

    char text[SECRET_TEXT_BYTES];
    secret_new(text);
    code = word_write(path, text, true, report);
    if (code == OK) {
        memcpy(ret_text, text, sizeof text);
    }
    sodium_memzero(text, sizeof text);
    return code;
}
