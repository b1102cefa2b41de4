#include "head/shell/http_guard.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "net/keys.h"

static const char *const guard_own_hosts[] = {"127.0.0.1", "localhost", "[::1]"};

enum { GUARD_TOKEN_MIN = 16 };

static error_code guard_host_add(struct http_guard *guard, const char *host, struct report *report)
{
    if (guard->n_hosts == HTTP_HOSTS_MAX || strlen(host) >= GUARD_HOST_MAX_BYTES) {
        return report_fail(report, ERR_LIMIT, "too many allowed hosts, or one is too long: %.80s",
                           host);
    }
    char bracketed[GUARD_HOST_MAX_BYTES + 2];
    bool is_v6 = host[0] != '[' && strchr(host, ':') != NULL;
    snprintf(bracketed, sizeof bracketed, is_v6 ? "[%s]" : "%s", host);
    guard->hosts[guard->n_hosts] = mem_strdup(bracketed);
    if (guard->hosts[guard->n_hosts] == NULL) {
        return report_fail(report, ERR_NO_MEMORY, "out of memory");
    }
    guard->n_hosts++;
    return OK;
}

error_code guard_init(struct http_guard *guard, const struct http_options *options,
                      struct report *report)
{
    *guard = (struct http_guard){0};
    size_t length = options->token == NULL ? 0 : strlen(options->token);
    if (length < GUARD_TOKEN_MIN || length >= sizeof guard->token) {
        return report_fail(report, ERR_INVALID, "the HTTP token must have %d to %d characters",
                           GUARD_TOKEN_MIN, HTTP_TOKEN_MAX_BYTES - 1);
    }
    memcpy(guard->token, options->token, length + 1);
    error_code code = OK;
    for (size_t i = 0; code == OK && i < sizeof guard_own_hosts / sizeof guard_own_hosts[0]; i++) {
        code = guard_host_add(guard, guard_own_hosts[i], report);
    }
    for (uint32_t i = 0; code == OK && i < options->n_hosts; i++) {
        code = guard_host_add(guard, options->hosts[i], report);
    }
    if (code != OK) {
        guard_fini(guard);
    }
    return code;
}

void guard_fini(struct http_guard *guard)
{
    for (uint32_t i = 0; i < guard->n_hosts; i++) {
        mem_free(guard->hosts[i]);
    }
    sodium_memzero(guard, sizeof *guard);
}

/* `authority` is host[:port]; an IPv6 address stands in brackets. */
static bool guard_host_is_ours(const struct http_guard *guard, const char *authority)
{
    size_t length = authority[0] == '[' ? strcspn(authority, "]") + 1 : strcspn(authority, ":");
    if (length > strlen(authority)) {
        return false;
    }
    const char *rest = authority + length;
    if (*rest != '\0' && (*rest != ':' || rest[1 + strspn(rest + 1, "0123456789")] != '\0')) {
        return false;
    }
    for (uint32_t i = 0; i < guard->n_hosts; i++) {
        if (strlen(guard->hosts[i]) == length &&
            strncasecmp(guard->hosts[i], authority, length) == 0) {
            return true;
        }
    }
    return false;
}

/* `Origin: null` (a sandboxed page, a file) is nobody's. */
static bool guard_origin_is_ours(const struct http_guard *guard, const char *origin)
{
    static const char *const schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        size_t length = strlen(schemes[i]);
        if (strncasecmp(origin, schemes[i], length) == 0) {
            return guard_host_is_ours(guard, origin + length);
        }
    }
    return false;
}

void guard_identify(const struct http_guard *guard, const struct http_callbacks *callbacks,
                    const struct guard_headers *headers, struct http_identity *ret_identity,
                    bool *ret_has_token, struct report *report)
{
    static const char scheme[] = "Bearer ";
    *ret_identity = (struct http_identity){0};
    *ret_has_token = false;
    if (headers->authorization == NULL ||
        strncasecmp(headers->authorization, scheme, sizeof scheme - 1) != 0) {
        return;
    }
    const char *token = headers->authorization + sizeof scheme - 1;
    if (secret_equal(guard->token, token)) {
        snprintf(ret_identity->name, sizeof ret_identity->name, "%s", USER_BUILTIN);
        ret_identity->role = ROLE_ADMIN;
        ret_identity->is_builtin = true;
        *ret_has_token = true;
    } else if (callbacks->identify != NULL && strlen(token) < HTTP_TOKEN_MAX_BYTES) {
        *ret_has_token = callbacks->identify(callbacks->context, token, ret_identity, report);
    }
}

bool guard_allows(const struct http_guard *guard, http_method method, http_access access,
                  const struct guard_headers *headers, bool has_token, http_refusal *ret_refusal)
{
    if (access == HTTP_OPEN) {
        return true;
    }
    if (!has_token && (headers->host == NULL || !guard_host_is_ours(guard, headers->host))) {
        *ret_refusal = HTTP_REFUSED_HOST;
        return false;
    }
    bool changes_state = method != HTTP_GET && method != HTTP_HEAD;
    if (changes_state && headers->origin != NULL && !guard_origin_is_ours(guard, headers->origin)) {
        *ret_refusal = HTTP_REFUSED_ORIGIN;
        return false;
    }
    if (!has_token && access == HTTP_TOKEN) {
        *ret_refusal = HTTP_REFUSED_TOKEN;
        return false;
    }
    return true;
}
