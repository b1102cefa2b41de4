/* sim/frame_text.h -- a frame as the trace shows it: what it says of arrays, enrolments and events
 * beside its name. */
#ifndef MUSTER_SIM_FRAME_TEXT_H
#define MUSTER_SIM_FRAME_TEXT_H

#include "sim/calendar.h"

enum { FRAME_TEXT_MAX = 200 };

/* Nothing is printed unless somebody traces. */
const char *sim_frame_text(const struct sim *sim, message_type type, const void *message,
                           char ret_text[FRAME_TEXT_MAX]);

#endif
