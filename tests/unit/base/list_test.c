/* lib/base/list: order, removal inside a loop, nodes on no list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/list.h"

struct item {
    int number;
    struct list link;
};

static void assert_numbers(struct list *list, const char *wanted)
{
    char got[16];
    size_t n = 0;
    list_each (list, struct item, link, item) {
        got[n++] = (char)('0' + item->number);
    }
    got[n] = '\0';
    assert_string_equal(got, wanted);
}

static void test_list_push_front_back_and_before(void **state)
{
    (void)state;
    struct list list;
    struct item a = {.number = 1}, b = {.number = 2}, c = {.number = 3};
    list_init(&list);
    assert_true(list_is_empty(&list));
    assert_null(list_first(&list, struct item, link));
    list_push_back(&list, &b.link);
    list_push_front(&list, &a.link);
    list_insert_before(&b.link, &c.link);
    assert_numbers(&list, "132");
    assert_ptr_equal(list_first(&list, struct item, link), &a);
    assert_false(list_is_empty(&list));
}

static void test_list_remove_twice_is_harmless(void **state)
{
    (void)state;
    struct list list;
    struct item a = {.number = 1}, b = {.number = 2};
    list_init(&list);
    list_push_back(&list, &a.link);
    list_push_back(&list, &b.link);
    list_remove(&a.link);
    list_remove(&a.link);
    assert_numbers(&list, "2");
    assert_true(list_is_empty(&a.link));
    list_remove(&b.link);
    assert_true(list_is_empty(&list));
}

static void test_list_each_the_item_may_leave(void **state)
{
    (void)state;
    struct list list, odd;
    struct item items[6];
    list_init(&list);
    list_init(&odd);
    for (int i = 0; i < 6; i++) {
        items[i].number = i;
        list_push_back(&list, &items[i].link);
    }
    list_each (&list, struct item, link, item) {
        if (item->number % 2 == 1) {
            list_remove(&item->link);
            list_push_back(&odd, &item->link);
        }
    }
    assert_numbers(&list, "024");
    assert_numbers(&odd, "135");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list_push_front_back_and_before),
        cmocka_unit_test(test_list_remove_twice_is_harmless),
        cmocka_unit_test(test_list_each_the_item_may_leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
