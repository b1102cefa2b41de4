/* Reads for views: beside the batches, on the same connection, in slices, so that a long curve
 * holds up a batch by one slice at most. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "head/shell/store_inside.h"

struct store_read {
    struct list link;
    struct store *store; /* NULL: ended; only the reply that is owed is waited for */
    struct store_reader reader;
    char key[STORE_KEY_MAX];
    char cursor[24];
    char *field;    /* NULL: all of them */
    bool is_list;   /* no hash: its entries, in order */
    uint64_t index; /* of the next entry */
};

static void read_free(struct store_read *read)
{
    mem_free(read->field);
    mem_free(read);
}

/* Leaves the store's list; the memory stays until the owed reply has come. */
static void read_end(struct store_read *read, error_code code)
{
    list_remove(&read->link);
    read->store->n_reads--;
    read->store = NULL;
    read->reader.on_end(read->reader.context, code);
}

void store_reads_end(struct store *store, error_code code)
{
    while (!list_is_empty(&store->reads)) {
        read_end(list_first(&store->reads, struct store_read, link), code);
    }
}

static error_code read_ask(struct store_read *read);

static void on_field(void *context, const redisReply *reply)
{
    struct store_read *read = context;
    if (read->store != NULL) {
        bool is_value = reply != NULL && reply->type == REDIS_REPLY_STRING;
        bool is_answer = is_value || (reply != NULL && reply->type == REDIS_REPLY_NIL);
        if (is_value) {
            read->reader.on_row(read->reader.context,
                                (struct bytes){(const uint8_t *)read->field, strlen(read->field)},
                                reply_bytes(reply));
        }
        if (read->store != NULL) { /* the row's reader may have closed the store */
            read_end(read, is_answer ? OK : ERR_UNREACHABLE);
        }
    }
    read_free(read);
}

/* After a slice: the next one is asked for and owns the read, or it ends. */
static void read_go_on(struct store_read *read, bool has_more)
{
    if (read->store != NULL && has_more) {
        error_code error = read_ask(read);
        if (error == OK) {
            return;
        }
        if (read->store != NULL) {
            read_end(read, error);
        }
    } else if (read->store != NULL) {
        read_end(read, OK);
    }
    read_free(read);
}

static void on_entries(void *context, const redisReply *reply)
{
    struct store_read *read = context;
    bool is_answer = reply != NULL && reply->type == REDIS_REPLY_ARRAY;
    if (read->store != NULL && !is_answer) {
        read_end(read, ERR_UNREACHABLE);
    }
    for (size_t i = 0; is_answer && i < reply->elements && read->store != NULL; i++) {
        read->reader.on_row(read->reader.context, (struct bytes){0},
                            reply_bytes(reply->element[i]));
    }
    read->index += is_answer ? reply->elements : 0;
    read_go_on(read, is_answer && reply->elements == STORE_SLICE);
}

static bool slice_is_valid(const redisReply *reply)
{
    return reply != NULL && reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 &&
           reply->element[1]->type == REDIS_REPLY_ARRAY && reply->element[1]->elements % 2 == 0;
}

static void on_slice(void *context, const redisReply *reply)
{
    struct store_read *read = context;
    if (read->store != NULL && !slice_is_valid(reply)) {
        read_end(read, ERR_UNREACHABLE);
    }
    if (read->store == NULL) {
        read_free(read);
        return;
    }
    const redisReply *fields = reply->element[1];
    for (size_t i = 0; i + 1 < fields->elements && read->store != NULL; i += 2) {
        read->reader.on_row(read->reader.context, reply_bytes(fields->element[i]),
                            reply_bytes(fields->element[i + 1]));
    }
    reply_copy(reply->element[0], read->cursor, sizeof read->cursor);
    read_go_on(read, strcmp(read->cursor, "0") != 0);
}

static error_code read_ask(struct store_read *read)
{
    char count[16], first[24], last[24];
    (void)snprintf(count, sizeof count, "%d", STORE_SLICE);
    (void)snprintf(first, sizeof first, "%" PRIu64, read->index);
    (void)snprintf(last, sizeof last, "%" PRIu64, read->index + STORE_SLICE - 1);
    const char *slice[] = {"HSCAN", read->key, read->cursor, "COUNT", count};
    const char *field[] = {"HGET", read->key, read->field};
    const char *entries[] = {"LRANGE", read->key, first, last};
    bool is_field = read->field != NULL;
    const char **words = read->is_list ? entries : is_field ? field : slice;
    size_t n_words = read->is_list ? 4 : is_field ? 3 : 5, lengths[5];
    for (size_t i = 0; i < n_words; i++) {
        lengths[i] = strlen(words[i]);
    }
    if (read->store->link == NULL) {
        return ERR_UNREACHABLE;
    }
    return redis_link_send(read->store->link, words, lengths, n_words,
                           read->is_list ? on_entries
                           : is_field    ? on_field
                                         : on_slice,
                           read);
}

static error_code read_start(struct store *store, const char *key, const char *field, bool is_list,
                             const struct store_reader *reader)
{
    if (store->phase != PHASE_READY || store->link == NULL) {
        return ERR_UNREACHABLE;
    }
    if (store->n_reads >= STORE_READS_MAX) {
        return ERR_BUSY;
    }
    struct store_read *read = mem_zalloc(sizeof *read);
    if (read == NULL) {
        return ERR_NO_MEMORY;
    }
    list_init(&read->link);
    read->store = store;
    read->reader = *reader;
    read->is_list = is_list;
    (void)strcpy(read->cursor, "0");
    int size = snprintf(read->key, sizeof read->key, "%s:%s", store->prefix, key);
    error_code error = size < STORE_KEY_MAX ? OK : ERR_LIMIT;
    if (error == OK && field != NULL) {
        read->field = mem_strdup(field);
        error = read->field != NULL ? OK : ERR_NO_MEMORY;
    }
    if (error == OK) {
        error = read_ask(read);
    }
    if (error != OK) {
        read_free(read);
        return error == ERR_CLOSED ? ERR_UNREACHABLE : error;
    }
    list_push_back(&store->reads, &read->link);
    store->n_reads++;
    return OK;
}

error_code store_read_rows(struct store *store, const char *key, const struct store_reader *reader)
{
    return read_start(store, key, NULL, false, reader);
}

error_code store_read_field(struct store *store, const char *key, const char *field,
                            const struct store_reader *reader)
{
    return read_start(store, key, field, false, reader);
}

error_code store_read_list(struct store *store, const char *key, const struct store_reader *reader)
{
    return read_start(store, key, NULL, true, reader);
}
