/* sys/private_file.h -- a file with a secret must be its owner's alone. Any thread; one stat(). */
#ifndef MUSTER_SYS_PRIVATE_FILE_H
#define MUSTER_SYS_PRIVATE_FILE_H

#include "base/error.h"

/* ERR_NOT_ALLOWED, with the chmod line to run: others may read or write it, or its group may though
 * it is this user's. (A group's file of somebody else is how Kubernetes mounts a secret: it cannot
 * be changed from here, and is fine.) ERR_NOT_FOUND: no such file. */
MUST_CHECK error_code private_file_check(const char *path, struct report *report);

#endif
