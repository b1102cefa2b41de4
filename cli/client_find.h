/* cli/client_find.h -- which head a command speaks to. One thread.
 *
 * In this order: --head, MUSTER_HEAD, the login in use (contexts.h), the head that the state
 * folder's `current` names. */
#ifndef MUSTER_CLI_CLIENT_FIND_H
#define MUSTER_CLI_CLIENT_FIND_H

#include "cli/cli.h"

struct client_place {
    char url[1024];
    char token[256];             /* "": none */
    char ca[CLI_PATH_MAX + 128]; /* "": what the system trusts */
};

/* ERR_UNREACHABLE: none is known; ERR_NOT_ALLOWED: plain HTTP to another machine. */
MUST_CHECK error_code client_find(const struct cli *cli, struct client_place *ret_place,
                                  struct report *report);
/* The state folder's own head, whatever else is named. */
MUST_CHECK error_code client_find_here(const struct cli *cli, struct client_place *ret_place,
                                       struct report *report);

#endif
