/* cli/watching.h -- looking at a sweep or job again and again until it is over, somebody
 * interrupts, or the time is up. One thread; blocks. */
#ifndef MUSTER_CLI_WATCHING_H
#define MUSTER_CLI_WATCHING_H

#include "cli/cli.h"

struct watching {
    struct cli *cli;
    bool is_live;       /* drawn over on a terminal */
    int64_t timeout_ms; /* below 0: none */
    const char *what;   /* "sweep 3", for people */
    void *context;
    int (*look)(void *context);           /* -1 to go on, else the exit code */
    int (*on_interrupted)(void *context); /* the same */
};

int64_t cli_now_ms(void); /* monotonic */
/* stderr is a terminal that can draw over a line, and something may be drawn. */
bool cli_watching_is_live(bool is_quiet);
/* The exit code. Looks often at first (a few trials or tasks are over at once), then less. */
int cli_watching_run(const struct watching *watching);

#endif
