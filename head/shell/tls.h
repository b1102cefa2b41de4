/* head/shell/tls.h -- the certificate that the head's HTTP shows: of a CA of its own, or given.
 * Inside head/shell; the loop's thread. Certificates are made and read with GnuTLS, which
 * libmicrohttpd speaks TLS with.
 *
 * Own: keys/ca.crt and keys/ca.key are made once; keys/http.crt and keys/http.key name this
 * machine's host name and addresses and what --http-name adds, and are made anew when a name is
 * missing or the end is near. Given: read again when the files change. Private keys are 0600. */
#ifndef MUSTER_HEAD_SHELL_TLS_H
#define MUSTER_HEAD_SHELL_TLS_H

#include <gnutls/abstract.h>

#include "base/error.h"
#include "base/id.h"

struct tls;

enum {
    TLS_CA_DAYS = 3650,
    TLS_CERT_DAYS = 90,
    TLS_RENEW_DAYS = 30,      /* so long before the end a certificate is made anew */
    TLS_BACKDATED_HOURS = 24, /* clients' clocks may be behind by that much */
    TLS_NAMES_MAX = 48,
    TLS_CHAIN_MAX = 16,
};

/* Copied. */
struct tls_options {
    const char *keys_dir;
    const char *cert_path; /* given: the chain, the server's own first; NULL: own CA */
    const char *key_path;
    const char *const *names; /* further names and addresses for the own certificate */
    uint32_t n_names;
    const char *address; /* that it listens on; NULL: all */
};

/* ERR_NOT_ALLOWED: others may read a private key (the report has the chmod line). ERR_FORMAT: no
 * PEM, or key and certificate do not belong together. ERR_INVALID: expired. Blocks on the disk. */
MUST_CHECK error_code tls_open(const struct tls_options *options, time_ms now, struct tls **ret_tls,
                               struct report *report);
void tls_free(struct tls *tls); /* NULL is fine; after the server that uses it has stopped */
/* Renews, or reads again, what is due; *ret_is_new says whether something changed. On failure what
 * was in use stays in use. */
MUST_CHECK error_code tls_refresh(struct tls *tls, time_ms now, bool *ret_is_new,
                                  struct report *report);
/* What clients of this machine trust: the CA, or the given certificate itself. */
const char *tls_ca_path(const struct tls *tls);
/* A name that the given certificate is good for; NULL: it is good for addresses of this machine. */
const char *tls_name(const struct tls *tls);
const char *tls_until(const struct tls *tls); /* RFC 3339 */

/* For libmicrohttpd's MHD_OPTION_HTTPS_CERT_CALLBACK, which knows no context: the server that runs
 * shows what `tls` holds. One in a process. */
gnutls_certificate_retrieve_function2 *tls_show(struct tls *tls);

#endif
