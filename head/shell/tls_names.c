#include "head/shell/tls_names.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void tls_name_add(struct tls_names *names, const char *name)
{
    for (uint32_t i = 0; i < names->n; i++) {
        if (strcmp(names->text[i], name) == 0) {
            return;
        }
    }
    if (names->n < TLS_NAMES_MAX && name[0] != '\0' && strlen(name) < TLS_NAME_BYTES) {
        snprintf(names->text[names->n++], TLS_NAME_BYTES, "%s", name);
    }
}

static void interface_names_add(struct tls_names *names)
{
    struct ifaddrs *list = NULL;
    if (getifaddrs(&list) != 0) {
        return;
    }
    for (const struct ifaddrs *at = list; at != NULL; at = at->ifa_next) {
        char text[INET6_ADDRSTRLEN] = "";
        if (at->ifa_addr == NULL || (at->ifa_flags & IFF_UP) == 0) {
            continue;
        }
        if (at->ifa_addr->sa_family == AF_INET) {
            const struct sockaddr_in *in = (const void *)at->ifa_addr;
            inet_ntop(AF_INET, &in->sin_addr, text, sizeof text);
        } else if (at->ifa_addr->sa_family == AF_INET6) {
            const struct sockaddr_in6 *in6 = (const void *)at->ifa_addr;
            if (!IN6_IS_ADDR_LINKLOCAL(&in6->sin6_addr)) {
                inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof text);
            }
        }
        tls_name_add(names, text);
    }
    freeifaddrs(list);
}

void tls_machine_names_add(struct tls_names *names)
{
    char host[TLS_NAME_BYTES] = "";
    tls_name_add(names, "localhost");
    tls_name_add(names, "127.0.0.1");
    tls_name_add(names, "::1");
    if (gethostname(host, sizeof host - 1) == 0) {
        tls_name_add(names, host);
    }
    interface_names_add(names);
}
