/* sim/commit.h -- what this program was built from; written anew by each build (commit.cmake). */
#ifndef MUSTER_SIM_COMMIT_H
#define MUSTER_SIM_COMMIT_H

extern const char sim_commit[]; /* git's name of the commit, -dirty if files had changed */

#endif
