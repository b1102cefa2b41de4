/* lib/base/random: Philox4x32-10 against the known answers of Random123 (kat_vectors), and the
 * streams made of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"

static void test_random_philox_known_answers(void **state)
{
    (void)state;
    static const struct {
        uint32_t counter[4], key[2], words[4];
    } rows[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint32_t words[4];
        random_philox(rows[i].counter, rows[i].key, words);
        assert_memory_equal(words, rows[i].words, sizeof words);
    }
}

static void test_random_same_seed_and_stream_draw_the_same(void **state)
{
    (void)state;
    struct random a, b, other_stream, other_seed;
    random_init(&a, 17, 3);
    random_init(&b, 17, 3);
    random_init(&other_stream, 17, 4);
    random_init(&other_seed, 18, 3);
    int equal_stream = 0, equal_seed = 0;
    for (int i = 0; i < 1000; i++) {
        uint32_t word = random_u32(&a);
        assert_int_equal(word, random_u32(&b));
        equal_stream += word == random_u32(&other_stream);
        equal_seed += word == random_u32(&other_seed);
    }
    assert_true(equal_stream < 3);
    assert_true(equal_seed < 3);
}

static void test_random_copy_forks_the_stream(void **state)
{
    (void)state;
    struct random a;
    random_init(&a, 1, 2);
    (void)random_u32(&a);
    struct random b = a;
    for (int i = 0; i < 50; i++) {
        assert_true(random_u64(&a) == random_u64(&b));
    }
}

static void test_random_position_carries_into_the_second_word(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 1, 2);
    random.counter[0] = UINT32_MAX;
    (void)random_u32(&random);
    assert_int_equal(random.counter[0], 0);
    assert_int_equal(random.counter[1], 1);
    assert_int_equal(random.counter[2], 2); /* the stream stays */
}

static void test_random_unit_fills_its_range(void **state)
{
    (void)state;
    enum { N = 100000, BINS = 10 };
    struct random random;
    int bins[BINS] = {0};
    double sum = 0;
    random_init(&random, 5, 0);
    for (int i = 0; i < N; i++) {
        double unit = random_unit(&random);
        assert_true(unit >= 0.0 && unit < 1.0);
        bins[(int)(unit * BINS)]++;
        sum += unit;
    }
    assert_true(sum / N > 0.495 && sum / N < 0.505);
    for (int i = 0; i < BINS; i++) {
        assert_true(bins[i] > N / BINS - 600 && bins[i] < N / BINS + 600); /* six sigma */
    }
}

static void test_random_below_is_in_range_and_reaches_all(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 6, 0);
    for (uint64_t bound = 1; bound < 20; bound++) {
        uint32_t seen = 0;
        for (int i = 0; i < 1000; i++) {
            uint64_t value = random_below(&random, bound);
            assert_true(value < bound);
            seen |= 1U << value;
        }
        assert_int_equal(seen, (1U << bound) - 1);
    }
    assert_true(random_below(&random, UINT64_MAX) < UINT64_MAX);
    assert_true(random_below(&random, (1ULL << 63) + 1) <= 1ULL << 63);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_philox_known_answers),
        cmocka_unit_test(test_random_same_seed_and_stream_draw_the_same),
        cmocka_unit_test(test_random_copy_forks_the_stream),
        cmocka_unit_test(test_random_position_carries_into_the_second_word),
        cmocka_unit_test(test_random_unit_fills_its_range),
        cmocka_unit_test(test_random_below_is_in_range_and_reaches_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
