/* cli/doctor.h -- muster doctor: each check is a row, each finding a line of ok, warn or fail that
 * says what to do. One thread; what it looks at is never changed. */
#ifndef MUSTER_CLI_DOCTOR_H
#define MUSTER_CLI_DOCTOR_H

#include "cli/cli.h"

typedef enum { DOCTOR_OK, DOCTOR_WARN, DOCTOR_FAIL } doctor_state;

struct doctor {
    struct cli *cli;
    json_t *items; /* {"check", "state", "text", "advice"} */
    const char *check;
    bool has_failed;
    struct client *client; /* NULL: no head answers */
    json_t *status;        /* of the head; NULL: none */
};

/* One finding of the check under way; `advice` "": nothing is to be done. */
void doctor_say(struct doctor *doctor, doctor_state state, const char *advice, const char *format,
                ...) PRINTF_LIKE(4, 5);
/* Runs a program for at most 5 s and takes the first line of its output. false: it cannot be run,
 * failed, or took longer. */
bool doctor_ask(const char *const *argv, char *ret_line, size_t size_bytes);

/* doctor_machine.c */
void doctor_state_folder(struct doctor *doctor);
void doctor_keys(struct doctor *doctor);
void doctor_disk(struct doctor *doctor);
void doctor_shm(struct doctor *doctor);
void doctor_limits(struct doctor *doctor);
void doctor_redis(struct doctor *doctor);
void doctor_gpu(struct doctor *doctor);
void doctor_python(struct doctor *doctor);
/* doctor_head.c */
void doctor_head(struct doctor *doctor);
void doctor_version(struct doctor *doctor);
void doctor_store(struct doctor *doctor);
void doctor_depot(struct doctor *doctor);
void doctor_clock(struct doctor *doctor);
void doctor_ports(struct doctor *doctor);
void doctor_nodes(struct doctor *doctor);

#endif
