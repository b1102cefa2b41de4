/* Sorting of lists: numbers as numbers, ids by their parts, what is empty or no number last. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/list.h"

struct sorted {
    json_t *item;
    const json_t *value;
    size_t place; /* equal ones stay as they were */
};

static bool is_last(const json_t *value)
{
    const char *text = json_string_value(value);
    return value == NULL || json_is_null(value) ||
           (text != NULL && (text[0] == '\0' || strcmp(text, "nan") == 0)) ||
           (json_is_array(value) && json_array_size(value) == 0);
}

/* Infinities are words in JSON. */
static bool number_of(const json_t *value, double *ret_number)
{
    const char *text = json_string_value(value);
    if (json_is_number(value) || json_is_boolean(value)) {
        *ret_number = json_is_boolean(value) ? json_is_true(value) : json_number_value(value);
        return true;
    }
    if (text != NULL && (strcmp(text, "inf") == 0 || strcmp(text, "-inf") == 0)) {
        *ret_number = text[0] == '-' ? -INFINITY : INFINITY;
        return true;
    }
    return false;
}

static int compare_numbers(double a, double b)
{
    return a < b ? -1 : a > b;
}

static int compare_texts(const json_t *a, const json_t *b)
{
    struct buf left, right;
    buf_init(&left, 64 << 20);
    buf_init(&right, 64 << 20);
    (void)csv_value_text(a, &left);
    (void)csv_value_text(b, &right);
    int order = strverscmp(buf_text(&left), buf_text(&right));
    buf_fini(&left);
    buf_fini(&right);
    return order;
}

static int compare(const void *a_, const void *b_)
{
    const struct sorted *a = a_, *b = b_;
    double left, right;
    if (number_of(a->value, &left) && number_of(b->value, &right)) {
        return compare_numbers(left, right);
    }
    return compare_texts(a->value, b->value);
}

static int compare_up(const void *a_, const void *b_)
{
    const struct sorted *a = a_, *b = b_;
    bool a_last = is_last(a->value), b_last = is_last(b->value);
    int order = a_last || b_last ? a_last - b_last : compare(a, b);
    return order != 0 ? order : a->place < b->place ? -1 : 1;
}

static int compare_down(const void *a_, const void *b_)
{
    const struct sorted *a = a_, *b = b_;
    bool a_last = is_last(a->value), b_last = is_last(b->value);
    int order = a_last || b_last ? a_last - b_last : compare(b, a);
    return order != 0 ? order : a->place < b->place ? -1 : 1;
}

void items_sort(json_t *items, const char *path, bool is_descending)
{
    size_t n = json_array_size(items);
    struct sorted *sorted = mem_calloc(n + 1, sizeof *sorted);
    if (sorted == NULL) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        sorted[i].item = json_incref(json_array_get(items, i));
        sorted[i].value = column_get(sorted[i].item, path);
        sorted[i].place = i;
    }
    qsort(sorted, n, sizeof *sorted, is_descending ? compare_down : compare_up);
    json_array_clear(items);
    for (size_t i = 0; i < n; i++) {
        json_array_append_new(items, sorted[i].item);
    }
    mem_free(sorted);
}
