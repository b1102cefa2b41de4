#include "cli/watching.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/signals.h"

enum { LOOK_LIVE_MS = 250, LOOK_MIN_MS = 40, LOOK_MAX_MS = 500 };

int64_t cli_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void pause_ms(int64_t ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

bool cli_watching_is_live(bool is_quiet)
{
    const char *terminal = getenv("TERM");
    return !is_quiet && isatty(STDERR_FILENO) && terminal != NULL && strcmp(terminal, "dumb") != 0;
}

int cli_watching_run(const struct watching *w)
{
    int64_t started_ms = cli_now_ms();
    int code = -1;
    cli_interrupt_catch(w->cli);
    for (int64_t wait_ms = LOOK_MIN_MS; code < 0;
         pause_ms(code < 0 && !cli_is_interrupted ? wait_ms : 0)) {
        code = w->look(w->context);
        wait_ms = w->is_live ? LOOK_LIVE_MS : wait_ms < LOOK_MAX_MS ? wait_ms * 5 / 4 : LOOK_MAX_MS;
        if (code < 0 && cli_is_interrupted) {
            code = w->on_interrupted(w->context);
        }
        if (code < 0 && w->timeout_ms >= 0 && cli_now_ms() - started_ms >= w->timeout_ms) {
            code = cli_fail(EXIT_TIMEOUT, "%s is not over yet; it goes on", w->what);
        }
    }
    return code;
}
