/* head/shell/tls_names.h -- what this machine is called, for its certificate. Inside head/shell;
 * any thread; asks the kernel only. */
#ifndef MUSTER_HEAD_SHELL_TLS_NAMES_H
#define MUSTER_HEAD_SHELL_TLS_NAMES_H

#include "head/shell/tls.h"

enum { TLS_NAME_BYTES = 256 };

/* DNS names and addresses, each once. */
struct tls_names {
    char text[TLS_NAMES_MAX][TLS_NAME_BYTES];
    uint32_t n;
};

/* What is there already, empty, too long or past TLS_NAMES_MAX is left out. */
void tls_name_add(struct tls_names *names, const char *name);
/* localhost, 127.0.0.1, ::1, the host's name, and the addresses of interfaces that are up, but
 * those of one link only. */
void tls_machine_names_add(struct tls_names *names);

#endif
