#include "head/shell/tls_make.h"

#include <arpa/inet.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "sys/files.h"
#include "sys/private_file.h"

enum {
    PEM_MAX_BYTES = 256 << 10,
    SERIAL_BYTES = 16,
    KEY_ID_BYTES = 32,
    SECOND_MS = 1000,
    HOUR_S = 3600,
    DAY_S = 24 * HOUR_S,
};

static error_code tls_fail(int rc, const char *what, const char *path, struct report *report)
{
    return report_fail(report, rc == GNUTLS_E_MEMORY_ERROR ? ERR_NO_MEMORY : ERR_FORMAT,
                       "%s %s: %s", what, path, gnutls_strerror(rc));
}

/* ---- reading ---- */

static error_code pem_read(const char *path, struct buf *buf, struct report *report)
{
    buf_init(buf, PEM_MAX_BYTES);
    return file_read_bounded(path, buf, report);
}

static void pem_fini(struct buf *buf)
{
    if (buf->data != NULL) {
        sodium_memzero(buf->data, buf->cap);
    }
    buf_fini(buf);
}

static error_code chain_read(const char *path, struct tls_pair *pair, struct report *report)
{
    struct buf pem;
    error_code error = pem_read(path, &pem, report);
    if (error == OK) {
        const gnutls_datum_t datum = {pem.data, (unsigned)pem.len};
        pair->n_crt = TLS_CHAIN_MAX;
        int rc = gnutls_x509_crt_list_import(pair->crt, &pair->n_crt, &datum, GNUTLS_X509_FMT_PEM,
                                             GNUTLS_X509_CRT_LIST_FAIL_IF_UNSORTED);
        if (rc <= 0) {
            pair->n_crt = 0;
            error = tls_fail(rc == 0 ? GNUTLS_E_NO_CERTIFICATE_FOUND : rc,
                             "no certificate can be read from", path, report);
        }
    }
    pem_fini(&pem);
    return error;
}

static error_code key_read(const char *path, struct tls_pair *pair, struct report *report)
{
    struct buf pem;
    error_code error = private_file_check(path, report);
    if (error != OK) {
        return error;
    }
    error = pem_read(path, &pem, report);
    if (error == OK) {
        const gnutls_datum_t datum = {pem.data, (unsigned)pem.len};
        int rc = gnutls_x509_privkey_init(&pair->key);
        rc = rc == 0 ? gnutls_x509_privkey_import2(pair->key, &datum, GNUTLS_X509_FMT_PEM, NULL, 0)
                     : rc;
        error = rc == 0 ? OK
                        : tls_fail(rc, "no private key without a password can be read from", path,
                                   report);
    }
    pem_fini(&pem);
    return error;
}

static bool pair_fits(const struct tls_pair *pair)
{
    unsigned char of_crt[KEY_ID_BYTES], of_key[KEY_ID_BYTES];
    size_t n_crt = sizeof of_crt, n_key = sizeof of_key;
    return gnutls_x509_crt_get_key_id(pair->crt[0], GNUTLS_KEYID_USE_SHA256, of_crt, &n_crt) == 0 &&
           gnutls_x509_privkey_get_key_id(pair->key, GNUTLS_KEYID_USE_SHA256, of_key, &n_key) ==
               0 &&
           n_crt == n_key && memcmp(of_crt, of_key, n_crt) == 0;
}

error_code tls_pair_read(const char *crt_path, const char *key_path, struct tls_pair *ret_pair,
                         struct report *report)
{
    struct tls_pair pair = {0};
    error_code error = chain_read(crt_path, &pair, report);
    if (error == OK) {
        error = key_read(key_path, &pair, report);
    }
    if (error == OK && !pair_fits(&pair)) {
        error = report_fail(report, ERR_FORMAT, "the key %s is not that of the certificate %s",
                            key_path, crt_path);
    }
    if (error != OK) {
        tls_pair_fini(&pair);
        return error;
    }
    *ret_pair = pair;
    return OK;
}

void tls_pair_fini(struct tls_pair *pair)
{
    for (unsigned i = 0; i < pair->n_crt; i++) {
        gnutls_x509_crt_deinit(pair->crt[i]);
    }
    if (pair->key != NULL) {
        gnutls_x509_privkey_deinit(pair->key);
    }
    *pair = (struct tls_pair){0};
}

error_code tls_crt_read(const char *path, gnutls_x509_crt_t *ret_crt, struct report *report)
{
    struct tls_pair pair = {0};
    error_code error = chain_read(path, &pair, report);
    if (error == OK) {
        *ret_crt = pair.crt[0];
        pair.crt[0] = NULL;
        for (unsigned i = 1; i < pair.n_crt; i++) {
            gnutls_x509_crt_deinit(pair.crt[i]);
        }
    }
    return error;
}

time_ms tls_crt_until(gnutls_x509_crt_t crt)
{
    return (time_ms)gnutls_x509_crt_get_expiration_time(crt) * SECOND_MS;
}

bool tls_crt_names(gnutls_x509_crt_t crt, const char *name)
{
    return gnutls_x509_crt_check_hostname(crt, name) != 0;
}

/* ---- making ---- */

static error_code key_new(gnutls_x509_privkey_t *ret_key, struct report *report)
{
    gnutls_x509_privkey_t key = NULL;
    int rc = gnutls_x509_privkey_init(&key);
    if (rc == 0) {
        rc = gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
                                          GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
    }
    if (rc != 0) {
        if (key != NULL) {
            gnutls_x509_privkey_deinit(key);
        }
        return report_fail(report, ERR_SYSTEM, "no key for TLS can be made: %s",
                           gnutls_strerror(rc));
    }
    *ret_key = key;
    return OK;
}

/* What every certificate of ours has. */
static int crt_begin(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key, const char *name,
                     int64_t from_s, int64_t until_s)
{
    unsigned char serial[SERIAL_BYTES], id[KEY_ID_BYTES];
    size_t id_bytes = sizeof id;
    randombytes_buf(serial, sizeof serial);
    serial[0] = (unsigned char)((serial[0] & 0x7f) | 0x40); /* positive and never short */
    int rc = gnutls_x509_crt_set_version(crt, 3);
    rc = rc < 0 ? rc : gnutls_x509_crt_set_serial(crt, serial, sizeof serial);
    rc = rc < 0 ? rc : gnutls_x509_crt_set_activation_time(crt, (time_t)from_s);
    rc = rc < 0 ? rc : gnutls_x509_crt_set_expiration_time(crt, (time_t)until_s);
    rc = rc < 0 ? rc
                : gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, name,
                                                (unsigned)strlen(name));
    rc = rc < 0 ? rc : gnutls_x509_crt_set_key(crt, key);
    rc = rc < 0 ? rc : gnutls_x509_crt_get_key_id(crt, GNUTLS_KEYID_USE_SHA1, id, &id_bytes);
    return rc < 0 ? rc : gnutls_x509_crt_set_subject_key_id(crt, id, id_bytes);
}

/* The key first: a certificate whose key is missing would be taken for whole. */
static error_code pair_write(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key, const char *crt_path,
                             const char *key_path, struct report *report)
{
    gnutls_datum_t crt_pem = {0}, key_pem = {0};
    int rc = gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &key_pem);
    rc = rc < 0 ? rc : gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &crt_pem);
    error_code error = rc < 0 ? tls_fail(rc, "cannot write", crt_path, report) : OK;
    if (error == OK) {
        error =
            file_write_atomic(key_path, (struct bytes){key_pem.data, key_pem.size}, 0600, report);
    }
    if (error == OK) {
        error =
            file_write_atomic(crt_path, (struct bytes){crt_pem.data, crt_pem.size}, 0644, report);
    }
    if (key_pem.data != NULL) {
        sodium_memzero(key_pem.data, key_pem.size);
    }
    gnutls_free(key_pem.data);
    gnutls_free(crt_pem.data);
    return error;
}

error_code tls_authority_make(const char *crt_path, const char *key_path, time_ms now,
                              struct report *report)
{
    gnutls_x509_privkey_t key = NULL;
    gnutls_x509_crt_t crt = NULL;
    char name[64];
    error_code error = key_new(&key, report);
    if (error != OK) {
        return error;
    }
    /* Two clusters' CAs may lie in one trust store: each has a name of its own. */
    snprintf(name, sizeof name, "muster cluster CA %08x", randombytes_random());
    int rc = gnutls_x509_crt_init(&crt);
    rc = rc < 0 ? rc
                : crt_begin(crt, key, name, now / SECOND_MS - TLS_BACKDATED_HOURS * HOUR_S,
                            now / SECOND_MS + (int64_t)TLS_CA_DAYS * DAY_S);
    rc = rc < 0 ? rc : gnutls_x509_crt_set_basic_constraints(crt, 1, 0);
    rc = rc < 0
             ? rc
             : gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN);
    rc = rc < 0 ? rc : gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA256, 0);
    error = rc < 0 ? tls_fail(rc, "cannot make", crt_path, report)
                   : pair_write(crt, key, crt_path, key_path, report);
    if (crt != NULL) {
        gnutls_x509_crt_deinit(crt);
    }
    gnutls_x509_privkey_deinit(key);
    return error;
}

static int name_add(gnutls_x509_crt_t crt, const char *name)
{
    unsigned char address[16];
    for (int i = 0; i < 2; i++) {
        if (inet_pton(i == 0 ? AF_INET : AF_INET6, name, address) == 1) {
            return gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_IPADDRESS, address,
                                                        i == 0 ? 4 : 16, GNUTLS_FSAN_APPEND);
        }
    }
    return gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, name,
                                                (unsigned)strlen(name), GNUTLS_FSAN_APPEND);
}

static int server_fill(gnutls_x509_crt_t crt, const struct tls_pair *authority,
                       const char *const *names, uint32_t n_names)
{
    unsigned char id[KEY_ID_BYTES];
    size_t id_bytes = sizeof id;
    int rc = gnutls_x509_crt_set_basic_constraints(crt, 0, -1);
    rc = rc < 0 ? rc : gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_DIGITAL_SIGNATURE);
    rc = rc < 0 ? rc : gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_SERVER, 0);
    rc = rc < 0 ? rc : gnutls_x509_crt_get_subject_key_id(authority->crt[0], id, &id_bytes, NULL);
    rc = rc < 0 ? rc : gnutls_x509_crt_set_authority_key_id(crt, id, id_bytes);
    for (uint32_t i = 0; rc >= 0 && i < n_names; i++) {
        rc = name_add(crt, names[i]);
    }
    return rc < 0 ? rc
                  : gnutls_x509_crt_sign2(crt, authority->crt[0], authority->key, GNUTLS_DIG_SHA256,
                                          0);
}

error_code tls_server_make(const struct tls_pair *authority, const char *const *names,
                           uint32_t n_names, const char *crt_path, const char *key_path,
                           time_ms now, struct report *report)
{
    gnutls_x509_privkey_t key = NULL;
    gnutls_x509_crt_t crt = NULL;
    error_code error = key_new(&key, report);
    if (error != OK) {
        return error;
    }
    int64_t until_s = now / SECOND_MS + (int64_t)TLS_CERT_DAYS * DAY_S;
    int64_t ca_until_s = tls_crt_until(authority->crt[0]) / SECOND_MS;
    int rc = gnutls_x509_crt_init(&crt);
    rc = rc < 0 ? rc
                : crt_begin(crt, key, "muster head", now / SECOND_MS - TLS_BACKDATED_HOURS * HOUR_S,
                            until_s < ca_until_s ? until_s : ca_until_s);
    rc = rc < 0 ? rc : server_fill(crt, authority, names, n_names);
    error = rc < 0 ? tls_fail(rc, "cannot make", crt_path, report)
                   : pair_write(crt, key, crt_path, key_path, report);
    if (crt != NULL) {
        gnutls_x509_crt_deinit(crt);
    }
    gnutls_x509_privkey_deinit(key);
    return error;
}
