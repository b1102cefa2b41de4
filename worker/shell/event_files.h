/* worker/shell/event_files.h -- TensorBoard's event files below a folder, read as reports: found,
 * read on from where the last look ended. One look at a time, on any thread; blocks on the disk. */
#ifndef MUSTER_WORKER_SHELL_EVENT_FILES_H
#define MUSTER_WORKER_SHELL_EVENT_FILES_H

#include "base/buf.h"

struct event_files;

enum { EVENT_FILES_MAX = 64, EVENT_NAMES_MAX = 32 };

struct event_report {
    int64_t step;
    double value;
};

/* Texts are copied. A scalar is the metric if its tag is, or its folder's name and its tag are
 * (`validation/epoch_loss`). */
MUST_CHECK error_code event_files_new(const char *folder, const char *metric,
                                      struct event_files **ret_files);
void event_files_free(struct event_files *files); /* NULL is fine */
/* is_last: nothing more will be written, so what was not final is. Values whose step is over are in
 * *ret_reports then, until the next call. */
MUST_CHECK error_code event_files_look(struct event_files *files, bool is_last,
                                       const struct event_report **ret_reports,
                                       uint32_t *ret_n_reports);
/* Tags that were seen, the metric's aside. */
uint32_t event_files_names(const struct event_files *files, const char *const **ret_names);

#endif
