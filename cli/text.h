/* cli/text.h -- text on a terminal: how wide it is, where to cut it, what may not be in it. UTF-8;
 * any thread. */
#ifndef MUSTER_CLI_TEXT_H
#define MUSTER_CLI_TEXT_H

/* Columns that it takes; wide characters take two, combining ones none. */
int text_columns(const char *text);
/* To at most `columns`, in place; what was cut ends with an ellipsis, or ~ where the locale has
 * none. */
void text_cut(char *text, int columns);
/* Colours vanish, other control characters (those of C1 too) become blanks: what a trainer wrote
 * cannot move the cursor. */
void text_make_printable(char *text);

#endif
