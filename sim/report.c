#include "sim/report.h"

#include <inttypes.h>
#include <stdio.h>

static const char *const count_names[] = {
#define X(name) #name,
    SIM_COUNTS(X)
#undef X
#define X(name, weight) #name,
        SIM_FAULTS(X)
#undef X
};

enum { COUNTS = sizeof count_names / sizeof count_names[0] };
_Static_assert(sizeof(struct sim_counts) == COUNTS * sizeof(uint64_t), "a count has no name");

static uint64_t count_of(const struct sim_counts *counts, size_t i)
{
    return ((const uint64_t *)counts)[i];
}

void sim_counts_print(const struct sim_counts *counts)
{
    size_t column = 0;
    for (size_t i = 0; i < COUNTS; i++) {
        char text[64];
        int len = snprintf(text, sizeof text, "%s %" PRIu64 "%s", count_names[i],
                           count_of(counts, i), i + 1 < COUNTS ? "," : "");
        column += (size_t)len + 1;
        bool is_full = column > 100;
        printf("%s%s", i == 0 ? "met: " : is_full ? "\n     " : " ", text);
        column = is_full || i == 0 ? (size_t)len + 5 : column;
    }
    putchar('\n');
}

bool sim_counts_are_complete(const struct sim_counts *counts)
{
    bool is_complete = true;
    for (size_t i = 0; i < COUNTS; i++) {
        if (count_of(counts, i) == 0) {
            fprintf(stderr, "the seeds have met no %s: they prove nothing about it\n",
                    count_names[i]);
            is_complete = false;
        }
    }
    return is_complete;
}
