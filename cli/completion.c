/* muster completion bash|zsh|fish: scripts made of the tables. What an option or verb wants is read
 * off its argument's name: `a|b` are words, FILE and DIR paths. */
#include <string.h>

#include "cli/cli.h"

/* 'it''s' as the shells of this file quote it. */
static void quoted(const char *text)
{
    putchar('\'');
    for (; *text != '\0'; text++) {
        fputs(*text == '\'' ? "'\\''" : (char[]){*text, '\0'}, stdout);
    }
    putchar('\'');
}

static bool is_first_of_noun(unsigned at)
{
    for (unsigned i = 0; i < at; i++) {
        if (cli_verbs[i].noun != NULL && strcmp(cli_verbs[i].noun, cli_verbs[at].noun) == 0) {
            return false;
        }
    }
    return true;
}

/* The first words: verbs that stand alone, and nouns. */
static void first_words(const char *separator)
{
    for (unsigned i = 0; i < cli_verbs_count; i++) {
        if (cli_verbs[i].noun == NULL) {
            printf("%s%s", cli_verbs[i].name, separator);
        } else if (is_first_of_noun(i)) {
            printf("%s%s", cli_verbs[i].noun, separator);
        }
    }
}

static void verbs_of(const char *noun)
{
    for (unsigned i = 0; i < cli_verbs_count; i++) {
        if (cli_verbs[i].noun != NULL && strcmp(cli_verbs[i].noun, noun) == 0) {
            printf("%s ", cli_verbs[i].name);
        }
    }
}

static bool has_words(const struct cli_option *option)
{
    return option->argument != NULL && strchr(option->argument, '|') != NULL;
}

static bool wants_path(const char *argument)
{
    return argument != NULL && (strstr(argument, "FILE") != NULL || strcmp(argument, "DIR") == 0);
}

/* a|b|c with blanks between. */
static void words_print(const char *argument)
{
    for (; *argument != '\0'; argument++) {
        putchar(*argument == '|' ? ' ' : *argument);
    }
}

static void options_print(const struct cli_option *options)
{
    for (const struct cli_option *o = options; o->name != NULL; o++) {
        printf("--%s ", o->name);
        if (o->letter != 0) {
            printf("-%c ", o->letter);
        }
    }
}

/* ---- bash ---- */

static void bash_values(const struct cli_option *options)
{
    for (const struct cli_option *o = options; o->name != NULL; o++) {
        if (o->argument == NULL) {
            continue;
        }
        printf("        --%s", o->name);
        if (o->letter != 0) {
            printf("|-%c", o->letter);
        }
        if (has_words(o)) {
            fputs(") COMPREPLY=($(compgen -W '", stdout);
            words_print(o->argument);
            puts("' -- \"$cur\")); return;;");
        } else if (wants_path(o->argument)) {
            printf(") COMPREPLY=($(compgen %s -- \"$cur\")); return;;\n",
                   strcmp(o->argument, "DIR") == 0 ? "-d" : "-f");
        } else {
            puts(") COMPREPLY=(); return;;");
        }
    }
}

static void bash_verb(const struct cli_verb *verb)
{
    printf("    '%s%s%s')\n        case $prev in\n", verb->noun != NULL ? verb->noun : "",
           verb->noun != NULL ? " " : "", verb->name);
    bash_values(verb->options);
    bash_values(cli_options_of_all);
    fputs("        esac\n        if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W '", stdout);
    options_print(verb->options);
    options_print(cli_options_of_all);
    fputs("' -- \"$cur\")); ", stdout);
    if (strcmp(verb->name, "completion") == 0) {
        fputs("else COMPREPLY=($(compgen -W 'bash zsh fish' -- \"$cur\")); ", stdout);
    } else if (wants_path(verb->arguments)) {
        fputs("else COMPREPLY=($(compgen -f -- \"$cur\")); ", stdout);
    }
    fputs("fi;;\n", stdout);
}

static void bash_print(void)
{
    fputs("# bash completion of muster; made by 'muster completion bash'\n"
          "_muster() {\n    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
          "    local first=${COMP_WORDS[1]} verb\n    COMPREPLY=()\n"
          "    if ((COMP_CWORD == 1)); then\n        COMPREPLY=($(compgen -W '",
          stdout);
    first_words(" ");
    fputs("' -- \"$cur\")); return\n    fi\n    verb=$first\n    case $first in\n", stdout);
    for (unsigned i = 0; i < cli_verbs_count; i++) {
        if (cli_verbs[i].noun != NULL && is_first_of_noun(i)) {
            printf("    %s)\n        if ((COMP_CWORD == 2)); then COMPREPLY=($(compgen -W '",
                   cli_verbs[i].noun);
            verbs_of(cli_verbs[i].noun);
            fputs("' -- \"$cur\")); return; fi\n        verb=\"$first ${COMP_WORDS[2]}\";;\n",
                  stdout);
        }
    }
    fputs("    help)\n        if ((COMP_CWORD == 2)); then COMPREPLY=($(compgen -W '", stdout);
    first_words(" ");
    fputs("' -- \"$cur\")); return; fi;;\n    esac\n    case $verb in\n", stdout);
    for (unsigned i = 0; i < cli_verbs_count; i++) {
        bash_verb(&cli_verbs[i]);
    }
    fputs("    esac\n}\ncomplete -o filenames -F _muster muster\n", stdout);
}

/* ---- zsh ---- */

/* In a spec of _arguments brackets and colons mean something. */
static void zsh_text(const char *text)
{
    for (; *text != '\0'; text++) {
        if (strchr("[]:\\", *text) != NULL) {
            putchar('\\');
        }
        fputs(*text == '\'' ? "'\\''" : (char[]){*text, '\0'}, stdout);
    }
}

static void zsh_options(const struct cli_option *options)
{
    for (const struct cli_option *o = options; o->name != NULL; o++) {
        for (int letter = 0; letter < (o->letter != 0 ? 2 : 1); letter++) {
            fputs(" \\\n            '*", stdout);
            if (letter == 0) {
                printf("--%s", o->name);
            } else {
                printf("-%c", o->letter);
            }
            putchar('[');
            zsh_text(o->help);
            putchar(']');
            if (o->argument != NULL) {
                putchar(':');
                zsh_text(o->argument);
                putchar(':');
            }
            if (has_words(o)) {
                putchar('(');
                words_print(o->argument);
                putchar(')');
            } else if (wants_path(o->argument)) {
                fputs(strcmp(o->argument, "DIR") == 0 ? "_files -/" : "_files", stdout);
            }
            putchar('\'');
        }
    }
}

static void zsh_words(const char *noun)
{
    for (unsigned i = 0; i < cli_verbs_count; i++) {
        const struct cli_verb *v = &cli_verbs[i];
        bool is_of = noun == NULL ? v->noun == NULL : v->noun != NULL && strcmp(v->noun, noun) == 0;
        if (is_of) {
            printf("            '%s:", v->name);
            zsh_text(v->help);
            puts("'");
        } else if (noun == NULL && v->noun != NULL && is_first_of_noun(i)) {
            printf("            '%s:", v->noun);
            verbs_of(v->noun);
            puts("'");
        }
    }
}

static void zsh_print(void)
{
    fputs("#compdef muster\n# zsh completion of muster; made by 'muster completion zsh'\n"
          "_muster() {\n    local -a words_\n    local verb=$words[2]\n"
          "    if ((CURRENT == 2)); then\n        words_=(\n",
          stdout);
    zsh_words(NULL);
    fputs("        )\n        _describe verb words_; return\n    fi\n    case $words[2] in\n",
          stdout);
    for (unsigned i = 0; i < cli_verbs_count; i++) {
        if (cli_verbs[i].noun != NULL && is_first_of_noun(i)) {
            printf("    %s)\n        if ((CURRENT == 3)); then\n        words_=(\n",
                   cli_verbs[i].noun);
            zsh_words(cli_verbs[i].noun);
            fputs("        )\n        _describe verb words_; return; fi\n"
                  "        verb=\"$words[2] $words[3]\";;\n",
                  stdout);
        }
    }
    fputs("    esac\n    case $verb in\n", stdout);
    for (unsigned i = 0; i < cli_verbs_count; i++) {
        const struct cli_verb *v = &cli_verbs[i];
        printf("    '%s%s%s')\n        _arguments", v->noun != NULL ? v->noun : "",
               v->noun != NULL ? " " : "", v->name);
        zsh_options(v->options);
        zsh_options(cli_options_of_all);
        bool is_shell = strcmp(v->name, "completion") == 0;
        printf(" \\\n            '*:%s:%s';;\n", v->arguments[0] != '\0' ? "argument" : " ",
               is_shell                   ? "(bash zsh fish)"
               : wants_path(v->arguments) ? "_files"
                                          : "");
    }
    fputs(
        "    esac\n}\n"
        "if [[ $funcstack[1] == _muster ]]; then _muster \"$@\"; else compdef _muster muster; fi\n",
        stdout);
}

/* ---- fish ---- */

static void fish_condition(const struct cli_verb *verb)
{
    if (verb->noun == NULL) {
        printf(" -n '__muster_at 1 %s'", verb->name);
    } else {
        printf(" -n '__muster_at 1 %s; and __muster_at 2 %s'", verb->noun, verb->name);
    }
}

static void fish_options(const struct cli_verb *verb, const struct cli_option *options)
{
    for (const struct cli_option *o = options; o->name != NULL; o++) {
        fputs("complete -c muster", stdout);
        if (verb != NULL) {
            fish_condition(verb);
        }
        printf(" -l %s", o->name);
        if (o->letter != 0) {
            printf(" -s %c", o->letter);
        }
        if (has_words(o)) {
            fputs(" -x -a '", stdout);
            words_print(o->argument);
            putchar('\'');
        } else if (wants_path(o->argument)) {
            fputs(" -r -F", stdout);
        } else if (o->argument != NULL) {
            fputs(" -x", stdout);
        }
        fputs(" -d ", stdout);
        quoted(o->help);
        putchar('\n');
    }
}

static void fish_print(void)
{
    fputs("# fish completion of muster; made by 'muster completion fish'\n"
          "function __muster_at\n    set -l words (commandline -opc)\n"
          "    test (count $words) -gt $argv[1]; and test $words[(math $argv[1] + 1)] = $argv[2]\n"
          "end\n"
          "function __muster_is_at\n    test (count (commandline -opc)) -eq $argv[1]\nend\n"
          "complete -c muster -f\n",
          stdout);
    for (unsigned i = 0; i < cli_verbs_count; i++) {
        const struct cli_verb *v = &cli_verbs[i];
        if (v->noun != NULL && is_first_of_noun(i)) {
            printf("complete -c muster -n '__muster_is_at 1' -a %s -d '", v->noun);
            verbs_of(v->noun);
            puts("'");
        }
        if (v->noun != NULL) {
            printf("complete -c muster -n '__muster_is_at 2; and __muster_at 1 %s' -a %s -d ",
                   v->noun, v->name);
        } else {
            printf("complete -c muster -n '__muster_is_at 1' -a %s -d ", v->name);
        }
        quoted(v->help);
        putchar('\n');
        if (strcmp(v->name, "completion") == 0 || wants_path(v->arguments)) {
            fputs("complete -c muster", stdout);
            fish_condition(v);
            puts(wants_path(v->arguments) ? " -F" : " -a 'bash zsh fish'");
        }
        fish_options(v, v->options);
    }
    fish_options(NULL, cli_options_of_all);
}

int verb_completion(struct cli *cli)
{
    static const struct {
        const char *shell;
        void (*print)(void);
    } shells[] = {{"bash", bash_print}, {"zsh", zsh_print}, {"fish", fish_print}};
    for (size_t i = 0; i < sizeof shells / sizeof shells[0]; i++) {
        if (strcmp(shells[i].shell, cli->arguments[0]) == 0) {
            shells[i].print();
            return EXIT_OK;
        }
    }
    return cli_fail(EXIT_USAGE, "completions are there for bash, zsh and fish, not for '%s'",
                    cli->arguments[0]);
}
