/* sys/pty.h -- a pseudo terminal for the output of a program: it writes as for a person, line by
 * line, and its bytes come through as they are. Any thread; nothing is kept. */
#ifndef MUSTER_SYS_PTY_H
#define MUSTER_SYS_PTY_H

#include "base/error.h"

/* Both ends are the caller's and close on exec. The reader's does not block; it gives EIO once the
 * last writer has closed its end and everything was read. Nothing is changed on the way (no \n into
 * \r\n, no echo), and neither end becomes a controlling terminal. */
MUST_CHECK error_code pty_open(uint16_t columns, int *ret_read_fd, int *ret_write_fd,
                               struct report *report);

#endif
