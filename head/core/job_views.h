/* head/core/job_views.h -- what the views of jobs and of their tasks share. Pure; inside head/core.
 */
#ifndef MUSTER_HEAD_CORE_JOB_VIEWS_H
#define MUSTER_HEAD_CORE_JOB_VIEWS_H

#include "head/core/listing.h"

/* What every task of the job has: command, name, owner, ...; the rest is empty. Strings are the
 * record's, the command's is in `arena`. */
void api_task_of_job(const struct record_job *job, struct arena *arena, struct api_task *ret);
/* Where what this attempt of `ret->id` writes lies on the node, if its array has files for that. */
void api_task_log_files(const struct core *core, const struct record_job *job, uint32_t attempt,
                        const char *node, struct arena *arena, struct api_task *ret);

/* As it is now; strings are the record's or in `arena`. */
void api_job_fill(const struct core *core, time_ms now, const struct work *work,
                  struct arena *arena, struct api_job *ret);

/* array_page.c: a page of an array's tasks; is_match: the job is one that the filter selects. */
void core_array_list(struct core *core, time_ms now, uint64_t request,
                     const struct listing_kind *kind, const struct record_job *job, bool is_match,
                     const struct view_filter *filter);
/* array_page.c: one plain task. False: there is none of this id. */
bool core_array_view_task(struct core *core, uint64_t request, task_id id);

#endif
