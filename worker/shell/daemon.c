/* The agent's main loop: what comes in becomes the core's events, what the core wants done is done
 * at the end of each turn. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/mem.h"
#include "spec/types.h"
#include "sys/clock.h"
#include "sys/failpoints.h"
#include "sys/locks.h"
#include "sys/log.h"
#include "sys/random_bytes.h"
#include "worker/shell/arrays.h"
#include "worker/shell/usage.h"
#include "worker/shell/work.h"

enum {
    LOAD_MS = 1000,
    NOFILE_MAX = 1 << 16,
    GPU_NAME_BYTES = NODE_NAME_MAX + 32,
};

/* What the enrolment points to, kept until the core has its copy. */
struct identity {
    struct join_key join;
    uint64_t incarnation;
    char gpu_names[WORKER_FAKE_GPUS_MAX][GPU_NAME_BYTES];
    const char *gpus[WORKER_FAKE_GPUS_MAX];
    char lock[LOCK_NAME_BYTES];
};

/* ---- trainers ---- */

static void on_open(void *context, uint64_t connection, struct attempt_ref ref)
{
    struct worker *worker = context;
    on_trainer_open(worker->agent, clock_now(), connection, ref, &worker->out);
}

/* Between any two lines of a trainer's a test can make somebody die. */
static void line_pass(trainer_request_kind kind)
{
    switch (kind) {
    case TRAINER_HELLO:
        FAILPOINT(TRIAL_HELLO);
        break;
    case TRAINER_REPORT:
        FAILPOINT(TRIAL_REPORT);
        break;
    case TRAINER_SAVE:
        FAILPOINT(TRIAL_SAVE);
        break;
    case TRAINER_COMMIT:
        FAILPOINT(TRIAL_COMMIT);
        break;
    case TRAINER_EXPLOIT:
        FAILPOINT(TRIAL_EXPLOIT);
        break;
    case TRAINER_BYE:
        FAILPOINT(TRIAL_BYE);
        break;
    case TRAINER_BAD: /* none of them */
        break;
    }
}

static void on_request(void *context, uint64_t connection, const struct trainer_request *request)
{
    struct worker *worker = context;
    line_pass(request->kind);
    on_trainer_request(worker->agent, clock_now(), connection, request, &worker->out);
}

static void on_close(void *context, uint64_t connection)
{
    struct worker *worker = context;
    on_trainer_close(worker->agent, clock_now(), connection, &worker->out);
}

/* ---- the turn ---- */

static void load_tell(struct worker *worker, time_ms now)
{
    if (now >= worker->load_at) {
        struct machine_load load;
        uint64_t cache_max_bytes, cache_bytes = works_bytes(worker->works, &cache_max_bytes);
        worker->load_at = now + LOAD_MS;
        machine_load_read("", &worker->machine, &worker->meter, &load);
        on_load(worker->agent, load.cpu_permille, load.memory_used_bytes);
        on_cache(worker->agent, cache_bytes, cache_max_bytes);
    }
}

static time_ms earlier(time_ms a, time_ms b)
{
    return a < b ? a : b;
}

static void on_turn(void *context, const struct loop_turn *turn)
{
    struct worker *worker = context;
    time_ms starts_at = INT64_MAX;
    if (!worker->is_leaving) {
        if (turn->gap_ms > 0) {
            agent_gap(worker->agent, turn->gap_ms);
        }
        load_tell(worker, turn->now);
        attempts_kill_tick(worker, turn->now);
        arrays_turn(worker->arrays);
        on_agent_tick(worker->agent, turn->now, &worker->out);
        effects_apply(worker);
        starts_at = worker->arrays->n_starting > 0 ? turn->now + LANE_LOOK_MS : INT64_MAX;
    }
    if (worker->is_leaving) {
        loop_stop(worker->loop);
        return;
    }
    /* Being late is no reason to spin: the next turn is a millisecond away at least. */
    time_ms deadline = earlier(earlier(agent_next_deadline(worker->agent), worker->load_at),
                               worker->kill_retry_at);
    deadline = earlier(deadline, starts_at);
    deadline = earlier(deadline, log_asks_turn(worker, turn->now));
    deadline = earlier(deadline, old_logs_turn(worker->old_logs, turn->now));
    deadline = earlier(deadline, usage_turn(worker->usage, turn->now));
    deadline = earlier(deadline, attempts_adopt_turn(worker, turn->now));
    deadline = earlier(deadline, attempts_events_turn(worker, turn->now));
    deadline = earlier(deadline, reach_turn(worker->reach, turn->now));
    loop_deadline_set(worker->loop, deadline > turn->now ? deadline : turn->now + 1);
}

/* The first signal drains; the second one ends everything now. */
static void on_signal(uv_signal_t *handle, int signal)
{
    struct worker *worker = handle->data;
    int64_t drain_ms = worker->options->drain_ms;
    time_ms now = clock_now();
    drain_ms = worker->is_draining ? 0 : drain_ms > 0 ? drain_ms : WORKER_DRAIN_MS;
    worker->is_draining = true;
    log_write(LOG_LEVEL_INFO, "%s: leaving within %lld s", strsignal(signal),
              (long long)drain_ms / 1000);
    on_drain(worker->agent, now, now + drain_ms, &worker->out);
    loop_again(worker->loop);
}

/* ---- start ---- */

static error_code identity_read(struct worker *worker, struct identity *ret_identity,
                                struct report *report)
{
    const char *text = getenv("MUSTER_JOIN_KEY");
    error_code error = keys_init();
    if (error == OK && worker->options->key_file != NULL) {
        error = join_key_read(worker->options->key_file, &ret_identity->join, report);
    } else if (error == OK && text != NULL) {
        error = join_key_parse(text, &ret_identity->join, report);
    } else if (error == OK) {
        error = report_fail(report, ERR_NOT_FOUND,
                            "no join key: give --key-file or set MUSTER_JOIN_KEY");
    }
    return error == OK ? random_number(&ret_identity->incarnation) : error;
}

static error_code agent_make(struct worker *worker, struct identity *identity,
                             struct report *report)
{
    const struct worker_options *options = worker->options;
    char snapshots_dir[FILES_PATH_MAX_BYTES + 16], lock_path[FILES_PATH_MAX_BYTES + 16];
    uint64_t seed;
    error_code error = random_number(&seed);
    if (error != OK) {
        return report_fail(report, error, "the machine gives no random bytes");
    }
    ignore_error(snprintf(snapshots_dir, sizeof snapshots_dir, "%s/snapshots", worker->node_dir) <
                     0,
                 "it fits");
    uint32_t n_gpus =
        options->fake_gpus < WORKER_FAKE_GPUS_MAX ? options->fake_gpus : WORKER_FAKE_GPUS_MAX;
    for (uint32_t i = 0; i < n_gpus; i++) {
        ignore_error(snprintf(identity->gpu_names[i], GPU_NAME_BYTES, "GPU-fake-%s-%u",
                              options->node, i) < 0,
                     "it fits");
        identity->gpus[i] = identity->gpu_names[i];
    }
    ignore_error(snprintf(lock_path, sizeof lock_path, "%s/lock", worker->node_dir) < 0, "it fits");
    lock_name(lock_path, identity->lock);
    const struct agent_config config = {
        .enrol =
            {
                .protocol = PROTOCOL_VERSION,
                .schema_version = SCHEMA_VERSION,
                .secret = identity->join.secret,
                .node = options->node,
                .incarnation = identity->incarnation,
                .host = worker->machine.host,
                .pid = (uint32_t)getpid(),
                .version = MUSTER_VERSION,
                .cpus = options->cpus > 0 ? options->cpus : worker->machine.cpus,
                .memory_bytes = options->memory_bytes > 0 ? options->memory_bytes
                                                          : worker->machine.memory_bytes,
                .gpus = identity->gpus,
                .n_gpus = n_gpus,
                .custom = options->custom,
                .n_custom = options->n_custom,
                .labels = options->labels,
                .n_labels = options->n_labels,
                .is_remote = strncmp(options->join, "tcp://", 6) == 0,
                .state_dir = worker->node_dir,
                .lock = identity->lock,
                .is_dry = options->is_dry,
                .agent_started = folders_started(worker),
            },
        .random_seed = seed,
        .snapshots_dir = snapshots_dir,
    };
    error = snapshots_new(worker->loop, snapshots_dir, &worker->snapshots, report);
    if (error != OK) {
        return error;
    }
    error = agent_new(&config, &worker->agent);
    return error == OK ? OK : report_fail(report, error, "cannot make the agent");
}

static error_code on_snapshot_found(void *context, struct snapshot_name name)
{
    struct worker *worker = context;
    return agent_snapshot_found(worker->agent, name);
}

/* As many as may start at once, and two while those are being made. */
static error_code spares_open(struct worker *worker)
{
    char folder[FILES_PATH_MAX_BYTES + 16], trees[FILES_PATH_MAX_BYTES + 16];
    int64_t cpus = worker->options->cpus > 0 ? worker->options->cpus : worker->machine.cpus;
    uint32_t want =
        cpus < SPARES_MAX * (int64_t)AMOUNT_ONE ? (uint32_t)(cpus / AMOUNT_ONE) : SPARES_MAX;
    ignore_error(snprintf(folder, sizeof folder, "%s/spares", worker->node_dir) < 0, "it fits");
    ignore_error(snprintf(trees, sizeof trees, "%s/work", worker->node_dir) < 0, "it fits");
    return spares_new(worker->loop, folder, trees, want + 2, &worker->spares);
}

static error_code endpoints_open(struct worker *worker, const struct identity *identity,
                                 struct report *report)
{
    const struct trial_callbacks trial_callbacks = {on_open, on_request, on_close, worker};
    error_code error = trial_sockets_new(worker->loop, &trial_callbacks, &worker->sockets);
    if (error == OK) {
        error = spawner_new(loop_uv(worker->loop), &worker->spawner, report);
    }
    if (error == OK) {
        error = spares_open(worker);
    }
    if (error == OK) {
        error = works_new(worker, worker->options->cache_max_bytes, &worker->works, report);
    }
    if (error == OK) {
        error = arrays_new(worker, &worker->arrays, report);
    }
    if (error == OK) {
        error = copies_open(worker, report);
    }
    if (error == OK) {
        error = log_asks_new(&worker->log_asks);
    }
    if (error == OK) {
        error = old_logs_new(worker, &worker->old_logs);
    }
    if (error == OK) {
        error = usage_new(worker, &worker->usage);
    }
    if (error == OK) {
        error = reach_new(worker, &worker->reach, report);
    }
    return error == OK
               ? link_open(worker, identity->join.head_public, identity->incarnation, report)
               : error;
}

static error_code signals_watch(struct worker *worker)
{
    static const int numbers[] = {SIGTERM, SIGINT};
    for (uint32_t i = 0; i < 2; i++) {
        if (uv_signal_init(loop_uv(worker->loop), &worker->signals[i]) != 0) {
            return ERR_SYSTEM;
        }
        worker->n_signals++;
        worker->signals[i].data = worker;
        if (uv_signal_start(&worker->signals[i], on_signal, numbers[i]) != 0) {
            return ERR_SYSTEM;
        }
    }
    return OK;
}

/* Sockets, pipes and descriptors of many attempts; they get the limit as it was. */
static void nofile_raise(struct worker *worker)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return;
    }
    worker->nofile = limit.rlim_cur;
    rlim_t wanted = limit.rlim_max < NOFILE_MAX ? limit.rlim_max : NOFILE_MAX;
    if (limit.rlim_cur < wanted) {
        limit.rlim_cur = wanted;
        ignore_error(setrlimit(RLIMIT_NOFILE, &limit) == 0 ? OK : ERR_SYSTEM, "it stays as it is");
    }
}

static error_code worker_open(struct worker *worker, struct report *report)
{
    struct identity *identity = mem_zalloc(sizeof *identity);
    if (identity == NULL) {
        return ERR_NO_MEMORY;
    }
    nofile_raise(worker);
    folders_find_own(worker);
    error_code error = identity_read(worker, identity, report);
    error = error == OK ? proctree_adopt(report) : error;
    error = error == OK ? machine_read("", &worker->machine, report) : error;
    error = error == OK ? folders_make(worker, report) : error;
    error = error == OK ? loop_new(&worker->loop, report) : error;
    error = error == OK ? signals_watch(worker) : error;
    error = error == OK ? agent_make(worker, identity, report) : error;
    error =
        error == OK ? snapshots_find(worker->snapshots, on_snapshot_found, worker, report) : error;
    error = error == OK ? endpoints_open(worker, identity, report) : error;
    explicit_bzero(identity, sizeof *identity);
    mem_free(identity);
    if (error == OK) {
        loop_turn_set(worker->loop, on_turn, worker);
        log_write(LOG_LEVEL_INFO, "node '%s' with %.1f CPUs and %llu MiB joins %s",
                  worker->options->node, (double)worker->machine.cpus / MACHINE_CPU_ONE,
                  (unsigned long long)worker->machine.memory_bytes >> 20, worker->options->join);
        if (worker->options->is_dry) {
            log_write(LOG_LEVEL_WARNING,
                      "started with --dry: whatever is leased to node '%s' is told as done, and "
                      "nothing is run",
                      worker->options->node);
        }
    }
    return error;
}

/* ---- the end ---- */

/* Whatever of any attempt is still there. The spawner is gone, so no stranger is one that starts.
 */
static void processes_end(struct worker *worker)
{
    struct proctree_target target = {.is_prefix = true, .has_strangers = true};
    uint32_t killed = 0;
    if (worker->runs != NULL && proctree_mark_make(worker->prefix, "", 0, &target.mark) == OK) {
        ignore_error(proctree_kill(&target, &killed), "the next start sweeps what is left");
    }
}

static void loop_close(struct worker *worker)
{
    if (worker->loop == NULL) {
        return;
    }
    loop_turn_set(worker->loop, NULL, NULL);
    reach_free(worker->reach);
    usage_free(worker->usage);
    old_logs_free(worker->old_logs);
    for (uint32_t i = 0; i < worker->n_signals; i++) {
        uv_close((uv_handle_t *)&worker->signals[i], NULL);
    }
    copies_stop(worker);
    if (worker->spares != NULL) {
        spares_stop(worker->spares);
    }
    if (worker->works != NULL) {
        works_stop(worker->works);
    }
    while ((worker->snapshots != NULL && snapshots_busy(worker->snapshots)) ||
           (worker->spares != NULL && spares_busy(worker->spares)) ||
           (worker->works != NULL && works_busy(worker->works)) || copies_busy(worker)) {
        uv_run(loop_uv(worker->loop), UV_RUN_ONCE);
    }
    copies_free(worker);
    works_free(worker->works);
    spares_free(worker->spares);
    loop_free(worker->loop);
}

static void worker_close(struct worker *worker)
{
    worker->is_leaving = true;
    dealer_close(worker->dealer);
    spawner_free(worker->spawner);
    worker->spawner = NULL;
    processes_end(worker);
    attempts_release(worker);
    arrays_stop(worker->arrays);
    trial_sockets_free(worker->sockets);
    loop_close(worker);
    snapshots_free(worker->snapshots);
    arrays_free(worker->arrays);
    log_asks_free(worker->log_asks);
    agent_free(worker->agent);
    agent_outbox_fini(&worker->out);
    if (worker->lock_fd >= 0) {
        lock_release(worker->lock_fd);
    }
}

int worker_main(const struct worker_options *options)
{
    struct report report = {0};
    struct worker *worker = mem_zalloc(sizeof *worker);
    if (worker == NULL) {
        return 1;
    }
    worker->options = options;
    worker->lock_fd = -1;
    worker->kill_retry_at = worker->adopt_at = worker->events_at = INT64_MAX;
    agent_outbox_init(&worker->out);
    signal(SIGPIPE, SIG_IGN);
    machine_memory_keep();
    error_code error = options->log_path != NULL ? log_open(options->log_path, &report) : OK;
    log_tee_set(options->log_path != NULL);
    error = error == OK ? failpoints_open("worker", &report) : error;
    if (error == OK) {
        error = worker_open(worker, &report);
    }
    if (error == OK) {
        error = loop_run(worker->loop);
    }
    int exit_code = error == OK ? worker->exit_code : 1;
    if (error != OK) {
        fprintf(stderr, "muster worker: %s\n",
                report.text[0] != '\0' ? report.text : error_word(error));
    }
    worker_close(worker);
    mem_free(worker);
    log_close();
    return exit_code;
}
