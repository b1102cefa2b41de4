/* The audit log: what a line says, its bounds. */
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
#include <jansson.h>

#include "base/mem.h"
#include "head/shell/audit.h"
#include "sys/files.h"

static const time_ms now = 1800000000000;
static char dir[64], path[128];
static struct audit *audit;

static int setup(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/muster-audit-XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/audit.log", dir);
    assert_int_equal(audit_open(path, &audit, NULL), OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    audit_close(audit);
    assert_int_equal(dir_remove_tree(dir, NULL), OK);
    assert_int_equal(mem_live_count(), 0);
    return 0;
}

static struct http_told told_post(const struct http_identity *identity, uint32_t status)
{
    static const char body[] = "{\"api\":\"v1\",\"id\":12}";
    return (struct http_told){.identity = identity,
                              .peer = "10.0.0.3",
                              .method = "POST",
                              .path = "/api/v1/sweeps",
                              .idempotency_key = "k\"1\n",
                              .status = status,
                              .body = {(const uint8_t *)body, sizeof body - 1},
                              .refusal = HTTP_REFUSALS_COUNT};
}

/* The k-th line of the file; the caller's. */
static json_t *line_of(int k)
{
    char line[AUDIT_LINE_MAX_BYTES];
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    for (int i = 0; i <= k; i++) {
        assert_non_null(fgets(line, sizeof line, file));
    }
    fclose(file);
    json_t *json = json_loads(line, 0, NULL);
    assert_non_null(json);
    return json;
}

static int lines_count(void)
{
    char line[AUDIT_LINE_MAX_BYTES];
    int n = 0;
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL) {
        n++;
    }
    fclose(file);
    return n;
}

static const char *text_of(const json_t *line, const char *name)
{
    const char *text = json_string_value(json_object_get(line, name));
    return text != NULL ? text : "(none)";
}

static void test_line_says_who_did_what(void **state)
{
    (void)state;
    struct http_identity alice = {.name = "alice", .role = ROLE_USER};
    struct http_told told = told_post(&alice, 201);
    audit_write(audit, now, &told);
    json_t *line = line_of(0);
    assert_string_equal(text_of(line, "user"), "alice");
    assert_string_equal(text_of(line, "role"), "user");
    assert_string_equal(text_of(line, "peer"), "10.0.0.3");
    assert_string_equal(text_of(line, "method"), "POST");
    assert_string_equal(text_of(line, "path"), "/api/v1/sweeps");
    assert_string_equal(text_of(line, "key"), "k\"1\n");
    assert_string_equal(text_of(line, "time"), "2027-01-15T08:00:00.000Z");
    assert_int_equal(json_integer_value(json_object_get(line, "status")), 201);
    assert_int_equal(json_integer_value(json_object_get(line, "id")), 12);
    assert_null(json_object_get(line, "refused"));
    json_decref(line);
    struct stat about;
    assert_int_equal(stat(path, &about), 0);
    assert_int_equal(about.st_mode & 0777, 0600);
}

static void test_line_of_a_failure_names_no_id(void **state)
{
    (void)state;
    struct http_identity alice = {.name = "alice", .role = ROLE_USER};
    struct http_told told = told_post(&alice, 409);
    audit_write(audit, now, &told);
    json_t *line = line_of(0);
    assert_null(json_object_get(line, "id"));
    json_decref(line);
}

static void test_refusals_are_limited_and_counted_and_push_out_nothing(void **state)
{
    (void)state;
    struct http_identity alice = {.name = "alice", .role = ROLE_USER};
    struct http_told stranger = told_post(NULL, 401), told = told_post(&alice, 200);
    stranger.refusal = HTTP_REFUSED_TOKEN;
    stranger.refusal_text = "no";
    for (int i = 0; i < AUDIT_REFUSALS_MAX + 25; i++) {
        audit_write(audit, now, &stranger);
    }
    assert_int_equal(lines_count(), AUDIT_REFUSALS_MAX);
    audit_write(audit, now, &told);
    assert_int_equal(lines_count(), AUDIT_REFUSALS_MAX + 1);
    audit_write(audit, now + 60000, &stranger);
    json_t *line = line_of(AUDIT_REFUSALS_MAX + 1);
    assert_int_equal(json_integer_value(json_object_get(line, "unwritten")), 25);
    assert_true(json_is_null(json_object_get(line, "user")));
    assert_string_equal(text_of(line, "refused"), "no");
    json_decref(line);
}

static void test_file_is_rotated_and_bounded(void **state)
{
    (void)state;
    struct http_identity alice = {.name = "alice", .role = ROLE_USER};
    static char long_path[1025];
    memset(long_path, 'x', sizeof long_path - 1);
    struct http_told told = told_post(&alice, 200);
    told.path = long_path;
    uint64_t lines = (uint64_t)AUDIT_FILE_MAX_BYTES * (AUDIT_FILES_KEPT + 2) / 1100;
    for (uint64_t i = 0; i < lines; i++) {
        audit_write(audit, now, &told);
    }
    struct stat about;
    char old[160];
    for (int i = 0; i <= AUDIT_FILES_KEPT; i++) {
        snprintf(old, sizeof old, i == 0 ? "%s" : "%s.%d", path, i);
        assert_int_equal(stat(old, &about), 0);
        assert_true(about.st_size <= AUDIT_FILE_MAX_BYTES);
    }
    snprintf(old, sizeof old, "%s.%d", path, AUDIT_FILES_KEPT + 1);
    assert_int_equal(stat(old, &about), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_line_says_who_did_what, setup, teardown),
        cmocka_unit_test_setup_teardown(test_line_of_a_failure_names_no_id, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refusals_are_limited_and_counted_and_push_out_nothing,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_file_is_rotated_and_bounded, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
