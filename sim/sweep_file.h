/* sim/sweep_file.h -- the files of the sweeps that people bring. */
#ifndef MUSTER_SIM_SWEEP_FILE_H
#define MUSTER_SIM_SWEEP_FILE_H

#include "sim/calendar.h"

/* Writes client->file: something that some node can run. */
void sim_sweep_file(struct sim *sim, struct sim_client *client);

#endif
