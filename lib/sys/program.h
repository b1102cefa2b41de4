/* sys/program.h -- where the running muster is, and what lies beside it. A muster that was put
 * together by scripts/bundle runs under the loader that came with it, so /proc/self/exe is that
 * loader, and the program to start again is the launcher. Any thread; blocks for a stat at most. */
#ifndef MUSTER_SYS_PROGRAM_H
#define MUSTER_SYS_PROGRAM_H

#include <limits.h>

#include "base/error.h"

/* The program that starts this muster again: what /proc/self/exe is, or, for a loader
 * DIR/lib/ld-*.so*, DIR/bin/muster. ERR_SYSTEM, ERR_LIMIT. */
MUST_CHECK error_code program_path(char ret_path[PATH_MAX], struct report *report);
/* The same for any loader or program; the rule of program_path() alone. */
MUST_CHECK error_code program_path_of(const char *exe, char ret_path[PATH_MAX]);
/* Another program in the same folder, e.g. redis-server. false: there is none that can be run. */
bool program_beside(const char *name, char ret_path[PATH_MAX]);
/* The file of certificates that this machine trusts, else the one that came with the bundle, at
 * DIR/share/ca-certificates.crt. false: there is none. */
bool program_ca_file(char ret_path[PATH_MAX]);

#endif
