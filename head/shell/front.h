/* head/shell/front.h -- the head's front door: HTTP with its keys, certificates and users. Inside
 * head/shell; the loop's thread. */
#ifndef MUSTER_HEAD_SHELL_FRONT_H
#define MUSTER_HEAD_SHELL_FRONT_H

#include "head/shell/shell.h"

/* Listens as the options say and makes what keys and certificates are missing; once, when
 * everything is loaded. `remembered`: the port to try where none is asked for; 0: any. Blocks for a
 * few fsyncs, and for a host's name to be looked up. What it opened before a failure is closed by
 * front_close(). */
MUST_CHECK error_code front_open(struct head *head, uint16_t remembered, struct report *report);
/* A core that was loaded anew is told where HTTP is served. */
void front_core_tell(struct head *head);
/* What clients of this machine check the certificate with; NULL: there is none. */
const char *front_ca_path(const struct head *head);
/* Answers that were given get up to drain_ms to leave. Takes what was never opened. */
void front_close(struct head *head, uint32_t drain_ms);
/* Once a turn: certificates are renewed in time. */
void front_turn(struct head *head, time_ms now);
time_ms front_deadline(const struct head *head);

#endif
