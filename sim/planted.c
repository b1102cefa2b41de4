#include "sim/planted.h"

#include <stddef.h>
#include <string.h>

static const char *const names[] = {
#define X(name, what) #name,
    PLANTED_BUGS(X)
#undef X
};

#ifdef MUSTER_PLANTED
uint32_t planted_bugs;
#endif

bool planted_set(const char *name)
{
    for (uint32_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(names[i], name) == 0) {
#ifdef MUSTER_PLANTED
            planted_bugs |= 1U << i;
            return true;
#endif
        }
    }
    return false;
}

const char *planted_name(uint32_t i)
{
    return i < sizeof names / sizeof names[0] ? names[i] : NULL;
}
