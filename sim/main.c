/* muster-sim: the cores that ship against a made-up world, from seeds. A developer's program. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sim/commit.h"
#include "sim/planted.h"
#include "sim/report.h"
#include "sim/run.h"
#include "sim/scale.h"
#include "sim/seeds.h"

enum { EVENTS_MIN = 10000, SEEDS_PROVING = 200 };

static const char usage[] =
    "usage: muster-sim [--seeds N] [--from S] [--kept FILE] [--jobs J] [--events N]\n"
    "                  [--arrays] [--plant BUG] [--hash]\n"
    "       muster-sim --seed S [--trace] [--events N] [--arrays] [--plant BUG]\n"
    "       muster-sim --nodes N --trials T [--seconds S] [--seed S]\n"
    "\n"
    "  --seeds N     so many seeds (default 200), after those of --kept\n"
    "  --from S      beginning with this one (default 1)\n"
    "  --kept FILE   seeds to run first, one a line: those that failed once, each with the "
    "options\n"
    "                (--arrays, --events N) that it failed with\n"
    "  --jobs J      processes at a time (default 2)\n"
    "  --events N    at least so many events a seed while things break (default 10000)\n"
    "  --arrays      people bring task arrays and single tasks, no sweeps\n"
    "  --seed S      this seed alone\n"
    "  --trace       one line an event\n"
    "  --hash        one line a seed: the hash of all that happened\n"
    "  --nodes N --trials T   no seeds, and nothing breaks: what so many nodes and running trials\n"
    "                cost the head's core, over --seconds of virtual time (default 30)\n"
    "  --plant BUG   with a bug put in on purpose (muster-sim-planted only); stops at the first\n"
    "                seed that finds it. BUG `list`: their names\n";

struct arguments {
    uint64_t seeds, from, seed;
    bool is_one;
    const char *kept, *plant;
    struct sim_options options;
    struct seeds_how how;
    struct scale_options scale;
};

enum {
    OPTION_SEEDS = 256,
    OPTION_FROM,
    OPTION_KEPT,
    OPTION_JOBS,
    OPTION_EVENTS,
    OPTION_SEED,
    OPTION_TRACE,
    OPTION_HASH,
    OPTION_PLANT,
    OPTION_ARRAYS,
    OPTION_NODES,
    OPTION_TRIALS,
    OPTION_SECONDS,
    OPTION_HELP,
};

static const struct option option_table[] = {
    {"seeds", required_argument, NULL, OPTION_SEEDS},
    {"from", required_argument, NULL, OPTION_FROM},
    {"kept", required_argument, NULL, OPTION_KEPT},
    {"jobs", required_argument, NULL, OPTION_JOBS},
    {"events", required_argument, NULL, OPTION_EVENTS},
    {"seed", required_argument, NULL, OPTION_SEED},
    {"trace", no_argument, NULL, OPTION_TRACE},
    {"hash", no_argument, NULL, OPTION_HASH},
    {"plant", required_argument, NULL, OPTION_PLANT},
    {"arrays", no_argument, NULL, OPTION_ARRAYS},
    {"nodes", required_argument, NULL, OPTION_NODES},
    {"trials", required_argument, NULL, OPTION_TRIALS},
    {"seconds", required_argument, NULL, OPTION_SECONDS},
    {"help", no_argument, NULL, OPTION_HELP},
    {0},
};

static uint64_t number_of(const char *text)
{
    char *end;
    errno = 0;
    uint64_t n = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0) {
        fprintf(stderr, "muster-sim: '%s' is no number\n%s", text, usage);
        exit(2);
    }
    return n;
}

static void plants_list(void)
{
    for (uint32_t i = 0; planted_name(i) != NULL; i++) {
        puts(planted_name(i));
    }
    exit(0);
}

static void arguments_read(int argc, char **argv, struct arguments *ret)
{
    int option;
    *ret = (struct arguments){.seeds = SEEDS_PROVING,
                              .from = 1,
                              .options.events = EVENTS_MIN,
                              .how.jobs = 2,
                              .scale.seconds = 30};
    while ((option = getopt_long(argc, argv, "", option_table, NULL)) != -1) {
        switch (option) {
        case OPTION_SEEDS:
            ret->seeds = number_of(optarg);
            break;
        case OPTION_FROM:
            ret->from = number_of(optarg);
            break;
        case OPTION_KEPT:
            ret->kept = optarg;
            break;
        case OPTION_JOBS:
            ret->how.jobs = (uint32_t)number_of(optarg);
            break;
        case OPTION_EVENTS:
            ret->options.events = number_of(optarg);
            break;
        case OPTION_SEED:
            ret->seed = number_of(optarg);
            ret->is_one = true;
            break;
        case OPTION_TRACE:
            ret->options.is_tracing = true;
            break;
        case OPTION_HASH:
            ret->how.is_hashing = true;
            break;
        case OPTION_PLANT:
            ret->plant = optarg;
            ret->how.is_first_enough = true;
            break;
        case OPTION_ARRAYS:
            ret->options.is_arrays = true;
            break;
        case OPTION_NODES:
            ret->scale.nodes = (uint32_t)number_of(optarg);
            break;
        case OPTION_TRIALS:
            ret->scale.trials = (uint32_t)number_of(optarg);
            break;
        case OPTION_SECONDS:
            ret->scale.seconds = (uint32_t)number_of(optarg);
            break;
        case OPTION_HELP:
            fputs(usage, stdout);
            exit(0);
        default:
            fputs(usage, stderr);
            exit(2);
        }
    }
    bool is_scale = ret->scale.nodes > 0 || ret->scale.trials > 0;
    bool is_wrong = (ret->options.is_tracing && !ret->is_one) ||
                    (is_scale && (ret->scale.trials < ret->scale.nodes || ret->scale.nodes == 0));
    if (optind < argc || is_wrong) {
        fputs(usage, stderr);
        exit(2);
    }
}

static void plant(const char *name)
{
    if (strcmp(name, "list") == 0) {
        plants_list();
    }
    if (!planted_set(name)) {
        fprintf(stderr,
                "muster-sim: no bug '%s' here: muster-sim-planted has them, `--plant list` names "
                "them\n",
                name);
        exit(2);
    }
}

/* Seed, commit and options come first: whatever happens then, somebody can do it again. */
static void header_print(const struct arguments *a)
{
    printf("muster-sim %s:", sim_commit);
    if (a->scale.nodes > 0) {
        printf(" --nodes %" PRIu32 " --trials %" PRIu32 " --seconds %" PRIu32 " --seed %" PRIu64
               "\n",
               a->scale.nodes, a->scale.trials, a->scale.seconds, a->seed);
        return;
    }
    if (a->is_one) {
        printf(" --seed %" PRIu64, a->seed);
    } else {
        printf(" --seeds %" PRIu64 " --from %" PRIu64 " --jobs %" PRIu32, a->seeds, a->from,
               a->how.jobs);
    }
    printf(" --events %" PRIu64 "%s%s%s%s%s\n", a->options.events,
           a->options.is_arrays ? " --arrays" : "", a->kept != NULL ? " --kept " : "",
           a->kept != NULL ? a->kept : "", a->plant != NULL ? " --plant " : "",
           a->plant != NULL ? a->plant : "");
    fflush(stdout);
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint64_t faults_of(const struct sim_counts *counts)
{
    uint64_t sum = 0;
    for (int i = 0; i < FAULT_COUNT; i++) {
        sum += counts->faults[i];
    }
    return sum;
}

static int seeds_main(const struct arguments *a)
{
    struct seed_list list = {0};
    struct seeds_sum sum;
    bool is_good = a->kept == NULL || seed_list_read(&list, a->kept);
    uint32_t n_kept = list.n;
    for (uint64_t i = 0; is_good && i < a->seeds; i++) {
        is_good = seed_list_add(&list, (struct seed){.number = a->from + i});
    }
    if (!is_good) {
        seed_list_fini(&list);
        return 2;
    }
    double started = seconds();
    seeds_run(&list, &a->options, &a->how, &sum);
    double took = seconds() - started;
    if (sum.n_failed > 0 && a->how.is_first_enough) {
        printf("%s: found after %" PRIu32 " seeds, by seed %" PRIu64 "\n",
               a->plant != NULL ? a->plant : "a violation", sum.n_before + 1, sum.first_failed);
        seed_list_fini(&list);
        return 1;
    }
    sim_counts_print(&sum.counts);
    printf("%" PRIu32 " seeds (%" PRIu32 " kept), %" PRIu64 " events, each seed >= %" PRIu64
           " while things break; %" PRIu64 " faults, %.1f virtual hours, %.1f s (%.0f faults a "
           "minute); %" PRIu32 " violations\n",
           list.n, n_kept, sum.events, sum.storm_events_min, faults_of(&sum.counts),
           (double)sum.virtual_ms / 3.6e6, took, (double)faults_of(&sum.counts) / took * 60,
           sum.n_failed);
    bool is_proof =
        a->seeds < SEEDS_PROVING || a->options.is_arrays || sim_counts_are_complete(&sum.counts);
    seed_list_fini(&list);
    return sum.n_failed == 0 && is_proof ? 0 : 1;
}

static int one_main(const struct arguments *a)
{
    struct sim_result result = {0};
    sim_run(a->seed, &a->options, &result);
    sim_counts_print(&result.counts);
    printf("seed %" PRIu64 ": %" PRIu64 " events (%" PRIu64
           " while things broke), %.1f virtual s, hash %016" PRIx64 "\n",
           a->seed, result.events, result.storm_events, (double)result.virtual_ms / 1e3,
           result.hash);
    return 0;
}

int main(int argc, char **argv)
{
    struct arguments arguments;
    arguments_read(argc, argv, &arguments);
    if (arguments.plant != NULL) {
        plant(arguments.plant);
    }
    header_print(&arguments);
    if (arguments.scale.nodes > 0) {
        arguments.scale.seed = arguments.seed;
        return scale_main(&arguments.scale);
    }
    return arguments.is_one ? one_main(&arguments) : seeds_main(&arguments);
}
