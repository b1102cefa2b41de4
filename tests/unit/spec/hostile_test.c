/* Files that were cut, garbled or met a full memory: refused or read, never a crash, nothing kept.
 */
#include "rig.h"

#include "base/random.h"
#include "files.h"

static const char *const files[] = {file_full, file_json, file_text, file_space};
enum { N_FILES = sizeof files / sizeof files[0] };

/* Parses a copy of exactly `len` bytes, so that a sanitizer sees a read past the end. */
static error_code parse_copy(const char *text, size_t len)
{
    struct report report = {0};
    struct sweep_spec spec;
    struct arena arena;
    int64_t n_live = mem_live_count();
    char *copy = mem_alloc(len > 0 ? len : 1);
    assert_non_null(copy);
    memcpy(copy, text, len);
    arena_init(&arena, RIG_ARENA_MAX);
    error_code code = spec_sweep_parse(copy, len, NULL, &arena, &spec, &report);
    if (code == OK) {
        struct buf buf;
        buf_init(&buf, SPEC_FILE_MAX_BYTES * 2);
        assert_int_equal(spec_sweep_print(&spec, &buf), OK);
        buf_fini(&buf);
    } else {
        assert_true(code == ERR_INVALID || code == ERR_UNSUPPORTED || code == ERR_LIMIT);
        assert_true(report.text[0] != '\0' && report.line > 0 && report.column > 0);
    }
    mem_free(copy);
    arena_fini(&arena);
    assert_int_equal(mem_live_count(), n_live);
    return code;
}

static void test_hostile_truncated_at_every_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_FILES; i++) {
        for (size_t len = 0; len < strlen(files[i]); len++) {
            ignore_error(parse_copy(files[i], len), "some prefixes are good files");
        }
    }
}

/* Bytes that mean something in YAML are drawn more often than others. */
static char byte_draw(struct random *random)
{
    static const char telling[] = "{}[],:-?#&*!|>'\"%@` \n\r\t~.<$\\0189axe\xC3\xA4\xFF";
    uint64_t n = random_below(random, 2 * sizeof telling);
    return n < sizeof telling ? telling[n] : (char)random_below(random, 256);
}

static void test_hostile_mutated_files(void **state)
{
    (void)state;
    enum { ROUNDS = 6000, EDITS_MAX = 6 };
    struct random random;
    size_t n_good = 0;
    random_init(&random, 20261124, 1);
    for (int round = 0; round < ROUNDS; round++) {
        char text[sizeof file_full + sizeof file_space];
        const char *file = files[random_below(&random, N_FILES)];
        size_t len = strlen(file);
        memcpy(text, file, len);
        uint64_t n = 1 + random_below(&random, EDITS_MAX);
        for (uint64_t k = 0; k < n; k++) {
            size_t at = (size_t)random_below(&random, len);
            size_t from = (size_t)random_below(&random, len);
            size_t span = (size_t)random_below(&random, 16);
            span = span > len - at ? len - at : span;
            span = span > len - from ? len - from : span;
            if (random_below(&random, 4) == 0) {
                memmove(text + at, text + from, span); /* a piece in the wrong place */
            } else {
                text[at] = byte_draw(&random);
            }
        }
        n_good += parse_copy(text, len) == OK;
    }
    assert_true(n_good > 0 && n_good < ROUNDS); /* else the mutations prove nothing */
}

static void test_hostile_no_memory_at_every_allocation(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_FILES; i++) {
        bool is_through = false;
        for (uint64_t k = 1; !is_through; k++) {
            struct report report = {0};
            struct sweep_spec spec;
            struct arena arena;
            arena_init(&arena, RIG_ARENA_MAX);
            mem_fail_at(k);
            error_code code =
                spec_sweep_parse(files[i], strlen(files[i]), "f.yaml", &arena, &spec, &report);
            is_through = !mem_has_failed();
            mem_fail_at(0);
            assert_int_equal(code, is_through ? OK : ERR_NO_MEMORY);
            assert_string_equal(report.text, is_through ? "" : "out of memory");
            arena_fini(&arena);
            assert_int_equal(mem_live_count(), 0);
        }
    }
}

/* Choices within choices and groups within groups, as deep as YAML may be; one more is refused. */
static void test_hostile_nest_is_as_deep_as_the_file_may_be(void **state)
{
    (void)state;
    static const struct {
        const char *open, *close;
        int most; /* that fit into SPEC_DEPTH_MAX */
    } nests[] = {{"values: {x: {", "}}}", 4}, {"parameters: {", "}}", 7}};
    for (size_t i = 0; i < 2; i++) {
        for (int depth = 1; depth < 40; depth++) {
            struct buf text;
            buf_init(&text, SPEC_FILE_MAX_BYTES);
            ignore_error(buf_append_text(&text, LEAST "parameters: {"), "sticky");
            for (int k = 0; k < depth; k++) {
                ignore_error(buf_printf(&text, "a%d: {", k), "sticky");
                ignore_error(buf_append_text(&text, nests[i].open), "sticky");
            }
            ignore_error(buf_append_text(&text, "z: 1"), "sticky");
            for (int k = 0; k < depth; k++) {
                ignore_error(buf_append_text(&text, nests[i].close), "sticky");
            }
            ignore_error(buf_append_text(&text, "}\n"), "sticky");
            assert_int_equal(text.failed, OK);
            assert_int_equal(parse_copy(buf_text(&text), text.len),
                             depth <= nests[i].most ? OK : ERR_LIMIT);
            buf_fini(&text);
        }
    }
}

/* As many baselines as there may be, each with all that a file has room for. */
static void test_hostile_baselines_fit_the_arena(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, SPEC_FILE_MAX_BYTES);
    ignore_error(buf_append_text(&text, LEAST "parameters: {"), "sticky");
    for (int p = 0; p < SPEC_PARAMETERS_MAX; p++) {
        ignore_error(buf_printf(&text, "p%d: %d, ", p, p), "sticky");
    }
    ignore_error(buf_append_text(&text, "}\nbaselines:\n"), "sticky");
    for (int b = 0; b < SPEC_BASELINES_MAX; b++) {
        ignore_error(buf_printf(&text, "- {p%d: 1, p%d: 2}\n", b % 200, b % 200 + 1), "sticky");
    }
    assert_int_equal(text.failed, OK);
    assert_int_equal(parse_copy(buf_text(&text), text.len), OK);
    ignore_error(buf_append_text(&text, "- {p0: 1}\n"), "sticky");
    assert_int_equal(parse_copy(buf_text(&text), text.len), ERR_LIMIT);
    buf_fini(&text);
}

static void test_hostile_choices_beyond_the_limit_are_refused(void **state)
{
    (void)state;
    static const char *const forms[][2] = {{"values: [", "%d, "},
                                           {"values: {", "%d: {}, "},
                                           {"rows: [", "{a: %d}, "},
                                           {"min: 0.1, max: 0.2, also: [", "%d, "}};
    for (size_t i = 0; i < 4; i++) {
        struct buf text;
        buf_init(&text, SPEC_FILE_MAX_BYTES);
        ignore_error(buf_printf(&text, LEAST "parameters: {x: {%s", forms[i][0]), "sticky");
        for (int v = 0; v < 9000; v++) {
            char piece[32];
            const char *sign = strchr(forms[i][1], '%');
            snprintf(piece, sizeof piece, "%.*s%d%s", (int)(sign - forms[i][1]), forms[i][1], v,
                     sign + 2);
            ignore_error(buf_append_text(&text, piece), "sticky");
        }
        bool is_block = strchr(forms[i][0], '[') == NULL;
        ignore_error(buf_append_text(&text, is_block ? "}}}\n" : "]}}\n"), "sticky");
        assert_int_equal(text.failed, OK);
        assert_int_equal(parse_copy(buf_text(&text), text.len), ERR_LIMIT);
        buf_fini(&text);
    }
}

static void test_hostile_full_arena_is_no_memory(void **state)
{
    (void)state;
    error_code code = ERR_NO_MEMORY;
    size_t max = 0;
    for (; code != OK; max += 7) {
        struct sweep_spec spec;
        struct arena arena;
        arena_init(&arena, max);
        code = spec_sweep_parse(file_full, strlen(file_full), NULL, &arena, &spec, NULL);
        assert_true(code == ERR_NO_MEMORY || code == OK);
        arena_fini(&arena);
    }
    assert_in_range(max, 500, 10000);
}

/* The largest of everything at once must fit the arena that the header asks for. */
static void test_hostile_file_at_the_limits_fits_its_arena(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, SPEC_FILE_MAX_BYTES);
    assert_int_equal(buf_append_text(&text, LEAST "parameters:\n"), OK);
    for (int p = 0; p < 19; p++) {
        assert_int_equal(buf_printf(&text, "  p%d: {values: [", p), OK);
        for (int v = 0; v < SPEC_CHOICES_MAX; v++) {
            assert_int_equal(buf_printf(&text, "%s'%d %*s'", v > 0 ? "," : "", v, 44, "x"), OK);
        }
        assert_int_equal(buf_append_text(&text, "]}\n"), OK);
    }
    assert_true(text.len > SPEC_FILE_MAX_BYTES * 9 / 10);
    assert_int_equal(parse_copy((const char *)text.data, text.len), OK);
    buf_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hostile_truncated_at_every_byte),
        cmocka_unit_test(test_hostile_mutated_files),
        cmocka_unit_test(test_hostile_no_memory_at_every_allocation),
        cmocka_unit_test(test_hostile_nest_is_as_deep_as_the_file_may_be),
        cmocka_unit_test(test_hostile_baselines_fit_the_arena),
        cmocka_unit_test(test_hostile_choices_beyond_the_limit_are_refused),
        cmocka_unit_test(test_hostile_full_arena_is_no_memory),
        cmocka_unit_test(test_hostile_file_at_the_limits_fits_its_arena),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
