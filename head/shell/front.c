/* The head's front door: where HTTP listens and by which rules, who is let in, what `current` tells
 * this machine's own commands. */
#include "head/shell/front.h"
#include "head/shell/blobs.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "head/shell/access.h"
#include "head/shell/audit.h"
#include "head/shell/tls.h"
#include "net/keys.h"
#include "sys/clock.h"
#include "sys/log.h"

enum {
    FRONT_PATH_BYTES = 4200,
    FRONT_TLS_LOOK_MS = 60 * 1000, /* certificates are looked at so often */
};

/* Where HTTP listens: numeric. */
struct front_address {
    char host[INET6_ADDRSTRLEN];
    uint16_t port;
    bool is_loopback;
    bool is_any;
    bool is_v6;
};

/* A host's name is looked up once, here, before anything is served; it may block so long. */
static error_code address_resolve(const struct net_address *asked,
                                  struct front_address *ret_address, struct report *report)
{
    struct net_address address = *asked;
    if (address.host[0] == '\0') {
        *ret_address =
            (struct front_address){.host = "127.0.0.1", .port = address.port, .is_loopback = true};
        return OK;
    }
    error_code error = net_address_resolve(&address, report);
    if (error != OK) {
        return error;
    }
    struct front_address resolved = {
        .port = address.port,
        .is_v6 = address.kind == NET_HOST_V6,
        .is_loopback = net_address_is_loopback(&address),
        .is_any = address.kind == NET_HOST_ANY || strcmp(address.host, "0.0.0.0") == 0 ||
                  strcmp(address.host, "::") == 0,
    };
    const char *host = address.kind == NET_HOST_ANY ? "0.0.0.0" : address.host;
    size_t length = strlen(host);
    if (length >= sizeof resolved.host) {
        return report_fail(report, ERR_INVALID, "--http: '%s' is no address to listen on", host);
    }
    memcpy(resolved.host, host, length + 1);
    *ret_address = resolved;
    return OK;
}

/* ---- who is let in ---- */

static void on_http_gone(void *context, uint64_t id)
{
    struct head *head = context;
    notices_gone(head, id);
    follows_gone(head, id);
    blobs_gone(head, id);
}

static void on_http_notice(void *context, http_refusal refusal, const char *text)
{
    (void)context;
    log_write(LOG_LEVEL_WARNING, "refused over HTTP: %s (%s); logged once",
              http_refusal_text(refusal), text);
}

static bool on_http_identify(void *context, const char *token, struct http_identity *ret_identity,
                             struct report *report)
{
    struct head *head = context;
    unsigned char hash[USER_HASH_BYTES];
    char text[USER_HASH_TEXT_BYTES];
    crypto_generichash(hash, sizeof hash, (const unsigned char *)token, strlen(token), NULL, 0);
    sodium_bin2hex(text, sizeof text, hash, sizeof hash);
    struct core_identity identity;
    if (head->core == NULL || /* being loaded anew */
        !core_user_identify(head->core, loop_now(head->loop), text, &identity, report)) {
        return false;
    }
    snprintf(ret_identity->name, sizeof ret_identity->name, "%s", identity.name);
    ret_identity->role = identity.role;
    return true;
}

static void on_http_told(void *context, const struct http_told *told)
{
    struct head *head = context;
    audit_write(head->audit, clock_now(), told);
}

/* ---- TLS ---- */

static error_code tls_start(struct head *head, const struct front_address *address,
                            struct report *report)
{
    const struct head_options *given = head->options;
    char keys_dir[FRONT_PATH_BYTES];
    snprintf(keys_dir, sizeof keys_dir, "%s/keys", head->options->state_dir);
    const struct tls_options options = {
        .keys_dir = keys_dir,
        .cert_path = given->tls_cert,
        .key_path = given->tls_key,
        .names = given->http_names,
        .n_names = given->n_http_names,
        .address = address->is_any ? NULL : address->host,
    };
    error_code error = tls_open(&options, clock_now(), &head->tls, report);
    head->tls_looked_ms = clock_now();
    return error;
}

void front_turn(struct head *head, time_ms now)
{
    if (head->tls == NULL || now - head->tls_looked_ms < FRONT_TLS_LOOK_MS) {
        return;
    }
    struct report report = {0};
    bool is_new = false;
    head->tls_looked_ms = now;
    if (tls_refresh(head->tls, now, &is_new, &report) != OK) {
        log_once("tls", LOG_LEVEL_ERROR, "the certificate for HTTP could not be renewed: %s",
                 report.text);
    } else if (is_new) {
        log_write(LOG_LEVEL_INFO, "a new certificate for HTTP is in use, good until %s",
                  tls_until(head->tls));
    }
}

time_ms front_deadline(const struct head *head)
{
    return head->tls == NULL ? INT64_MAX : head->tls_looked_ms + FRONT_TLS_LOOK_MS;
}

/* ---- open ---- */

/* Where this machine's own commands find the head: an address that stands for all is none. */
static void own_url_write(struct head *head, const struct front_address *address)
{
    const char *port = strrchr(http_url(head->http), ':') + 1;
    char host[256];
    const char *scheme = head->tls != NULL ? "https" : "http";
    if (head->tls != NULL && tls_name(head->tls) != NULL) {
        snprintf(host, sizeof host, "%s", tls_name(head->tls));
    } else if (address->is_any) {
        snprintf(host, sizeof host, "%s", address->is_v6 ? "[::1]" : "127.0.0.1");
    } else {
        snprintf(host, sizeof host, address->is_v6 ? "[%s]" : "%s", address->host);
    }
    snprintf(head->own_url, sizeof head->own_url, "%s://%s:%s", scheme, host, port);
}

/* The names that may stand in Host and Origin beside loopback's. */
static uint32_t hosts_list(const struct head *head, const struct front_address *address,
                           char own[2][256], const char **ret_hosts)
{
    const struct head_options *given = head->options;
    uint32_t n = 0;
    if (gethostname(own[0], sizeof own[0]) == 0 && own[0][0] != '\0') {
        own[0][sizeof own[0] - 1] = '\0';
        ret_hosts[n++] = own[0];
    }
    if (!address->is_any && !address->is_loopback) {
        snprintf(own[1], sizeof own[1], address->is_v6 ? "[%s]" : "%s", address->host);
        ret_hosts[n++] = own[1];
    }
    for (uint32_t i = 0; i < given->n_http_names && i < HEAD_HTTP_NAMES_MAX; i++) {
        ret_hosts[n++] = given->http_names[i];
    }
    return n;
}

static error_code http_open(struct head *head, const struct front_address *address,
                            uint16_t remembered, struct report *report)
{
    char token[SECRET_TEXT_BYTES], own_hosts[2][256];
    const char *hosts[HTTP_HOSTS_MAX];
    error_code error = secret_load(head->token_path, token, report);
    if (error != OK) {
        return error;
    }
    struct http_options options = {
        .host = address->host,
        .port = address->port != 0 ? address->port : remembered,
        .token = token,
        .tls = head->tls,
        .is_insecure = head->options->is_insecure_http,
        .hosts = hosts,
        .n_hosts = hosts_list(head, address, own_hosts, hosts),
    };
    const struct http_callbacks callbacks = {
        .on_request = access_on_request,
        .on_gone = on_http_gone,
        .on_upload = access_on_upload,
        .on_body = blobs_on_body,
        .retry_after_s = routes_retry_after,
        .on_notice = on_http_notice,
        .identify = on_http_identify,
        .on_told = on_http_told,
        .context = head,
    };
    error = http_start(head->loop, &options, &callbacks, &head->http, report);
    if (error == ERR_BUSY && address->port == 0 && remembered != 0) {
        options.port = 0;
        error = http_start(head->loop, &options, &callbacks, &head->http, report);
    }
    sodium_memzero(token, sizeof token);
    return error;
}

error_code front_open(struct head *head, uint16_t remembered, struct report *report)
{
    struct front_address address = {0};
    char path[FRONT_PATH_BYTES];
    snprintf(head->token_path, sizeof head->token_path, "%s/keys/token", head->options->state_dir);
    snprintf(path, sizeof path, "%s/logs/audit.log", head->options->state_dir);
    error_code error = address_resolve(&head->options->http, &address, report);
    if (error == OK) {
        error = audit_open(path, &head->audit, report);
    }
    bool is_plain = address.is_loopback || head->options->is_insecure_http;
    if (error == OK && (!is_plain || head->options->tls_cert != NULL)) {
        error = tls_start(head, &address, report);
    }
    if (error == OK) {
        error = http_open(head, &address, remembered, report);
    }
    if (error != OK) {
        return error;
    }
    own_url_write(head, &address);
    head->is_exposed = head->tls == NULL && !address.is_loopback;
    front_core_tell(head);
    if (head->is_exposed) {
        log_write(LOG_LEVEL_WARNING,
                  "--insecure-http: tokens and everything else cross the network unencrypted at %s",
                  http_url(head->http));
    }
    return OK;
}

void front_core_tell(struct head *head)
{
    if (head->http != NULL) {
        core_http_set(head->core, http_url(head->http), head->is_exposed);
    }
}

const char *front_ca_path(const struct head *head)
{
    return head->tls != NULL ? tls_ca_path(head->tls) : NULL;
}

void front_close(struct head *head, uint32_t drain_ms)
{
    http_stop(head->http, drain_ms);
    head->http = NULL; /* Reads of the store that end now have nobody to answer. */
    tls_free(head->tls);
    head->tls = NULL;
    audit_close(head->audit);
    head->audit = NULL;
}
