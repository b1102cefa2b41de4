/* cli/sample.h -- what a program's log gives as reports, by the rules of a sweep file. One thread.
 */
#ifndef MUSTER_CLI_SAMPLE_H
#define MUSTER_CLI_SAMPLE_H

#include "cli/sweep_file.h"

/* Reads the log (`-`: standard input) and prints a row for each line with a value, and for each
 * that came close. EXIT_OK, or the exit code after the message: EXIT_REQUEST if nothing was found.
 */
int sample_print(const struct cli *cli, const struct sweep_file *file, const char *log);

#endif
