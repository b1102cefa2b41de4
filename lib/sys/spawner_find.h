/* sys/spawner_find.h -- which file a command's first word names. Any thread; blocks on the file
 * system. */
#ifndef MUSTER_SYS_SPAWNER_FIND_H
#define MUSTER_SYS_SPAWNER_FIND_H

#include <stddef.h>

/* As execvp() would, with the PATH of `envp` and relative folders counted from `folder` (NULL: the
 * current one). The name for execve() after a chdir to `folder` goes into ret_program. Returns 0 or
 * an errno: ENOENT, EACCES (found, and not allowed to run), ENAMETOOLONG. A name with a slash is
 * not looked at: exec does that. */
int program_find(const char *name, const char *const *envp, const char *folder, char *ret_program,
                 size_t size_bytes);
/* 0, or why this file cannot be run. */
int program_check(const char *program, const char *folder);

#endif
