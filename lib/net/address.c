#include "net/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- text ---- */

static error_code port_parse(const char *text, uint16_t *ret_port, const char *whole,
                             struct report *report)
{
    size_t n = strlen(text);
    unsigned long port = strtoul(text, NULL, 10);
    if (n == 1 && text[0] == '*') {
        *ret_port = 0;
        return OK;
    }
    if (n == 0 || n > 5 || strspn(text, "0123456789") != n || port > 65535) {
        return report_fail(report, ERR_INVALID,
                           "'%.200s' has no port of 0 to 65535 after its last colon", whole);
    }
    *ret_port = (uint16_t)port;
    return OK;
}

static net_host_kind host_kind(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;
    char plain[NET_HOST_MAX + 1];
    (void)snprintf(plain, sizeof plain, "%.*s", (int)strcspn(host, "%"), host);
    if (strcmp(host, "*") == 0) {
        return NET_HOST_ANY;
    }
    if (inet_pton(AF_INET, host, &v4) == 1) {
        return NET_HOST_V4;
    }
    return inet_pton(AF_INET6, plain, &v6) == 1 ? NET_HOST_V6 : NET_HOST_NAME;
}

static bool name_is_good(const char *host)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    return strspn(host, letters) == strlen(host);
}

error_code net_address_parse(const char *text, const char *scheme, uint16_t port_default,
                             struct net_address *ret_address, struct report *report)
{
    struct net_address made = {.port = port_default};
    const char *rest = text, *end, *port = NULL;
    const char *mark = strstr(text, "://");
    if (mark != NULL) {
        size_t n = (size_t)(mark - text);
        if (scheme == NULL || strlen(scheme) != n || strncmp(text, scheme, n) != 0) {
            return report_fail(report, ERR_INVALID,
                               "'%.200s' is no address of the form %s%sHOST:PORT", text,
                               scheme != NULL ? scheme : "", scheme != NULL ? "://" : "");
        }
        rest = mark + 3;
    }
    bool is_bracketed = rest[0] == '[';
    if (is_bracketed) {
        rest++;
        end = strchr(rest, ']');
        if (end == NULL || (end[1] != '\0' && end[1] != ':')) {
            return report_fail(report, ERR_INVALID,
                               "'%.200s': an IPv6 address is written [ADDRESS]:PORT", text);
        }
        port = end[1] == ':' ? end + 2 : NULL;
    } else {
        end = strrchr(rest, ':');
        if (end != NULL && strchr(rest, ':') != end) {
            return report_fail(report, ERR_INVALID,
                               "'%.200s': an IPv6 address is written [ADDRESS]:PORT", text);
        }
        port = end != NULL ? end + 1 : NULL;
        end = end != NULL ? end : rest + strlen(rest);
    }
    if (end == rest || end - rest > NET_HOST_MAX) {
        return report_fail(report, ERR_INVALID, "'%.200s' names no host", text);
    }
    memcpy(made.host, rest, (size_t)(end - rest));
    made.kind = host_kind(made.host);
    if (is_bracketed ? made.kind != NET_HOST_V6
                     : made.kind == NET_HOST_NAME && !name_is_good(made.host)) {
        return report_fail(report, ERR_INVALID, "'%.200s': '%.100s' is no host name or address",
                           text, made.host);
    }
    error_code error = port != NULL ? port_parse(port, &made.port, text, report) : OK;
    if (error == OK) {
        *ret_address = made;
    }
    return error;
}

bool net_address_is_loopback(const struct net_address *address)
{
    struct in_addr v4;
    switch (address->kind) {
    case NET_HOST_V4:
        return inet_pton(AF_INET, address->host, &v4) == 1 && ntohl(v4.s_addr) >> 24 == 127;
    case NET_HOST_V6:
        return strcmp(address->host, "::1") == 0;
    case NET_HOST_NAME:
        return strcmp(address->host, "localhost") == 0;
    case NET_HOST_ANY:
        return false;
    }
    return false;
}

void net_address_endpoint(const struct net_address *address, char ret_endpoint[NET_ENDPOINT_MAX])
{
    bool is_v6 = address->kind == NET_HOST_V6;
    char port[8] = "*";
    if (address->port != 0) {
        (void)snprintf(port, sizeof port, "%u", address->port);
    }
    (void)snprintf(ret_endpoint, NET_ENDPOINT_MAX, "tcp://%s%s%s:%s", is_v6 ? "[" : "",
                   address->host, is_v6 ? "]" : "", port);
}

/* ---- the machine ---- */

error_code net_address_resolve(struct net_address *address, struct report *report)
{
    if (address->kind != NET_HOST_NAME) {
        return OK;
    }
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int rc = getaddrinfo(address->host, NULL, &hints, &found);
    if (rc != 0) {
        return report_fail(report, ERR_NOT_FOUND, "the host name '%s' cannot be resolved: %s",
                           address->host, gai_strerror(rc));
    }
    const struct addrinfo *best = found;
    for (const struct addrinfo *row = found; row != NULL; row = row->ai_next) {
        if (row->ai_family == AF_INET) {
            best = row;
            break;
        }
    }
    char text[INET6_ADDRSTRLEN + 32] = "";
    rc = getnameinfo(best->ai_addr, best->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST);
    freeaddrinfo(found);
    if (rc != 0) {
        return report_fail(report, ERR_NOT_FOUND, "the host name '%s' cannot be resolved: %s",
                           address->host, gai_strerror(rc));
    }
    (void)snprintf(address->host, sizeof address->host, "%s", text);
    address->kind = host_kind(address->host);
    return OK;
}

static error_code listen_error(int number)
{
    return number == EADDRINUSE                                ? ERR_BUSY
           : number == EACCES || number == EPERM               ? ERR_NOT_ALLOWED
           : number == EADDRNOTAVAIL || number == EAFNOSUPPORT ? ERR_INVALID
                                                               : error_from_errno(number);
}

error_code net_address_try(const struct net_address *address, struct report *report)
{
    char port[8], endpoint[NET_ENDPOINT_MAX];
    struct addrinfo *found = NULL;
    const struct addrinfo hints = {
        .ai_flags = AI_NUMERICSERV | AI_PASSIVE | AI_NUMERICHOST,
        .ai_family = AF_UNSPEC,
        .ai_socktype = SOCK_STREAM,
    };
    net_address_endpoint(address, endpoint);
    (void)snprintf(port, sizeof port, "%u", address->port);
    int rc =
        getaddrinfo(address->kind == NET_HOST_ANY ? NULL : address->host, port, &hints, &found);
    if (rc != 0) {
        return report_fail(report, ERR_INVALID, "cannot listen on %s: %s", endpoint,
                           gai_strerror(rc));
    }
    int one = 1, number = 0;
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        bind(fd, found->ai_addr, found->ai_addrlen) != 0 || listen(fd, 1) != 0) {
        number = errno;
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    freeaddrinfo(found);
    return number == 0
               ? OK
               : report_fail(report, listen_error(number), "cannot listen on %s: %s%s", endpoint,
                             strerror(number),
                             number == EADDRINUSE
                                 ? "; another program uses it, or give another port"
                             : number == EADDRNOTAVAIL ? "; this machine has no such address"
                                                       : "");
}
