/* The command line, by the table of verbs.c. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/cli.h"

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

/* ---- finding names ---- */

static unsigned cli_distance(const char *a, const char *b)
{
    enum { LONGEST = 31 };
    size_t n = strnlen(a, LONGEST), m = strnlen(b, LONGEST);
    unsigned row[LONGEST + 1];
    for (size_t j = 0; j <= m; j++) {
        row[j] = (unsigned)j;
    }
    for (size_t i = 1; i <= n; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= m; j++) {
            unsigned above = row[j];
            unsigned best = diagonal + (a[i - 1] != b[j - 1]);
            best = above + 1 < best ? above + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            row[j] = best;
            diagonal = above;
        }
    }
    return row[m];
}

static const char *cli_nearest(const char *word, const char *candidate, const char *nearest,
                               unsigned *distance)
{
    unsigned d = cli_distance(word, candidate);
    if (d < *distance) {
        *distance = d;
        return candidate;
    }
    return nearest;
}

static bool cli_is_noun(const char *word)
{
    for (unsigned i = 0; i < cli_verbs_count; i++) {
        if (cli_verbs[i].noun != NULL && strcmp(cli_verbs[i].noun, word) == 0) {
            return true;
        }
    }
    return false;
}

static const struct cli_verb *cli_verb_find(const char *noun, const char *name)
{
    for (unsigned i = 0; i < cli_verbs_count; i++) {
        const struct cli_verb *verb = &cli_verbs[i];
        bool is_noun =
            noun == NULL ? verb->noun == NULL : verb->noun != NULL && strcmp(verb->noun, noun) == 0;
        if (is_noun && strcmp(verb->name, name) == 0) {
            return verb;
        }
    }
    return NULL;
}

static int cli_unknown_verb(const char *noun, const char *word)
{
    const char *nearest = NULL;
    unsigned distance = 3;
    for (unsigned i = 0; i < cli_verbs_count; i++) {
        const struct cli_verb *verb = &cli_verbs[i];
        if (noun == NULL) {
            nearest =
                cli_nearest(word, verb->noun != NULL ? verb->noun : verb->name, nearest, &distance);
        } else if (verb->noun != NULL && strcmp(verb->noun, noun) == 0) {
            nearest = cli_nearest(word, verb->name, nearest, &distance);
        }
    }
    const char *space = noun != NULL ? " " : "";
    noun = noun != NULL ? noun : "";
    if (nearest != NULL) {
        return cli_fail(EXIT_USAGE, "there is no verb '%s%s%s'; did you mean '%s%s%s'?", noun,
                        space, word, noun, space, nearest);
    }
    return cli_fail(EXIT_USAGE, "there is no verb '%s%s%s'; see 'muster help'", noun, space, word);
}

static const struct cli_option *cli_option_find(const struct cli_verb *verb, const char *name,
                                                size_t length, char letter)
{
    const struct cli_option *tables[] = {verb->options, cli_options_of_all};
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

static int cli_unknown_option(const struct cli_verb *verb, const char *word)
{
    const char *nearest = NULL;
    unsigned distance = 3;
    const struct cli_option *tables[] = {verb->options, cli_options_of_all};
    for (int t = 0; t < 2; t++) {
        for (const struct cli_option *o = tables[t]; o->name != NULL; o++) {
            nearest = cli_nearest(word + strspn(word, "-"), o->name, nearest, &distance);
        }
    }
    const char *noun = verb->noun != NULL ? verb->noun : "", *space = verb->noun != NULL ? " " : "";
    if (nearest != NULL) {
        return cli_fail(EXIT_USAGE, "unknown option '%s' of '%s%s%s'; did you mean '--%s'?", word,
                        noun, space, verb->name, nearest);
    }
    return cli_fail(EXIT_USAGE, "unknown option '%s'; see 'muster help %s%s%s'", word, noun, space,
                    verb->name);
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

static int cli_verb_take(struct cli *cli, int argc, char **argv, int *at)
{
    const char *word = argc > 1 ? argv[1] : "help";
    *at = 2;
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        word = "help";
    } else if (strcmp(word, "--version") == 0) {
        word = "version";
    }
    const char *noun = NULL;
    if (cli_is_noun(word)) {
        noun = word;
        if (argc < 3 || argv[2][0] == '-') {
            if (argc >= 3 && (strcmp(argv[2], "--help") == 0 || strcmp(argv[2], "-h") == 0)) {
                cli_help(stdout, NULL, noun);
                return EXIT_OK;
            }
            return cli_fail(EXIT_USAGE,
                            "'%s' wants a verb, e.g. 'muster %s list'; see 'muster help'", noun,
                            noun);
        }
        word = argv[2];
        *at = 3;
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
    if (verb->has_command && cli->n_command == 0) {
        return cli_fail(EXIT_USAGE, "'%s' wants a command after --, e.g. 'muster %s -- echo hello'",
                        verb->name, verb->name);
    }
    if (!verb->has_command && cli->command != NULL && cli->n_command > 0) {
        return cli_fail(EXIT_USAGE, "'%s%s%s' takes no command after --", noun, space, verb->name);
    }
    if (cli->n_arguments < verb->arguments_min ||
        (verb->arguments_max >= 0 && cli->n_arguments > verb->arguments_max)) {
        return cli_fail(EXIT_USAGE, "usage: muster %s%s%s%s%s; see 'muster help %s%s%s'", noun,
                        space, verb->name, verb->arguments[0] != '\0' ? " " : "", verb->arguments,
                        noun, space, verb->name);
    }
    return EXIT_OK;
}

/* ---- help ---- */

static void cli_help_options(FILE *to, const struct cli_option *options)
{
    for (const struct cli_option *o = options; o->name != NULL; o++) {
        char left[64];
        char letter[8] = "    ";
        if (o->letter != 0) {
            snprintf(letter, sizeof letter, "-%c, ", o->letter);
        }
        snprintf(left, sizeof left, "%s--%s%s%s", letter, o->name, o->argument != NULL ? " " : "",
                 o->argument != NULL ? o->argument : "");
        fprintf(to, "  %-28s %s\n", left, o->help);
    }
}

void cli_help(FILE *to, const struct cli_verb *verb, const char *noun)
{
    if (verb != NULL) {
        fprintf(to, "usage: muster %s%s%s%s [options]%s%s\n\n%s.\n\n",
                verb->noun != NULL ? verb->noun : "", verb->noun != NULL ? " " : "", verb->name, "",
                verb->arguments[0] != '\0' ? " " : "", verb->arguments, verb->help);
        cli_help_options(to, verb->options);
        fputs("\n", to);
        cli_help_options(to, cli_options_of_all);
        return;
    }
    fputs("muster: hyperparameter tuning and task-parallel cluster runtime\n\n"
          "usage: muster VERB [options] [arguments]\n\n",
          to);
    for (unsigned i = 0; i < cli_verbs_count; i++) {
        char left[64];
        const struct cli_verb *v = &cli_verbs[i];
        if (noun != NULL && (v->noun == NULL || strcmp(v->noun, noun) != 0)) {
            continue;
        }
        snprintf(left, sizeof left, "%s%s%s %s", v->noun != NULL ? v->noun : "",
                 v->noun != NULL ? " " : "", v->name, v->arguments);
        fprintf(to, "  %-24s %s\n", left, v->help);
    }
    fputs("\n'muster help VERB' shows a verb's options. Options of all verbs:\n\n", to);
    cli_help_options(to, cli_options_of_all);
}

int verb_help(struct cli *cli)
{
    const struct cli_verb *verb = NULL;
    if (cli->n_arguments == 1 && !cli_is_noun(cli->arguments[0])) {
        verb = cli_verb_find(NULL, cli->arguments[0]);
        if (verb == NULL) {
            return cli_unknown_verb(NULL, cli->arguments[0]);
        }
    } else if (cli->n_arguments == 2) {
        verb = cli_verb_find(cli->arguments[0], cli->arguments[1]);
        if (verb == NULL) {
            return cli_unknown_verb(cli->arguments[0], cli->arguments[1]);
        }
    }
    cli_help(stdout, verb, verb == NULL && cli->n_arguments > 0 ? cli->arguments[0] : NULL);
    return EXIT_OK;
}

int verb_version(struct cli *cli)
{
    (void)cli;
    puts("muster " MUSTER_VERSION);
    return EXIT_OK;
}
