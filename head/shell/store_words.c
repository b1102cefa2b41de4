/* A batch as the words of one EVALSHA. Operations on one key keep their order; those on different
 * keys commute, so they are grouped by key: a call inside Redis costs more than a value. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "head/shell/store_inside.h"

struct key_chain {
    const char *key;
    uint32_t first, last; /* operations */
};

enum {
    HEAD_WORDS = 6,   /* EVALSHA sha 1 meta holder n */
    GROUP_WORDS = 3,  /* command key count */
    OP_WORDS_MAX = 2, /* field value */
    NUMBER_TEXT_MAX = 24,
};

static const struct {
    const char *command;
    bool has_field, has_value;
} op_shapes[] = {
    [OP_HSET] = {"HSET", true, true},
    [OP_HDEL] = {"HDEL", true, false},
    [OP_RPUSH] = {"RPUSH", false, true},
    [OP_DEL] = {"DEL", false, false},
};

static error_code words_reserve(struct store_words *words, const struct batch *batch,
                                size_t text_len)
{
    uint32_t n_words = HEAD_WORDS + batch->n_ops * (GROUP_WORDS + OP_WORDS_MAX);
    if (n_words > words->cap) {
        const char **more = mem_realloc(words->words, n_words * sizeof *more);
        if (more == NULL) {
            return ERR_NO_MEMORY;
        }
        words->words = more;
        size_t *lengths = mem_realloc(words->lengths, n_words * sizeof *lengths);
        if (lengths == NULL) {
            return ERR_NO_MEMORY;
        }
        words->lengths = lengths;
        words->cap = n_words;
    }
    if (text_len > words->text_cap) {
        char *text = mem_realloc(words->text, text_len);
        if (text == NULL) {
            return ERR_NO_MEMORY;
        }
        words->text = text;
        words->text_cap = text_len;
    }
    if (batch->n_ops > words->ops_cap) {
        uint32_t cap = 64;
        while (cap < batch->n_ops) {
            cap *= 2;
        }
        mem_free(words->next);
        mem_free(words->chains);
        mem_free(words->slots);
        words->next = mem_calloc(cap, sizeof *words->next);
        words->chains = mem_calloc(cap, sizeof *words->chains);
        words->slots = mem_calloc(2 * (size_t)cap, sizeof *words->slots);
        bool is_whole = words->next != NULL && words->chains != NULL && words->slots != NULL;
        words->ops_cap = is_whole ? cap : 0;
        return is_whole ? OK : ERR_NO_MEMORY;
    }
    return OK;
}

static uint32_t key_hash(const char *key)
{
    uint32_t hash = 2166136261U; /* FNV-1a */
    for (const char *c = key; *c != '\0'; c++) {
        hash = (hash ^ (uint8_t)*c) * 16777619U;
    }
    return hash;
}

/* Links each operation to the next one on its key; the number of keys. */
static uint32_t words_chain(struct store_words *words, const struct batch *batch)
{
    uint32_t mask = 2 * words->ops_cap - 1, n_chains = 0;
    memset(words->slots, 0, 2 * (size_t)words->ops_cap * sizeof *words->slots);
    for (uint32_t i = 0; i < batch->n_ops; i++) {
        const char *key = batch->ops[i].key;
        uint32_t slot = key_hash(key) & mask;
        while (words->slots[slot] != 0 &&
               strcmp(words->chains[words->slots[slot] - 1].key, key) != 0) {
            slot = (slot + 1) & mask;
        }
        words->next[i] = 0;
        if (words->slots[slot] == 0) {
            words->chains[n_chains] = (struct key_chain){key, i, i};
            words->slots[slot] = ++n_chains;
        } else {
            struct key_chain *chain = &words->chains[words->slots[slot] - 1];
            words->next[chain->last] = i + 1;
            chain->last = i;
        }
    }
    return n_chains;
}

static void word_add(struct store_words *words, const void *data, size_t len)
{
    assert(words->n < words->cap);
    words->words[words->n] = data != NULL ? data : "";
    words->lengths[words->n++] = len;
}

static void text_add(struct store_words *words, const char *text)
{
    word_add(words, text, strlen(text));
}

/* Room was counted by words_text_size(). */
static const char *text_keep(struct store_words *words, const char *one, const char *two)
{
    char *start = words->text + words->text_len;
    size_t len = strlen(one) + strlen(two);
    assert(words->text_len + len + 1 <= words->text_cap);
    (void)stpcpy(stpcpy(start, one), two);
    words->text_len += len + 1;
    return start;
}

static void number_add(struct store_words *words, uint64_t number)
{
    char text[NUMBER_TEXT_MAX];
    (void)snprintf(text, sizeof text, "%" PRIu64, number);
    text_add(words, text_keep(words, text, ""));
}

static size_t words_text_size(const char *prefix, const struct batch *batch)
{
    size_t each = strlen(prefix) + 2 + NUMBER_TEXT_MAX, size = NUMBER_TEXT_MAX;
    for (uint32_t i = 0; i < batch->n_ops; i++) {
        size += each + strlen(batch->ops[i].key);
    }
    return size;
}

/* One group: the operations of one kind that follow one another on a key. Returns the next
 * operation on that key, + 1; 0: none. */
static uint32_t group_add(struct store_words *words, const struct batch *batch, const char *key,
                          uint32_t first)
{
    store_op_kind kind = batch->ops[first].kind;
    uint64_t per_op = (op_shapes[kind].has_field ? 1U : 0U) + (op_shapes[kind].has_value ? 1U : 0U);
    uint64_t count = per_op;
    for (uint32_t at = words->next[first]; at != 0 && batch->ops[at - 1].kind == kind;
         at = words->next[at - 1]) {
        count += per_op;
    }
    text_add(words, op_shapes[kind].command);
    text_add(words, key);
    number_add(words, count);
    uint32_t at = first + 1;
    while (at != 0 && batch->ops[at - 1].kind == kind) {
        const struct store_op *op = &batch->ops[at - 1];
        if (op_shapes[kind].has_field) {
            word_add(words, op->field.data, op->field.len);
        }
        if (op_shapes[kind].has_value) {
            word_add(words, op->value.data, op->value.len);
        }
        at = words->next[at - 1];
    }
    return at;
}

error_code store_words_set(struct store_words *words, const char *prefix, const char *meta,
                           const char *holder, const struct batch *batch)
{
    if (batch->n_ops > (STORE_WORDS_MAX - HEAD_WORDS) / (GROUP_WORDS + OP_WORDS_MAX)) {
        return ERR_LIMIT;
    }
    char start[STORE_PREFIX_MAX + 2];
    (void)snprintf(start, sizeof start, "%s:", prefix);
    words->n = 0;
    words->text_len = 0;
    error_code error = words_reserve(words, batch, words_text_size(start, batch));
    if (error != OK) {
        return error;
    }
    uint32_t n_chains = batch->n_ops > 0 ? words_chain(words, batch) : 0;
    text_add(words, "EVALSHA");
    text_add(words, ""); /* the script's hash, when it is sent */
    text_add(words, "1");
    text_add(words, meta);
    text_add(words, holder);
    number_add(words, batch->n);
    for (uint32_t i = 0; i < n_chains; i++) {
        const char *key = text_keep(words, start, words->chains[i].key);
        for (uint32_t at = words->chains[i].first + 1; at != 0;) {
            at = group_add(words, batch, key, at - 1);
        }
    }
    return OK;
}

void store_words_fini(struct store_words *words)
{
    mem_free(words->words);
    mem_free(words->lengths);
    mem_free(words->text);
    mem_free(words->next);
    mem_free(words->chains);
    mem_free(words->slots);
    *words = (struct store_words){0};
}
