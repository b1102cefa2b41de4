/* The evidence of an attempt's end has the node where it ran and the last bytes that it wrote. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "head/shell/logs.h"
#include "head/shell/store.h"

enum { TAILS_ARENA_MAX = 1 << 20 };

struct tails_reading {
    struct head *head;
    uint64_t request; /* the follow's, which may end meanwhile */
    uint32_t attempt;
    bool was_asked; /* the node was tried already */
};

static struct follow *reading_follow(const struct tails_reading *reading)
{
    struct follows *follows = reading->head->follows;
    for (int i = 0; i < FOLLOWS_MAX; i++) {
        struct follow *follow = &follows->rows[i];
        if (follow->request == reading->request && follow->attempt == reading->attempt &&
            follow->place == LOG_PLACE_READING) {
            return follow;
        }
    }
    return NULL;
}

static void tails_write(struct head *head, struct follow *follow,
                        const struct attempt_result *result)
{
    const struct bytes tails[2] = {result->out_tail, result->err_tail};
    for (int i = 0; i < 2; i++) {
        const struct follow_stream *stream = &follow->streams[i];
        struct bytes tail = tails[i];
        if (!stream->is_wanted || stream->offset > 0) {
            continue; /* What came from the node itself is not told twice. */
        }
        if (stream->has_tail && stream->tail < tail.len) {
            tail.data += tail.len - stream->tail;
            tail.len = (size_t)stream->tail;
        }
        if (!follow_write(head, follow, tail)) {
            return;
        }
    }
}

static void on_tails(void *context, struct bytes field, struct bytes value)
{
    struct tails_reading *reading = context;
    struct head *head = reading->head;
    struct follow *follow = reading_follow(reading);
    struct arena arena;
    struct record_attempt record;
    (void)field;
    if (follow == NULL || head->http == NULL) {
        return;
    }
    arena_init(&arena, TAILS_ARENA_MAX);
    if (record_decode(&record_attempt_schema, value, &arena, &record, NULL) == OK) {
        snprintf(follow->node, sizeof follow->node, "%s", record.node != NULL ? record.node : "");
        if (!reading->was_asked && core_node_peer(head->core, follow->node) != 0) {
            follow->place = LOG_PLACE_NODE;
        } else {
            tails_write(head, follow, &record.result);
        }
    }
    arena_fini(&arena);
}

static void on_tails_end(void *context, error_code code)
{
    struct tails_reading *reading = context;
    struct follow *follow = reading_follow(reading);
    (void)code; /* What cannot be read now is as good as not there: the note says so. */
    if (follow != NULL && reading->head->http != NULL) {
        follow->place = LOG_PLACE_TAILS;
        loop_again(reading->head->loop);
    }
    mem_free(reading);
}

void tails_read(struct head *head, struct follow *follow)
{
    char field[TASK_ID_TEXT_MAX + 16], text[TASK_ID_TEXT_MAX];
    struct tails_reading *reading = mem_zalloc(sizeof *reading);
    snprintf(field, sizeof field, "%s:%" PRIu32, task_id_print(follow->id, text), follow->attempt);
    if (reading != NULL) {
        *reading =
            (struct tails_reading){head, follow->request, follow->attempt, follow->away_since != 0};
        struct store_reader reader = {reading, on_tails, on_tails_end};
        if (store_read_field(head->store, "attempts", field, &reader) == OK) {
            return;
        }
        mem_free(reading);
    }
    follow->place = LOG_PLACE_TAILS;
}
