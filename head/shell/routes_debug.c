/* How the head works, for admins: where the time of its turns goes. */
#include <math.h>

#include "base/json_out.h"
#include "head/shell/routes.h"

/* Digits beyond the third are noise. */
static double rounded(double value)
{
    return round(value * 1000) / 1000;
}

static double percent_of(uint64_t part_ns, uint64_t whole_ns)
{
    return whole_ns > 0 ? rounded(100 * (double)part_ns / (double)whole_ns) : 0;
}

/* Of a sum over whole_ns, what one second had. */
static double per_second(double sum, uint64_t whole_ns)
{
    return whole_ns > 0 ? sum * 1e9 / (double)whole_ns : 0;
}

static double busy_percent(const struct turn_totals *totals)
{
    return percent_of(totals->ns - totals->stages[TURN_SLEEP].ns, totals->ns);
}

static struct api_stage stage_view(const struct turn_clock *clock, turn_stage stage)
{
    const struct turn_sum *sum = &clock->totals.stages[stage], *last = &clock->window.stages[stage];
    return (struct api_stage){
        .stage = turn_stage_words[stage],
        .seconds = rounded((double)sum->ns / 1e9),
        .percent = percent_of(sum->ns, clock->totals.ns),
        .count = sum->count,
        .mean_us = sum->count > 0 ? rounded((double)sum->ns / 1e3 / (double)sum->count) : 0,
        .last_us = rounded(per_second((double)last->ns / 1e3, clock->window.ns)),
        .last_count = (uint64_t)per_second((double)last->count, clock->window.ns),
    };
}

static struct api_turn turn_view(const struct turn_clock *clock)
{
    return (struct api_turn){
        .seconds = rounded((double)clock->totals.ns / 1e9),
        .turns = clock->totals.turns,
        .busy_percent = busy_percent(&clock->totals),
        .median_us = rounded(turn_quantile_us(clock, 500)),
        .tail_us = rounded(turn_quantile_us(clock, 990)),
        .longest_us = rounded((double)clock->longest_ns / 1e3),
        .last_turns = (uint64_t)per_second((double)clock->window.turns, clock->window.ns),
        .last_busy_percent = busy_percent(&clock->window),
    };
}

void get_debug_turn(struct route_call *call)
{
    const struct turn_clock *clock = loop_clock(call->head->loop);
    struct api_turn turn = turn_view(clock);
    struct buf text;
    buf_init(&text, 1 << 16);
    struct json_out json = json_out_to(&text);
    json_object_begin(&json, NULL);
    json_str(&json, "api", "v1");
    schema_print_json(&api_turn_schema, &turn, &json, "turn");
    json_array_begin(&json, "items");
    for (int i = 0; i < TURN_STAGES_COUNT; i++) {
        struct api_stage stage = stage_view(clock, (turn_stage)i);
        schema_print_json(&api_stage_schema, &stage, &json, NULL);
    }
    json_array_end(&json);
    json_object_end(&json);
    http_answer(call->head->http, call->request->id, 200, "application/json", buf_bytes(&text));
    buf_fini(&text);
}
