#include "sim/frame_text.h"

#include <stdio.h>

struct text {
    char *at;
    size_t left;
};

static void add(struct text *text, const char *format, ...) PRINTF_LIKE(2, 3);

/* What does not fit is left out. */
static void add(struct text *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text->at, text->left, format, args);
    va_end(args);
    size_t len = n < 0 ? 0 : (size_t)n < text->left ? (size_t)n : text->left - 1;
    text->at += len;
    text->left -= len;
}

static void add_ranges(struct text *text, const struct array_range *ranges, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        add(text, " %u+%u", ranges[i].first, ranges[i].count);
    }
}

static void ranges_text(struct text *text, const void *message)
{
    const struct msg_ranges *ranges = message;
    add(text, " of array %u: %u lanes,", ranges->job, ranges->n_lanes);
    add_ranges(text, ranges->ranges, ranges->n_ranges);
}

static void take_back_text(struct text *text, const void *message)
{
    const struct msg_take_back *back = message;
    add(text, " of array %u, %s:", back->job, order_why_names[back->why]);
    add_ranges(text, back->ranges, back->n_ranges);
}

static void enrol_text(struct text *text, const void *message)
{
    const struct msg_enrol *enrol = message;
    add(text, " %llu, %u lanes", (unsigned long long)enrol->enrolment, enrol->n_lanes);
    for (uint32_t i = 0; i < enrol->n_ranges; i++) {
        add(text, " %u:%u+%u", enrol->ranges[i].job, enrol->ranges[i].range.first,
            enrol->ranges[i].range.count);
    }
}

static void welcome_text(struct text *text, const void *message)
{
    const struct msg_welcome *welcome = message;
    add(text, " %llu, %llu applied, holds %u", (unsigned long long)welcome->enrolment,
        (unsigned long long)welcome->applied, welcome->n_holds);
}

static void events_text(struct text *text, const void *message)
{
    const struct msg_events *events = message;
    for (uint32_t i = 0; i < events->n_events; i++) {
        const struct node_event *event = &events->events[i];
        add(text, " %llu:%s", (unsigned long long)event->number, event_kind_names[event->kind]);
        if (event->kind == EVENT_TASKS) {
            add(text, " array %u, %u rows, %u lanes", event->job,
                result_rows_count(event->array_rows), event->n_lanes);
        } else if (event->kind == EVENT_RETURNED) {
            add(text, " array %u", event->job);
            add_ranges(text, event->ranges, event->n_ranges);
        }
    }
}

static const struct {
    message_type type;
    void (*print)(struct text *text, const void *message);
} printers[] = {
    {MSG_RANGES, ranges_text},   {MSG_TAKE_BACK, take_back_text}, {MSG_ENROL, enrol_text},
    {MSG_WELCOME, welcome_text}, {MSG_EVENTS, events_text},
};

const char *sim_frame_text(const struct sim *sim, message_type type, const void *message,
                           char ret_text[FRAME_TEXT_MAX])
{
    struct text text = {ret_text, FRAME_TEXT_MAX};
    ret_text[0] = '\0';
    if (!sim->options->is_tracing) {
        return ret_text;
    }
    add(&text, "%s", message_name(type));
    for (size_t i = 0; i < sizeof printers / sizeof printers[0]; i++) {
        if (printers[i].type == type) {
            printers[i].print(&text, message);
        }
    }
    return ret_text;
}
