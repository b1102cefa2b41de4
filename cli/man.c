/* muster(1), from the tables: verbs, options, examples, exit codes. */
#include <string.h>

#include "cli/manual.h"

/* When its words last changed; not the build's, so that two builds give the same page. */
#define MANUAL_DATE "2026-11-24"

static const struct {
    int code;
    const char *text;
} exit_codes[] = {
    {EXIT_OK, "done"},
    {EXIT_REQUEST, "the request failed"},
    {EXIT_USAGE, "wrong usage, or a file that is not valid"},
    {EXIT_NOT_FOUND, "there is no such thing"},
    {EXIT_UNREACHABLE, "no head can be reached, or it does not let you"},
    {EXIT_WAITED_FAILED, "what was waited for failed"},
    {EXIT_CANCELLED, "what was waited for was cancelled or stopped"},
    {EXIT_NEVER, "nothing here can ever run it"},
    {EXIT_TIMEOUT, "a timeout of yours passed; the work goes on"},
    {EXIT_CANNOT_RUN, "run: the command could not be started"},
    {EXIT_INTERRUPTED, "interrupted with Ctrl-C; the work goes on"},
};

static const char *const variables[][2] = {
    {"MUSTER_STATE", "the state folder"},
    {"MUSTER_HEAD", "another head"},
    {"MUSTER_TOKEN", "its token"},
    {"MUSTER_CA", "the CA to check its certificate with"},
    {"MUSTER_JOIN_KEY", "worker: the join key itself"},
    {"NO_COLOR", "no colours, where there would be any"},
    {"TERM", "dumb or absent: no live pictures"},
};

/* A minus is a minus, a backslash is one, and a line does not begin with a request. */
static void roff(FILE *to, const char *text)
{
    if (*text == '.' || *text == '\'') {
        fputs("\\&", to);
    }
    for (; *text != '\0'; text++) {
        switch (*text) {
        case '-':
            fputs("\\-", to);
            break;
        case '\\':
            fputs("\\e", to);
            break;
        case '\'':
            fputs("\\(aq", to);
            break;
        case '`':
            fputs("\\(ga", to);
            break;
        case '^':
            fputs("\\(ha", to);
            break;
        case '~':
            fputs("\\(ti", to);
            break;
        default:
            fputc(*text, to);
        }
    }
}

static void man_options(FILE *to, const struct cli_option *options)
{
    for (const struct cli_option *o = options; o->name != NULL; o++) {
        fputs(".TP\n", to);
        if (o->letter != 0) {
            fprintf(to, "\\fB\\-%c\\fR, ", o->letter);
        }
        fputs("\\fB\\-\\-", to);
        roff(to, o->name);
        fputs("\\fR", to);
        if (o->argument != NULL) {
            fputs(" \\fI", to);
            roff(to, o->argument);
            fputs("\\fR", to);
        }
        fputc('\n', to);
        roff(to, o->help);
        fputc('\n', to);
    }
}

static void man_verb(FILE *to, const struct cli_verb *verb)
{
    fputs(".SS ", to);
    fprintf(to, "muster %s%s%s", verb->noun != NULL ? verb->noun : "",
            verb->noun != NULL ? " " : "", verb->name);
    if (verb->arguments[0] != '\0') {
        fputc(' ', to);
        roff(to, verb->arguments);
    }
    fputc('\n', to);
    roff(to, verb->help);
    fputs(".\n", to);
    man_options(to, verb->options);
}

static void man_examples(FILE *to)
{
    fputs(".SH EXAMPLES\n", to);
    for (const struct cli_example *e = cli_examples; e->command != NULL; e++) {
        fputs(".TP\n.B ", to);
        roff(to, e->command);
        fputc('\n', to);
        roff(to, e->text);
        fputc('\n', to);
    }
}

void man_print(FILE *to)
{
    fputs(
        ".TH MUSTER 1 \"" MANUAL_DATE "\" \"muster " MUSTER_VERSION "\" \"User Commands\"\n"
        ".SH NAME\nmuster \\- hyperparameter tuning and task\\-parallel cluster runtime\n"
        ".SH SYNOPSIS\n.B muster\n\\fIVERB\\fR [\\fIoptions\\fR] [\\fIarguments\\fR]\n"
        ".SH DESCRIPTION\n"
        "Runs sweeps of trials, and single commands, on the machines of a cluster, which may be\n"
        "this one alone.\n"
        "The head is the one of \\fB\\-\\-head\\fR, of \\fBMUSTER_HEAD\\fR, of a login, or that of "
        "the state folder.\n"
        "A sweep is named by its number, \\fBlast\\fR means the last one, and where several make\n"
        "sense \\fB1\\-5,8\\fR and \\fBall\\fR do too.\n"
        "A trial or task is \\fInumber\\fR.\\fIindex\\fR, several are \\fB12.3\\-7\\fR.\n"
        ".SH VERBS\n",
        to);
    for (unsigned i = 0; i < cli_verbs_count; i++) {
        man_verb(to, &cli_verbs[i]);
    }
    fputs(".SH OPTIONS OF ALL VERBS\n", to);
    man_options(to, cli_options_of_all);
    fputs(".SH EXIT STATUS\n", to);
    for (size_t i = 0; i < sizeof exit_codes / sizeof exit_codes[0]; i++) {
        fprintf(to, ".TP\n.B %d\n", exit_codes[i].code);
        roff(to, exit_codes[i].text);
        fputc('\n', to);
    }
    fputs(".SH ENVIRONMENT\n", to);
    for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++) {
        fprintf(to, ".TP\n.B %s\n", variables[i][0]);
        roff(to, variables[i][1]);
        fputc('\n', to);
    }
    fputs(".SH FILES\n.TP\n.I \\(ti/.local/state/muster\nthe state folder: store, keys, logs, "
          "folders of attempts\n",
          to);
    man_examples(to);
}
