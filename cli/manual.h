/* cli/manual.h -- what is printed from the tables of verbs and options: examples, the manual page.
 * One thread. */
#ifndef MUSTER_CLI_MANUAL_H
#define MUSTER_CLI_MANUAL_H

#include "cli/cli.h"

struct cli_example {
    const char *command; /* the first words are the verb's; NULL ends the table */
    const char *text;
};

extern const struct cli_example cli_examples[];
bool cli_example_is_of(const struct cli_example *example, const struct cli_verb *verb);

/* muster(1) as roff. */
void man_print(FILE *to);

#endif
