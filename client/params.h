/* client/params.h -- the parameters of a trial, by name: from an answer, or from the environment.
 * Called under the trial's lock. */
#ifndef MUSTER_CLIENT_PARAMS_H
#define MUSTER_CLIENT_PARAMS_H

#include "json.h"

enum { PARAMS_MAX = 512 };

struct param {
    char *name;
    char *text; /* as people see it */
    bool is_number;
    double number;
};

struct params {
    struct param items[PARAMS_MAX];
    size_t n;
    bool is_told; /* by an answer: what it does not name does not exist, whatever the environment
                     has from an answer before */
};

void params_clear(struct params *params);
/* All of an answer's object; what was there before is gone. Without memory the rest is missing. */
void params_take(struct params *params, struct json_span object);
/* NULL: there is none, here or as MUSTER_P_<name> in the environment. Valid until params_clear() or
 * params_take(). */
const struct param *params_find(struct params *params, const char *name);

#endif
