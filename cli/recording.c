#include "cli/recording.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "spec/types.h"

enum { COLUMNS_MAX = SPEC_PARAMETERS_MAX + 64, DECIMAL = 10 };

static const char STEP[] = "from_step", PREFIX[] = "params.";

/* ---- a list of {step, params} ---- */

/* Takes `params`. */
static void step_add(json_t *steps, json_int_t step, json_t *params)
{
    size_t n = json_array_size(steps);
    const json_t *last = n > 0 ? json_array_get(steps, n - 1) : NULL;
    if (last != NULL && json_integer_value(json_object_get(last, "step")) == step) {
        json_array_remove(steps, n - 1);
    }
    json_array_append_new(steps, json_pack("{s:I, s:o}", "step", step, "params", params));
}

static error_code steps_write(const json_t *steps, struct buf *ret_steps)
{
    char *text = json_dumps(steps, JSON_COMPACT);
    error_code error = text == NULL ? ERR_NO_MEMORY : buf_append(ret_steps, text, strlen(text));
    free(text);
    return error;
}

/* ---- json ---- */

static error_code items_take(const json_t *items, json_t *steps, struct report *report)
{
    size_t i;
    json_t *item;
    json_array_foreach(items, i, item)
    {
        json_t *params = json_object_get(item, "params"), *step = json_object_get(item, STEP);
        if (!json_is_object(params) || !(json_is_integer(step) || json_is_null(step))) {
            return report_fail(report, ERR_INVALID, "item %zu has no %s and params", i + 1, STEP);
        }
        step_add(steps, json_integer_value(step), json_incref(params));
    }
    return OK;
}

static error_code json_read(const char *text, size_t length, json_t *steps, struct report *report)
{
    json_error_t wrong;
    json_t *root = json_loadb(text, length, JSON_REJECT_DUPLICATES, &wrong);
    const json_t *items = json_object_get(root, "items");
    error_code error;
    if (root == NULL) {
        error = report_fail_at(report, ERR_INVALID, (uint32_t)wrong.line, (uint32_t)wrong.column,
                               "no JSON: %s", wrong.text);
    } else if (!json_is_array(items)) {
        error = report_fail(report, ERR_INVALID, "the JSON has no list `items`");
    } else {
        error = items_take(items, steps, report);
    }
    json_decref(root);
    return error;
}

/* ---- csv ---- */

struct csv {
    const char *at, *end;
    uint32_t line;
    struct buf cell;
    bool is_quoted, is_last; /* of the cell; it ends its row */
};

/* The next cell: quoted ones may hold commas, quotes and line ends. */
static void csv_cell(struct csv *csv)
{
    bool is_inside = false;
    buf_reset(&csv->cell);
    csv->is_quoted = csv->at < csv->end && *csv->at == '"';
    for (; csv->at < csv->end; csv->at++) {
        char c = *csv->at;
        if (c == '"' && is_inside && csv->at + 1 < csv->end && csv->at[1] == '"') {
            csv->at++;
        } else if (c == '"' && csv->is_quoted) {
            is_inside = !is_inside;
            continue;
        } else if (!is_inside && (c == ',' || c == '\n')) {
            break;
        } else if (!is_inside && c == '\r') {
            continue;
        }
        csv->line += c == '\n';
        ignore_error(buf_append(&csv->cell, &c, 1), "sticky");
    }
    csv->is_last = csv->at >= csv->end || *csv->at == '\n';
    csv->line += csv->at < csv->end && *csv->at == '\n';
    csv->at += csv->at < csv->end;
}

/* A number, true or false where that is what it says, else a text. */
static json_t *cell_value(const char *text)
{
    json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);
    if (json_is_number(value) || json_is_boolean(value)) {
        return value;
    }
    json_decref(value);
    return json_string(text);
}

static error_code header_read(struct csv *csv, char *names[], uint32_t *ret_n,
                              struct report *report)
{
    uint32_t n = 0;
    bool has_step = false;
    do {
        csv_cell(csv);
        if (n == COLUMNS_MAX) {
            return report_fail(report, ERR_LIMIT, "more than %d columns", COLUMNS_MAX);
        }
        names[n] = mem_strdup(buf_text(&csv->cell));
        if (names[n] == NULL) {
            return ERR_NO_MEMORY;
        }
        has_step = has_step || strcmp(names[n], STEP) == 0;
        *ret_n = ++n;
    } while (!csv->is_last);
    return has_step ? OK
                    : report_fail_at(report, ERR_INVALID, 1, 1,
                                     "the csv has no column %s; write it with `muster sweep export "
                                     "N --schedule --file FILE`",
                                     STEP);
}

/* An empty cell: the trial had no such parameter then, or, of the step, it began from nothing. */
static error_code row_read(struct csv *csv, char *const names[], uint32_t n, json_t *steps,
                           struct report *report)
{
    uint32_t line = csv->line, i = 0;
    json_int_t step = 0;
    error_code error = OK;
    json_t *params = json_object();
    do {
        csv_cell(csv);
        const char *text = buf_text(&csv->cell), *name = i < n ? names[i] : "";
        char *rest = NULL;
        if (text[0] == '\0' && !csv->is_quoted) {
            continue;
        }
        if (strcmp(name, STEP) == 0) {
            step = strtoll(text, &rest, DECIMAL);
            if (*rest != '\0' && error == OK) {
                error = report_fail_at(report, ERR_INVALID, line, 1, "%s is no step", text);
            }
        } else if (strncmp(name, PREFIX, strlen(PREFIX)) == 0) {
            json_object_set_new(params, name + strlen(PREFIX),
                                csv->is_quoted ? json_string(text) : cell_value(text));
        }
    } while (i++, !csv->is_last);
    if (error == OK && i != n) {
        error = report_fail_at(report, ERR_INVALID, line, 1, "%u cells under %u columns", i, n);
    }
    if (error == OK) {
        step_add(steps, step, params);
    } else {
        json_decref(params);
    }
    return error;
}

static error_code csv_read(const char *text, size_t length, json_t *steps, struct report *report)
{
    char *names[COLUMNS_MAX];
    uint32_t n = 0;
    struct csv csv = {.at = text, .end = text + length, .line = 1};
    buf_init(&csv.cell, SPEC_TEXT_MAX_BYTES);
    error_code error = header_read(&csv, names, &n, report);
    while (error == OK && csv.at < csv.end) {
        error = row_read(&csv, names, n, steps, report);
    }
    if (error == OK && csv.cell.failed != OK) {
        error = report_fail(report, csv.cell.failed, "a cell of more than %d bytes",
                            SPEC_TEXT_MAX_BYTES);
    }
    for (uint32_t i = 0; i < n; i++) {
        mem_free(names[i]);
    }
    buf_fini(&csv.cell);
    return error;
}

/* ---- the file ---- */

error_code recording_parse(const char *text, size_t length, struct buf *ret_steps,
                           struct report *report)
{
    json_t *steps = json_array();
    size_t blank = strspn(text, " \t\r\n");
    error_code error = blank < length && text[blank] == '{' ? json_read(text, length, steps, report)
                                                            : csv_read(text, length, steps, report);
    if (error == OK) {
        error = steps_write(steps, ret_steps);
    }
    json_decref(steps);
    return error;
}

int recording_read(const char *path, struct buf *ret_steps)
{
    struct report report = {0};
    FILE *stream = fopen(path, "re");
    if (stream == NULL) {
        return cli_fail(EXIT_USAGE, "schedule.from: %s cannot be read: %s", path, strerror(errno));
    }
    char *text = mem_alloc(SPEC_FILE_MAX_BYTES + 2);
    size_t length = text != NULL ? fread(text, 1, SPEC_FILE_MAX_BYTES + 1, stream) : 0;
    bool has_failed = text == NULL || ferror(stream) != 0 || length > SPEC_FILE_MAX_BYTES;
    fclose(stream);
    if (has_failed) {
        mem_free(text);
        return cli_fail(EXIT_USAGE, "schedule.from: %s cannot be read, or is larger than 1 MiB",
                        path);
    }
    text[length] = '\0';
    error_code error = recording_parse(text, length, ret_steps, &report);
    mem_free(text);
    snprintf(report.file, sizeof report.file, "%s", path);
    return error == OK ? EXIT_OK : cli_fail_report(EXIT_USAGE, &report);
}
