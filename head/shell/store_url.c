#include "head/shell/store_url.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/address.h"

enum { DATABASE_MAX = 1 << 20 };

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* False: too long, a bad escape, or a NUL. */
static bool part_unescape(const char *from, size_t n, char ret_text[STORE_URL_TEXT_MAX + 1])
{
    size_t length = 0;
    for (size_t i = 0; i < n; i++) {
        char c = from[i];
        if (c == '%') {
            int high = i + 2 < n ? hex_digit(from[i + 1]) : -1;
            int low = high >= 0 ? hex_digit(from[i + 2]) : -1;
            if (low < 0) {
                return false;
            }
            c = (char)(high * 16 + low);
            i += 2;
        }
        if (c == '\0' || length == STORE_URL_TEXT_MAX) {
            return false;
        }
        ret_text[length++] = c;
    }
    ret_text[length] = '\0';
    return true;
}

/* [[user]:password@]; *rest moves behind it. */
static error_code credentials_parse(const char **rest, const char *end, struct store_url *url,
                                    struct report *report)
{
    const char *at = NULL;
    for (const char *c = *rest; c < end; c++) {
        at = *c == '@' ? c : at;
    }
    if (at == NULL) {
        return OK;
    }
    const char *colon = memchr(*rest, ':', (size_t)(at - *rest));
    if (colon == NULL) {
        return report_fail(report, ERR_INVALID,
                           "the store's address has a user without a password; write "
                           "USER:PASSWORD@ or :PASSWORD@");
    }
    if (!part_unescape(*rest, (size_t)(colon - *rest), url->user) ||
        !part_unescape(colon + 1, (size_t)(at - colon - 1), url->password)) {
        return report_fail(report, ERR_INVALID,
                           "user or password of the store's address is longer than %d bytes, or "
                           "has a %% that is not followed by two hexadecimal digits",
                           STORE_URL_TEXT_MAX);
    }
    *rest = at + 1;
    return OK;
}

static error_code database_parse(const char *text, struct store_url *url, struct report *report)
{
    size_t n = strlen(text);
    unsigned long number = strtoul(text, NULL, 10);
    if (n > 7 || strspn(text, "0123456789") != n || number > DATABASE_MAX) {
        return report_fail(report, ERR_INVALID,
                           "'%.40s' is no database of the store: it is a number, 0 unless said",
                           text);
    }
    url->database = (uint32_t)number;
    return OK;
}

static error_code unix_parse(const char *rest, struct store_url *url, struct report *report)
{
    const char *question = strrchr(rest, '?');
    const char *slash = strchr(rest, '/');
    error_code error = credentials_parse(&rest, slash != NULL ? slash : rest, url, report);
    size_t n = question != NULL ? (size_t)(question - rest) : strlen(rest);
    if (error == OK && (rest[0] != '/' || n > STORE_URL_PATH_MAX)) {
        error = report_fail(report, ERR_INVALID,
                            "the store's address wants an absolute path: unix:///run/redis.sock");
    }
    if (error == OK && question != NULL) {
        const char *number = question + 1;
        number += strncmp(number, "db=", 3) == 0 ? 3 : 0;
        error = database_parse(number, url, report);
    }
    if (error == OK) {
        snprintf(url->unix_path, sizeof url->unix_path, "%.*s", (int)n, rest);
    }
    return error;
}

static error_code tcp_parse(const char *rest, struct store_url *url, struct report *report)
{
    char place[NET_ENDPOINT_MAX];
    struct net_address address;
    error_code error = credentials_parse(&rest, rest + strlen(rest), url, report);
    const char *slash = strchr(rest, '/');
    size_t n = slash != NULL ? (size_t)(slash - rest) : strlen(rest);
    if (error == OK && n >= sizeof place) {
        error = report_fail(report, ERR_INVALID, "the host of the store's address is too long");
    }
    if (error == OK && slash != NULL && slash[1] != '\0') {
        error = database_parse(slash + 1, url, report);
    }
    if (error == OK) {
        snprintf(place, sizeof place, "%.*s", (int)n, rest);
        error = net_address_parse(place, NULL, STORE_PORT, &address, report);
    }
    if (error == OK && (address.kind == NET_HOST_ANY || address.port == 0)) {
        error = report_fail(report, ERR_INVALID, "'%s' is no address of a store", place);
    }
    if (error == OK) {
        snprintf(url->host, sizeof url->host, "%s", address.host);
        url->port = address.port;
    }
    return error;
}

error_code store_url_parse(const char *text, struct store_url *ret_url, struct report *report)
{
    struct store_url url = {0};
    error_code error;
    if (strncmp(text, "redis://", 8) == 0) {
        error = tcp_parse(text + 8, &url, report);
    } else if (strncmp(text, "unix://", 7) == 0) {
        error = unix_parse(text + 7, &url, report);
    } else if (strncmp(text, "rediss://", 9) == 0) {
        error = report_fail(report, ERR_UNSUPPORTED,
                            "rediss:// (TLS to Redis) is not supported: hiredis of this system has "
                            "no asynchronous TLS; put a TLS tunnel (stunnel) beside the head and "
                            "name its end with unix:// or redis://127.0.0.1:PORT");
    } else {
        error = report_fail(report, ERR_INVALID,
                            "the store is redis://[user:password@]host:port[/db] or "
                            "unix:///path[?db=N]");
    }
    if (error == OK) {
        *ret_url = url;
    }
    return error;
}
