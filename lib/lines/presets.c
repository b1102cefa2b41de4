#include "lines/presets.h"

#include <ctype.h>
#include <string.h>

static bool is_name_start(char c)
{
    return isalpha((unsigned char)c) || c == '_';
}

static const char *name_end(const char *at)
{
    while (isalnum((unsigned char)*at) || (*at != '\0' && strchr("_./-@", *at) != NULL)) {
        at++;
    }
    return at;
}

static const char *blanks_end(const char *at)
{
    return at + strspn(at, " \t");
}

/* ---- muster: key=value, with blanks, commas or brackets around ---- */

static bool is_border(char c)
{
    return c == '\0' || strchr(" \t,;()[]{}|", c) != NULL;
}

/* `name = number` at `at`; where to go on. */
static const char *pair_read(const char *at, struct found *found)
{
    const char *name_stop = name_end(at), *end;
    const char *equals = blanks_end(name_stop);
    double value;
    if (*equals != '=') {
        return name_stop;
    }
    if (found_number(blanks_end(equals + 1), &end, &value) && is_border(*end)) {
        found_add(found, at, (size_t)(name_stop - at), value);
        return end;
    }
    return equals + 1;
}

static void muster_read(const char *line, struct preset_memory *memory, struct found *found)
{
    (void)memory;
    bool was_border = true;
    for (const char *at = line; *at != '\0';) {
        if (was_border && is_name_start(*at)) {
            at = pair_read(at, found);
            was_border = false;
        } else {
            was_border = is_border(*at);
            at++;
        }
    }
}

/* ---- objects ---- */

static void json_read(const char *line, struct preset_memory *memory, struct found *found)
{
    (void)memory;
    object_read(line, OBJECT_JSON, found);
}

static void dict_read(const char *line, struct preset_memory *memory, struct found *found)
{
    (void)memory;
    object_read(line, OBJECT_DICT, found);
}

/* ---- keras: `loss: 0.3 - val_loss: 0.2` ---- */

/* `3/10` at `at`: the two numbers and where they end. */
static bool fraction_read(const char *at, double *ret_part, double *ret_whole, const char **ret_end)
{
    const char *slash;
    if (!found_number(at, &slash, ret_part) || *slash != '/') {
        return false;
    }
    return found_number(slash + 1, ret_end, ret_whole);
}

/* True: the line is a bar that has not come to its end. */
static bool bar_is_unfinished(const char *line)
{
    double part, whole;
    const char *end;
    return fraction_read(blanks_end(line), &part, &whole, &end) && part < whole;
}

/* One part between ` - `: `name: number` and nothing else. */
static void segment_read(const char *at, size_t len, struct found *found)
{
    const char *stop = at + len, *end;
    const char *colon = memchr(at, ':', len);
    double value;
    if (colon == NULL || !is_name_start(*at) || name_end(at) != colon) {
        return;
    }
    if (found_number(blanks_end(colon + 1), &end, &value) && blanks_end(end) >= stop) {
        found_add(found, at, (size_t)(colon - at), value);
    }
}

static void keras_read(const char *line, struct preset_memory *memory, struct found *found)
{
    double part, whole;
    const char *end;
    const char *start = blanks_end(line);
    if (strncmp(start, "Epoch ", 6) == 0 &&
        fraction_read(blanks_end(start + 6), &part, &whole, &end)) {
        memory->has_epoch = true;
        memory->epoch = part;
        found->has_step = true;
        found->step = part;
        return;
    }
    if (bar_is_unfinished(line)) {
        return;
    }
    for (const char *at = start; *at != '\0';) {
        const char *dash = strstr(at, " - ");
        size_t len = dash != NULL ? (size_t)(dash - at) : strlen(at);
        segment_read(at, len, found);
        at = dash != NULL ? blanks_end(dash + 3) : at + len;
    }
    found->has_step = memory->has_epoch && found->n > 0;
    found->step = memory->epoch;
}

/* ---- lightning: `Epoch 3: 100%|###| 57/57 [.., val_loss=0.2]` ---- */

static void lightning_read(const char *line, struct preset_memory *memory, struct found *found)
{
    (void)memory;
    double epoch, percent;
    const char *end;
    const char *start = strstr(line, "Epoch ");
    if (start == NULL || !found_number(blanks_end(start + 6), &end, &epoch) || *end != ':' ||
        !found_number(blanks_end(end + 1), &end, &percent) || *end != '|') {
        return;
    }
    found->has_step = true;
    found->step = epoch;
    const char *values = strrchr(end, '[');
    if (values != NULL && percent >= 100) {
        muster_read(values + 1, memory, found);
    }
}

/* ---- nanogpt: `step 250: train loss 1.9, val loss 2.0` ---- */

/* `train loss 1.9`: words, and a number at the end. */
static void words_read(const char *at, size_t len, struct found *found)
{
    const char *stop = at + len, *end;
    double value;
    for (const char *blank = at; blank < stop; blank++) {
        bool is_last = (*blank == ' ' || *blank == '\t') &&
                       found_number(blanks_end(blank), &end, &value) && blanks_end(end) >= stop;
        if (is_last && is_name_start(*at)) {
            const char *name_stop = blank > at && blank[-1] == ':' ? blank - 1 : blank;
            found_add(found, at, (size_t)(name_stop - at), value);
            return;
        }
    }
}

static void nanogpt_read(const char *line, struct preset_memory *memory, struct found *found)
{
    static const char *const words[] = {"step ", "iter ", "iteration "};
    const char *at = blanks_end(line), *end;
    double step;
    size_t len = 0;
    (void)memory;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        len = strncmp(at, words[i], strlen(words[i])) == 0 ? strlen(words[i]) : len;
    }
    if (len == 0 || !found_number(blanks_end(at + len), &end, &step) || *end != ':') {
        return;
    }
    for (at = end + 1; *at != '\0';) {
        at = blanks_end(at);
        size_t part = strcspn(at, ",");
        words_read(at, part, found);
        at += part + (at[part] == ',' ? 1 : 0);
    }
    found->has_step = true;
    found->step = step;
}

/* ---- the table ---- */

static const char *const step_or_epoch[] = {"step", "epoch", NULL};
static const char *const epoch_alone[] = {"epoch", NULL};
static const char *const none[] = {NULL};

const struct preset presets[] = {
    {"muster", false, step_or_epoch, muster_read},
    {"json", false, step_or_epoch, json_read},
    {"dict", false, step_or_epoch, dict_read},
    {"hf", false, epoch_alone, dict_read},
    {"keras", false, none, keras_read},
    /* Lightning draws the bar of each epoch over that of the one before. */
    {"lightning", true, none, lightning_read},
    {"nanogpt", false, none, nanogpt_read},
    {NULL, false, NULL, NULL},
};

const struct preset *preset_find(const char *name)
{
    for (const struct preset *preset = presets; preset->name != NULL; preset++) {
        if (strcmp(preset->name, name) == 0) {
            return preset;
        }
    }
    return NULL;
}
