/* Worker processes take every jobs-th seed and write what came of each into a pipe. One that dies
 * has failed its seed; another goes on with the next. */
#include "sim/seeds.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sim/run.h"

enum { JOBS_MAX = 64, LINE_MAX_BYTES = 512 };

/* ---- lists ---- */

bool seed_list_add(struct seed_list *list, struct seed seed)
{
    if (list->n % 1024 == 0) {
        struct seed *seeds = realloc(list->seeds, (list->n + 1024) * sizeof *seeds);
        if (seeds == NULL) {
            return false;
        }
        list->seeds = seeds;
    }
    list->seeds[list->n++] = seed;
    return true;
}

/* A whole number and what ends a word; `at` moves behind it. */
static bool number_read(char **at, uint64_t *ret_number)
{
    char *end;
    errno = 0;
    *ret_number = strtoull(*at, &end, 10);
    bool is_good = **at >= '0' && **at <= '9' && errno == 0 && strchr(" \t\n", *end) != NULL;
    *at = end + strspn(end, " \t");
    return is_good;
}

/* Its number, then its options. NULL: it is right; else what a line must be. */
static const char *seed_read(char *line, struct seed *ret_seed)
{
    char *at = line;
    *ret_seed = (struct seed){0};
    if (!number_read(&at, &ret_seed->number)) {
        return "a line begins with a seed";
    }
    while (strncmp(at, "--", 2) == 0) {
        size_t len = strcspn(at, " \t\n");
        const char *option = at;
        at += len + strspn(at + len, " \t");
        if (len == strlen("--arrays") && strncmp(option, "--arrays", len) == 0) {
            ret_seed->is_arrays = true;
        } else if (len != strlen("--events") || strncmp(option, "--events", len) != 0 ||
                   !number_read(&at, &ret_seed->events)) {
            return "behind a seed stand --arrays, --events N, or what it showed";
        }
    }
    return NULL;
}

bool seed_list_read(struct seed_list *list, const char *path)
{
    char line[LINE_MAX_BYTES];
    FILE *file = fopen(path, "r");
    bool is_good = file != NULL;
    if (file == NULL) {
        fprintf(stderr, "muster-sim: %s: %s\n", path, strerror(errno));
        return false;
    }
    for (uint32_t number = 1; is_good && fgets(line, sizeof line, file) != NULL; number++) {
        struct seed seed;
        if (line[strspn(line, " \t\n")] == '\0' || line[0] == '#') {
            continue;
        }
        const char *wrong = seed_read(line, &seed);
        if (wrong != NULL) {
            fprintf(stderr, "muster-sim: %s:%" PRIu32 ": %s: %s", path, number, wrong, line);
        }
        is_good = wrong == NULL && seed_list_add(list, seed);
    }
    fclose(file);
    return is_good;
}

void seed_list_fini(struct seed_list *list)
{
    free(list->seeds);
    *list = (struct seed_list){0};
}

/* ---- workers ---- */

struct worker {
    pid_t pid; /* 0: none */
    int fd;
    uint32_t next; /* place in the list of the seed it runs */
};

struct seeds {
    const struct seed_list *list;
    const struct sim_options *options;
    const struct seeds_how *how;
    struct seeds_sum *sum;
    uint64_t *hashes; /* by place; for is_hashing */
    bool *is_done;
    uint32_t printed;
    struct worker workers[JOBS_MAX];
    uint32_t n_workers;
};

static struct sim_options options_of(const struct seed *seed, const struct sim_options *options)
{
    struct sim_options own = *options;
    own.is_arrays = own.is_arrays || seed->is_arrays;
    own.events = seed->events != 0 ? seed->events : own.events;
    return own;
}

static _Noreturn void worker_main(const struct seeds *seeds, uint32_t place, int fd)
{
    for (; place < seeds->list->n; place += seeds->n_workers) {
        struct sim_result result = {0};
        const struct seed *seed = &seeds->list->seeds[place];
        const struct sim_options options = options_of(seed, seeds->options);
        sim_run(seed->number, &options, &result);
        /* Smaller than a pipe's atomic size or not: one reader, and it reads whole ones. */
        if (write(fd, &result, sizeof result) != sizeof result) {
            break;
        }
    }
    fflush(stdout);
    _Exit(0);
}

static void worker_start(struct seeds *seeds, struct worker *worker, uint32_t place)
{
    int fds[2];
    worker->pid = 0;
    worker->next = place;
    if (place >= seeds->list->n) {
        return;
    }
    fflush(stdout);
    if (pipe(fds) != 0 || (worker->pid = fork()) < 0) {
        perror("muster-sim: a worker process");
        exit(1);
    }
    if (worker->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(fds[0]);
        worker_main(seeds, place, fds[1]);
    }
    close(fds[1]);
    worker->fd = fds[0];
}

static void counts_add(struct sim_counts *sum, const struct sim_counts *part)
{
    uint64_t *to = (uint64_t *)sum;
    const uint64_t *from = (const uint64_t *)part;
    for (size_t i = 0; i < sizeof *sum / sizeof *to; i++) {
        to[i] += from[i];
    }
}

static void seed_done(struct seeds *seeds, uint32_t place, const struct sim_result *result)
{
    struct seeds_sum *sum = seeds->sum;
    sum->n_done++;
    sum->events += result->events;
    sum->virtual_ms += result->virtual_ms;
    if (sum->n_done == 1 || result->storm_events < sum->storm_events_min) {
        sum->storm_events_min = result->storm_events;
    }
    counts_add(&sum->counts, &result->counts);
    seeds->hashes[place] = result->hash;
    seeds->is_done[place] = true;
    while (seeds->how->is_hashing && seeds->printed < seeds->list->n &&
           seeds->is_done[seeds->printed]) {
        printf("%" PRIu64 " %016" PRIx64 "\n", seeds->list->seeds[seeds->printed].number,
               seeds->hashes[seeds->printed]);
        seeds->printed++;
    }
}

static void seed_failed(struct seeds *seeds, uint32_t place, int status)
{
    struct seeds_sum *sum = seeds->sum;
    const struct seed *kept = &seeds->list->seeds[place];
    const struct sim_options options = options_of(kept, seeds->options);
    uint64_t seed = kept->number;
    if (WIFSIGNALED(status)) {
        fprintf(stderr, "seed %" PRIu64 ": ended by signal %d (%s)\n", seed, WTERMSIG(status),
                strsignal(WTERMSIG(status)));
    }
    fprintf(stderr,
            "seed %" PRIu64 " FAILED; replay: muster-sim --seed %" PRIu64 " --events %" PRIu64
            "%s --trace\n",
            seed, seed, options.events, options.is_arrays ? " --arrays" : "");
    if (sum->n_failed == 0 || place < sum->n_before) {
        sum->first_failed = seed;
        sum->n_before = place;
    }
    sum->n_failed++;
    seeds->is_done[place] = true;
}

static bool read_whole(int fd, void *bytes, size_t len)
{
    for (size_t n = 0; n < len;) {
        ssize_t more = read(fd, (char *)bytes + n, len - n);
        if (more < 0 && errno == EINTR) {
            continue;
        }
        if (more <= 0) {
            return false;
        }
        n += (size_t)more;
    }
    return true;
}

static void worker_read(struct seeds *seeds, struct worker *worker)
{
    struct sim_result result;
    if (read_whole(worker->fd, &result, sizeof result)) {
        seed_done(seeds, worker->next, &result);
        worker->next += seeds->n_workers;
        return;
    }
    int status = 0;
    close(worker->fd);
    while (waitpid(worker->pid, &status, 0) < 0 && errno == EINTR) {
    }
    worker->pid = 0;
    if (worker->next < seeds->list->n) {
        seed_failed(seeds, worker->next, status);
        worker_start(seeds, worker, worker->next + seeds->n_workers);
    }
}

/* Whoever is past the first seed that failed: those before it may fail yet. */
static void workers_stop(struct seeds *seeds)
{
    for (uint32_t i = 0; i < seeds->n_workers; i++) {
        struct worker *worker = &seeds->workers[i];
        if (worker->pid != 0 && worker->next > seeds->sum->n_before) {
            kill(worker->pid, SIGKILL);
            close(worker->fd);
            waitpid(worker->pid, NULL, 0);
            worker->pid = 0;
        }
    }
}

/* False: nobody runs any more. */
static bool workers_wait(struct seeds *seeds)
{
    struct pollfd fds[JOBS_MAX];
    struct worker *whose[JOBS_MAX];
    nfds_t n = 0;
    for (uint32_t i = 0; i < seeds->n_workers; i++) {
        if (seeds->workers[i].pid != 0) {
            fds[n] = (struct pollfd){.fd = seeds->workers[i].fd, .events = POLLIN};
            whose[n++] = &seeds->workers[i];
        }
    }
    if (n > 0 && poll(fds, n, -1) > 0) {
        for (nfds_t i = 0; i < n; i++) {
            if (fds[i].revents != 0) {
                worker_read(seeds, whose[i]);
            }
        }
    }
    return n > 0;
}

void seeds_run(const struct seed_list *list, const struct sim_options *options,
               const struct seeds_how *how, struct seeds_sum *ret_sum)
{
    struct seeds seeds = {.list = list, .options = options, .how = how, .sum = ret_sum};
    *ret_sum = (struct seeds_sum){0};
    seeds.hashes = calloc(list->n + 1, sizeof *seeds.hashes);
    seeds.is_done = calloc(list->n + 1, sizeof *seeds.is_done);
    seeds.n_workers = how->jobs < 1 ? 1 : how->jobs > JOBS_MAX ? JOBS_MAX : how->jobs;
    if (seeds.hashes == NULL || seeds.is_done == NULL) {
        abort();
    }
    for (uint32_t i = 0; i < seeds.n_workers; i++) {
        worker_start(&seeds, &seeds.workers[i], i);
    }
    while (workers_wait(&seeds)) {
        if (how->is_first_enough && ret_sum->n_failed > 0) {
            workers_stop(&seeds);
        }
    }
    free(seeds.hashes);
    free(seeds.is_done);
}
