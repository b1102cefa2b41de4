/* spec/quantity.h -- durations, sizes and amounts as text; their parsers stand in spec/sweep.h.
 * Inner header of lib/spec. Pure. What is printed reads back as the same number. */
#ifndef MUSTER_SPEC_QUANTITY_H
#define MUSTER_SPEC_QUANTITY_H

#include <stdint.h>

enum { QUANTITY_TEXT_MAX = 32 };

void quantity_duration_print(int64_t ms, char ret_text[QUANTITY_TEXT_MAX]);
void quantity_size_print(int64_t bytes, char ret_text[QUANTITY_TEXT_MAX]);
void quantity_amount_print(int64_t parts, char ret_text[QUANTITY_TEXT_MAX]);

#endif
