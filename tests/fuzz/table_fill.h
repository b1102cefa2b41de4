/* tests/fuzz/table_fill.h -- objects of any field table, filled from a fuzzer's bytes: what the
 * cores are fed with. A new field, message or record is filled by being in its table. Numbers are
 * mostly small, since ids, attempts and counts that exist are; the edges of their types come too.
 * Everything lives in the given arena. */
#ifndef MUSTER_TESTS_FUZZ_TABLE_FILL_H
#define MUSTER_TESTS_FUZZ_TABLE_FILL_H

#include <math.h>

#include "input.h"
#include "schema/walk.h"

/* Bytes: as many as a few of the largest fixed things that come as bytes (result rows). */
enum { FILL_ITEMS_MAX = 4, FILL_TEXT_MAX = 24, FILL_BYTES_MAX = 96 };

struct fill {
    struct fuzz_input *in;
    struct arena *arena;
};

static inline int64_t fill_integer(struct fill *f)
{
    static const int64_t edges[] = {0,         1,         -1,         INT64_MAX, INT64_MIN,
                                    INT32_MAX, INT32_MIN, UINT32_MAX, 1 << 20,   1000};
    uint8_t pick = fuzz_byte(f->in);
    if (pick < 200) {
        return pick % 12; /* things that exist count from 0 or 1 */
    }
    return pick < 230 ? edges[pick % 10] : (int64_t)fuzz_bytes(f->in, 1 + pick % 8);
}

static inline int64_t fill_magnitude(struct fill *f, const struct field *field)
{
    int64_t integer = fill_integer(f);
    int64_t max = field->type == FIELD_TIME  ? SCHEMA_TIME_MAX
                  : field->type == FIELD_I64 ? (int64_t)field->max
                                             : 0;
    return max == 0 ? integer : integer > max ? max : integer < -max ? -max : integer;
}

static inline double fill_real(struct fill *f)
{
    static const double edges[] = {0, 1, -1, 0.5, NAN, INFINITY, -INFINITY, 1e308, -0.0, 5e-324};
    return edges[fuzz_byte(f->in) % 10];
}

/* A short text of the input, or one of those that mean something. */
static inline const char *fill_text(struct fill *f, uint64_t max)
{
    static const char *const known[] = {"loss",  "n1",   "n2",    "lr", "a",       "/w",
                                        "GPU-1", "test", "local", "",   "opt=sgd", "secret"};
    uint8_t pick = fuzz_byte(f->in);
    const char *text = known[pick % 12];
    if (pick >= 128) {
        struct fuzz_input piece = fuzz_piece(f->in, max < FILL_TEXT_MAX ? max : FILL_TEXT_MAX);
        text = arena_strndup(f->arena, (const char *)piece.at, piece.left);
    }
    return text != NULL && strlen(text) <= max ? text : "";
}

/* Any bytes of the input, or a text. */
static inline struct bytes fill_bytes(struct fill *f, uint64_t max)
{
    uint8_t pick = fuzz_byte(f->in);
    if (pick < 128) {
        const char *text = pick % 2 == 0 ? "" : "secret";
        return (struct bytes){(const uint8_t *)text, strlen(text) <= max ? strlen(text) : 0};
    }
    struct fuzz_input piece = fuzz_piece(f->in, max < FILL_BYTES_MAX ? max : FILL_BYTES_MAX);
    const char *copy = arena_strndup(f->arena, (const char *)piece.at, piece.left);
    return (struct bytes){(const uint8_t *)copy, copy != NULL ? piece.left : 0};
}

static inline struct value fill_value(struct fill *f)
{
    switch (fuzz_byte(f->in) % 5) {
    case 0:
        return value_bool((fuzz_byte(f->in) & 1) != 0);
    case 1:
        return value_int(fill_integer(f));
    case 2:
        return value_real(fill_real(f));
    case 3:
        return value_str(fill_text(f, FILL_TEXT_MAX));
    default:
        return (struct value){.kind = VALUE_NULL};
    }
}

static inline void fill_object(struct fill *f, const struct schema *schema, void *object,
                               int depth);

static inline void fill_list(struct fill *f, const struct field *field, void *object, int depth)
{
    uint32_t n = fuzz_byte(f->in) % (FILL_ITEMS_MAX + 1);
    n = n > field->max ? (uint32_t)field->max : n;
    size_t size = field->type == FIELD_LIST     ? field->sub->size_bytes
                  : field->type == FIELD_STRS   ? sizeof(char *)
                  : field->type == FIELD_F64S   ? sizeof(double)
                  : field->type == FIELD_VALUES ? sizeof(struct value)
                                                : sizeof(struct named_value);
    char *items = n > 0 ? arena_calloc(f->arena, n, size) : NULL;
    for (uint32_t i = 0; items != NULL && i < n; i++) {
        void *item = items + i * size;
        if (field->type == FIELD_LIST) {
            fill_object(f, field->sub, item, depth + 1);
        } else if (field->type == FIELD_STRS) {
            *(const char **)item = fill_text(f, SCHEMA_TEXT_MAX);
        } else if (field->type == FIELD_F64S) {
            *(double *)item = fill_real(f);
        } else if (field->type == FIELD_VALUES) {
            *(struct value *)item = fill_value(f);
        } else {
            *(struct named_value *)item =
                (struct named_value){fill_text(f, SCHEMA_TEXT_MAX), fill_value(f)};
        }
    }
    n = items != NULL ? n : 0;
    memcpy(field_slot(field, object), &(void *){items}, sizeof(void *));
    memcpy((char *)object + field->count_offset, &n, sizeof n);
}

static inline void fill_field(struct fill *f, const struct field *field, void *object, int depth)
{
    void *slot = field_slot(field, object);
    switch (field->type) {
    case FIELD_BOOL:
        *(bool *)slot = (fuzz_byte(f->in) & 1) != 0;
        break;
    case FIELD_U32:
        *(uint32_t *)slot = (uint32_t)fill_integer(f);
        break;
    case FIELD_ENUM:
        *(uint32_t *)slot = fuzz_byte(f->in) % (uint32_t)field->max;
        break;
    case FIELD_U64:
    case FIELD_I64:
    case FIELD_TIME:
    case FIELD_SPAN:
        *(int64_t *)slot = fill_magnitude(f, field);
        break;
    case FIELD_F64:
        *(double *)slot = fill_real(f);
        break;
    case FIELD_STR:
        *(const char **)slot = fill_text(f, field->max);
        break;
    case FIELD_JSON:
        *(const char **)slot = "{\"a\":[1]}";
        break;
    case FIELD_BYTES:
        *(struct bytes *)slot = fill_bytes(f, field->max);
        break;
    case FIELD_TASK_ID:
        *(task_id *)slot = (task_id){1 + fuzz_byte(f->in) % 4U, 1 + fuzz_byte(f->in) % 4U};
        break;
    case FIELD_VALUE:
        *(struct value *)slot = fill_value(f);
        break;
    case FIELD_STRUCT:
        fill_object(f, field->sub, slot, depth + 1);
        break;
    case FIELD_LIST:
    case FIELD_STRS:
    case FIELD_F64S:
    case FIELD_VALUES:
    case FIELD_NAMED:
        fill_list(f, field, object, depth);
        break;
    }
}

/* `object` is zeroed before. One byte says of eight fields which are set; lists of lists end where
 * the input does. */
static inline void fill_object(struct fill *f, const struct schema *schema, void *object, int depth)
{
    uint8_t is_set = 0;
    for (uint16_t i = 0; depth < SCHEMA_DEPTH_MAX && i < schema->n_fields; i++) {
        const struct field *field = &schema->fields[i];
        is_set = i % 8 == 0 ? fuzz_byte(f->in) : (uint8_t)(is_set >> 1);
        if ((is_set & 1) != 0 || (field->flags & FIELD_REQUIRED) != 0) {
            fill_field(f, field, object, depth);
        }
    }
}

#endif
