/* The two ends of a copy between nodes, as processes: `make FOLDER STORE` makes snapshot 1.1/1 of
 * what lies in FOLDER; `lend STORE` hands it out until its input ends, and says where; `take STORE
 * STAGING ENDPOINT KEY` fetches it and prints the microseconds that took. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "net/keys.h"
#include "sys/clock.h"
#include "sys/files.h"
#include "sys/machine.h"
#include "worker/shell/fetcher.h"
#include "worker/shell/lender.h"
#include "worker/shell/manifest.h"
#include "worker/shell/snapshots.h"

static const struct snapshot_name name = {{1, 1}, 1};
static const uint8_t pass[PASS_BYTES] = "a pass for bench";

static int fail(const struct report *report)
{
    fprintf(stderr, "bench_copies: %s\n", report->text);
    return 1;
}

static int snapshot_make(const char *folder, const char *store)
{
    char target[FILES_PATH_MAX_BYTES];
    struct report report = {0};
    struct manifest manifest = {.task = name.task, .ordinal = name.ordinal, .step = 1};
    snprintf(target, sizeof target, "%s/1.1/1", store);
    return dir_make(store, &report) == OK &&
                   manifest_write(folder, NULL, &manifest, &report) == OK &&
                   snapshot_put_in_place(folder, target, &report) == OK
               ? 0
               : fail(&report);
}

static int lend(const char *store)
{
    struct lender *lender;
    struct report report = {0};
    char line[16];
    if (lender_open("127.0.0.1", store, &lender, &report) != OK) {
        return fail(&report);
    }
    printf("%s %s\n", lender_endpoint(lender), lender_key(lender));
    fflush(stdout);
    /* A line for each copy. */
    while (fgets(line, sizeof line, stdin) != NULL) {
        const struct msg_lend message = {name, {pass, PASS_BYTES}, 60000};
        lender_pass(lender, &message);
        printf("lent\n");
        fflush(stdout);
    }
    lender_close(lender);
    return 0;
}

struct take {
    struct loop *loop;
    copy_end end;
    char text[REPORT_TEXT_MAX];
};

static void on_done(void *context, struct snapshot_name done, copy_end end, const char *text)
{
    struct take *take = context;
    (void)done;
    take->end = end;
    snprintf(take->text, sizeof take->text, "%s", text);
    loop_stop(take->loop);
}

static void on_turn(void *context, const struct loop_turn *turn)
{
    (void)turn;
    loop_deadline_set(((struct take *)context)->loop, INT64_MAX);
}

static int take_run(char **argv)
{
    struct take take = {.end = COPY_FAILED};
    struct fetcher *fetcher;
    struct report report = {0};
    const struct msg_source source = {
        .name = name, .node = "donor", .lender = argv[4], .lender_key = argv[5]};
    if (loop_new(&take.loop, &report) != OK ||
        fetcher_new(take.loop, argv[2], argv[3], on_done, &take, &fetcher, &report) != OK) {
        return fail(&report);
    }
    loop_turn_set(take.loop, on_turn, &take);
    int64_t begun = clock_monotonic_us();
    if (fetcher_start(fetcher, &source, pass) != OK || loop_run(take.loop) != OK ||
        take.end != COPY_DONE) {
        fprintf(stderr, "bench_copies: %s\n", take.text);
        return 1;
    }
    printf("%lld\n", (long long)(clock_monotonic_us() - begun));
    fetcher_free(fetcher);
    loop_free(take.loop);
    return 0;
}

int main(int argc, char **argv)
{
    machine_memory_keep(); /* as in a worker */
    if (keys_init() == OK && argc == 4 && strcmp(argv[1], "make") == 0) {
        return snapshot_make(argv[2], argv[3]);
    }
    if (argc == 3 && strcmp(argv[1], "lend") == 0) {
        return lend(argv[2]);
    }
    if (argc == 6 && strcmp(argv[1], "take") == 0) {
        return take_run(argv);
    }
    fprintf(stderr, "usage: bench_copies make FOLDER STORE | lend STORE | take STORE STAGING "
                    "ENDPOINT KEY\n");
    return 2;
}
