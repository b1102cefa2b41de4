/* sys/state_paths.h -- addresses inside a cluster's state folder that have a length limit. Any
 * thread. */
#ifndef MUSTER_SYS_STATE_PATHS_H
#define MUSTER_SYS_STATE_PATHS_H

#include <stddef.h>

#include "base/error.h"

/* ipc:// address where the head of this state folder listens for agents: run/head.ipc, or, where
 * that path would pass what a socket address holds, a name made of the folder's path under
 * $XDG_RUNTIME_DIR or /tmp/muster-<uid> (made 0700). ERR_LIMIT; ERR_NOT_ALLOWED: that folder
 * belongs to somebody else. */
MUST_CHECK error_code state_ipc_address(const char *state_dir, char *ret_address, size_t size_bytes,
                                        struct report *report);

#endif
