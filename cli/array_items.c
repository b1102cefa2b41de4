#include "cli/array_items.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "spec/array_text.h"

/* The file `items` while it is written. */
struct writing {
    struct array_items *items;
    const char *name; /* of what is read, for people */
    FILE *to;
    uint64_t bytes;
    uint32_t count;
};

static const char *name_of(const char *path)
{
    return strcmp(path, "-") == 0 ? "stdin" : path;
}

static FILE *source_open(const char *path)
{
    if (strcmp(path, "-") == 0) {
        return stdin;
    }
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        cli_fail(EXIT_USAGE, "%s cannot be read: %s", path, strerror(errno));
    }
    return file;
}

static void source_close(FILE *file)
{
    if (file != NULL && file != stdin) {
        fclose(file);
    }
}

static int writing_begin(struct writing *writing, const char *path, struct array_items *items)
{
    char file[PATH_MAX];
    const char *tmp = getenv("TMPDIR");
    *items = (struct array_items){0};
    *writing = (struct writing){.items = items, .name = name_of(path)};
    snprintf(items->folder, sizeof items->folder, "%s/muster-items.XXXXXX",
             tmp != NULL && tmp[0] == '/' ? tmp : "/tmp");
    if (mkdtemp(items->folder) == NULL) {
        int code = cli_fail(EXIT_REQUEST, "%s cannot be made: %s", items->folder, strerror(errno));
        items->folder[0] = '\0';
        return code;
    }
    snprintf(file, sizeof file, "%.4000s/items", items->folder);
    writing->to = fopen(file, "wxe");
    return writing->to != NULL
               ? EXIT_OK
               : cli_fail(EXIT_REQUEST, "%s cannot be written: %s", file, strerror(errno));
}

/* The next task's line. `number`: of the line or value in what is read, from 1. */
static int writing_add(struct writing *writing, const char *text, size_t size, uint64_t number)
{
    if (size > ARRAY_LINE_MAX_BYTES) {
        return cli_fail(EXIT_USAGE,
                        "%s:%llu: %zu bytes are more than a task can be given (%d); put them into "
                        "a file and give its name",
                        writing->name, (unsigned long long)number, size, ARRAY_LINE_MAX_BYTES);
    }
    if (memchr(text, '\0', size) != NULL) {
        return cli_fail(EXIT_USAGE, "%s:%llu: a zero byte cannot be given to a command",
                        writing->name, (unsigned long long)number);
    }
    if (writing->count == ARRAY_TASKS_MAX) {
        return cli_fail(EXIT_USAGE, "%s: a task array has at most %d tasks", writing->name,
                        ARRAY_TASKS_MAX);
    }
    writing->bytes += size + 1;
    if (writing->bytes > ARRAY_ITEMS_MAX_BYTES) {
        return cli_fail(EXIT_USAGE, "%s: more than %d MiB", writing->name,
                        ARRAY_ITEMS_MAX_BYTES >> 20);
    }
    if (writing->count++ == 0) {
        writing->items->first = strndup(text, size);
    }
    bool is_good = fwrite(text, 1, size, writing->to) == size && fputc('\n', writing->to) != EOF;
    return is_good ? EXIT_OK
                   : cli_fail(EXIT_REQUEST, "%s cannot be written: %s", writing->items->folder,
                              strerror(errno));
}

static int writing_end(struct writing *writing, int code)
{
    if (writing->to != NULL && fclose(writing->to) != 0 && code == EXIT_OK) {
        code = cli_fail(EXIT_REQUEST, "%s cannot be written: %s", writing->items->folder,
                        strerror(errno));
    }
    if (code != EXIT_OK) {
        array_items_fini(writing->items);
    }
    return code;
}

/* ---- lines ---- */

static int lines_write(struct writing *writing, FILE *from, struct array_ids wanted,
                       uint64_t *ret_lines)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t size;
    uint64_t number = 0;
    int code = EXIT_OK;
    while (code == EXIT_OK && (size = getline(&line, &cap, from)) >= 0) {
        uint32_t position;
        number++;
        size -= size > 0 && line[size - 1] == '\n';
        size -= size > 0 && line[size - 1] == '\r'; /* as editors elsewhere end lines */
        if (wanted.step == 0 ||
            (number <= UINT32_MAX && array_position_of(wanted, (uint32_t)number, &position))) {
            code = writing_add(writing, line, (size_t)size, number);
        }
    }
    if (code == EXIT_OK && ferror(from)) {
        code = cli_fail(EXIT_USAGE, "%s cannot be read: %s", writing->name, strerror(errno));
    }
    free(line);
    *ret_lines = number;
    return code;
}

int array_items_of_lines(const char *path, struct array_ids wanted, struct array_items *ret_items)
{
    struct writing writing;
    uint64_t lines = 0;
    FILE *from = source_open(path);
    if (from == NULL) {
        return EXIT_USAGE;
    }
    int code = writing_begin(&writing, path, ret_items);
    code = code == EXIT_OK ? lines_write(&writing, from, wanted, &lines) : code;
    source_close(from);
    if (code == EXIT_OK && lines == 0) {
        code =
            cli_fail(EXIT_USAGE, "%s is empty: there is no line to make a task of", writing.name);
    } else if (code == EXIT_OK && wanted.step > 0 && lines < wanted.last) {
        code = cli_fail(EXIT_USAGE, "%s has %llu line%s; --array asks for line %u", writing.name,
                        (unsigned long long)lines, lines == 1 ? "" : "s", wanted.last);
    }
    ret_items->ids = wanted.step > 0 ? wanted : (struct array_ids){1, writing.count, 1};
    return writing_end(&writing, code);
}

/* ---- JSON ---- */

static int values_write(struct writing *writing, const json_t *values)
{
    struct buf text;
    size_t i;
    json_t *value;
    int code = EXIT_OK;
    buf_init(&text, ARRAY_ITEMS_MAX_BYTES);
    json_array_foreach((json_t *)(uintptr_t)values, i, value)
    {
        buf_reset(&text);
        code = cli_json_append(&text, value) == OK
                   ? writing_add(writing, (const char *)text.data, text.len, i + 1)
                   : cli_fail(EXIT_REQUEST, "out of memory");
        if (code != EXIT_OK) {
            break;
        }
    }
    buf_fini(&text);
    return code;
}

int array_items_of_json(const char *path, struct array_items *ret_items)
{
    struct writing writing;
    json_error_t error;
    FILE *from = source_open(path);
    if (from == NULL) {
        return EXIT_USAGE;
    }
    json_t *values = json_loadf(from, JSON_DECODE_ANY, &error);
    source_close(from);
    int code = EXIT_OK;
    if (values == NULL) {
        code = cli_fail(EXIT_USAGE, "%s:%d:%d: no JSON: %s", name_of(path), error.line,
                        error.column, error.text);
    } else if (!json_is_array(values)) {
        code = cli_fail(EXIT_USAGE, "%s: the JSON is no array; a task is made of each value of one",
                        name_of(path));
    } else if (json_array_size(values) == 0) {
        code = cli_fail(EXIT_USAGE,
                        "%s: the JSON array is empty: there is no value to make a task "
                        "of",
                        name_of(path));
    }
    if (code == EXIT_OK) {
        code = writing_begin(&writing, path, ret_items);
        code = code == EXIT_OK ? values_write(&writing, values) : code;
        ret_items->ids = (struct array_ids){1, writing.count, 1};
        code = writing_end(&writing, code);
    }
    json_decref(values);
    return code;
}

/* ---- sending ---- */

int array_items_pack(const struct cli *cli, struct array_items *items)
{
    const struct workdir_spec spec = {.mode = WORKDIR_SNAPSHOT,
                                      .max_bytes = ARRAY_ITEMS_MAX_BYTES + (1 << 20)};
    int code = cli_work_pack(cli, items->folder, &spec, &items->work);
    items->work.key = "items";
    return code;
}

void array_items_fini(struct array_items *items)
{
    char file[PATH_MAX];
    cli_work_fini(&items->work);
    free(items->first);
    if (items->folder[0] != '\0') {
        snprintf(file, sizeof file, "%.4000s/items", items->folder);
        unlink(file);
        rmdir(items->folder);
    }
    *items = (struct array_items){0};
}
