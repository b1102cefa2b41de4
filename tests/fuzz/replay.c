/* Runs a fuzzer over the files of its corpus without libFuzzer, in any build: what once crashed
 * stays a test. Nothing may stay allocated after an input.
 *
 * usage: replay_NAME FOLDER...           each file once
 *        replay_NAME --fail N FOLDER...  and with allocations failing, one at a time: of each input
 *                                        up to N of each stack that allocates; 0: every one
 * A corpus that does not get where it should (fuzz_corpus_reached()) is a failure too. */
#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>

#include "input.h"
#include "tests/torture/stacks.h"

__attribute__((weak)) int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return 0;
}

__attribute__((weak)) bool fuzz_corpus_reached(void)
{
    return true;
}

static bool is_torture;
static unsigned long per_stack, n_inputs, n_failures, n_allocations, n_stacks;

static void input_run(const char *path, const uint8_t *data, size_t size)
{
    int64_t before = mem_live_count();
    (void)LLVMFuzzerTestOneInput(data, size);
    if (mem_live_count() != before) {
        fprintf(stderr, "%s: %lld blocks stay allocated\n", path,
                (long long)(mem_live_count() - before));
        abort();
    }
}

/* False: the run made fewer allocations than k. */
static bool input_run_failing(const char *path, const uint8_t *data, size_t size, uint64_t k)
{
    mem_fail_at(k);
    input_run(path, data, size);
    bool has_failed = mem_has_failed();
    mem_fail_at(0);
    n_failures += has_failed ? 1 : 0;
    return has_failed;
}

static void input_torture(const char *path, const uint8_t *data, size_t size)
{
    if (per_stack == 0) {
        for (uint64_t k = 1; input_run_failing(path, data, size, k); k++) {
        }
        return;
    }
    struct stacks_plan plan;
    (void)stacks_watch_begin();
    input_run(path, data, size);
    stacks_watch_end();
    if (!stacks_plan_init(&plan, per_stack)) {
        fprintf(stderr, "%s: it has more allocations than can be counted\n", path);
        exit(2);
    }
    for (size_t i = 0; i < plan.len; i++) {
        (void)input_run_failing(path, data, size, plan.k[i]);
    }
    n_allocations += plan.n_allocations;
    n_stacks += plan.n_stacks;
    stacks_plan_fini(&plan);
}

static void file_run(const char *path)
{
    struct stat status;
    FILE *file = fopen(path, "rb");
    if (file == NULL || fstat(fileno(file), &status) != 0) {
        perror(path);
        exit(2);
    }
    size_t size = (size_t)status.st_size;
    uint8_t *data = malloc(size + 1);
    assert(data != NULL);
    if (fread(data, 1, size, file) != size) {
        perror(path);
        exit(2);
    }
    fclose(file);
    /* Of its own size, for the sanitizer. */
    uint8_t *exact = realloc(data, size > 0 ? size : 1);
    assert(exact != NULL);
    input_run(path, exact, size);
    if (is_torture) {
        input_torture(path, exact, size);
    }
    n_inputs++;
    free(exact);
}

static void folder_run(const char *folder)
{
    struct dirent **entries;
    int n = scandir(folder, &entries, NULL, alphasort);
    if (n < 0) {
        perror(folder);
        exit(2);
    }
    for (int i = 0; i < n; i++) {
        char path[4096];
        struct stat status;
        snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        if (stat(path, &status) == 0 && S_ISREG(status.st_mode)) {
            file_run(path);
        }
        free(entries[i]);
    }
    free(entries);
}

int main(int argc, char **argv)
{
    int first = 1;
    if (argc > 2 && strcmp(argv[1], "--fail") == 0) {
        is_torture = true;
        per_stack = strtoul(argv[2], NULL, 10);
        first = 3;
        if (per_stack > 0 && !stacks_can_watch()) {
            fprintf(stderr, "%s: %s\n", argv[0], STACKS_MISSING);
            return 2;
        }
    }
    (void)LLVMFuzzerInitialize(&argc, &argv);
    input_run("nothing", (const uint8_t *)"", 0);
    for (int i = first; i < argc; i++) {
        folder_run(argv[i]);
    }
    const char *name = strrchr(argv[0], '/') != NULL ? strrchr(argv[0], '/') + 1 : argv[0];
    bool has_reached = fuzz_corpus_reached();
    if (!has_reached) {
        printf("FAIL test_%s_corpus_gets_where_it_should\n", name);
    }
    printf("ok test_%s_corpus_does_no_harm (%lu inputs, %lu failed allocations)\n", name, n_inputs,
           n_failures);
    if (per_stack > 0) {
        printf("allocations %lu stacks %lu\n", n_allocations, n_stacks);
    }
    return n_inputs > 0 && has_reached ? 0 : 1;
}
