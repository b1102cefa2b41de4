/* muster help, version; what --help prints. From the tables. */
#include <string.h>

#include "cli/manual.h"
#include "cli/suggest.h"

enum { HELP_LEFT = 32, HELP_WIDTH = 96 };

/* Wrapped at blanks, the later lines indented. */
static void cli_help_text(FILE *to, const char *left, const char *text)
{
    int column = HELP_LEFT;
    fprintf(to, "  %-*s", HELP_LEFT - 2, left);
    if ((int)strlen(left) > HELP_LEFT - 3) {
        fprintf(to, "\n%*s", HELP_LEFT, "");
    }
    while (*text != '\0') {
        int n = (int)strcspn(text, " ");
        if (column > HELP_LEFT && column + 1 + n > HELP_WIDTH) {
            fprintf(to, "\n%*s", HELP_LEFT, "");
            column = HELP_LEFT;
        }
        bool is_first = column == HELP_LEFT;
        fprintf(to, "%s%.*s", is_first ? "" : " ", n, text);
        column += n + !is_first;
        text += n + (text[n] == ' ');
    }
    fputc('\n', to);
}

static void cli_help_options(FILE *to, const struct cli_option *options)
{
    for (const struct cli_option *o = options; o->name != NULL; o++) {
        char left[96];
        char letter[8] = "    ";
        if (o->letter != 0) {
            snprintf(letter, sizeof letter, "-%c, ", o->letter);
        }
        snprintf(left, sizeof left, "%s--%s%s%s", letter, o->name, o->argument != NULL ? " " : "",
                 o->argument != NULL ? o->argument : "");
        cli_help_text(to, left, o->help);
    }
}

static void cli_help_examples(FILE *to, const struct cli_verb *verb)
{
    bool is_first = true;
    for (const struct cli_example *e = cli_examples; e->command != NULL; e++) {
        if (cli_example_is_of(e, verb)) {
            fprintf(to, "%s  %-44s %s\n", is_first ? "\nexamples:\n" : "", e->command, e->text);
            is_first = false;
        }
    }
}

void cli_help(FILE *to, const struct cli_verb *verb, const char *noun)
{
    if (verb != NULL) {
        fprintf(to, "usage: muster %s%s%s [options]%s%s\n\n%s.\n\n",
                verb->noun != NULL ? verb->noun : "", verb->noun != NULL ? " " : "", verb->name,
                verb->arguments[0] != '\0' ? " " : "", verb->arguments, verb->help);
        cli_help_options(to, verb->options);
        fputs(verb->options->name != NULL ? "\nof all verbs:\n" : "options of all verbs:\n", to);
        cli_help_options(to, cli_options_of_all);
        cli_help_examples(to, verb);
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
        cli_help_text(to, left, v->help);
    }
    fputs("\nN is a sweep's number or 'last', N.I a trial or task; SEL names several: 1-5,8 or "
          "all, of "
          "trials\nand tasks 12.3-7, or 12 for all of one sweep.\n",
          to);
    fputs("\n'muster help VERB' shows a verb's options. Options of all verbs:\n\n", to);
    cli_help_options(to, cli_options_of_all);
}

int verb_help(struct cli *cli)
{
    const struct cli_verb *verb = NULL;
    if (cli_option(cli, "man") != NULL) {
        man_print(stdout);
        return EXIT_OK;
    }
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
