/* spec/envvars.h -- ${envvar:NAME} in a command and its environment: the submitter's variables,
 * which the key `envvar` holds. Inner header of lib/spec. Pure. */
#ifndef MUSTER_SPEC_ENVVARS_H
#define MUSTER_SPEC_ENVVARS_H

#include "base/arena.h"
#include "spec/reader.h"

/* A block of names and texts; nothing of it is kept. */
spec_key_read key_read_envvar;
/* Puts what `envvar` says into `command` and `env`, as it stands for itself there; a name that it
 * lacks stays a macro, which the check of macros refuses. ERR_LIMIT, ERR_NO_MEMORY. */
MUST_CHECK error_code envvars_apply(const struct spec_node *root, struct arena *arena,
                                    struct report *report);

#endif
