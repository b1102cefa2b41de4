/* sim/records.h -- every value must decode, and no record may say what cannot
 * follow what was there before. */
#ifndef MUSTER_SIM_RECORDS_H
#define MUSTER_SIM_RECORDS_H

#include "sim/calendar.h"

struct sim_cell *sim_cell_find(const struct sim_store *store, const char *key, const char *field);
/* By its name; NULL: there is none. */
struct sim_node *sim_node_find(struct sim *sim, const char *name);
struct sim_task *sim_task_find(const struct sim *sim, task_id id);
/* The record of a hash's field, decoded; false: there is none. */
bool sim_store_get(struct sim *sim, const char *key, const char *field, const struct schema *schema,
                   struct arena *arena, void *ret_record);
bool sim_is_on_node(task_state state);
/* Held, ended, or told to leave its node: a pause of it may be answered. */
bool sim_is_paused(const struct record_task *r);
bool sim_was_retried(const struct sim *sim, uint32_t number);
void sim_on_task(struct sim *sim, const char *field, struct bytes value);
struct sim_rows *sim_rows_of(struct sim *sim, task_id id, uint32_t attempt);
/* Each row once, in order, none left out (nothing is thinned here). */
void sim_on_rows(struct sim *sim, const char *key, const char *field, struct bytes value);
/* It is declared lost now: notes for how long nothing came of it, if that was long enough. */
void sim_node_silent(struct sim *sim, struct sim_node *node);
void sim_node_heard(struct sim *sim, struct sim_node *node);
void sim_on_attempt(struct sim *sim, const char *field, struct bytes value);
void sim_on_sweep(struct sim *sim, const char *field, struct bytes value);
void sim_on_node(struct sim *sim, const char *field, struct bytes value);
void sim_on_job(struct sim *sim, const char *field, struct bytes value);
void sim_on_meta(struct sim *sim, const char *field, struct bytes value);

#endif
