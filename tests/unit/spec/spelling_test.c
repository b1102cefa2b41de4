#include "rig.h"

#include "spec/spelling.h"

static void test_spelling_distance_counts_edits(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        unsigned distance;
    } rows[] = {
        {"", "", 0},       {"abc", "", 3},           {"abc", "abc", 0},
        {"abc", "acb", 1}, {"kitten", "sitting", 3}, {"paramters", "parameters", 1},
        {"ABC", "abc", 0}, {"ca", "abc", 3},         {"trails", "trials", 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(spelling_distance(rows[i].a, rows[i].b), rows[i].distance);
        assert_int_equal(spelling_distance(rows[i].b, rows[i].a), rows[i].distance);
    }
}

static void test_spelling_offer_keeps_the_nearest_and_nothing_far(void **state)
{
    (void)state;
    struct spelling near = {.word = "epohcs"};
    spelling_offer(&near, "layers");
    assert_null(near.best);
    spelling_offer(&near, "epoch");
    spelling_offer(&near, "epochs");
    spelling_offer(&near, "epohs");
    assert_string_equal(near.best, "epochs");
    struct spelling brief = {.word = "lr"};
    spelling_offer(&brief, "wd");
    assert_null(brief.best);
}

static void test_spelling_excerpt_is_one_short_line(void **state)
{
    (void)state;
    char excerpt[EXCERPT_MAX], text[1024];
    assert_string_equal(spelling_excerpt("a\nb\tc\x01\x7F\xFF", excerpt), "a b c???");
    for (size_t i = 0; i < 500; i++) {
        memcpy(text + 2 * i, "\xC3\xA4", 3);
    }
    spelling_excerpt(text, excerpt);
    assert_int_equal(strlen(excerpt), 2 * 60 + 3); /* never cut inside a character */
    assert_string_equal(excerpt + 2 * 60, "...");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spelling_distance_counts_edits),
        cmocka_unit_test(test_spelling_offer_keeps_the_nearest_and_nothing_far),
        cmocka_unit_test(test_spelling_excerpt_is_one_short_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
