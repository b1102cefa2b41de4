/* One head's core, and as many nodes and running trials as one likes. Each step of virtual time is
 * a turn of the head: everything that came is decoded, then the core runs under a clock of
 * processor time, then what left is carried to the nodes. The store answers in the next step.
 * Counted is what the core does: events, decisions, scheduling, encoding of records and frames. Not
 * counted are the decoding of frames, sockets and the store, which are the shell's. */
#include "sim/scale.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/mem.h"
#include "head/core/core.h"
#include "sim/fleet.h"

enum { SWEEPS = 20, RAMP_S = 60, RAMP_MAX_S = 600, SETTLE_S = 65 };

struct frame {
    uint64_t peer;
    message_type type;
    void *message;
};

struct scale {
    const struct scale_options *options;
    struct core *core;
    struct fleet *fleet;
    time_ms now;
    struct arena arena; /* of the step's decoded frames */
    struct frame *frames;
    uint32_t n_frames, cap_frames;
    struct buf sent; /* of the step: peer, length, bytes */
    const struct batch *batch;
    uint64_t ops, batches, frames_total, effects;
    double core_s, decode_s;
    double turn_max_s;
};

static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void on_frame(void *context, uint64_t peer, message_type type, struct bytes bytes)
{
    struct scale *scale = context;
    if (scale->n_frames == scale->cap_frames) {
        scale->cap_frames = scale->cap_frames == 0 ? 1024 : scale->cap_frames * 2;
        scale->frames = realloc(scale->frames, scale->cap_frames * sizeof *scale->frames);
    }
    struct frame *frame = &scale->frames[scale->n_frames++];
    *frame = (struct frame){.peer = peer};
    double before = cpu_s();
    if (message_decode(bytes, &scale->arena, &frame->type, &frame->message, NULL) != OK) {
        fprintf(stderr, "a frame of type %d does not decode\n", (int)type);
        abort();
    }
    scale->decode_s += cpu_s() - before;
}

static void frame_run(struct scale *scale, const struct frame *frame)
{
    if (frame->type == MSG_ENROL) {
        on_enrol(scale->core, scale->now, frame->peer, frame->message);
    } else if (frame->type == MSG_EVENTS) {
        on_events(scale->core, scale->now, frame->peer, frame->message);
    } else {
        on_heartbeat(scale->core, scale->now, frame->peer, frame->message);
    }
}

static void effects_keep(struct scale *scale)
{
    const struct head_effect *effect;
    while ((effect = core_effect_next(scale->core)) != NULL) {
        scale->effects++;
        if (effect->kind != HEAD_SEND) {
            if (effect->kind == HEAD_ANSWER && effect->status >= 300) {
                fprintf(stderr, "%.*s\n", (int)effect->bytes.len, (const char *)effect->bytes.data);
                abort();
            }
            continue;
        }
        uint64_t header[2] = {effect->peer, effect->bytes.len};
        if (buf_append(&scale->sent, header, sizeof header) != OK ||
            buf_append(&scale->sent, effect->bytes.data, effect->bytes.len) != OK) {
            abort();
        }
    }
}

/* The core's part of a turn. */
static void turn(struct scale *scale)
{
    double before = cpu_s();
    if (scale->batch != NULL) {
        on_batch_applied(scale->core, scale->now, scale->batch->n);
        scale->batch = NULL;
    }
    for (uint32_t i = 0; i < scale->n_frames; i++) {
        frame_run(scale, &scale->frames[i]);
    }
    core_time(scale->core, scale->now, 0, false);
    core_turn_end(scale->core, scale->now);
    scale->batch = core_batch(scale->core);
    effects_keep(scale);
    double took = cpu_s() - before;
    scale->core_s += took;
    scale->turn_max_s = took > scale->turn_max_s ? took : scale->turn_max_s;
    if (core_failed(scale->core) != OK) {
        fprintf(stderr, "the core failed: %s\n", error_word(core_failed(scale->core)));
        abort();
    }
    scale->ops += scale->batch != NULL ? scale->batch->n_ops : 0;
    scale->batches += scale->batch != NULL;
    scale->frames_total += scale->n_frames;
    scale->n_frames = 0;
    arena_reset(&scale->arena);
}

static void carry(struct scale *scale)
{
    struct bytes left = buf_bytes(&scale->sent);
    while (left.len > 0) {
        uint64_t header[2];
        memcpy(header, left.data, sizeof header);
        fleet_hear(scale->fleet, scale->now, header[0],
                   (struct bytes){left.data + sizeof header, header[1]});
        left.data += sizeof header + header[1];
        left.len -= sizeof header + header[1];
    }
    buf_reset(&scale->sent);
}

static void step(struct scale *scale)
{
    scale->now += FLEET_STEP_MS;
    fleet_step(scale->fleet, scale->now, on_frame, scale);
    turn(scale);
    carry(scale);
}

static void submit(struct scale *scale)
{
    uint32_t each = (scale->options->trials + SWEEPS - 1) / SWEEPS;
    for (uint32_t i = 1; i <= SWEEPS; i++) {
        char file[1024], key[16];
        snprintf(key, sizeof key, "s%u", i);
        snprintf(
            file, sizeof file,
            "name: %s\ncommand: [train, \"${args}\"]\nmetric: {name: loss, goal: minimize}\n"
            "parameters:\n  lr: {min: 1e-4, max: 1e-1, log: true}\n  layers: {min: 1, max: 4}\n"
            "schedule: {type: asha, min: 6, max: 60, eta: 3}\n"
            "stop: {trials: %u}\nlimits: {concurrency: %u}\n",
            key, each * 10, each + 1);
        struct submit_sweep sweep = {.file = file,
                                     .file_name = "s.yaml",
                                     .workdir = "/w",
                                     .owner = "me",
                                     .key = key,
                                     .file_hash = "hash"};
        on_sweep_submit(scale->core, scale->now, i, &sweep);
    }
}

static void result(const char *what, double value, const char *unit)
{
    printf("%-42s %12.3f %s\n", what, value, unit);
    fflush(stdout);
}

/* Nodes join, and every place is taken; in as long as a trial needs to its first rung, so that from
 * then on as many are at one as ever. */
static bool ramp(struct scale *scale)
{
    /* Some end and are followed by others all the time. */
    uint32_t wanted = scale->options->trials - scale->options->trials / 100, next = 0;
    time_ms start = scale->now, until = start + RAMP_MAX_S * 1000;
    submit(scale);
    while (fleet_running(scale->fleet) < wanted && scale->now < until) {
        uint64_t due = (uint64_t)(scale->now - start) * scale->options->nodes / (RAMP_S * 1000);
        while (next <= due && next < scale->options->nodes) {
            fleet_enrol(scale->fleet, next++, on_frame, scale);
        }
        step(scale);
    }
    result("ramp: nodes joined, every place taken", (double)(scale->now - start) / 1e3,
           "virtual s");
    result("ramp: the core's processor time", scale->core_s, "s");
    if (fleet_running(scale->fleet) < wanted) {
        fprintf(stderr, "%u of %u trials run\n", fleet_running(scale->fleet), wanted);
        return false;
    }
    return true;
}

static void steady_print(const struct scale *scale, const struct fleet_totals *before,
                         double seconds)
{
    struct fleet_totals now = fleet_totals(scale->fleet);
    result("heartbeats", (double)(now.heartbeats - before->heartbeats) / seconds, "a virtual s");
    result("reports below a milestone", (double)(now.rows - before->rows) / seconds, "a virtual s");
    result("milestones", (double)(now.milestones - before->milestones) / seconds, "a virtual s");
    result("trials started", (double)(now.started - before->started) / seconds, "a virtual s");
    result("trials ended", (double)(now.ended - before->ended) / seconds, "a virtual s");
    result("frames read", (double)scale->frames_total / seconds, "a virtual s");
    result("operations for the store", (double)scale->ops / seconds, "a virtual s");
    result("frames and answers that left", (double)scale->effects / seconds, "a virtual s");
    result("decoding, which is the shell's", scale->decode_s / seconds,
           "s of processor a virtual s");
    result("longest turn of the core", scale->turn_max_s * 1e3, "ms of processor");
    result("head_core", scale->core_s / seconds, "s of processor a virtual s");
}

static void steady(struct scale *scale)
{
    time_ms until = scale->now + SETTLE_S * 1000;
    while (scale->now < until) {
        step(scale);
    }
    struct fleet_totals before = fleet_totals(scale->fleet);
    scale->core_s = scale->decode_s = scale->turn_max_s = 0;
    scale->ops = scale->batches = scale->frames_total = scale->effects = 0;
    until = scale->now + (time_ms)scale->options->seconds * 1000;
    while (scale->now < until) {
        step(scale);
    }
    steady_print(scale, &before, scale->options->seconds);
}

int scale_main(const struct scale_options *options)
{
    struct core_config config = {.version = "sim",
                                 .cluster = "c",
                                 .state_dir = "/state",
                                 .epoch = 1000,
                                 .pid = 1,
                                 .seed = options->seed};
    struct scale scale = {.options = options, .now = 1000000};
    struct rusage usage;
    struct report report = {0};
    if (core_new(&config, &scale.core) != OK ||
        core_load_done(scale.core, scale.now, &report) != OK) {
        abort();
    }
    scale.fleet = fleet_new(options->nodes, options->trials, options->seed);
    arena_init(&scale.arena, 1U << 30);
    buf_init(&scale.sent, 1U << 30);
    bool is_full = ramp(&scale);
    if (is_full) {
        steady(&scale);
    }
    getrusage(RUSAGE_SELF, &usage);
    result("memory, fleet included", (double)usage.ru_maxrss / 1024, "MiB");
    core_free(scale.core);
    fleet_free(scale.fleet);
    arena_fini(&scale.arena);
    buf_fini(&scale.sent);
    free(scale.frames);
    return is_full ? 0 : 1;
}
