/* head/shell/http_guard.h -- who may ask what: token, Host and Origin. Pure but for the comparison
 * of secrets.
 *
 * HTTP_OPEN passes. A valid bearer needs no Host check. All else needs a Host of ours (a page of
 * another name that resolves to us must not read), and a token unless it is the page. Whatever
 * changes state and names an Origin needs one of ours. */
#ifndef MUSTER_HEAD_SHELL_HTTP_GUARD_H
#define MUSTER_HEAD_SHELL_HTTP_GUARD_H

#include "head/shell/http.h"

enum { GUARD_HOST_MAX_BYTES = 256 };

struct http_guard {
    char token[HTTP_TOKEN_MAX_BYTES];
    char *hosts[HTTP_HOSTS_MAX];
    uint32_t n_hosts;
};

/* The headers as sent; NULL where there is none. */
struct guard_headers {
    const char *host;
    const char *origin;
    const char *authorization;
};

/* Who is it that `headers` name? *ret_has_token says whether anybody; the report, where nobody, may
 * say why. */
void guard_identify(const struct http_guard *guard, const struct http_callbacks *callbacks,
                    const struct guard_headers *headers, struct http_identity *ret_identity,
                    bool *ret_has_token, struct report *report);
/* ERR_INVALID: no usable token; ERR_LIMIT: too many hosts or a host too long. */
MUST_CHECK error_code guard_init(struct http_guard *guard, const struct http_options *options,
                                 struct report *report);
void guard_fini(struct http_guard *guard);
/* True: go on. */
bool guard_allows(const struct http_guard *guard, http_method method, http_access access,
                  const struct guard_headers *headers, bool has_token, http_refusal *ret_refusal);

#endif
