/* cli/recording.h -- what `muster sweep export N --schedule` wrote, read for `schedule: {type:
 * replay}`. One thread; blocks for a read of the file. */
#ifndef MUSTER_CLI_RECORDING_H
#define MUSTER_CLI_RECORDING_H

#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"

/* The csv or json of an export as the value of `schedule.steps`, one line of JSON: of changes at
 * the same step the last. ERR_INVALID for other text, with the line; ERR_LIMIT, ERR_NO_MEMORY. */
MUST_CHECK error_code recording_parse(const char *text, size_t length, struct buf *ret_steps,
                                      struct report *report);
/* The file at `path`; EXIT_OK or the exit code after the message. */
int recording_read(const char *path, struct buf *ret_steps);

#endif
