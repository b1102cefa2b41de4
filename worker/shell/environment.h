/* worker/shell/environment.h -- the whole environment of an attempt, made of its lease. Reads the
 * worker's own environment; the loop's thread; nothing blocks. */
#ifndef MUSTER_WORKER_SHELL_ENVIRONMENT_H
#define MUSTER_WORKER_SHELL_ENVIRONMENT_H

#include "base/arena.h"
#include "schema/messages.h"

/* What the lease does not say. All borrowed. */
struct environment_facts {
    const char *socket; /* this one and the next three: NULL, and their variables are left out */
    const char *params_file;
    const char *trial_dir;
    const char *tmp_dir;
    const char *mark;           /* the value of MUSTER_ATTEMPT, by which its processes are found */
    const char *bin_dir;        /* of the muster command; NULL: none */
    const char *python_dir;     /* of the muster module; NULL: none */
    const char *line;           /* of a task of an array; NULL: there is none */
    const char *restore_dir;    /* the checkpoint that it goes on from; NULL: there is none */
    const char *master_address; /* where its ranks meet; NULL: none */
    uint16_t master_port;       /* held for it; 0: none */
    const char *peers;          /* of its ranks, MUSTER_PEERS; NULL or "": it has none */
};

enum { ENVIRONMENT_MAX_BYTES = 4 << 20 };

/* A NULL-ended list of "name=value" that lives in `arena`, no name twice. ERR_INVALID and
 * ERR_UNSUPPORTED: a value of the lease does not expand; ERR_LIMIT; ERR_NO_MEMORY. A parameter
 * whose text is longer than an exec allows is left out: the parameters' file holds them all. */
MUST_CHECK error_code environment_make(const struct msg_lease *lease,
                                       const struct environment_facts *facts, struct arena *arena,
                                       const char *const **ret_envp, struct report *report);
/* The same for one of its ranks, the local_rank-th on this node: a list of its own in `arena`,
 * which shares the entries. */
MUST_CHECK error_code environment_of_rank(const char *const *envp, const struct msg_lease *lease,
                                          uint32_t local_rank, struct arena *arena,
                                          const char *const **ret_envp, struct report *report);

#endif
