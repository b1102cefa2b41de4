/* cli/suggest.h -- verbs by their names, and what somebody may have meant. One thread. */
#ifndef MUSTER_CLI_SUGGEST_H
#define MUSTER_CLI_SUGGEST_H

#include "cli/cli.h"

bool cli_is_noun(const char *word);
/* `noun` NULL: the verbs that stand alone. NULL: there is none. */
const struct cli_verb *cli_verb_find(const char *noun, const char *name);
/* These say what there is instead; EXIT_USAGE. */
int cli_unknown_verb(const char *noun, const char *word);
int cli_unknown_option(const struct cli_verb *verb, const char *word);
int cli_noun_alone(const char *noun);

#endif
