/* sys/beneath.h -- opens what lies beneath a folder and nowhere else: no name of the path may be a
 * link, a dot, two dots or nothing. For paths that somebody else wrote. Any thread; blocks on the
 * disk. */
#ifndef MUSTER_SYS_BENEATH_H
#define MUSTER_SYS_BENEATH_H

#include <stdbool.h>
#include <sys/types.h>

enum { BENEATH_DEPTH_MAX = 64 };

/* "a", "a/b": relative, no empty name, neither . nor .. among them, at most `depth_max` deep. */
bool beneath_path_is_good(const char *path, unsigned depth_max);
/* A descriptor (close-on-exec), or -1 with errno: EINVAL for a path that is not good, ELOOP or
 * ENOTDIR where it meets a link. `flags` as of open(). */
int beneath_open(int folder_fd, const char *path, int flags, mode_t mode);
/* Makes the folders in which the path lies, 0700. 0, or -1 with errno. */
int beneath_folders_make(int folder_fd, const char *path);

#endif
