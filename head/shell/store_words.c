/* A batch as the words of one EVALSHA. Operations on one key keep their order; those on different
 * keys commute, so they are grouped by key: a call inside Redis costs more than a value. For the
 * same reason the type of a key is looked at once a connection: at each batch, one of 512 keys
 * would take Redis half as long again. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "head/shell/store_inside.h"

struct key_chain {
    const char *key;
    uint32_t first, last; /* operations */
    bool is_known;        /* its type was looked at */
};

enum {
    HEAD_WORDS = 7,   /* EVALSHA sha 1 meta holder n count */
    LOOK_WORDS = 2,   /* types key */
    GROUP_WORDS = 3,  /* command key count */
    OP_WORDS_MAX = 2, /* field value */
    NUMBER_TEXT_MAX = 24,
    KNOWN_SETS =
        2048, /* a power of two; a key that others pushed out of its set is looked at again */
    KNOWN_IN_SET = 4,
};

static const struct {
    const char *command;
    bool has_field, has_value;
    const char *types; /* that its key may be of, as Redis calls them */
} op_shapes[] = {
    [OP_HSET] = {"HSET", true, true, "none hash"},
    [OP_HDEL] = {"HDEL", true, false, "none hash"},
    [OP_RPUSH] = {"RPUSH", false, true, "none list"},
    [OP_DEL] = {"DEL", false, false, "none hash list"},
};

static error_code words_reserve(struct store_words *words, const struct batch *batch,
                                size_t text_len)
{
    uint32_t n_words = HEAD_WORDS + batch->n_ops * (LOOK_WORDS + GROUP_WORDS + OP_WORDS_MAX);
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
    if (words->known == NULL) {
        words->known = mem_calloc((size_t)KNOWN_SETS * KNOWN_IN_SET, sizeof *words->known);
        if (words->known == NULL) {
            return ERR_NO_MEMORY;
        }
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

static uint64_t key_hash(const char *key)
{
    uint64_t hash = 14695981039346656037U; /* FNV-1a */
    for (const char *c = key; *c != '\0'; c++) {
        hash = (hash ^ (uint8_t)*c) * 1099511628211U;
    }
    return hash;
}

/* Whether it was known; it is from now on, the first of its few. */
static bool key_know(struct store_words *words, uint64_t hash)
{
    uint64_t *few = &words->known[(hash & (KNOWN_SETS - 1)) * KNOWN_IN_SET];
    uint64_t pushed = hash;
    for (uint32_t i = 0; i < KNOWN_IN_SET; i++) {
        uint64_t was = few[i];
        few[i] = pushed;
        if (was == hash) {
            return true;
        }
        pushed = was;
    }
    return false;
}

/* Links each operation to the next one on its key; the number of keys. */
static uint32_t words_chain(struct store_words *words, const struct batch *batch)
{
    uint32_t mask = 2 * words->ops_cap - 1, n_chains = 0;
    memset(words->slots, 0, 2 * (size_t)words->ops_cap * sizeof *words->slots);
    for (uint32_t i = 0; i < batch->n_ops; i++) {
        const char *key = batch->ops[i].key;
        uint64_t hash = key_hash(key);
        uint32_t slot = (uint32_t)hash & mask;
        while (words->slots[slot] != 0 &&
               strcmp(words->chains[words->slots[slot] - 1].key, key) != 0) {
            slot = (slot + 1) & mask;
        }
        words->next[i] = 0;
        if (words->slots[slot] == 0) {
            words->chains[n_chains] = (struct key_chain){key, i, i, key_know(words, hash)};
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
    size_t each = strlen(prefix) + 2 + NUMBER_TEXT_MAX, size = 2 * NUMBER_TEXT_MAX;
    for (uint32_t i = 0; i < batch->n_ops; i++) {
        size += each + strlen(batch->ops[i].key);
    }
    return size;
}

/* What says most of a key's type: a DEL says least. */
static store_op_kind chain_kind(const struct store_words *words, const struct batch *batch,
                                const struct key_chain *chain)
{
    uint32_t at = chain->first + 1;
    while (words->next[at - 1] != 0 && batch->ops[at - 1].kind == OP_DEL) {
        at = words->next[at - 1];
    }
    return batch->ops[at - 1].kind;
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

/* Keys get their prefix, and those that are not known are to be looked at. */
static void looks_add(struct store_words *words, const struct batch *batch, uint32_t n_chains,
                      const char *prefix)
{
    uint32_t n_looks = 0;
    for (uint32_t i = 0; i < n_chains; i++) {
        words->chains[i].key = text_keep(words, prefix, words->chains[i].key);
        n_looks += words->chains[i].is_known ? 0 : 1;
    }
    number_add(words, n_looks);
    for (uint32_t i = 0; i < n_chains; i++) {
        const struct key_chain *chain = &words->chains[i];
        if (!chain->is_known) {
            text_add(words, op_shapes[chain_kind(words, batch, chain)].types);
            text_add(words, chain->key);
        }
    }
}

error_code store_words_set(struct store_words *words, const char *prefix, const char *meta,
                           const char *holder, const struct batch *batch)
{
    if (batch->n_ops > (STORE_WORDS_MAX - HEAD_WORDS) / (LOOK_WORDS + GROUP_WORDS + OP_WORDS_MAX)) {
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
    looks_add(words, batch, n_chains, start);
    for (uint32_t i = 0; i < n_chains; i++) {
        for (uint32_t at = words->chains[i].first + 1; at != 0;) {
            at = group_add(words, batch, words->chains[i].key, at - 1);
        }
    }
    return OK;
}

void store_words_forget(struct store_words *words)
{
    if (words->known != NULL) {
        memset(words->known, 0, (size_t)KNOWN_SETS * KNOWN_IN_SET * sizeof *words->known);
    }
}

void store_words_fini(struct store_words *words)
{
    mem_free(words->words);
    mem_free(words->lengths);
    mem_free(words->text);
    mem_free(words->next);
    mem_free(words->chains);
    mem_free(words->slots);
    mem_free(words->known);
    *words = (struct store_words){0};
}
