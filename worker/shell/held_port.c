#include "worker/shell/held_port.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A socket bound to a number of the kernel's choice; -1 and errno. */
static int port_bind(int family)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address = {0};
    const int off = 0;
    socklen_t len = family == AF_INET6 ? sizeof address.v6 : sizeof address.v4;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address.any.sa_family = (sa_family_t)family;
    if (fd >= 0 &&
        ((family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) != 0) ||
         bind(fd, &address.any, len) != 0)) {
        int number = errno;
        close(fd);
        errno = number;
        return -1;
    }
    return fd;
}

error_code held_port_take(struct held_port *ret_port, struct report *report)
{
    struct sockaddr_in6 address = {0}; /* its port lies where an IPv4 address has it */
    socklen_t len = sizeof address;
    const int on = 1;
    int fd = port_bind(AF_INET6);
    fd = fd >= 0 ? fd : port_bind(AF_INET);
    if (fd < 0 || getsockname(fd, (struct sockaddr *)&address, &len) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) {
        int number = errno;
        if (fd >= 0) {
            close(fd);
        }
        return report_fail(report, error_from_errno(number), "cannot hold a port for it: %s",
                           strerror(number));
    }
    *ret_port = (struct held_port){fd, ntohs(address.sin6_port)};
    return OK;
}

void held_port_release(struct held_port *port)
{
    if (port->fd >= 0) {
        close(port->fd);
        port->fd = -1;
    }
}
