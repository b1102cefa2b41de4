#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include "net/keys.h"

enum { KEY_PATH_MAX = 4096, KEY_FILE_MAX = 256 };

static error_code path_join(const char *folder, const char *name, char ret_path[KEY_PATH_MAX],
                            struct report *report)
{
    int n = snprintf(ret_path, KEY_PATH_MAX, "%s/%s", folder, name);
    return n < 0 || n >= KEY_PATH_MAX
               ? report_fail(report, ERR_LIMIT, "path too long: %s/%s", folder, name)
               : OK;
}

static error_code file_fail(struct report *report, const char *doing, const char *path)
{
    int number = errno;
    return report_fail(report, error_from_errno(number), "cannot %s %s: %s", doing, path,
                       strerror(number));
}

/* One word of a small file, without the white space around it. ERR_NOT_FOUND: no such file. */
static error_code word_read(const char *path, char ret_word[KEY_FILE_MAX], struct report *report)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        return file_fail(report, "open", path);
    }
    struct stat about;
    if (fstat(fd, &about) != 0 || !S_ISREG(about.st_mode)) {
        close(fd);
        return report_fail(report, ERR_FORMAT, "%s is not a plain file", path);
    }
    ssize_t n = read(fd, ret_word, KEY_FILE_MAX);
    error_code code = n < 0 ? file_fail(report, "read", path) : OK;
    close(fd);
    if (code != OK) {
        return code;
    }
    if (n == KEY_FILE_MAX) {
        return report_fail(report, ERR_FORMAT, "%s is too long for a key file", path);
    }
    ret_word[n] = '\0';
    size_t begin = strspn(ret_word, " \t\r\n");
    size_t length = strcspn(ret_word + begin, " \t\r\n");
    memmove(ret_word, ret_word + begin, length);
    ret_word[length] = '\0';
    return OK;
}

/* Written beside, synced, renamed: after a crash there is the old file or the new one, never half a
 * key. */
static error_code word_write(const char *folder, const char *name, const char *word,
                             struct report *report)
{
    char path[KEY_PATH_MAX];
    char temporary[KEY_PATH_MAX];
    char temporary_name[64];
    snprintf(temporary_name, sizeof temporary_name, ".%s.%ld.tmp", name, (long)getpid());
    error_code code = path_join(folder, name, path, report);
    if (code == OK) {
        code = path_join(folder, temporary_name, temporary, report);
    }
    if (code != OK) {
        return code;
    }
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return file_fail(report, "make", temporary);
    }
    char line[KEY_FILE_MAX + 1];
    int length = snprintf(line, sizeof line, "%s\n", word);
    bool is_written = write(fd, line, (size_t)length) == length && fsync(fd) == 0;
    sodium_memzero(line, sizeof line);
    if (!is_written || rename(temporary, path) != 0) {
        code = file_fail(report, "write", path);
        close(fd);
        unlink(temporary);
        return code;
    }
    close(fd);
    int folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder_fd < 0 || fsync(folder_fd) != 0) {
        code = file_fail(report, "sync", folder);
    }
    if (folder_fd >= 0) {
        close(folder_fd);
    }
    return code;
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
        code = word_write(folder, "head.secret", pair.secret_key, report);
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
        code = word_write(folder, "head.public", pair.public_key, report);
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
        code = word_write(folder, "join", text, report);
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

    char folder[KEY_PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t length = slash == NULL ? 0 : (size_t)(slash - path);
    if (slash == NULL || length >= sizeof folder) {
        return report_fail(report, ERR_INVALID, "not a full path: %s", path);
    }
    memcpy(folder, path, length);
    folder[length] = '\0';
    char text[SECRET_TEXT_BYTES];
    secret_new(text);
    code = word_write(folder, slash + 1, text, report);
    if (code == OK) {
        memcpy(ret_text, text, sizeof text);
    }
    sodium_memzero(text, sizeof text);
    return code;
}
