/* What speaks of parameters by their names, wherever it stands in the file: read when all of them
 * are known. */
#include <string.h>

#include "spec/constraints.h"
#include "spec/parameters.h"

const struct param_spec *space_param_find(const struct sweep_spec *spec, const char *name,
                                          size_t len)
{
    for (uint32_t i = 0; i < spec->n_parameters; i++) {
        const char *known = spec->parameters[i].name;
        if (strlen(known) == len && memcmp(known, name, len) == 0) {
            return &spec->parameters[i];
        }
    }
    return NULL;
}

error_code key_read_space(struct reader *r, const struct spec_node *node,
                          const struct spec_key *key, void *base)
{
    (void)r;
    (void)node;
    (void)key;
    (void)base;
    return OK;
}

error_code space_rules_read(struct reader *r, const struct spec_node *root, struct sweep_spec *spec)
{
    static const struct {
        const char *name;
        error_code (*read)(struct reader *, const struct spec_node *, struct sweep_spec *);
    } blocks[] = {{"constraints", constraints_read}, {"baselines", baselines_read}};
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) {
        const struct spec_node *node = spec_node_entry(root, blocks[i].name);
        if (node == NULL) {
            continue;
        }
        size_t length = reader_path_enter(r, blocks[i].name);
        error_code error = blocks[i].read(r, node, spec);
        reader_path_leave(r, length);
        if (error != OK) {
            return error;
        }
    }
    return OK;
}
