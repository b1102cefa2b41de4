/* worker/shell/spare_folder.h -- one spare on the disk: made, filled with a tree's copy, looked at,
 * removed. Any thread; blocks on the disk. */
#ifndef MUSTER_WORKER_SHELL_SPARE_FOLDER_H
#define MUSTER_WORKER_SHELL_SPARE_FOLDER_H

#include "worker/shell/spares.h"

/* Makes spare->dir and what is in it, all empty. On failure a part may be there. */
bool spare_make(struct spare *spare);
/* Copies its tree out of `trees` and notes what the copy is like; one of no tree is as it should
 * be.
 */
bool spare_fill(struct spare *spare, const char *trees);
/* Nothing of the attempt before may be seen by the next one: so it is used again only if nothing
 * was changed but params.json, which is emptied here. */
bool spare_is_as_made(const struct spare *spare);
void spare_remove(struct spare *spare);

#endif
