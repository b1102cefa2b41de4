/* Writes inputs for the fuzzers that read what our own tables encode: every message as a frame,
 * every table as bytes, and the records of a head that has a sweep, a task and two nodes. usage:
 * fuzz_seeds FOLDER */
#include <stdlib.h>
#include <sys/stat.h>

#include "../unit/schema/filler.h"
#include "head_ends.h"
#include "route_list.h"
#include "schema_list.h"

enum { ARENA_MAX = 4 << 20, SEEDS = 3 };

static void file_put(const char *folder, const char *kind, const char *name, uint64_t seed,
                     const struct buf *bytes)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, kind);
    (void)mkdir(path, 0777);
    snprintf(path, sizeof path, "%s/%s/%s-%d", folder, kind, name, (int)seed);
    FILE *file = fopen(path, "wbe");
    if (file == NULL || fwrite(bytes->data, 1, bytes->len, file) != bytes->len ||
        fclose(file) != 0) {
        perror(path);
        exit(1);
    }
}

static struct filler filler_at(struct arena *arena, uint64_t seed)
{
    struct filler f = {.arena = arena, .items_max = 2, .percent = seed == 0 ? 100 : 50};
    random_init(&f.random, seed, 0);
    return f;
}

static void frame_put(const char *folder, message_type type, uint64_t seed)
{
    struct arena arena;
    struct buf frame;
    arena_init(&arena, ARENA_MAX);
    buf_init(&frame, MSG_MAX_BYTES);
    struct filler f = filler_at(&arena, seed);
    void *message = filler_new(&f, message_schema(type));
    if (message_encode(type, message, &frame) == OK) {
        file_put(folder, "frames", message_name(type), seed, &frame);
    }
    buf_fini(&frame);
    arena_fini(&arena);
}

static void table_put(const char *folder, uint32_t number, uint64_t seed)
{
    struct arena arena;
    struct buf bytes;
    const struct schema *schema = schema_list[number];
    arena_init(&arena, ARENA_MAX);
    buf_init(&bytes, MSG_MAX_BYTES);
    struct filler f = filler_at(&arena, seed);
    void *object = filler_new(&f, schema);
    const uint8_t choice[2] = {(uint8_t)number, (uint8_t)(seed % 3)};
    error_code error = buf_append(&bytes, choice, sizeof choice);
    if (error == OK) {
        error = seed % 3 == 2 ? record_encode(schema, object, &bytes)
                              : schema_encode(schema, object, SCHEMA_VERSION, &bytes);
    }
    if (error == OK) {
        file_put(folder, "tables", schema->name, seed, &bytes);
    }
    buf_fini(&bytes);
    arena_fini(&arena);
}

/* An array of which some tasks have ended: its job, chunks and rows are among the records. */
static void array_submit(void)
{
    enum { JOB = 3, DONE = 5 };
    static const struct http_identity admin = {"admin", ROLE_ADMIN, true};
    static const struct ends_pair none[] = {{NULL, NULL}};
    static const char body[] = "{\"words\":[\"true\"],\"workdir\":\"/w\",\"cpus\":100,"
                               "\"array\":{\"first\":1,\"last\":2000,\"step\":1}}";
    ends_request(HTTP_POST, "/api/v1/jobs", none,
                 (struct bytes){(const uint8_t *)body, sizeof body - 1}, &admin, NULL);
    ends_turn(false);
    if (ends_array_done(JOB, DONE) == 0) {
        fprintf(stderr, "no task of the array was leased\n");
        exit(1);
    }
}

/* records/KEY~FIELD-N: the value. */
static void records_put(const char *folder)
{
    const char *key;
    struct bytes field, value;
    ends_open(true);
    array_submit();
    for (uint32_t i = 0; ends_stored(i, &key, &field, &value); i++) {
        char name[256];
        const struct buf bytes = {.data = (uint8_t *)(uintptr_t)value.data, .len = value.len};
        snprintf(name, sizeof name, "%s~%.*s", key, (int)field.len, (const char *)field.data);
        file_put(folder, "records", name, i, &bytes);
    }
    ends_close(true);
}

/* Days of a head as head_fuzz.c reads them: each route once, between events of what runs. The
 * number in a path, the id and the name are all one byte: 1, 1.1 and n1. */
static void days_put(const char *folder)
{
    enum { EVENT = 0, REQUEST = 4, TIME = 6, PATH_BYTE = 25, WORDS = 5 };
    for (uint32_t route = 0; route < 2 * ROUTE_LIST_COUNT; route++) {
        struct random random;
        struct buf day;
        random_init(&random, route, 0);
        buf_init(&day, 1 << 12);
        error_code error = buf_append_byte(&day, 0);
        for (uint32_t n = 0; n < 4; n++) {
            const uint8_t event[] = {EVENT,
                                     n % 2,
                                     0,
                                     0,
                                     (uint8_t)((route + n) % (EVENT_RETURNED + 1)),
                                     (uint8_t)random_below(&random, 256)};
            const uint8_t time[] = {TIME, (uint8_t)random_below(&random, 256)};
            error = buf_append(&day, event, sizeof event);
            error = n % 2 == 1 ? buf_append(&day, time, sizeof time) : error;
        }
        const uint8_t request[] = {REQUEST, (uint8_t)(route % ROUTE_LIST_COUNT), 0};
        error = buf_append(&day, request, sizeof request);
        if (strpbrk(route_list[route % ROUTE_LIST_COUNT].pattern, "#@$") != NULL) {
            error = buf_append_byte(&day, PATH_BYTE);
        }
        error = buf_append_byte(&day, route < ROUTE_LIST_COUNT ? 0 : WORDS);
        for (uint32_t n = 0; n < 4 * WORDS; n++) {
            error = buf_append_byte(&day, (uint8_t)random_below(&random, 256));
        }
        if (error == OK) {
            file_put(folder, "head", "route", route, &day);
        }
        buf_fini(&day);
    }
}

/* An event of an array, then the end of the turn. Behind an event's kind and its own byte stands
 * what its hint reads: four rows that begin somewhere, of which one may be wrong; how many go back.
 */
static error_code array_event_append(struct buf *day, uint8_t peer, struct random *random)
{
    enum { EVENT = 0, TURN = 7, HINTED = 10, ROWS = 4 };
    static const uint8_t kinds[] = {EVENT_TASKS,    EVENT_TASKS,   EVENT_TASKS,
                                    EVENT_RETURNED, EVENT_STARTED, EVENT_RESULT};
    uint8_t kind = kinds[random_below(random, sizeof kinds)];
    uint8_t wrong = (uint8_t)(252 + random_below(random, 4));
    const uint8_t event[] = {EVENT, peer, 0, 0, kind, HINTED};
    const uint8_t rows[] = {ROWS - 1, (uint8_t)random_below(random, 32), 5, 20, wrong, 33};
    const uint8_t turn[] = {TURN, 0};
    error_code error = buf_append(day, event, sizeof event);
    if (error == OK && kind == EVENT_TASKS) {
        error = buf_append(day, rows, sizeof rows);
    } else if (error == OK && kind == EVENT_RETURNED) {
        error = buf_append_byte(day, 2);
    }
    return error == OK ? buf_append(day, turn, sizeof turn) : error;
}

/* Days with a task array: leased, of which tasks end, are handed back, start or fail. */
static void array_days_put(const char *folder)
{
    enum { REQUEST = 4, TURN = 7, HELP = 0x40, DAYS = 12, EVENTS = 12 };
    uint8_t jobs = 0;
    while (route_list[jobs].method != HTTP_POST ||
           strcmp(route_list[jobs].pattern, "/api/v1/jobs") != 0) {
        jobs++;
    }
    for (uint32_t number = 0; number < DAYS; number++) {
        struct random random;
        struct buf day;
        random_init(&random, number, 1);
        buf_init(&day, 1 << 12);
        const uint8_t begin[] = {0,
                                 REQUEST,
                                 jobs,
                                 HELP,
                                 (uint8_t)random_below(&random, 256),
                                 (uint8_t)random_below(&random, 256),
                                 (uint8_t)random_below(&random, 256),
                                 1,
                                 1,
                                 0,
                                 TURN,
                                 0};
        error_code error = buf_append(&day, begin, sizeof begin);
        for (uint32_t n = 0; n < EVENTS && error == OK; n++) {
            error = array_event_append(&day, n % 2, &random);
        }
        if (error == OK) {
            file_put(folder, "head", "array", number, &day);
        }
        buf_fini(&day);
    }
}

int main(int argc, char **argv)
{
    static const message_type types[] = {
#define X(name, value, type) name,
        MESSAGE_TYPES(X)
#undef X
    };
    if (argc != 2) {
        fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return 2;
    }
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
            frame_put(argv[1], types[i], seed);
        }
        for (uint32_t i = 0; i < SCHEMA_LIST_COUNT; i++) {
            table_put(argv[1], i, seed);
        }
    }
    records_put(argv[1]);
    days_put(argv[1]);
    array_days_put(argv[1]);
    return 0;
}
