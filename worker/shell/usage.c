#include "worker/shell/usage.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "sys/clock.h"
#include "sys/log.h"
#include "sys/proc_usage.h"
#include "worker/shell/attempt.h"

enum { BYTES_TEXT_MAX = 24, LOW_SHARE = 20, LOW_MOST_BYTES = 512 << 20 };

/* What one look at one attempt asks and finds. */
struct look {
    struct attempt_ref ref;
    uint64_t asked_bytes;
    uint64_t share_permille; /* of rss that is its own, as measured last */
    uint64_t bytes;
    bool has_share; /* measured now */
    pid_t *others;  /* owned: the ranks above the first */
};

struct usage {
    struct worker *worker;
    uv_work_t work;
    bool is_looking;
    time_ms next_at;     /* of a look; 0, or long ago: nothing ran, and nothing was looked at */
    time_ms released_at; /* until then nobody else goes for the machine's sake */
    /* of the look */
    struct look *looks;
    struct proc_usage *usages;
    uint32_t n, cap;
    bool is_low, is_nearly_low; /* the machine */
    uint64_t available_bytes;
    int64_t cost_us;
    error_code error;
    /* kills of the kernel, counted over two spans of USAGE_OOM_MS */
    uint64_t kills_before, kills_now;
    time_ms kills_at;
};

/* ---- judgement ---- */

int usage_victim(const struct usage_tree *trees, uint32_t n)
{
    int victim = -1;
    uint64_t most = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t above =
            trees[i].bytes > trees[i].asked_bytes ? trees[i].bytes - trees[i].asked_bytes : 0;
        if (above > most) {
            victim = (int)i;
            most = above;
        }
    }
    return victim;
}

bool usage_is_low(uint64_t available_bytes, uint64_t total_bytes)
{
    uint64_t limit = total_bytes / LOW_SHARE;
    return available_bytes < (limit < LOW_MOST_BYTES ? limit : LOW_MOST_BYTES);
}

/* Three digits are enough to see by how much. */
static const char *bytes_print(uint64_t bytes, char *ret_text)
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (unit + 1 < sizeof units / sizeof units[0] && value >= 1024) {
        value /= 1024;
        unit++;
    }
    ignore_error(snprintf(ret_text, BYTES_TEXT_MAX, "%.3g %s", value, units[unit]) < 0, "it fits");
    return ret_text;
}

static void processes_print(const struct proc_usage *usage, char *ret_text, size_t size_bytes)
{
    char largest[BYTES_TEXT_MAX];
    if (usage->n_pids <= 1) {
        ignore_error(snprintf(ret_text, size_bytes, "its process") < 0, "it fits");
        return;
    }
    ignore_error(snprintf(ret_text, size_bytes, "its %" PRIu32 " processes (%s %d alone %s)",
                          usage->n_pids, usage->largest_name, (int)usage->largest,
                          bytes_print(usage->largest_bytes, largest)) < 0,
                 "it fits");
}

static void run_end(struct usage *usage, struct attempt_run *run, time_ms now, const char *reason)
{
    char id[TASK_ID_TEXT_MAX];
    run->is_over_memory = true;
    log_write(LOG_LEVEL_WARNING, "attempt %s:%u is ended: %s", task_id_print(run->ref.task, id),
              (unsigned)run->ref.attempt, reason);
    on_attempt_over_memory(usage->worker->agent, now, run->ref, reason);
}

static void over_request_end(struct usage *usage, uint32_t i, struct attempt_run *run, time_ms now)
{
    char reason[256], who[96], took[BYTES_TEXT_MAX], asked[BYTES_TEXT_MAX];
    processes_print(&usage->usages[i], who, sizeof who);
    ignore_error(snprintf(reason, sizeof reason,
                          "out of memory: %s took %s, more than resources.memory, %s", who,
                          bytes_print(usage->looks[i].bytes, took),
                          bytes_print(usage->looks[i].asked_bytes, asked)) < 0,
                 "cut");
    run_end(usage, run, now, reason);
}

/* The machine is near its end: one goes, so that the kernel need not choose. */
static void machine_relieve(struct usage *usage, time_ms now)
{
    struct usage_tree *trees = mem_calloc(usage->n, sizeof *trees);
    for (uint32_t i = 0; trees != NULL && i < usage->n; i++) {
        const struct attempt_run *run = attempt_run_find(usage->worker, usage->looks[i].ref);
        bool is_there = run != NULL && run->state == RUN_ALIVE && !run->is_over_memory;
        trees[i] =
            (struct usage_tree){is_there ? usage->looks[i].bytes : 0, usage->looks[i].asked_bytes};
    }
    int victim = trees != NULL ? usage_victim(trees, usage->n) : -1;
    mem_free(trees);
    if (victim < 0) {
        return;
    }
    const struct look *look = &usage->looks[victim];
    char reason[256], who[96], left[BYTES_TEXT_MAX], took[BYTES_TEXT_MAX], above[BYTES_TEXT_MAX];
    processes_print(&usage->usages[victim], who, sizeof who);
    ignore_error(snprintf(reason, sizeof reason,
                          "out of memory: its node had %s left, and %s took %s, %s above "
                          "resources.memory: more than any other",
                          bytes_print(usage->available_bytes, left), who,
                          bytes_print(look->bytes, took),
                          bytes_print(look->bytes - look->asked_bytes, above)) < 0,
                 "cut");
    usage->released_at = now + USAGE_RELEASE_MS;
    run_end(usage, attempt_run_find(usage->worker, look->ref), now, reason);
}

/* ---- a look, in the pool ---- */

static int64_t thread_cpu_us(void)
{
    struct timespec time = {0};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (int64_t)time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

/* Pages that several processes share count for each in the cheap figure. The dear one is read only
 * where it decides something. */
static void look_share(struct look *look, const struct proc_usage *usage, bool is_low)
{
    uint64_t pss;
    look->bytes = usage->rss_bytes / 1000 * look->share_permille;
    bool decides = is_low || (look->asked_bytes > 0 && look->bytes > look->asked_bytes);
    if (decides && usage->n_pids > 0 && proc_usage_pss(usage, &pss)) {
        look->bytes = pss;
        look->share_permille = usage->rss_bytes / 1000 > 0 ? pss / (usage->rss_bytes / 1000) : 1000;
        look->has_share = true;
    }
}

static void on_look_work(uv_work_t *work)
{
    struct usage *usage = work->data;
    int64_t before_us = thread_cpu_us();
    uint64_t total = usage->worker->machine.memory_bytes;
    usage->error = proc_usages_read(usage->usages, usage->n);
    if (!machine_memory_available("", &usage->available_bytes)) {
        usage->available_bytes = total;
    }
    bool is_low = usage_is_low(usage->available_bytes, total);
    for (uint32_t i = 0; i < usage->n; i++) {
        look_share(&usage->looks[i], &usage->usages[i], is_low);
    }
    usage->is_low = is_low;
    usage->is_nearly_low = is_low || usage_is_low(usage->available_bytes / USAGE_NEAR_LOW, total);
    usage->cost_us = thread_cpu_us() - before_us;
}

static bool look_take(struct usage *usage, uint32_t i, time_ms now)
{
    const struct look *look = &usage->looks[i];
    const struct proc_usage *tree = &usage->usages[i];
    struct attempt_run *run = attempt_run_find(usage->worker, look->ref);
    if (run == NULL || run->state != RUN_ALIVE || run->pid != tree->main) {
        return false;
    }
    run->memory_peak_bytes =
        look->bytes > run->memory_peak_bytes ? look->bytes : run->memory_peak_bytes;
    run->cpu_ms = tree->cpu_ms > run->cpu_ms ? tree->cpu_ms : run->cpu_ms;
    run->share_permille = look->share_permille;
    if (look->asked_bytes > 0 && look->bytes > look->asked_bytes && !run->is_over_memory) {
        over_request_end(usage, i, run, now);
    }
    return look->asked_bytes > 0 && look->bytes / USAGE_NEAR_PERCENT > look->asked_bytes / 100;
}

static void looks_fini(struct usage *usage)
{
    proc_usages_fini(usage->usages, usage->n);
    for (uint32_t i = 0; i < usage->n; i++) {
        mem_free(usage->looks[i].others);
    }
    usage->n = 0;
}

static void on_look_done(uv_work_t *work, int status)
{
    struct usage *usage = work->data;
    time_ms now = clock_now();
    bool is_near = usage->is_nearly_low;
    usage->is_looking = false;
    if (status == 0 && !usage->worker->is_leaving) {
        for (uint32_t i = 0; i < usage->n; i++) {
            is_near |= look_take(usage, i, now);
        }
        if (usage->is_low && now >= usage->released_at) {
            machine_relieve(usage, now);
        }
        int64_t wait_ms = is_near ? USAGE_NEAR_MS : USAGE_MS;
        int64_t rest_ms = usage->cost_us * USAGE_REST / 1000;
        usage->next_at = now + (rest_ms > wait_ms ? rest_ms : wait_ms);
        loop_again(usage->worker->loop);
    }
    looks_fini(usage);
}

/* ---- the loop's side ---- */

static bool looks_reserve(struct usage *usage, uint32_t n)
{
    if (n <= usage->cap) {
        return true;
    }
    struct look *looks = mem_realloc(usage->looks, n * sizeof *looks);
    usage->looks = looks != NULL ? looks : usage->looks;
    struct proc_usage *usages = mem_realloc(usage->usages, n * sizeof *usages);
    usage->usages = usages != NULL ? usages : usage->usages;
    if (looks == NULL || usages == NULL) {
        return false;
    }
    usage->cap = n;
    return true;
}

static void looks_fill(struct usage *usage)
{
    struct attempt_run *run, *next;
    usage->n = 0;
    HASH_ITER (hh, usage->worker->runs, run, next) {
        if (run->state == RUN_ALIVE && run->pid > 0) {
            usage->looks[usage->n] = (struct look){
                .ref = run->ref,
                .asked_bytes = run->lease->memory_bytes,
                .share_permille = run->share_permille > 0 ? run->share_permille : 1000,
            };
            struct proc_usage about = {.main = run->pid, .number = run->mark.number};
            ignore_error(
                attempt_process_others(run, &usage->looks[usage->n].others, &about.n_others),
                "this look sees the first rank alone");
            about.others = usage->looks[usage->n].others;
            usage->usages[usage->n++] = about;
        }
    }
}

static void kills_count(struct usage *usage, time_ms now, bool is_first)
{
    if (!is_first && now < usage->kills_at) {
        return;
    }
    usage->kills_before = usage->kills_now;
    ignore_error(machine_oom_kills("", &usage->kills_now) ? OK : ERR_UNSUPPORTED, "stays");
    if (is_first) {
        usage->kills_before = usage->kills_now;
    }
    usage->kills_at = now + USAGE_OOM_MS;
}

time_ms usage_turn(struct usage *usage, time_ms now)
{
    uint32_t n = HASH_COUNT(usage->worker->runs);
    if (usage->is_looking) {
        return INT64_MAX;
    }
    if (n == 0) {
        return INT64_MAX;
    }
    /* Something runs again; between two short tasks nothing does for a moment. */
    if (usage->next_at == 0 || now - usage->next_at > USAGE_MS) {
        kills_count(usage, now, true);
        usage->next_at = now + USAGE_NEAR_MS;
    }
    if (now < usage->next_at) {
        return usage->next_at;
    }
    kills_count(usage, now, false);
    usage->next_at = now + USAGE_MS;
    if (!looks_reserve(usage, n)) {
        return usage->next_at; /* memory may come back */
    }
    looks_fill(usage);
    usage->work.data = usage;
    usage->is_looking = usage->n > 0 && uv_queue_work(loop_uv(usage->worker->loop), &usage->work,
                                                      on_look_work, on_look_done) == 0;
    if (!usage->is_looking) {
        looks_fini(usage);
    }
    return usage->is_looking ? INT64_MAX : usage->next_at;
}

bool usage_kernel_killed(const struct usage *usage)
{
    uint64_t count;
    return machine_oom_kills("", &count) && count > usage->kills_before;
}

error_code usage_new(struct worker *worker, struct usage **ret_usage)
{
    struct usage *usage = mem_zalloc(sizeof *usage);
    if (usage == NULL) {
        return ERR_NO_MEMORY;
    }
    usage->worker = worker;
    *ret_usage = usage;
    return OK;
}

void usage_free(struct usage *usage)
{
    if (usage == NULL) {
        return;
    }
    while (usage->is_looking) {
        uv_run(loop_uv(usage->worker->loop), UV_RUN_ONCE);
    }
    mem_free(usage->looks);
    mem_free(usage->usages);
    mem_free(usage);
}
