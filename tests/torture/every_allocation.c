/* Runs each unit test of a program again and again, each time with another allocation failing.
 * Linked into the unit tests (--wrap); asleep unless MUSTER_TORTURE is set: to N for up to N
 * allocations of each distinct stack that asks for memory (stacks.h), to 0 for every allocation.
 * MUSTER_TORTURE_S, if set, bounds the seconds of one test; one that is cut short or cannot run is
 * named in a line `SKIP`.
 *
 * Each run is a child of its own. A test that fails by one of its own assertions is fine: it
 * counted on memory. A signal, an assertion of ours, a sanitizer's report, a run without end, or a
 * test that passes and keeps what it did not keep before is a finding. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "crash_report.h"
#include "stacks.h"

/* A run that takes longer has no end: a finding. With a clock below SAMPLE_MS_MAX there is no time
 * to find that out. */
enum { RUN_MS_MAX = 60000, SAMPLE_MS_MAX = 10000 };
enum { TEXT_MAX = 64 << 10, SHOWN_MAX = 6000 };
enum { CHILD_PASSED = 100, CHILD_FAILED, CHILD_OVER, CHILD_OWN, CHILD_KEPT };

struct subject {
    const char *group;
    const struct CMUnitTest *test;
    CMFixtureFunction setup, teardown;
};

int __real__cmocka_run_group_tests(const char *group_name, const struct CMUnitTest *tests,
                                   size_t num_tests, CMFixtureFunction group_setup,
                                   CMFixtureFunction group_teardown);
int __wrap__cmocka_run_group_tests(const char *group_name, const struct CMUnitTest *tests,
                                   size_t num_tests, CMFixtureFunction group_setup,
                                   CMFixtureFunction group_teardown);
void __real_mem_fail_at(uint64_t k);
void __wrap_mem_fail_at(uint64_t k);

/* What became of all tests of the program. */
struct tally {
    uint64_t runs, allocations, stacks;
    unsigned findings;
};

static bool has_own; /* the test itself lets allocations fail */

/* Of a test; INT64_MAX: as long as it takes. */
static int64_t test_ms_max(void)
{
    const char *text = getenv("MUSTER_TORTURE_S");
    return text != NULL ? (int64_t)(strtod(text, NULL) * 1000) : INT64_MAX;
}

static bool is_sample(void)
{
    return test_ms_max() < SAMPLE_MS_MAX;
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void __wrap_mem_fail_at(uint64_t k)
{
    has_own = true;
    __real_mem_fail_at(k);
}

/* ---- one run, in the child ---- */

static void alarm_set(bool is_first)
{
    bool by_clock = (is_first || is_sample()) && test_ms_max() < RUN_MS_MAX;
    int64_t ms = by_clock ? test_ms_max() : RUN_MS_MAX;
    const struct itimerval timer = {.it_value = {ms / 1000, ms % 1000 * 1000}};
    (void)setitimer(ITIMER_REAL, &timer, NULL);
}

static _Noreturn void child_run(const struct subject *s, uint64_t k, int text_fd, int64_t *kept)
{
    int64_t before = mem_live_count();
    if (dup2(text_fd, STDERR_FILENO) < 0 || dup2(text_fd, STDOUT_FILENO) < 0) {
        _exit(EXIT_FAILURE);
    }
    alarm_set(k == 0);
    bool is_watched = k == 0 && stacks_watch_begin();
    __real_mem_fail_at(k);
    int failed = __real__cmocka_run_group_tests(s->group, s->test, 1, s->setup, s->teardown);
    bool has_failed = mem_has_failed();
    __real_mem_fail_at(0);
    if (is_watched) {
        stacks_watch_end();
    }
    fflush(NULL);
    int64_t now = mem_live_count() - before;
    if (has_own) {
        _exit(CHILD_OWN);
    }
    if (!has_failed) {
        *kept = now;
        _exit(CHILD_OVER);
    }
    /* What the undisturbed test keeps (a table made once) it may keep here. */
    _exit(failed != 0 ? CHILD_FAILED : now > *kept ? CHILD_KEPT : CHILD_PASSED);
}

/* ---- what became of it ---- */

static bool is_out_of_time(int status)
{
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM;
}

static const char *finding_of(int status, const char *text)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == CHILD_KEPT) {
        return "passes and keeps memory";
    }
    if (is_out_of_time(status)) {
        return "does not end";
    }
    bool has_crashed = strstr(text, "Test failed with exception") != NULL;
    if (WIFEXITED(status) && WEXITSTATUS(status) >= CHILD_PASSED && !has_crashed) {
        return NULL;
    }
    return torture_is_the_tests_own(text) ? NULL : "crashes";
}

/* ---- all runs of one test ---- */

static const char *text_read(int fd)
{
    static char text[TEXT_MAX + 1];
    ssize_t n = pread(fd, text, TEXT_MAX, 0);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

static int run_status(const struct subject *s, uint64_t k, int text_fd, int64_t *kept)
{
    int status = 0;
    if (ftruncate(text_fd, 0) != 0 || lseek(text_fd, 0, SEEK_SET) != 0) {
        perror("torture");
        exit(EXIT_FAILURE);
    }
    pid_t child = fork();
    if (child == 0) {
        child_run(s, k, text_fd, kept);
    }
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (child < 0) {
        perror("torture: fork");
        exit(EXIT_FAILURE);
    }
    return status;
}

/* The reason why a test is not tortured; NULL: it can be. */
static const char *obstacle_of(int status)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == CHILD_OVER) {
        return NULL;
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == CHILD_OWN) {
        return "it lets allocations fail itself";
    }
    return is_out_of_time(status) ? "one run alone takes too long"
                                  : "it fails with all memory that it wants";
}

static void finding_tell(const struct subject *s, uint64_t k, const char *finding, int status,
                         const char *text)
{
    size_t len = strlen(text);
    printf("FAIL torture/%s/%s: with allocation %llu failing it %s (status %d)\n%s\n", s->group,
           s->test->name, (unsigned long long)k, finding, status,
           len > SHOWN_MAX ? text + len - SHOWN_MAX : text);
    fflush(stdout);
}

/* Lets those of the plan fail, or every one if there is none. Returns an obstacle, or NULL. */
static const char *runs_do(const struct subject *s, const struct stacks_plan *plan, int64_t end_ms,
                           int text_fd, int64_t *kept, struct tally *tally)
{
    for (size_t i = 0; plan == NULL || i < plan->len; i++) {
        if (now_ms() > end_ms) {
            return "its time was over before the last allocation";
        }
        uint64_t k = plan != NULL ? plan->k[i] : i + 1;
        int status = run_status(s, k, text_fd, kept);
        if (WIFEXITED(status) && WEXITSTATUS(status) == CHILD_OVER) {
            if (plan == NULL) {
                break;
            }
            continue; /* a test that allocates less in some runs */
        }
        tally->runs++;
        if (is_sample() && is_out_of_time(status)) {
            return "one run with a failure takes too long for a sample";
        }
        const char *text = text_read(text_fd);
        const char *finding = finding_of(status, text);
        if (finding != NULL) {
            finding_tell(s, k, finding, status, text);
            tally->findings++;
        }
    }
    return NULL;
}

static void test_torture(const struct subject *s, size_t per_stack, int text_fd,
                         struct tally *tally)
{
    int64_t *kept =
        mmap(NULL, sizeof *kept, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (kept == MAP_FAILED) {
        perror("torture: mmap");
        exit(EXIT_FAILURE);
    }
    int64_t end_ms = test_ms_max() < INT64_MAX ? now_ms() + test_ms_max() : INT64_MAX;
    const char *obstacle = obstacle_of(run_status(s, 0, text_fd, kept));
    struct stacks_plan plan = {0};
    if (obstacle == NULL && !stacks_plan_init(&plan, per_stack) && per_stack > 0) {
        obstacle = "it has more allocations than can be counted";
    }
    if (obstacle == NULL) {
        obstacle = runs_do(s, per_stack > 0 ? &plan : NULL, end_ms, text_fd, kept, tally);
    }
    tally->allocations += plan.n_allocations;
    tally->stacks += plan.n_stacks;
    stacks_plan_fini(&plan);
    munmap(kept, sizeof *kept);
    if (obstacle != NULL) {
        printf("SKIP torture/%s/%s: %s\n", s->group, s->test->name, obstacle);
        fflush(stdout);
    }
}

int __wrap__cmocka_run_group_tests(const char *group_name, const struct CMUnitTest *tests,
                                   size_t num_tests, CMFixtureFunction group_setup,
                                   CMFixtureFunction group_teardown)
{
    const char *density = getenv("MUSTER_TORTURE");
    if (density == NULL) {
        return __real__cmocka_run_group_tests(group_name, tests, num_tests, group_setup,
                                              group_teardown);
    }
    const char *only = getenv("MUSTER_TORTURE_TEST");
    int text_fd = memfd_create("torture", MFD_CLOEXEC);
    size_t per_stack = strtoul(density, NULL, 10);
    struct tally tally = {0};
    if (text_fd < 0 || (per_stack > 0 && !stacks_can_watch())) {
        printf("torture: %s\n", text_fd < 0 ? strerror(errno) : STACKS_MISSING);
        return 1;
    }
    stacks_reserve();
    fflush(NULL);
    for (size_t i = 0; i < num_tests; i++) {
        struct subject s = {group_name, &tests[i], group_setup, group_teardown};
        if (only == NULL || strstr(tests[i].name, only) != NULL) {
            test_torture(&s, per_stack, text_fd, &tally);
        }
    }
    (void)close(text_fd);
    printf("runs %llu findings %u allocations %llu stacks %llu\n", (unsigned long long)tally.runs,
           tally.findings, (unsigned long long)tally.allocations, (unsigned long long)tally.stacks);
    return tally.findings > 0 ? 1 : 0;
}
