/* cli/contexts.h -- heads that this user logged in to, each with its token, in the state folder's
 * contexts.json (0600): {"chosen": URL, "contexts": [{"url", "token", "ca", "name", "role",
 * "insecure"}]}. A CA is copied beside it, as contexts/<n>.crt. One thread. */
#ifndef MUSTER_CLI_CONTEXTS_H
#define MUSTER_CLI_CONTEXTS_H

#include "cli/cli.h"

enum { CONTEXTS_MAX = 64, CONTEXT_URL_MAX = 1024, CONTEXT_TOKEN_MAX = 256 };

struct context {
    char url[CONTEXT_URL_MAX]; /* without a slash at its end */
    char token[CONTEXT_TOKEN_MAX];
    char ca[CLI_PATH_MAX + 128]; /* "": the system's */
    char name[128];              /* whose token it is */
    char role[16];
    bool is_insecure; /* plain HTTP off loopback was allowed */
};

/* The one for `url`, NULL: the chosen one. ERR_NOT_FOUND: none, the report stays. ERR_FORMAT: the
 * file is damaged. ERR_NOT_ALLOWED: others may read it. */
MUST_CHECK error_code context_find(const char *state_dir, const char *url,
                                   struct context *ret_context, struct report *report);
/* Whether commands go to a stored context; never fails. */
bool context_is_chosen(const char *state_dir);
/* Adds or replaces it, and chooses it. `ca_file` is copied; NULL: none. */
MUST_CHECK error_code context_store(const char *state_dir, const struct context *context,
                                    const char *ca_file, struct report *report);
/* NULL: the chosen one. Nothing is chosen after it. ERR_NOT_FOUND. */
MUST_CHECK error_code context_remove(const char *state_dir, const char *url, struct report *report);
/* {"items": [{url, name, role, chosen}]} without tokens; the caller's. NULL: no memory. */
json_t *contexts_list(const char *state_dir);

/* http://HOST[:PORT] or https://... as it is stored and compared. A loopback host without a scheme
 * is http, any other https. ERR_INVALID. */
MUST_CHECK error_code context_url_normalise(const char *text, char ret_url[CONTEXT_URL_MAX],
                                            struct report *report);
/* Plain HTTP to another machine shows the token to the network: ERR_NOT_ALLOWED unless
 * is_allowed. */
MUST_CHECK error_code context_url_check(const char *url, bool is_allowed, struct report *report);

#endif
