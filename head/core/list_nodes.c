/* The list of nodes: what it can be selected and sorted by. */
#include <stdio.h>
#include <string.h>

#include "head/core/listing.h"

static struct listing_value node_name(const void *object)
{
    return listing_text(object != NULL ? ((const struct node *)object)->r.name : NULL);
}

static struct listing_value node_state_word(const void *object)
{
    return listing_text(object != NULL ? node_state_names[((const struct node *)object)->r.state]
                                       : NULL);
}

static struct listing_value node_joined(const void *object)
{
    return listing_number(object != NULL ? listing_time(((const struct node *)object)->r.joined)
                                         : 0);
}

static struct listing_value node_running(const void *object)
{
    return listing_number(object != NULL ? ((const struct node *)object)->n_tasks +
                                               ((const struct node *)object)->n_parts +
                                               ((const struct node *)object)->n_lanes
                                         : 0);
}

static struct listing_value node_cpus(const void *object)
{
    return listing_number(object != NULL ? (double)((const struct node *)object)->r.cpus : 0);
}

static struct listing_value node_gpus(const void *object)
{
    return listing_number(object != NULL ? ((const struct node *)object)->r.n_gpus : 0);
}

static void node_id_print(const void *object, char *ret_id)
{
    snprintf(ret_id, LISTING_ID_MAX, "%s", ((const struct node *)object)->r.name);
}

static bool node_id_is_good(const char *text)
{
    return text[0] != '\0' && strlen(text) <= NODE_NAME_MAX;
}

static int node_id_compare(const void *object, const char *id)
{
    return strcmp(((const struct node *)object)->r.name, id);
}

static void node_print(struct view *view, const void *object)
{
    struct api_node node;
    api_node_fill(view->core, object, view->now, &view->arena, &node);
    view_object(view, &api_node_schema, &node);
}

static const struct listing_column node_columns[] = {
    {"name", node_name},
    {"state", node_state_word},
    {"joined", node_joined},
    {"running", node_running},
    {"cpus", node_cpus},
    {"gpus", node_gpus},
    {NULL, NULL},
};

static const struct listing_kind node_kind = {
    .what = "nodes",
    .columns = node_columns,
    .states = node_state_names,
    .n_states = sizeof node_state_names / sizeof node_state_names[0],
    .id_print = node_id_print,
    .id_is_good = node_id_is_good,
    .id_compare = node_id_compare,
    .print = node_print,
};

/* NAME, or NAME=VALUE. */
static bool node_has_label(const struct node *node, const char *label)
{
    struct label_pair labels[CORE_LABELS_MAX];
    uint32_t n = core_node_labels(node, labels);
    size_t n_name = strcspn(label, "=");
    for (uint32_t i = 0; i < n; i++) {
        bool is_name =
            strlen(labels[i].name) == n_name && memcmp(labels[i].name, label, n_name) == 0;
        if (is_name &&
            (label[n_name] == '\0' || strcmp(labels[i].value, label + n_name + 1) == 0)) {
            return true;
        }
    }
    return false;
}

static int node_by_name(struct node *a, struct node *b)
{
    return strcmp(a->r.name, b->r.name);
}

void view_nodes(struct core *core, time_ms now, uint64_t request, const struct view_filter *filter)
{
    struct listing listing;
    if (!listing_begin(&listing, core, now, request, &node_kind, filter)) {
        return;
    }
    filter = listing.filter;
    HASH_SORT(core->nodes, node_by_name);
    for (struct node *node = core->nodes; node != NULL; node = node->hh.next) {
        if (listing_text_fits(filter->state, node_state_names[node->r.state]) &&
            listing_text_fits(filter->name, node->r.name) && node->r.joined >= filter->since &&
            (filter->label == NULL || node_has_label(node, filter->label))) {
            listing_offer(&listing, node);
        }
    }
    listing_end(&listing);
}
