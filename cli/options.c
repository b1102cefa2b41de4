/* The command line, by the table of verbs.c. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "cli/suggest.h"

int cli_fail(int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("muster: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return code;
}

int cli_fail_report(int code, const struct report *report)
{
    char text[REPORT_TEXT_MAX + REPORT_FILE_MAX + 64];
    report_print(report, text, sizeof text);
    return cli_fail(code, "%s", text);
}

const char *cli_option_at(const struct cli *cli, const char *name, int k)
{
    for (int i = 0; i < cli->n_options; i++) {
        if (strcmp(cli->options[i].name, name) == 0 && k-- == 0) {
            return cli->options[i].value;
        }
    }
    return NULL;
}

const char *cli_option(const struct cli *cli, const char *name)
{
    const char *last = NULL;
    for (int i = 0; i < cli->n_options; i++) {
        if (strcmp(cli->options[i].name, name) == 0) {
            last = cli->options[i].value;
        }
    }
    return last;
}

bool cli_number(const char *what, const char *text, uint64_t max, uint64_t *ret_number)
{
    char *end = NULL;
    unsigned long long number = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || number > max) {
        cli_fail(EXIT_USAGE, "%s wants a whole number of 0 to %llu, not '%s'", what,
                 (unsigned long long)max, text);
        return false;
    }
    *ret_number = number;
    return true;
}

bool cli_duration(const char *what, const char *text, int64_t *ret_ms)
{
    static const struct {
        const char *unit;
        double ms;
    } units[] = {{"", 1000}, {"s", 1000}, {"ms", 1}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    char *end = NULL;
    double number = strtod(text, &end);
    for (size_t i = 0; end != text && i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(end, units[i].unit) == 0 && number >= 0 && number * units[i].ms < 1e15) {
            *ret_ms = (int64_t)(number * units[i].ms);
            return true;
        }
    }
    cli_fail(EXIT_USAGE, "%s wants a duration such as 30, 30s or 5m, not '%s'", what, text);
    return false;
}

/* ---- one option ---- */

static const struct cli_option *cli_option_find(const struct cli_verb *verb, const char *name,
                                                size_t length, char letter)
{
    const struct cli_option *tables[] = {verb != NULL ? verb->options : cli_options_of_all,
                                         cli_options_of_all};
    for (int t = 0; t < 2; t++) {
        for (const struct cli_option *o = tables[t]; o->name != NULL; o++) {
            bool is_name =
                name != NULL && strlen(o->name) == length && strncmp(o->name, name, length) == 0;
            if (is_name || (letter != 0 && o->letter == letter)) {
                return o;
            }
        }
    }
    return NULL;
}

/* One option at argv[*at]; moves *at past its value. */
static int cli_option_take(struct cli *cli, int argc, char **argv, int *at)
{
    const char *word = argv[*at];
    bool is_long = word[1] == '-';
    const char *equals = is_long ? strchr(word, '=') : NULL;
    size_t length = equals != NULL ? (size_t)(equals - word) - 2 : strlen(word) - (is_long ? 2 : 0);
    const struct cli_option *option = is_long ? cli_option_find(cli->verb, word + 2, length, 0)
                                              : cli_option_find(cli->verb, NULL, 0, word[1]);
    if (option == NULL && cli->verb == NULL) {
        return cli_fail(EXIT_USAGE,
                        "unknown option '%s' before a verb; only options of all verbs may stand "
                        "there, see 'muster help'",
                        word);
    }
    if (option == NULL || (!is_long && option->argument == NULL && word[2] != '\0')) {
        return cli_unknown_option(cli->verb, word);
    }
    const char *value = "";
    if (option->argument == NULL) {
        if (equals != NULL) {
            return cli_fail(EXIT_USAGE, "option --%s takes no value", option->name);
        }
    } else if (equals != NULL) {
        value = equals + 1;
    } else if (!is_long && word[2] != '\0') {
        value = word + 2;
    } else if (*at + 1 < argc) {
        value = argv[++*at];
    } else {
        return cli_fail(EXIT_USAGE, "option --%s wants %s", option->name, option->argument);
    }
    if (cli->n_options == CLI_OPTIONS_MAX) {
        return cli_fail(EXIT_USAGE, "more than %d options", CLI_OPTIONS_MAX);
    }
    cli->options[cli->n_options].name = option->name;
    cli->options[cli->n_options++].value = value;
    return EXIT_OK;
}

/* Where a verb would stand. */
static bool is_asking(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "--version") == 0;
}

/* Options of all verbs may stand before the verb too. */
static int cli_verb_take(struct cli *cli, int argc, char **argv, int *at)
{
    int first = 1;
    while (first < argc && argv[first][0] == '-' && !is_asking(argv[first])) {
        int code = cli_option_take(cli, argc, argv, &first);
        if (code != EXIT_OK) {
            return code;
        }
        first++;
    }
    const char *word = first < argc ? argv[first] : "help";
    *at = first + 1;
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        word = "help";
    } else if (strcmp(word, "--version") == 0) {
        word = "version";
    }
    const char *noun = NULL;
    if (cli_is_noun(word)) {
        noun = word;
        const char *next = *at < argc ? argv[*at] : "-";
        if (next[0] == '-') {
            if (strcmp(next, "--help") == 0 || strcmp(next, "-h") == 0) {
                cli_help(stdout, NULL, noun);
                return EXIT_OK;
            }
            return cli_noun_alone(noun);
        }
        word = next;
        ++*at;
    }
    cli->verb = cli_verb_find(noun, word);
    return cli->verb != NULL ? EXIT_OK : cli_unknown_verb(noun, word);
}

int cli_parse(struct cli *cli, int argc, char **argv)
{
    int at = 0;
    cli->argc = argc;
    cli->argv = (const char *const *)argv;
    cli->arguments = mem_calloc((size_t)argc + 1, sizeof *cli->arguments);
    if (cli->arguments == NULL) {
        return cli_fail(EXIT_REQUEST, "out of memory");
    }
    int code = cli_verb_take(cli, argc, argv, &at);
    for (; code == EXIT_OK && cli->verb != NULL && at < argc; at++) {
        const char *word = argv[at];
        if (strcmp(word, "--") == 0) {
            cli->command = (const char *const *)argv + at + 1;
            cli->n_command = argc - at - 1;
            break;
        }
        if (word[0] == '-' && word[1] != '\0') {
            code = cli_option_take(cli, argc, argv, &at);
        } else {
            cli->arguments[cli->n_arguments++] = word;
        }
    }
    if (code != EXIT_OK || cli->verb == NULL) {
        return code;
    }
    if (cli_option(cli, "help") != NULL) {
        cli_help(stdout, cli->verb, NULL);
        cli->verb = NULL;
        return EXIT_OK;
    }
    const struct cli_verb *verb = cli->verb;
    const char *noun = verb->noun != NULL ? verb->noun : "", *space = verb->noun != NULL ? " " : "";
    if (verb->has_command == CLI_COMMAND && cli->n_command == 0) {
        return cli_fail(EXIT_USAGE, "'%s' wants a command after --, e.g. 'muster %s -- echo hello'",
                        verb->name, verb->name);
    }
    if (verb->has_command == CLI_NO_COMMAND && cli->n_command > 0) {
        return cli_fail(EXIT_USAGE, "'%s%s%s' takes no command after --", noun, space, verb->name);
    }
    if (verb->has_command == CLI_COMMAND_OR_FILE &&
        (cli->n_command > 0) == (cli->n_arguments > 0)) {
        return cli_fail(EXIT_USAGE,
                        "'%s' wants a sweep file, or a command after --: 'muster %s sweep.yaml', "
                        "'muster %s -- echo hello'",
                        verb->name, verb->name, verb->name);
    }
    if (cli->n_arguments < verb->arguments_min ||
        (verb->arguments_max >= 0 && cli->n_arguments > verb->arguments_max)) {
        return cli_fail(EXIT_USAGE, "usage: muster %s%s%s%s%s; see 'muster help %s%s%s'", noun,
                        space, verb->name, verb->arguments[0] != '\0' ? " " : "", verb->arguments,
                        noun, space, verb->name);
    }
    return EXIT_OK;
}
