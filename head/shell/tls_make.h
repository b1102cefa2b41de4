/* head/shell/tls_make.h -- keys and certificates as files: read, checked, made. Inside head/shell;
 * any thread; blocks on the disk. */
#ifndef MUSTER_HEAD_SHELL_TLS_MAKE_H
#define MUSTER_HEAD_SHELL_TLS_MAKE_H

#include <gnutls/abstract.h>
#include <gnutls/x509.h>

#include "base/error.h"
#include "base/id.h"
#include "head/shell/tls.h"

/* A certificate with its private key; all zero: none. */
struct tls_pair {
    gnutls_x509_crt_t crt[TLS_CHAIN_MAX]; /* its own first */
    unsigned n_crt;
    gnutls_x509_privkey_t key;
};

/* Reads both files. ERR_NOT_FOUND: one of them is not there. ERR_NOT_ALLOWED: others may read the
 * key. ERR_FORMAT: no PEM, or they do not belong together. */
MUST_CHECK error_code tls_pair_read(const char *crt_path, const char *key_path,
                                    struct tls_pair *ret_pair, struct report *report);
void tls_pair_fini(struct tls_pair *pair); /* takes none */
/* A certificate alone. */
MUST_CHECK error_code tls_crt_read(const char *path, gnutls_x509_crt_t *ret_crt,
                                   struct report *report);
time_ms tls_crt_until(gnutls_x509_crt_t crt);
bool tls_crt_names(gnutls_x509_crt_t crt, const char *name); /* a DNS name or an address */

/* A CA that signs itself, in these two files. */
MUST_CHECK error_code tls_authority_make(const char *crt_path, const char *key_path, time_ms now,
                                         struct report *report);
/* A server's certificate for `names`, signed by `authority`, in these two files. */
MUST_CHECK error_code tls_server_make(const struct tls_pair *authority, const char *const *names,
                                      uint32_t n_names, const char *crt_path, const char *key_path,
                                      time_ms now, struct report *report);

#endif
