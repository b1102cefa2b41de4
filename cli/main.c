/* The muster command: parses the line by the table and runs the verb. */
#include <limits.h>
#include <locale.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/cli.h"

static int cli_state_dir(struct cli *cli)
{
    const char *given = cli_option(cli, "state");
    given = given != NULL ? given : getenv("MUSTER_STATE");
    const char *xdg = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    const struct passwd *user = home == NULL || home[0] != '/' ? getpwuid(getuid()) : NULL;
    home = user != NULL ? user->pw_dir : home;
    int n;
    if (given != NULL && given[0] == '/') {
        n = snprintf(cli->state_dir, sizeof cli->state_dir, "%s", given);
    } else if (given != NULL && given[0] != '\0') {
        char cwd[PATH_MAX];
        if (getcwd(cwd, sizeof cwd) == NULL) {
            return cli_fail(EXIT_REQUEST,
                            "the current folder cannot be read; give --state an absolute path");
        }
        n = snprintf(cli->state_dir, sizeof cli->state_dir, "%s/%s", cwd, given);
    } else if (xdg != NULL && xdg[0] == '/') {
        n = snprintf(cli->state_dir, sizeof cli->state_dir, "%s/muster", xdg);
    } else if (home != NULL && home[0] == '/') {
        n = snprintf(cli->state_dir, sizeof cli->state_dir, "%s/.local/state/muster", home);
    } else {
        return cli_fail(EXIT_USAGE, "HOME is not set; say with --state or MUSTER_STATE where the "
                                    "cluster keeps its files");
    }
    if (n < 0 || (size_t)n > 3000) {
        return cli_fail(EXIT_USAGE, "the state folder's path is too long; give a shorter --state");
    }
    for (size_t end = strlen(cli->state_dir); end > 1 && cli->state_dir[end - 1] == '/'; end--) {
        cli->state_dir[end - 1] = '\0';
    }
    return EXIT_OK;
}

int main(int argc, char **argv)
{
    setlocale(LC_CTYPE, "");
    struct cli cli = {.program = argv[0]};
    int code = cli_parse(&cli, argc, argv);
    if (code == EXIT_OK && cli.verb != NULL) {
        code = cli_state_dir(&cli);
        if (code == EXIT_OK) {
            code = cli.verb->run(&cli);
        }
    }
    mem_free(cli.arguments);
    if (fflush(stdout) != 0 && code == EXIT_OK) {
        code = cli_fail(EXIT_REQUEST, "the output could not be written");
    }
    return code;
}
