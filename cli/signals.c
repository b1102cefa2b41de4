#include "cli/signals.h"

#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "cli/acts.h"

volatile sig_atomic_t cli_is_interrupted;

static struct {
    bool interrupt_cancels, terminate_cancels;
    volatile sig_atomic_t is_cancelling; /* what came last */
    volatile sig_atomic_t n_interrupts;
    volatile sig_atomic_t is_timed_out;
    sem_t *volatile teller; /* who cancels, while the flag stays down */
} signals;

static void on_signal(int signal)
{
    if (signal == SIGINT && ++signals.n_interrupts > 1) {
        static const char text[] = "\nmuster: left at once\n";
        ssize_t n = write(STDERR_FILENO, text, sizeof text - 1);
        (void)n;
        _exit(EXIT_INTERRUPTED);
    }
    bool is_cancel = signal == SIGINT ? signals.interrupt_cancels : signals.terminate_cancels;
    sem_t *teller = signals.teller;
    if (is_cancel && teller != NULL) {
        sem_post(teller);
        return;
    }
    signals.is_cancelling = is_cancel;
    cli_is_interrupted = 1;
}

void cli_interrupt_catch(const struct cli *cli)
{
    struct sigaction action = {.sa_handler = on_signal};
    if (!cli->has_signals) {
        sigaction(SIGINT, &action, NULL);
    }
}

static void on_alarm(int signal)
{
    (void)signal;
    signals.is_timed_out = 1;
    cli_is_interrupted = 1;
}

void cli_signal_tell(sem_t *teller)
{
    signals.teller = teller;
}

void cli_signal_time_out(int64_t timeout_ms)
{
    struct sigaction action = {.sa_handler = on_alarm};
    timeout_ms = timeout_ms > 0 ? timeout_ms : 1;
    struct itimerval timer = {
        .it_value = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000}};
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &timer, NULL);
}

bool cli_signal_timed_out(void)
{
    return signals.is_timed_out;
}

bool cli_has_terminal(void)
{
    return isatty(STDIN_FILENO) || isatty(STDOUT_FILENO) || isatty(STDERR_FILENO);
}

int cli_signals_catch(struct cli *cli)
{
    const char *given = cli_option(cli, "on-signal"), *grace = cli_option(cli, "grace");
    int64_t grace_ms;
    if (given != NULL && strcmp(given, "detach") != 0 && strcmp(given, "cancel") != 0) {
        return cli_fail(EXIT_USAGE, "--on-signal wants detach or cancel, not '%s'", given);
    }
    if (grace != NULL && !cli_duration("--grace", grace, &grace_ms)) {
        return EXIT_USAGE;
    }
    bool is_cancel = given != NULL && strcmp(given, "cancel") == 0;
    signals.interrupt_cancels = is_cancel;
    signals.terminate_cancels = given != NULL ? is_cancel : !cli_has_terminal();
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    cli->has_signals = true;
    return EXIT_OK;
}

bool cli_signal_cancels(void)
{
    return cli_is_interrupted && signals.is_cancelling;
}

int cli_signal_cancel(struct cli *cli, struct client **client, const char *what, const char *path)
{
    char body[64] = "{}";
    int64_t grace_ms;
    const char *grace = cli_option(cli, "grace");
    cli_is_interrupted = 0;
    signals.is_cancelling = 0;
    if (grace != NULL && cli_duration("--grace", grace, &grace_ms)) {
        snprintf(body, sizeof body, "{\"grace_ms\":%lld}", (long long)grace_ms);
    }
    fprintf(stderr, "\nmuster: cancelling %s\n", what);
    return act_post(cli, client, path, body, NULL, NULL);
}
