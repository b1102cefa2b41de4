#include "sys/failpoints.h"

#include <stdlib.h>

const struct failpoint_about failpoint_table[FAILPOINTS_COUNT] = {
#define X(id, name, can_fail, where) {name, can_fail, where},
    FAILPOINTS(X)
#undef X
};

#ifndef MUSTER_FAILPOINTS

bool failpoints_are_built(void)
{
    return false;
}

error_code failpoints_open(const char *role, struct report *report)
{
    (void)role;
    const char *text = getenv("MUSTER_FAILPOINTS");
    return text == NULL || text[0] == '\0'
               ? OK
               : report_fail(report, ERR_UNSUPPORTED,
                             "MUSTER_FAILPOINTS is set, but this build has no failpoints: "
                             "configure one with -DMUSTER_FAILPOINTS=ON, or unset it");
}

#endif
