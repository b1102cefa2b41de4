/* The labels of a node that lives: they change without what runs there. */
#include <string.h>

#include "scheduler/state.h"

error_code scheduler_node_labels_set(struct scheduler *s, uint32_t handle,
                                     const struct env_pair *labels, uint32_t n_labels)
{
    struct scheduler_node *node = scheduler_node_find(s, handle);
    size_t size = n_labels * sizeof *labels;
    if (node == NULL) {
        return ERR_NOT_FOUND;
    }
    if (n_labels > NODE_LABELS_MAX) {
        return ERR_LIMIT;
    }
    for (uint32_t i = 0; i < n_labels; i++) {
        size += strlen(labels[i].name) + strlen(labels[i].value) + 2;
    }
    struct env_pair *block = mem_zalloc(size > 0 ? size : 1);
    if (block == NULL) {
        return ERR_NO_MEMORY;
    }
    char *text = (char *)(block + n_labels);
    for (uint32_t i = 0; i < n_labels; i++) {
        size_t n_name = strlen(labels[i].name) + 1, n_value = strlen(labels[i].value) + 1;
        block[i] = (struct env_pair){memcpy(text, labels[i].name, n_name),
                                     memcpy(text + n_name, labels[i].value, n_value)};
        text += n_name + n_value;
    }
    scheduler_node_change_begin(s, node);
    mem_free(node->label_block);
    node->label_block = block;
    node->labels = block;
    node->n_labels = n_labels;
    scheduler_node_change_end(s, node, true);
    return OK;
}
