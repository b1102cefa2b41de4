/* tests/unit/schema/filler.h -- objects made from the tables themselves: filled with random
 * contents, compared field by field. One thread; everything lives in the given arena. */
#ifndef MUSTER_TESTS_SCHEMA_FILLER_H
#define MUSTER_TESTS_SCHEMA_FILLER_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/random.h"
#include "schema/api.h"
#include "schema/walk.h"

static const struct schema *const filler_schemas[] = {
#define X(name, value, type) &type##_schema,
    MESSAGE_TYPES(X)
#undef X
        & record_sweep_schema,
    &record_job_schema,
    &record_task_schema,
    &record_attempt_schema,
    &record_node_schema,
    &record_log_schema,
    &record_chunk_schema,
    &metric_rows_schema,
    &order_schema,
    &snapshot_ref_schema,
    &api_trial_schema,
    &api_task_schema,
    &api_job_schema,
    &api_sweep_schema,
    &api_node_schema,
    &api_status_schema,
    &api_event_schema,
    &api_metric_schema,
    &api_error_schema,
    &api_point_schema,
    &set_aside_schema,
    &api_checkpoint_schema,
    &api_set_aside_schema,
    &api_failure_schema,
};
enum { FILLER_SCHEMAS = sizeof filler_schemas / sizeof filler_schemas[0] };

struct filler {
    struct random random;
    struct arena *arena;
    uint32_t items_max; /* of a list; at least 1 */
    unsigned percent;   /* of the fields that are set; 100: every one, to something that is not its
                           default */
};

static inline uint32_t filler_below(struct filler *f, uint32_t bound)
{
    return (uint32_t)random_below(&f->random, bound);
}

static inline char *filler_text(struct filler *f, uint64_t max)
{
    size_t n = 1 + filler_below(f, max > 12 ? 12 : (uint32_t)max);
    char *text = arena_alloc(f->arena, n + 1);
    assert_non_null(text);
    for (size_t i = 0; i < n; i++) {
        text[i] = (char)(1 + filler_below(f, 255));
    }
    return text;
}

static inline double filler_real(struct filler *f)
{
    static const double special[] = {NAN, INFINITY, -INFINITY, -0.0, 5e-324, 1.5};
    uint32_t pick = filler_below(f, 12);
    return pick < 6 ? special[pick] : random_unit(&f->random) * 2e6 - 1e6;
}

static inline int64_t filler_integer(struct filler *f)
{
    static const int64_t special[] = {INT64_MIN, INT64_MAX, -1, 1, -128, 127, 255, 65536};
    uint32_t pick = filler_below(f, 16);
    int64_t integer =
        pick < 8 ? special[pick] : (int64_t)(random_u64(&f->random) >> filler_below(f, 60));
    return integer != 0 ? integer : 1;
}

static inline int64_t filler_magnitude(struct filler *f, const struct field *field)
{
    int64_t integer = filler_integer(f);
    int64_t max = field->type == FIELD_TIME ? SCHEMA_TIME_MAX : (int64_t)field->max;
    int64_t bounded = max > 0 ? integer % (max + 1) : integer;
    return bounded != 0 ? bounded : 1;
}

static inline struct value filler_value(struct filler *f, bool may_be_null)
{
    switch (filler_below(f, may_be_null ? 5 : 4)) {
    case 0:
        return value_bool(filler_below(f, 2) == 1);
    case 1:
        return value_int(filler_integer(f));
    case 2:
        return value_real(filler_real(f));
    case 3:
        return value_str(filler_text(f, 100));
    default:
        return (struct value){.kind = VALUE_NULL};
    }
}

static void filler_fill(struct filler *f, const struct schema *schema, void *object);

static inline void filler_list(struct filler *f, const struct field *field, void *object)
{
    uint32_t n = 1 + filler_below(f, f->items_max);
    n = n > field->max ? (uint32_t)field->max : n;
    size_t size = field->type == FIELD_LIST ? field->sub->size_bytes : sizeof(struct named_value);
    char *items = arena_calloc(f->arena, n, size);
    assert_non_null(items);
    for (uint32_t i = 0; i < n; i++) {
        if (field->type == FIELD_LIST) {
            filler_fill(f, field->sub, items + i * size);
        } else if (field->type == FIELD_STRS) {
            ((const char **)(void *)items)[i] = filler_text(f, SCHEMA_TEXT_MAX);
        } else if (field->type == FIELD_F64S) {
            ((double *)(void *)items)[i] = filler_real(f);
        } else if (field->type == FIELD_VALUES) {
            ((struct value *)(void *)items)[i] =
                filler_below(f, 8) == 0 ? value_none() : filler_value(f, true);
        } else {
            ((struct named_value *)(void *)items)[i] =
                (struct named_value){filler_text(f, SCHEMA_TEXT_MAX), filler_value(f, true)};
        }
    }
    memcpy(field_slot(field, object), &(void *){items}, sizeof(void *));
    memcpy((char *)object + field->count_offset, &n, sizeof n);
}

static inline void filler_field(struct filler *f, const struct field *field, void *object)
{
    void *slot = field_slot(field, object);
    switch (field->type) {
    case FIELD_BOOL:
        *(bool *)slot = true;
        break;
    case FIELD_U32:
        *(uint32_t *)slot = 1 + filler_below(f, UINT32_MAX);
        break;
    case FIELD_ENUM:
        *(uint32_t *)slot = 1 + filler_below(f, (uint32_t)field->max - 1);
        break;
    case FIELD_U64:
        *(uint64_t *)slot = (uint64_t)filler_integer(f);
        break;
    case FIELD_I64:
    case FIELD_TIME:
    case FIELD_SPAN:
        *(int64_t *)slot = filler_magnitude(f, field);
        break;
    case FIELD_F64:
        *(double *)slot = filler_real(f);
        break;
    case FIELD_STR:
        *(const char **)slot = filler_text(f, field->max);
        break;
    case FIELD_JSON:
        *(const char **)slot = "{\"a\":[1]}";
        break;
    case FIELD_BYTES: {
        const char *text = filler_text(f, field->max);
        *(struct bytes *)slot = (struct bytes){(const uint8_t *)text, strlen(text)};
        break;
    }
    case FIELD_TASK_ID:
        *(task_id *)slot = (task_id){1 + filler_below(f, UINT32_MAX), 1 + filler_below(f, 1000)};
        break;
    case FIELD_VALUE:
        *(struct value *)slot = filler_value(f, false);
        break;
    case FIELD_STRUCT:
        filler_fill(f, field->sub, slot);
        break;
    case FIELD_LIST:
    case FIELD_STRS:
    case FIELD_F64S:
    case FIELD_VALUES:
    case FIELD_NAMED:
        filler_list(f, field, object);
        break;
    }
}

/* What the tables' own checks ask for. */
static inline void filler_agree(struct filler *f, const struct schema *schema, void *object)
{
    if (strcmp(schema->name, "metric_rows") == 0) {
        struct metric_rows *rows = object;
        for (uint32_t i = 0; i < rows->n_rows; i++) {
            struct metric_row *row = (struct metric_row *)(uintptr_t)&rows->rows[i];
            double *values = arena_calloc(f->arena, rows->n_names + 1, sizeof *values);
            for (uint32_t k = 0; k < rows->n_names; k++) {
                values[k] = filler_real(f);
            }
            row->values = rows->n_names > 0 ? values : NULL;
            row->n_values = rows->n_names;
        }
    }
    if (schema == &record_task_schema) {
        struct record_task *task = object;
        uint32_t n =
            task->n_metric_names < task->n_last_values ? task->n_metric_names : task->n_last_values;
        task->n_metric_names = task->n_last_values = n;
    }
}

/* `object` is zeroed before. */
static void filler_fill(struct filler *f, const struct schema *schema, void *object)
{
    for (uint16_t i = 0; i < schema->n_fields; i++) {
        const struct field *field = &schema->fields[i];
        bool is_set = (field->flags & FIELD_REQUIRED) != 0 || filler_below(f, 100) < f->percent;
        if (is_set) {
            filler_field(f, field, object);
        }
    }
    filler_agree(f, schema, object);
}

/* ---- comparing ---- */

static inline bool filler_text_equal(const struct field *field, const char *a, const char *b)
{
    if ((field->flags & FIELD_NEVER_NULL) != 0) {
        a = a != NULL ? a : "";
        b = b != NULL ? b : "";
    }
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool filler_equal(const struct schema *schema, const void *a, const void *b);

static inline bool filler_list_equal(const struct field *field, const void *a, const void *b)
{
    uint32_t n = field_count(field, a);
    const void *x = field_items(field, a), *y = field_items(field, b);
    bool is_equal = n == field_count(field, b);
    for (uint32_t i = 0; i < n && is_equal; i++) {
        if (field->type == FIELD_LIST) {
            size_t at = (size_t)i * field->sub->size_bytes;
            is_equal = filler_equal(field->sub, (const char *)x + at, (const char *)y + at);
        } else if (field->type == FIELD_STRS) {
            is_equal = strcmp(((const char *const *)x)[i], ((const char *const *)y)[i]) == 0;
        } else if (field->type == FIELD_F64S) {
            is_equal =
                value_equal(value_real(((const double *)x)[i]), value_real(((const double *)y)[i]));
        } else if (field->type == FIELD_VALUES) {
            is_equal = value_equal(((const struct value *)x)[i], ((const struct value *)y)[i]);
        } else {
            const struct named_value *p = (const struct named_value *)x + i;
            const struct named_value *q = (const struct named_value *)y + i;
            is_equal = strcmp(p->name, q->name) == 0 && value_equal(p->value, q->value);
        }
    }
    return is_equal;
}

static inline bool filler_field_equal(const struct field *field, const void *a, const void *b)
{
    const void *x = field_at(field, a), *y = field_at(field, b);
    switch (field->type) {
    case FIELD_BOOL:
        return *(const bool *)x == *(const bool *)y;
    case FIELD_U32:
    case FIELD_ENUM:
        return *(const uint32_t *)x == *(const uint32_t *)y;
    case FIELD_U64:
    case FIELD_I64:
    case FIELD_TIME:
    case FIELD_SPAN:
    case FIELD_F64:
        return memcmp(x, y, 8) == 0;
    case FIELD_STR:
    case FIELD_JSON:
        return filler_text_equal(field, field_text(field, a), field_text(field, b));
    case FIELD_BYTES: {
        const struct bytes *p = x, *q = y;
        return p->len == q->len && (p->len == 0 || memcmp(p->data, q->data, p->len) == 0);
    }
    case FIELD_TASK_ID:
        return task_id_equal(*(const task_id *)x, *(const task_id *)y);
    case FIELD_VALUE:
        return value_equal(*(const struct value *)x, *(const struct value *)y);
    case FIELD_STRUCT:
        return filler_equal(field->sub, x, y);
    case FIELD_LIST:
    case FIELD_STRS:
    case FIELD_F64S:
    case FIELD_VALUES:
    case FIELD_NAMED:
        return filler_list_equal(field, a, b);
    }
    return false;
}

static bool filler_equal(const struct schema *schema, const void *a, const void *b)
{
    for (uint16_t i = 0; i < schema->n_fields; i++) {
        if (!filler_field_equal(&schema->fields[i], a, b)) {
            print_error("%s.%s differs\n", schema->name, schema->fields[i].name);
            return false;
        }
    }
    return true;
}

static inline void *filler_new(struct filler *f, const struct schema *schema)
{
    void *object = arena_alloc(f->arena, schema->size_bytes);
    assert_non_null(object);
    filler_fill(f, schema, object);
    return object;
}

#endif
