/* A request's shape: what may be asked, and the canonical form by which equal requests are found to
 * be equal. */
#include <stdlib.h>
#include <string.h>

#include "scheduler/state.h"

enum { CLASS_KEY_MAX_BYTES = 4 << 20 };

static error_code require_check(const struct require *require)
{
    if ((unsigned)require->op > REQUIRE_EXISTS || require->label == NULL) {
        return ERR_INVALID;
    }
    if (require->n_values > SPEC_CHOICES_MAX) {
        return ERR_LIMIT;
    }
    return (require->op == REQUIRE_EXISTS) == (require->n_values == 0) ? OK : ERR_INVALID;
}

error_code scheduler_request_check(const struct request *request)
{
    if (request->n_custom > SPEC_CUSTOM_MAX || request->n_require > SPEC_REQUIRE_MAX ||
        request->n_prefer > SPEC_PREFER_MAX || request->nodes > SCHEDULER_GANG_MAX) {
        return ERR_LIMIT;
    }
    if ((unsigned)request->place > PLACE_SPREAD || request->cpus < 0 || request->gpus < 0 ||
        (request->gpus > AMOUNT_ONE && request->gpus % AMOUNT_ONE != 0)) {
        return ERR_INVALID;
    }
    for (uint32_t i = 0; i < request->n_custom; i++) {
        if (request->custom[i].name == NULL || request->custom[i].amount < 0) {
            return ERR_INVALID;
        }
        for (uint32_t k = 0; k < i; k++) {
            if (strcmp(request->custom[i].name, request->custom[k].name) == 0) {
                return ERR_INVALID;
            }
        }
    }
    error_code error = OK;
    for (uint32_t i = 0; i < request->n_require && error == OK; i++) {
        error = require_check(&request->require[i]);
    }
    for (uint32_t i = 0; i < request->n_prefer && error == OK; i++) {
        error = require_check(&request->prefer[i]);
    }
    return error;
}

static int text_compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int custom_compare(const void *a, const void *b)
{
    const struct custom_amount *x = a, *y = b;
    return strcmp(x->name, y->name);
}

static int require_compare(const void *a, const void *b)
{
    const struct require *x = a, *y = b;
    int order = strcmp(x->label, y->label);
    if (order == 0) {
        order = (x->op > y->op) - (x->op < y->op);
    }
    if (order == 0) {
        order = (x->n_values > y->n_values) - (x->n_values < y->n_values);
    }
    for (uint32_t i = 0; order == 0 && i < x->n_values; i++) {
        order = strcmp(x->values[i], y->values[i]);
    }
    return order;
}

/* Where the arrays and then the strings of a class go, behind its struct. */
struct class_space {
    const char **values;
    char *text;
};

static size_t requires_size_bytes(const struct require *require, uint32_t n)
{
    size_t size = n * sizeof *require;
    for (uint32_t i = 0; i < n; i++) {
        size += strlen(require[i].label) + 1;
        for (uint32_t k = 0; k < require[i].n_values; k++) {
            size += sizeof(char *) + strlen(require[i].values[k]) + 1;
        }
    }
    return size;
}

static size_t class_size_bytes(const struct request *request)
{
    size_t size = sizeof(struct scheduler_class) + request->n_custom * sizeof(struct custom_amount);
    for (uint32_t i = 0; i < request->n_custom; i++) {
        size += strlen(request->custom[i].name) + 1;
    }
    return size + requires_size_bytes(request->require, request->n_require) +
           requires_size_bytes(request->prefer, request->n_prefer);
}

static const char *class_text_copy(struct class_space *space, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = memcpy(space->text, text, size);
    space->text += size;
    return copy;
}

/* "== a" and "in (a)" are one demand, and so are "!= a" and "not in (a)". */
static void class_require_copy(struct class_space *space, const struct require *from,
                               struct require *to)
{
    static const require_op canonical[] = {
        [REQUIRE_EQUAL] = REQUIRE_IN,      [REQUIRE_NOT_EQUAL] = REQUIRE_NOT_IN,
        [REQUIRE_IN] = REQUIRE_IN,         [REQUIRE_NOT_IN] = REQUIRE_NOT_IN,
        [REQUIRE_EXISTS] = REQUIRE_EXISTS,
    };
    const char **values = space->values;
    space->values += from->n_values;
    for (uint32_t k = 0; k < from->n_values; k++) {
        values[k] = class_text_copy(space, from->values[k]);
    }
    qsort(values, from->n_values, sizeof *values, text_compare);
    *to = (struct require){.op = canonical[from->op],
                           .label = class_text_copy(space, from->label),
                           .values = values,
                           .n_values = from->n_values};
}

static uint32_t values_count(const struct require *require, uint32_t n)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < n; i++) {
        count += require[i].n_values;
    }
    return count;
}

static void class_request_copy(struct scheduler_class *cls, const struct request *request)
{
    struct custom_amount *custom = (struct custom_amount *)(void *)(cls + 1);
    struct require *require = (struct require *)(void *)(custom + request->n_custom);
    struct require *prefer = require + request->n_require;
    struct class_space space = {.values = (const char **)(void *)(prefer + request->n_prefer)};
    space.text = (char *)(space.values + values_count(request->require, request->n_require) +
                          values_count(request->prefer, request->n_prefer));
    uint32_t n_custom = 0;
    for (uint32_t i = 0; i < request->n_custom; i++) {
        if (request->custom[i].amount > 0) {
            custom[n_custom++] = (struct custom_amount){
                class_text_copy(&space, request->custom[i].name), request->custom[i].amount};
        }
    }
    for (uint32_t i = 0; i < request->n_require; i++) {
        class_require_copy(&space, &request->require[i], &require[i]);
    }
    for (uint32_t i = 0; i < request->n_prefer; i++) {
        class_require_copy(&space, &request->prefer[i], &prefer[i]); /* in their order */
    }
    qsort(custom, n_custom, sizeof *custom, custom_compare);
    qsort(require, request->n_require, sizeof *require, require_compare);
    cls->request = (struct request){.cpus = request->cpus,
                                    .gpus = request->gpus,
                                    .memory_bytes = request->memory_bytes,
                                    .custom = custom,
                                    .n_custom = n_custom,
                                    .require = require,
                                    .n_require = request->n_require,
                                    .prefer = prefer,
                                    .n_prefer = request->n_prefer,
                                    .place = request->place,
                                    .nodes = request_nodes(request)};
}

static void key_number(struct buf *key, uint64_t number)
{
    ignore_error(buf_append(key, &number, sizeof number), "sticky");
}

static void key_text(struct buf *key, const char *text)
{
    ignore_error(buf_append(key, text, strlen(text) + 1), "sticky");
}

static void key_requires(struct buf *key, const struct require *requires, uint32_t n)
{
    key_number(key, n);
    for (uint32_t i = 0; i < n; i++) {
        const struct require *require = &requires[i];
        key_text(key, require->label);
        key_number(key, (uint64_t)require->op);
        key_number(key, require->n_values);
        for (uint32_t k = 0; k < require->n_values; k++) {
            key_text(key, require->values[k]);
        }
    }
}

static void class_key_write(struct scheduler_class *cls, uint64_t group)
{
    const struct request *request = &cls->request;
    struct buf *key = &cls->key;
    key_number(key, group);
    key_number(key, (uint64_t)request->place);
    key_number(key, request->nodes);
    key_number(key, (uint64_t)request->cpus);
    key_number(key, (uint64_t)request->gpus);
    key_number(key, request->memory_bytes);
    key_number(key, request->n_custom);
    for (uint32_t i = 0; i < request->n_custom; i++) {
        key_text(key, request->custom[i].name);
        key_number(key, (uint64_t)request->custom[i].amount);
    }
    key_requires(key, request->require, request->n_require);
    key_requires(key, request->prefer, request->n_prefer);
}

error_code scheduler_class_make(const struct request *request, uint64_t group,
                                struct scheduler_class **ret_class)
{
    struct scheduler_class *cls = mem_zalloc(class_size_bytes(request));
    if (cls == NULL) {
        return ERR_NO_MEMORY;
    }
    list_init(&cls->link);
    list_init(&cls->group_link);
    buf_init(&cls->key, CLASS_KEY_MAX_BYTES);
    class_request_copy(cls, request);
    class_key_write(cls, group);
    if (cls->key.failed != OK) {
        error_code error = cls->key.failed;
        scheduler_class_destroy(cls);
        return error;
    }
    *ret_class = cls;
    return OK;
}

void scheduler_class_destroy(struct scheduler_class *cls)
{
    if (cls != NULL) {
        buf_fini(&cls->key);
        mem_free(cls);
    }
}
