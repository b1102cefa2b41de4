/* What a Redis may answer: bytes through hiredis' own reader, each reply to whoever of the store
 * asked next. The store is the shipped one, from its first question to batches and reads; in place
 * of the socket stand the functions of head/shell/redis_link.h. A pause that it asks for is over at
 * once. The first byte chooses what kind of store it is. */
#include <hiredis/hiredis.h>
#include <stdio.h>

#include "head/core/core.h"
#include "head/shell/store_inside.h"
#include "input.h"

enum { WAITING_MAX = 512, ROUNDS_MAX = 400, RETRIES_MAX = 20 };

/* ---- the connection ---- */

struct redis_link {
    struct redis_link_handlers handlers;
    struct {
        redis_reply_fn *on_reply;
        void *context;
    } waiting[WAITING_MAX];
    uint32_t first, n;
};

static struct redis_link *open_link; /* the last one, NULL: none */

error_code redis_link_open(uv_loop_t *loop, const struct redis_target *target,
                           const struct redis_link_handlers *handlers, struct redis_link **ret_link,
                           struct report *report)
{
    (void)loop;
    (void)target;
    (void)report;
    assert(open_link == NULL);
    struct redis_link *link = calloc(1, sizeof *link);
    assert(link != NULL);
    link->handlers = *handlers;
    *ret_link = open_link = link;
    return OK;
}

static void reply_give(struct redis_link *link, const redisReply *reply)
{
    uint32_t at = link->first++ % WAITING_MAX;
    link->n--;
    link->waiting[at].on_reply(link->waiting[at].context, reply);
}

static void link_end(struct redis_link *link)
{
    open_link = NULL;
    while (link->n > 0) {
        reply_give(link, NULL);
    }
}

void redis_link_close(struct redis_link *link)
{
    if (link != NULL) {
        link_end(link);
        free(link);
    }
}

/* It was lost: what is owed comes to nothing, then the store is told. */
static void link_lose(struct redis_link *link)
{
    struct redis_link_handlers handlers = link->handlers;
    link_end(link);
    handlers.on_down(handlers.context, "the connection was lost");
    free(link);
}

error_code redis_link_send(struct redis_link *link, const char *const *words, const size_t *lengths,
                           size_t n_words, redis_reply_fn *on_reply, void *context)
{
    size_t bytes = 0;
    if (link != open_link) {
        return ERR_CLOSED;
    }
    for (size_t i = 0; i < n_words; i++) {
        for (size_t k = 0; k < lengths[i]; k++) {
            bytes += (uint8_t)words[i][k]; /* read by the sanitizer */
        }
    }
    assert(n_words > 0 && bytes > 0 && link->n < WAITING_MAX);
    uint32_t at = (link->first + link->n++) % WAITING_MAX;
    link->waiting[at].on_reply = on_reply;
    link->waiting[at].context = context;
    return OK;
}

/* ---- the head ---- */

static struct day {
    struct store *store;
    struct core *core;
    struct batch batch;
    bool is_loaded, is_failed, is_closed;
    uint32_t rows, batches, reads, ends;
} day;

/* Of all inputs together: loaded stores, records, batches that were answered, reads that ended
 * well.
 */
static struct {
    uint64_t loads, rows, batches, reads;
} reached;

static void on_state(void *context, const char *state, const char *why)
{
    (void)context;
    assert(state[0] != '\0' && why != NULL);
}

static void core_renew(void)
{
    const struct core_config config = {.version = "t", .cluster = "c", .state_dir = "/s"};
    core_free(day.core);
    day.core = NULL;
    (void)fuzz_must(core_new(&config, &day.core) == OK);
}

static void on_load(void *context, const struct store_info *info)
{
    (void)context;
    assert(info->policy != NULL && info->server_version != NULL);
    core_renew();
}

static error_code on_record(void *context, const char *table, struct bytes field,
                            struct bytes value, struct report *report)
{
    (void)context;
    day.rows++;
    if (day.core == NULL) {
        return ERR_NO_MEMORY;
    }
    if (strcmp(table, "meta") == 0) {
        char name[32] = "", text[256] = "";
        memcpy(name, field.data, field.len < sizeof name - 1 ? field.len : sizeof name - 1);
        memcpy(text, value.data, value.len < sizeof text - 1 ? value.len : sizeof text - 1);
        return core_load_meta(day.core, name, text);
    }
    return core_load_record(day.core, table, field, value, report);
}

static error_code on_log(void *context, uint32_t sweep, uint64_t index, struct bytes value,
                         struct report *report)
{
    (void)context;
    (void)index;
    return day.core != NULL ? core_load_log(day.core, sweep, value, report) : ERR_NO_MEMORY;
}

/* What was read is a cluster, or is refused with a reason. */
static void on_loaded(void *context)
{
    struct report report = {0};
    (void)context;
    day.is_loaded = true;
    reached.loads++;
    reached.rows += day.rows;
    error_code error = day.core != NULL ? core_load_done(day.core, 1000000, &report) : OK;
    if (day.core != NULL && error == OK) {
        core_turn_end(day.core, 1000000);
        if (core_failed(day.core) == OK) {
            core_check(day.core);
        }
    }
    assert(error == OK || report.text[0] != '\0' || error == ERR_NO_MEMORY);
}

static void on_batch(void *context, uint64_t n)
{
    (void)context;
    assert(n == day.batch.n);
    day.batches++;
    reached.batches++;
}

static void on_failed(void *context, error_code code, const char *why)
{
    (void)context;
    assert(code != OK && why[0] != '\0');
    day.is_failed = true;
}

static void on_row(void *context, struct bytes field, struct bytes value)
{
    (void)context;
    day.rows += (uint32_t)(field.len + value.len);
}

static void on_end(void *context, error_code code)
{
    (void)context;
    day.ends++;
    reached.reads += code == OK;
}

static void on_closed(void *context)
{
    (void)context;
    day.is_closed = true;
}

/* Something to do while nobody is waited for. */
static void day_ask(void)
{
    static const struct store_op ops[] = {
        {OP_HSET, "tasks", {(const uint8_t *)"1.1", 3}, {(const uint8_t *)"x", 1}},
        {OP_RPUSH, "log:1", {NULL, 0}, {(const uint8_t *)"y", 1}},
        {OP_HDEL, "tasks", {(const uint8_t *)"1.2", 3}, {NULL, 0}},
    };
    const struct store_reader reader = {NULL, on_row, on_end};
    if (!store_is_sending(day.store)) {
        day.batch = (struct batch){.n = day.store->n + 1, .ops = ops, .n_ops = 3, .size_bytes = 64};
        store_send(day.store, &day.batch);
    }
    error_code error = day.reads % 3 == 0 ? store_read_rows(day.store, "rows:1.1", &reader)
                       : day.reads % 3 == 1
                           ? store_read_field(day.store, "attempts", "1.1:0", &reader)
                           : store_read_list(day.store, "res:1.0", &reader);
    day.reads += error == OK ? 1 : 0;
    store_memory_ask(day.store);
}

static bool day_open(uint8_t kind)
{
    const struct store_config config = {
        .unix_path = "/run/redis.sock",
        .user = (kind & 2) != 0 ? "muster" : NULL,
        .password = (kind & 2) != 0 ? "p" : NULL,
        .database = (kind & 4) != 0 ? 3 : 0,
        .is_embedded = (kind & 1) == 0,
        .name = "h",
        .owner = "o",
    };
    const struct store_handlers handlers = {
        .on_state = on_state,
        .on_load = on_load,
        .on_record = on_record,
        .on_log = on_log,
        .on_loaded = on_loaded,
        .on_batch = on_batch,
        .on_failed = on_failed,
    };
    struct report report = {0};
    memset(&day, 0, sizeof day);
    return fuzz_must(store_open(uv_default_loop(), &config, &handlers, &day.store, &report) == OK);
}

/* Time until the store does something by itself. */
static bool day_wait(void)
{
    store_step_fn *step = day.store->retry_step;
    if (step == NULL || !uv_is_active((uv_handle_t *)&day.store->retry)) {
        return false;
    }
    (void)uv_timer_stop(&day.store->retry);
    day.store->retry_step = NULL;
    step(day.store);
    return true;
}

static void day_run(redisReader *reader)
{
    int waits = 0;
    for (int round = 0; round < ROUNDS_MAX && !day.is_failed; round++) {
        void *reply = NULL;
        if (open_link == NULL || open_link->n == 0) {
            if (day.store->phase == PHASE_READY) {
                day_ask();
            }
            bool is_idle = open_link == NULL || open_link->n == 0;
            if (is_idle && (waits++ > RETRIES_MAX || !day_wait())) {
                return;
            }
            continue;
        }
        /* No reply any more: the server hangs up. */
        bool is_reply = redisReaderGetReply(reader, &reply) == REDIS_OK && reply != NULL;
        if (!is_reply) {
            link_lose(open_link);
            return;
        }
        reply_give(open_link, reply);
        freeReplyObject(reply);
    }
}

/* hiredis makes room for as many elements as an array says that it has, before one of them came.
 * The server is ours, and what it may lie about is bounded by that library alone. */
static bool has_huge_array(const uint8_t *data, size_t size)
{
    enum { DIGITS_MAX = 6 };
    size_t digits = DIGITS_MAX + 1; /* more: no array's count is being read */
    for (size_t i = 0; i < size; i++) {
        bool is_digit = data[i] >= '0' && data[i] <= '9';
        digits = data[i] == '*'                     ? 0
                 : is_digit && digits <= DIGITS_MAX ? digits + 1
                                                    : DIGITS_MAX + 2;
        if (is_digit && digits == DIGITS_MAX + 1) {
            return true;
        }
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || has_huge_array(data, size) || !day_open(data[0])) {
        return 0;
    }
    redisReader *reader = redisReaderCreate();
    assert(reader != NULL);
    (void)redisReaderFeed(reader, (const char *)data + 1, size - 1);
    day_run(reader);
    redisReaderFree(reader);
    store_close(day.store, on_closed, NULL);
    (void)uv_run(uv_default_loop(), UV_RUN_DEFAULT);
    assert(day.is_closed && day.ends == day.reads && open_link == NULL);
    core_free(day.core);
    return 0;
}

bool fuzz_corpus_reached(void)
{
    printf("stores loaded %llu, with records %llu; batches %llu, reads %llu\n",
           (unsigned long long)reached.loads, (unsigned long long)reached.rows,
           (unsigned long long)reached.batches, (unsigned long long)reached.reads);
    return reached.rows > 0 && reached.batches > 0 && reached.reads > 0;
}
