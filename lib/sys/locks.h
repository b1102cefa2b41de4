/* sys/locks.h -- lock files that say who holds them. A lock lives as long as a descriptor of its
 * open file: it is inherited over fork and exec, and gone when the last holder is, however that
 * ended. (Open file description locks: unlike flock() they can be asked after without being taken.)
 * Any thread; nothing blocks. */
#ifndef MUSTER_SYS_LOCKS_H
#define MUSTER_SYS_LOCKS_H

#include "base/error.h"

/* Takes the lock of `path` (made 0600 if need be) and writes `pid` into it; 0: no pid yet, see
 * lock_pid_write(). The descriptor is close-on-exec. ERR_BUSY: *ret_holder is the pid inside (0 if
 * none), and the report says so. */
MUST_CHECK error_code lock_take(const char *path, uint32_t pid, int *ret_fd, uint32_t *ret_holder,
                                struct report *report);
/* For a child that is to hold the lock: it is not closed by exec any more. */
MUST_CHECK error_code lock_inheritable(int fd);
/* A child that was given `fd`: it is the lock of `path`, held; now close-on-exec and with the
 * child's pid inside. ERR_INVALID: it is no such descriptor. */
MUST_CHECK error_code lock_inherit(int fd, const char *path, uint32_t pid, struct report *report);
MUST_CHECK error_code lock_pid_write(int fd, uint32_t pid);
/* Is it held, and by whom? false: free (or no such file). *ret_holder: 0 if the file does not say.
 */
bool lock_is_held(const char *path, uint32_t *ret_holder);
void lock_release(int fd); /* closes it; the file stays */

enum { LOCK_NAME_BYTES = 128 };
/* Which lock that is, in words that hold for one start of one kernel and one file: two processes
 * that say the same cannot both hold it, and a copy of the folder says another. "" if it cannot be
 * told. Reads two small files. */
void lock_name(const char *path, char ret_name[LOCK_NAME_BYTES]);

#endif
