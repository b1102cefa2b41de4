/* sim/array_records.h -- chunks and result rows of task arrays in the store: nothing that cannot
 * follow what was there before, one accepted end a task, and rows, records and slots that say the
 * same after each batch. */
#ifndef MUSTER_SIM_ARRAY_RECORDS_H
#define MUSTER_SIM_ARRAY_RECORDS_H

#include "sim/calendar.h"

/* NULL: it is no array, or was removed. */
struct sim_array *sim_array_find(const struct sim *sim, uint32_t job);
/* Of a task; NULL: none of an array. */
struct sim_position *sim_position_find(const struct sim *sim, task_id id);
/* A job's record, whatever it is a job of. */
void sim_on_array_job(struct sim *sim, const struct record_job *job);
/* A frame that the head reads now. */
void sim_arrays_heard(struct sim *sim, message_type type, const void *message);
void sim_on_chunk(struct sim *sim, const char *field, struct bytes value);
/* Result rows, for the key "res:<job>.<chunk>". */
void sim_on_results(struct sim *sim, const char *key, struct bytes blob);
/* A task got a record of its own, or that is deleted. */
void sim_array_record_new(struct sim *sim, const struct record_task *r);
void sim_array_record_del(struct sim *sim, task_id id);
/* The evidence of an attempt: its lease is on record if it was in a lane. */
void sim_array_lane_end(struct sim *sim, const struct record_attempt *r);
void sim_arrays_batch_end(struct sim *sim);
/* A list of rows is deleted; the job's record is: then nothing else of it may be left. */
void sim_results_del(struct sim *sim, const char *key);
void sim_array_del(struct sim *sim, uint32_t job);
void sim_arrays_free(struct sim_store *store);

#endif
