/* The scheduler alone: a cluster of CPU and GPU nodes, 50 shapes of request, a queue of any depth.
 * Prints JSON lines for bench.py: {"what":.., "value":.., "unit":.., "beside":..}.
 *
 * usage: bench_scheduler fill NODES ITEMS   the whole queue into an empty cluster, large enough
 *        bench_scheduler churn NODES ITEMS  a full one: an item ends, what fits takes its place,
 *                                           a new item of the same shape joins the queue */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/random.h"
#include "scheduler/scheduler.h"

enum { SHAPES = 50, CHURN_TURNS = 200000, GPUS_A_NODE = 8 };

struct job {
    struct scheduler_item item;
    struct allocation allocation;
    uint32_t shape;
    uint32_t running_at; /* its place in `running` */
};

struct bench {
    struct scheduler *s;
    struct scheduler_class *classes[SHAPES];
    struct job *jobs, **running;
    uint32_t n_nodes, n_jobs, n_running;
    uint64_t n_placed;
    struct random random;
};

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void require_ok(error_code error)
{
    if (error != OK) {
        fprintf(stderr, "bench_scheduler: %s\n", error_word(error));
        exit(1);
    }
}

/* ---- the cluster ---- */

/* One node in four has GPUs; three zones; one in ten has licences. */
static void node_add(struct bench *bench, uint32_t number)
{
    static const char *const zones[] = {"a", "b", "c"};
    static const amount cpus[] = {16, 32, 64};
    char uuids[GPUS_A_NODE][48];
    const char *gpus[GPUS_A_NODE];
    struct env_pair labels[] = {{"zone", zones[number % 3]}, {"gpu.model", "H100"}};
    struct custom_amount licence = {"licence", 2 * AMOUNT_ONE};
    bool has_gpus = number % 4 == 3;
    for (uint32_t i = 0; i < GPUS_A_NODE; i++) {
        snprintf(uuids[i], sizeof uuids[i], "GPU-%08" PRIx32 "-%" PRIu32, number, i);
        gpus[i] = uuids[i];
    }
    struct node_resources resources = {
        .cpus = cpus[number % 7 % 3] * AMOUNT_ONE,
        .memory_bytes = (uint64_t)(cpus[number % 7 % 3] * 4) << 30,
        .gpus = gpus,
        .n_gpus = has_gpus ? GPUS_A_NODE : 0,
        .custom = &licence,
        .n_custom = number % 10 == 0 ? 1 : 0,
        .labels = labels,
        .n_labels = has_gpus ? 2 : 1,
    };
    uint32_t handle;
    require_ok(scheduler_node_add(bench->s, &resources, &handle));
}

/* Fifty shapes: CPUs and memory of many sizes, a fifth with GPUs or parts of one, some bound to a
 * zone, some that prefer one, some spread, a few with a licence. */
static void class_add(struct bench *bench, uint32_t number)
{
    static const amount cpus[] = {AMOUNT_ONE / 2, AMOUNT_ONE, 2 * AMOUNT_ONE, 4 * AMOUNT_ONE};
    static const uint64_t memory[] = {0, 1, 2, 4, 8};
    static const amount gpus[] = {AMOUNT_ONE / 4, AMOUNT_ONE, 2 * AMOUNT_ONE, AMOUNT_ONE / 2,
                                  AMOUNT_ONE};
    static const char *const zones[][1] = {{"a"}, {"b"}, {"c"}};
    static const char *const texts[] = {"zone == a", "zone == b", "zone == c"};
    static const struct custom_amount licence = {"licence", AMOUNT_ONE};
    uint32_t zone = number / 10 % 3;
    struct require in_zone = {REQUIRE_EQUAL, "zone", zones[zone], 1, texts[zone]};
    struct request request = {.cpus = cpus[number % 4], .memory_bytes = memory[number % 5] << 30};
    request.gpus = number % 5 == 4 ? gpus[number / 5 % 5] : 0;
    request.place = number % 10 == 3 ? PLACE_SPREAD : PLACE_BINPACK;
    if (number % 10 == 1 || number % 10 == 2) {
        request.require = &in_zone;
        request.n_require = number % 10 == 1 ? 1 : 0;
        request.prefer = &in_zone;
        request.n_prefer = number % 10 == 2 ? 1 : 0;
    }
    request.custom = &licence;
    request.n_custom = number == 20 ? 1 : 0;
    require_ok(scheduler_class_ref(bench->s, &request, &bench->classes[number]));
}

static void bench_open(struct bench *bench, uint32_t n_nodes, uint32_t n_jobs)
{
    *bench = (struct bench){.n_nodes = n_nodes, .n_jobs = n_jobs};
    random_init(&bench->random, 1, 1);
    require_ok(scheduler_new(&bench->s));
    for (uint32_t i = 0; i < n_nodes; i++) {
        node_add(bench, i);
    }
    for (uint32_t i = 0; i < SHAPES; i++) {
        class_add(bench, i);
    }
    bench->jobs = calloc(n_jobs, sizeof *bench->jobs);
    bench->running = calloc(n_jobs, sizeof *bench->running);
    if (bench->jobs == NULL || bench->running == NULL) {
        require_ok(ERR_NO_MEMORY);
    }
    for (uint32_t i = 0; i < n_jobs; i++) {
        bench->jobs[i].shape = (uint32_t)random_below(&bench->random, SHAPES);
        scheduler_item_init(&bench->jobs[i].item);
    }
}

static void bench_close(struct bench *bench)
{
    scheduler_free(bench->s);
    free(bench->jobs);
    free(bench->running);
}

/* ---- work ---- */

static void job_queue(struct bench *bench, struct job *job, uint64_t age)
{
    uint32_t priority = job->shape % 3 == 0 ? 60 : 50;
    require_ok(scheduler_enqueue(bench->s, &job->item, bench->classes[job->shape], priority, age));
}

static uint32_t jobs_place(struct bench *bench)
{
    struct allocation allocation;
    uint32_t count = 0;
    for (struct scheduler_item *item; (item = scheduler_next(bench->s, &allocation)) != NULL;) {
        struct job *job = list_entry(item, struct job, item);
        job->allocation = allocation;
        job->running_at = bench->n_running;
        bench->running[bench->n_running++] = job;
        count++;
    }
    bench->n_placed += count;
    return count;
}

static struct job *job_end(struct bench *bench)
{
    struct job *job = bench->running[random_below(&bench->random, bench->n_running)];
    struct job *last = bench->running[--bench->n_running];
    bench->running[job->running_at] = last;
    last->running_at = job->running_at;
    scheduler_give(bench->s, &job->allocation);
    return job;
}

/* ---- what is measured ---- */

static void print(const char *what, double value, const char *unit, const char *beside)
{
    printf("{\"what\": \"%s\", \"value\": %.6g, \"unit\": \"%s\", \"beside\": \"%s\"}\n", what,
           value, unit, beside);
}

static void fill(struct bench *bench)
{
    char beside[96];
    double start = now_us();
    for (uint32_t i = 0; i < bench->n_jobs; i++) {
        job_queue(bench, &bench->jobs[i], i);
    }
    print("queue one item", (now_us() - start) / bench->n_jobs, "us", "");
    start = now_us();
    uint32_t placed = jobs_place(bench);
    double seconds = (now_us() - start) / 1e6;
    snprintf(beside, sizeof beside, "%" PRIu32 " of %" PRIu32 " placed on %" PRIu32 " nodes",
             placed, bench->n_jobs, bench->n_nodes);
    print("placements", placed / seconds, "1/s", beside);
}

/* The cluster stays full and the queue as deep as it was. */
static void churn(struct bench *bench)
{
    char beside[96];
    for (uint32_t i = 0; i < bench->n_jobs; i++) {
        job_queue(bench, &bench->jobs[i], i);
    }
    jobs_place(bench);
    if (bench->n_running == 0 || bench->n_running == bench->n_jobs) {
        fprintf(stderr, "bench_scheduler: churn needs more items than fit\n");
        exit(1);
    }
    uint32_t n_waiting = bench->n_jobs - bench->n_running;
    bench->n_placed = 0;
    double start = now_us();
    for (uint32_t i = 0; i < CHURN_TURNS && bench->n_running > 0; i++) {
        struct job *job = job_end(bench);
        job_queue(bench, job, bench->n_jobs + i);
        jobs_place(bench);
    }
    double spent = now_us() - start;
    snprintf(beside, sizeof beside, "%" PRIu32 " nodes, %" PRIu32 " waiting, %d ends",
             bench->n_nodes, n_waiting, CHURN_TURNS);
    print("an end, the next one's queueing and the placements it allows", spent / CHURN_TURNS, "us",
          beside);
    print("placements in a full cluster", (double)bench->n_placed / spent * 1e6, "1/s", beside);
}

int main(int argc, char **argv)
{
    struct bench bench;
    uint32_t n_nodes = argc == 4 ? (uint32_t)strtoul(argv[2], NULL, 10) : 0;
    uint32_t n_jobs = argc == 4 ? (uint32_t)strtoul(argv[3], NULL, 10) : 0;
    bool is_churn = argc == 4 && strcmp(argv[1], "churn") == 0;
    if (n_nodes == 0 || n_jobs == 0 || (!is_churn && strcmp(argv[1], "fill") != 0)) {
        fprintf(stderr, "usage: bench_scheduler fill|churn NODES ITEMS\n");
        return 2;
    }
    bench_open(&bench, n_nodes, n_jobs);
    if (is_churn) {
        churn(&bench);
    } else {
        fill(&bench);
    }
    bench_close(&bench);
    return 0;
}
