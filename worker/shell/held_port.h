/* worker/shell/held_port.h -- a TCP port of this machine that nobody else gets while an attempt is
 * alive, and that the attempt itself can listen at. Any thread; nothing blocks.
 *
 * The socket here is bound and never listens. It gets its number from the kernel, which gives no
 * two sockets the same one, and takes SO_REUSEADDR only then: on Linux a second socket with that
 * option may bind the port and listen, as long as the first one does not listen itself. Every
 * server sets the option (torch, gloo, asyncio, Go, ZeroMQ, gRPC do), or it could not be started
 * again. Ports that the kernel chooses, for bind(0) or for connections, are never held ones. */
#ifndef MUSTER_WORKER_SHELL_HELD_PORT_H
#define MUSTER_WORKER_SHELL_HELD_PORT_H

#include <stdint.h>

#include "base/error.h"

struct held_port {
    int fd;
    uint16_t number;
};

/* Of all addresses of the machine, IPv4 and, where there is one, IPv6. */
MUST_CHECK error_code held_port_take(struct held_port *ret_port, struct report *report);
void held_port_release(struct held_port *port);

#endif
