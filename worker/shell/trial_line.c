#include "worker/shell/trial_line.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "worker/shell/trial_report.h"

enum { STEP_REAL_MAX = 1 << 30 };

/* ---- numbers that JSON does not have ---- */

static const struct word {
    const char *text;
    const char *value; /* as JSON */
} number_words[] = {
    {"nan", "\"nan\""},      {"-nan", "\"nan\""},       {"+nan", "\"nan\""},
    {"infinity", "\"inf\""}, {"-infinity", "\"-inf\""}, {"+infinity", "\"inf\""},
    {"inf", "\"inf\""},      {"-inf", "\"-inf\""},      {"+inf", "\"inf\""},
};

static const struct word *number_word(const uint8_t *text, size_t len)
{
    for (size_t i = 0; i < sizeof number_words / sizeof number_words[0]; i++) {
        if (strlen(number_words[i].text) == len &&
            strncasecmp(number_words[i].text, (const char *)text, len) == 0) {
            return &number_words[i];
        }
    }
    return NULL;
}

static size_t word_length(const uint8_t *text, size_t len)
{
    size_t n = len > 0 && (text[0] == '-' || text[0] == '+') ? 1 : 0;
    while (n < len && isalpha(text[n])) {
        n++;
    }
    return n;
}

/* A copy of the line with every bare NaN and Infinity outside of strings in quotes. */
static error_code numbers_quote(struct bytes text, struct buf *ret_text)
{
    bool is_string = false;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.data[i];
        if (is_string && byte == '\\' && i + 1 < text.len) {
            ignore_error(buf_append(ret_text, text.data + i, 2), "sticky");
            i++;
            continue;
        }
        if (byte == '"') {
            is_string = !is_string;
        }
        size_t n = is_string ? 0 : word_length(text.data + i, text.len - i);
        const struct word *word = n > 0 ? number_word(text.data + i, n) : NULL;
        if (word != NULL) {
            ignore_error(buf_append_text(ret_text, word->value), "sticky");
            i += n - 1;
        } else if (n > 1) {
            ignore_error(buf_append(ret_text, text.data + i, n), "sticky");
            i += n - 1;
        } else {
            ignore_error(buf_append_byte(ret_text, byte), "sticky");
        }
    }
    return ret_text->failed;
}

/* ---- what goes wrong ---- */

static void line_bad(struct trial_line *line, const char *error, const char *format, ...)
    PRINTF_LIKE(3, 4);

static void line_bad(struct trial_line *line, const char *error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    ignore_error(vsnprintf(line->error_text, sizeof line->error_text, format, arguments) < 0,
                 "stays empty");
    va_end(arguments);
    line->request = (struct trainer_request){
        .kind = TRAINER_BAD, .error = error, .error_text = line->error_text};
}

/* ---- one function a request ---- */

static bool step_read(struct trial_line *line, const json_t *body, const char *what)
{
    const json_t *step = json_object_get(body, "step");
    double real = json_is_real(step) ? json_real_value(step) : 0.5;
    if (json_is_integer(step)) {
        line->request.step = json_integer_value(step);
    } else if (real == floor(real) && fabs(real) <= STEP_REAL_MAX) {
        line->request.step = (int64_t)real;
    } else {
        line_bad(line, "bad_json", "%s needs a step, a whole number", what);
        return false;
    }
    return true;
}

/* What cannot be one is larger than any. */
static uint32_t rank_number(const json_t *root, const char *key)
{
    const json_t *number = json_object_get(root, key);
    json_int_t value = number != NULL ? json_integer_value(number) : 0;
    bool is_fit = number == NULL || (json_is_integer(number) && value >= 0 && value < UINT32_MAX);
    return is_fit ? (uint32_t)value : UINT32_MAX;
}

static void read_hello(struct trial_line *line, const json_t *body, const json_t *root)
{
    static const struct {
        const char *word;
        uint32_t bit;
    } abilities[] = {
        {"checkpoint", CAN_CHECKPOINT}, {"pause", CAN_PAUSE}, {"exploit", CAN_EXPLOIT}};
    (void)body;
    size_t i;
    json_t *can;
    line->request.rank = rank_number(root, "rank");
    line->request.world = rank_number(root, "world");
    json_array_foreach(json_object_get(root, "can"), i, can)
    {
        for (size_t k = 0; json_is_string(can) && k < sizeof abilities / sizeof abilities[0]; k++) {
            if (strcmp(json_string_value(can), abilities[k].word) == 0) {
                line->request.can |= abilities[k].bit;
            }
        }
    }
}

static bool metric_value(const json_t *value, double *ret_value)
{
    if (json_is_number(value)) {
        *ret_value = json_number_value(value);
        return true;
    }
    if (json_is_boolean(value)) {
        *ret_value = json_is_true(value) ? 1 : 0;
        return true;
    }
    const char *text = json_string_value(value);
    const struct word *word =
        text == NULL ? NULL : number_word((const uint8_t *)text, strlen(text));
    if (word == NULL) {
        return false;
    }
    *ret_value = strchr(word->value, 'a') != NULL ? (double)NAN
                 : word->value[1] == '-'          ? -(double)INFINITY
                                                  : (double)INFINITY;
    return true;
}

static bool metric_name_is_good(const char *name)
{
    size_t n = 0;
    for (; name[n] != '\0'; n++) {
        if (iscntrl((unsigned char)name[n])) {
            return false;
        }
    }
    return n > 0 && n <= METRIC_NAME_MAX;
}

static void read_report(struct trial_line *line, const json_t *body, const json_t *root)
{
    (void)root;
    json_t *metrics = json_object_get(body, "m");
    if (!step_read(line, body, "a report")) {
        return;
    }
    if (!json_is_object(metrics)) {
        line_bad(line, "bad_json", "a report needs \"m\", an object of metrics");
        return;
    }
    if (json_object_size(metrics) > METRICS_MAX) {
        line_bad(line, "too_long", "a report has at most %d metrics", METRICS_MAX);
        return;
    }
    const char *name;
    json_t *value;
    uint32_t n = 0;
    json_object_foreach(metrics, name, value)
    {
        if (!metric_name_is_good(name)) {
            line_bad(line, "bad_name", "a metric's name has 1 to %d visible bytes",
                     METRIC_NAME_MAX);
            return;
        }
        if (!metric_value(value, &line->values[n])) {
            line_bad(line, "bad_json", "the value of '%.100s' is no number", name);
            return;
        }
        line->names[n++] = name;
    }
    line->request.names = line->names;
    line->request.values = line->values;
    line->request.n_metrics = n;
}

static void read_save(struct trial_line *line, const json_t *body, const json_t *root)
{
    (void)root;
    ignore_error(step_read(line, body, "a save") ? OK : ERR_INVALID, "the line says it");
}

static void read_commit(struct trial_line *line, const json_t *body, const json_t *root)
{
    (void)root;
    ignore_error(step_read(line, body, "a commit") ? OK : ERR_INVALID, "the line says it");
}

static void read_exploit(struct trial_line *line, const json_t *body, const json_t *root)
{
    (void)line;
    (void)body;
    (void)root;
}

/* Cut at a character, so that it stays UTF-8. */
static void note_copy(struct trial_line *line, const char *text)
{
    size_t n = strnlen(text, NOTE_MAX_BYTES + 1);
    if (n > NOTE_MAX_BYTES) {
        n = NOTE_MAX_BYTES;
        while (n > 0 && ((unsigned char)text[n] & 0xC0) == 0x80) {
            n--;
        }
    }
    memcpy(line->note, text, n);
    line->note[n] = '\0';
    line->request.note = line->note;
}

static void read_bye(struct trial_line *line, const json_t *body, const json_t *root)
{
    const char *word = json_string_value(body);
    const char *note = json_string_value(json_object_get(root, "note"));
    for (uint32_t i = BYE_DONE; word != NULL && i <= BYE_ERROR; i++) {
        if (strcmp(word, bye_word_names[i]) == 0) {
            line->request.bye = (bye_word)i;
        }
    }
    if (line->request.bye == BYE_NONE) {
        line_bad(line, "bad_json", "bye is \"done\", \"paused\", \"invalid\" or \"error\"");
        return;
    }
    if (note != NULL) {
        note_copy(line, note);
    }
}

static const struct request_kind {
    const char *key;
    trainer_request_kind kind;
    void (*read)(struct trial_line *line, const json_t *body, const json_t *root);
} request_kinds[] = {
    {"report", TRAINER_REPORT, read_report},    {"hello", TRAINER_HELLO, read_hello},
    {"save", TRAINER_SAVE, read_save},          {"commit", TRAINER_COMMIT, read_commit},
    {"exploit", TRAINER_EXPLOIT, read_exploit}, {"bye", TRAINER_BYE, read_bye},
};

static json_t *line_parse(struct bytes text, json_error_t *ret_error)
{
    const size_t flags = JSON_REJECT_DUPLICATES;
    json_t *root = json_loadb((const char *)text.data, text.len, flags, ret_error);
    if (root != NULL) {
        return root;
    }
    struct buf quoted;
    buf_init(&quoted, 3 * TRIAL_LINE_MAX_BYTES);
    if (numbers_quote(text, &quoted) == OK) {
        root = json_loadb((const char *)quoted.data, quoted.len, flags, ret_error);
    }
    buf_fini(&quoted);
    return root;
}

void trial_line_decode(struct bytes text, struct trial_line *ret_line)
{
    ret_line->root = NULL;
    ret_line->request = (struct trainer_request){.kind = TRAINER_BAD};
    if (text.len > TRIAL_LINE_MAX_BYTES) {
        trial_line_too_long(ret_line);
        return;
    }
    if (trial_report_scan(text, ret_line)) {
        return;
    }
    json_error_t error = {0};
    ret_line->root = line_parse(text, &error);
    if (ret_line->root == NULL) {
        line_bad(ret_line, "bad_json", "%.150s", error.text);
        return;
    }
    for (size_t i = 0; i < sizeof request_kinds / sizeof request_kinds[0]; i++) {
        json_t *body = json_object_get(ret_line->root, request_kinds[i].key);
        if (body != NULL) {
            ret_line->request.kind = request_kinds[i].kind;
            request_kinds[i].read(ret_line, body, ret_line->root);
            return;
        }
    }
    line_bad(ret_line, "bad_json",
             "one of hello, report, save, commit, exploit or bye is needed in a JSON object");
}

void trial_line_too_long(struct trial_line *ret_line)
{
    ret_line->root = NULL;
    line_bad(ret_line, "too_long", "a line has at most %d bytes", TRIAL_LINE_MAX_BYTES);
}

void trial_line_fini(struct trial_line *line)
{
    json_decref(line->root);
    line->root = NULL;
}
