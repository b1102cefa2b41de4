/* sim/work_folders.h -- work folders: the head's depot, a node's disk, setups that take
 * their time and fail, trees that go to make room. */
#ifndef MUSTER_SIM_WORK_FOLDERS_H
#define MUSTER_SIM_WORK_FOLDERS_H

#include "sim/calendar.h"

/* What a client's sweep or job starts from: nothing, or one of two folders. */
const char *sim_client_work(const struct sim *sim, const struct sim_client *client);
/* The folder with the lines of an array's tasks. */
const char *sim_items_blob(void);
const char *sim_client_setup(const struct sim *sim, const struct sim_client *client);
/* The depot's answer. */
void sim_blob_piece(const struct msg_blob_get *get, struct msg_blob *ret_piece);
/* In order: the disk is one, and slower than nothing. */
void sim_take_piece(struct sim *sim, struct sim_node *node, const struct agent_effect *e);
void sim_take_tree(struct sim *sim, struct sim_node *node, const struct agent_effect *e);
void sim_take_setup_stop(struct sim *sim, struct sim_node *node, const struct agent_effect *e);
void sim_take_blob_drop(struct sim *sim, struct sim_node *node, const struct agent_effect *e);
/* An attempt starts from what is there. */
void sim_tree_check(struct sim *sim, struct sim_node *node, const struct msg_lease *lease);
void sim_items_check(struct sim *sim, struct sim_node *node, const struct attempt *attempt);
/* One that nobody uses goes. */
void sim_tree_lose(struct sim *sim, struct sim_node *node);
/* What was done on the disk is told. The caller drains. */
void sim_work_done(struct sim *sim, struct sim_node *node, const struct sim_event *event);
void sim_trees_tell(struct sim *sim, struct sim_node *node);

#endif
