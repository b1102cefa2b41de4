#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/keys.h"

static char folder[64];

static const char *in_folder(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void file_write(const char *name, const char *text)
{
    FILE *file = fopen(in_folder(name), "w");
    assert_non_null(file);
    assert_int_equal(fchmod(fileno(file), 0600), 0);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static int folder_begin(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/muster-keys-XXXXXX");
    return mkdtemp(folder) == NULL || keys_init() != OK;
}

static int folder_end(void **state)
{
    (void)state;
    static const char *const names[] = {"head.secret", "head.public", "join", "token"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        unlink(in_folder(names[i]));
    }
    return rmdir(folder); /* fails if a temporary file was left */
}

static void test_key_pair_is_new_each_time_and_decodes(void **state)
{
    (void)state;
    struct key_pair a;
    struct key_pair b;
    uint8_t bytes[KEY_BYTES];
    char text[KEY_TEXT_BYTES];
    assert_int_equal(key_pair_new(&a), OK);
    assert_int_equal(key_pair_new(&b), OK);
    assert_string_not_equal(a.public_key, b.public_key);
    assert_int_equal(key_decode(a.public_key, bytes), OK);
    key_encode(bytes, text);
    assert_string_equal(text, a.public_key);
    assert_int_equal(key_decode("", bytes), ERR_FORMAT);
    text[7] = '"'; /* no character of Z85 */
    assert_int_equal(key_decode(text, bytes), ERR_FORMAT);
    text[39] = '\0';
    assert_int_equal(key_decode(text, bytes), ERR_FORMAT);
}

static void test_join_key_printed_parses_back(void **state)
{
    (void)state;
    struct key_pair pair;
    struct join_key key;
    struct join_key back;
    char text[JOIN_KEY_TEXT_BYTES];
    char padded[JOIN_KEY_TEXT_BYTES + 8];
    assert_int_equal(key_pair_new(&pair), OK);
    memcpy(key.head_public, pair.public_key, KEY_TEXT_BYTES);
    secret_new(key.secret);
    join_key_print(&key, text);
    assert_int_equal(strlen(text), JOIN_KEY_TEXT_BYTES - 1);
    assert_memory_equal(text, "mj1.", 4);
    assert_int_equal(
        strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."),
        JOIN_KEY_TEXT_BYTES - 1);
    snprintf(padded, sizeof padded, " %s\r\n", text);
    assert_int_equal(join_key_parse(padded, &back, NULL), OK);
    assert_string_equal(back.head_public, key.head_public);
    assert_string_equal(back.secret, key.secret);
}

static void test_join_key_damaged_is_refused_without_being_shown(void **state)
{
    (void)state;
    struct key_pair pair;
    struct join_key key;
    char good[JOIN_KEY_TEXT_BYTES];
    assert_int_equal(key_pair_new(&pair), OK);
    memcpy(key.head_public, pair.public_key, KEY_TEXT_BYTES);
    secret_new(key.secret);
    join_key_print(&key, good);
    for (int i = 0; i < 6; i++) {
        char text[2 * JOIN_KEY_TEXT_BYTES];
        struct report report = {0};
        snprintf(text, sizeof text, "%s%s", good, i == 4 ? "A" : i == 5 ? " more" : "");
        const char damage[] = {'x', '$', '.', '/'};
        const int place[] = {0, 20, 60, 47};
        if (i < 4) {
            text[place[i]] = damage[i];
        }
        assert_int_equal(join_key_parse(text, &key, &report), ERR_FORMAT);
        assert_true(report.text[0] != '\0');
        assert_null(strstr(report.text, good + 48));
    }
    assert_int_equal(join_key_parse("", &key, NULL), ERR_FORMAT);
}

static void test_secret_equal_tells_equal_from_not(void **state)
{
    (void)state;
    char a[SECRET_TEXT_BYTES];
    char b[SECRET_TEXT_BYTES];
    secret_new(a);
    secret_new(b);
    assert_true(secret_equal(a, a));
    assert_false(secret_equal(a, b));
    assert_false(secret_equal(a, ""));
    assert_false(secret_equal(a, NULL));
    assert_false(secret_equal(NULL, NULL));
    a[10] = '\0';
    assert_false(secret_equal(b, a));
}

static void test_head_keys_second_load_gives_the_same(void **state)
{
    (void)state;
    struct key_pair first;
    struct key_pair second;
    struct stat about;
    assert_int_equal(head_keys_load(folder, &first, NULL), OK);
    assert_int_equal(stat(in_folder("head.secret"), &about), 0);
    assert_int_equal(about.st_mode & 0777, 0600);
    file_write("head.public", "nonsense");
    assert_int_equal(head_keys_load(folder, &second, NULL), OK);
    assert_memory_equal(&first, &second, sizeof first);
    struct join_key join;
    struct join_key again;
    assert_int_equal(join_key_load(folder, first.public_key, &join, NULL), OK);
    assert_int_equal(join_key_load(folder, first.public_key, &again, NULL), OK);
    assert_string_equal(join.secret, again.secret);
    assert_int_equal(join_key_read(in_folder("join"), &again, NULL), OK);
    assert_string_equal(again.head_public, first.public_key);
}

/* A new head key with an old join file: agents that join later must trust the new key with the old
 * secret. */
static void test_join_key_other_head_keeps_the_secret(void **state)
{
    (void)state;
    struct key_pair a;
    struct key_pair b;
    struct join_key join;
    struct join_key again;
    assert_int_equal(key_pair_new(&a), OK);
    assert_int_equal(key_pair_new(&b), OK);
    assert_int_equal(join_key_load(folder, a.public_key, &join, NULL), OK);
    assert_int_equal(join_key_load(folder, b.public_key, &again, NULL), OK);
    assert_string_equal(join.secret, again.secret);
    assert_string_equal(again.head_public, b.public_key);
}

static void test_head_keys_damaged_file_is_refused_and_left_alone(void **state)
{
    (void)state;
    struct key_pair pair;
    struct report report = {0};
    file_write("head.secret", "not a key");
    assert_int_equal(head_keys_load(folder, &pair, &report), ERR_FORMAT);
    assert_non_null(strstr(report.text, "head.secret"));
    char line[32] = "";
    FILE *file = fopen(in_folder("head.secret"), "r");
    assert_non_null(fgets(line, sizeof line, file));
    fclose(file);
    assert_string_equal(line, "not a key");
}

static void test_secret_file_is_made_once_and_checked(void **state)
{
    (void)state;
    char first[SECRET_TEXT_BYTES];
    char second[SECRET_TEXT_BYTES];
    struct report report = {0};
    assert_int_equal(secret_load(in_folder("token"), first, NULL), OK);
    assert_int_equal(secret_load(in_folder("token"), second, NULL), OK);
    assert_string_equal(first, second);
    file_write("token", "short");
    assert_int_equal(secret_load(in_folder("token"), second, &report), ERR_FORMAT);
    file_write("token", "a token of a person\n");
    assert_int_equal(secret_load(in_folder("token"), second, &report), ERR_FORMAT);
    file_write("token", "0123456789abcdef\n");
    assert_int_equal(secret_load(in_folder("token"), second, NULL), OK);
    assert_string_equal(second, "0123456789abcdef");
    assert_int_equal(secret_load("/nonexistent/folder/token", second, &report), ERR_NOT_FOUND);
}

int main(void)
{
#define with_folder(test) cmocka_unit_test_setup_teardown(test, folder_begin, folder_end)
    const struct CMUnitTest tests[] = {
        with_folder(test_key_pair_is_new_each_time_and_decodes),
        with_folder(test_join_key_printed_parses_back),
        with_folder(test_join_key_damaged_is_refused_without_being_shown),
        with_folder(test_secret_equal_tells_equal_from_not),
        with_folder(test_head_keys_second_load_gives_the_same),
        with_folder(test_join_key_other_head_keeps_the_secret),
        with_folder(test_head_keys_damaged_file_is_refused_and_left_alone),
        with_folder(test_secret_file_is_made_once_and_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
