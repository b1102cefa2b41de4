/* Work folders: the head's depot, a node's disk, setups that take
 * their time and fail, trees that go to make room. */
#include "sim/work_folders.h"
#include "sim/calendar.h"

enum { SIM_BLOB_BYTES = 1000, SIM_LARGE_BLOB_BYTES = 2 * BLOB_PIECE_MAX_BYTES + 77 };

static const char sim_blob[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
static const char sim_items[] = "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc";
static const char sim_large_blob[] =
    "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

const char *sim_client_work(const struct sim *sim, const struct sim_client *client)
{
    size_t i = (size_t)(client - sim->clients);
    return i % 3 != 0 ? "" : i % 2 == 0 ? sim_blob : sim_large_blob;
}

const char *sim_items_blob(void)
{
    return sim_items;
}

const char *sim_client_setup(const struct sim *sim, const struct sim_client *client)
{
    return (client - sim->clients) % 4 == 1 || (client - sim->clients) % 6 == 3 ? "setup: make\n"
                                                                                : "";
}

void sim_blob_piece(const struct msg_blob_get *get, struct msg_blob *ret_piece)
{
    static const uint8_t bytes[BLOB_PIECE_MAX_BYTES];
    uint64_t total = strcmp(get->hash, sim_large_blob) == 0 ? SIM_LARGE_BLOB_BYTES : SIM_BLOB_BYTES;
    uint64_t left = get->offset < total ? total - get->offset : 0;
    *ret_piece = (struct msg_blob){.hash = get->hash, .offset = get->offset, .total = total};
    ret_piece->data = (struct bytes){bytes, left < get->size ? (size_t)left : get->size};
    ret_piece->error = left == 0 ? "there is nothing at this place" : "";
}

/* ---- a node's disk ---- */

static uint32_t sim_tree(struct sim *sim, const char *name)
{
    for (uint32_t i = 0; i < sim->n_trees; i++) {
        if (strcmp(sim->trees[i], name) == 0) {
            return i;
        }
    }
    sim_require(sim, sim->n_trees < SIM_TREES_MAX, "too many trees");
    snprintf(sim->trees[sim->n_trees], sizeof sim->trees[0], "%s", name);
    return sim->n_trees++;
}

static void sim_work_later(struct sim *sim, struct sim_node *node, const struct agent_effect *e,
                           uint64_t bytes, int64_t wait_ms)
{
    sim_push(sim, (struct sim_event){.at = sim->now + wait_ms,
                                     .kind = SIM_WORK,
                                     .node = node->index,
                                     .life = node->incarnation,
                                     .connection = bytes,
                                     .ref.attempt = node->pulls[sim_tree(sim, e->text)],
                                     .step = (int64_t)sim_tree(sim, e->text),
                                     .ordinal = (uint32_t)e->kind});
}

void sim_take_piece(struct sim *sim, struct sim_node *node, const struct agent_effect *e)
{
    sim_require(sim, e->frame.len > 0, "an empty piece");
    sim_work_later(sim, node, e, e->offset + e->frame.len, 5);
}

void sim_take_tree(struct sim *sim, struct sim_node *node, const struct agent_effect *e)
{
    uint32_t tree = sim_tree(sim, e->text);
    sim_require(sim, !node->has_tree[tree], "%s makes tree %s twice", node->name, e->text);
    if (e->kind == AGENT_TREE_SETUP) {
        sim_require(sim, e->lease->work[0] == '\0' || node->has_tree[sim_tree(sim, e->lease->work)],
                    "%s sets up %s without its base", node->name, e->text);
        node->is_setup_stopped[tree] = false;
    }
    sim->counts.trees++;
    sim_work_later(sim, node, e, 0, 1 + sim_delay(sim, e->kind == AGENT_TREE_SETUP ? 3000 : 200));
}

void sim_take_setup_stop(struct sim *sim, struct sim_node *node, const struct agent_effect *e)
{
    node->is_setup_stopped[sim_tree(sim, e->text)] = true;
}

void sim_take_blob_drop(struct sim *sim, struct sim_node *node, const struct agent_effect *e)
{
    node->pulls[sim_tree(sim, e->text)]++;
}

void sim_tree_check(struct sim *sim, struct sim_node *node, const struct msg_lease *lease)
{
    char name[WORK_TREE_NAME_MAX + 1];
    agent_tree_name(lease, name);
    sim_require(sim, name[0] == '\0' || node->has_tree[sim_tree(sim, name)],
                "%s starts %u.%u without its folder %s", node->name, lease->task.job,
                lease->task.index, name);
}

void sim_items_check(struct sim *sim, struct sim_node *node, const struct attempt *attempt)
{
    const char *items = agent_items_of(node->agent, attempt);
    sim_require(sim, items[0] == '\0' || node->has_tree[sim_tree(sim, items)],
                "%s starts %u.%u without the lines of its array", node->name, attempt->ref.task.job,
                attempt->ref.task.index);
}

void sim_tree_lose(struct sim *sim, struct sim_node *node)
{
    uint32_t tree = (uint32_t)sim_below(sim, sim->n_trees);
    bool is_used = false;
    list_each (&node->agent->attempts, struct attempt, link, attempt) {
        char name[WORK_TREE_NAME_MAX + 1];
        agent_tree_name(attempt->lease, name);
        is_used |=
            strcmp(name, sim->trees[tree]) == 0 ||
            strcmp(agent_items_of(node->agent, attempt), sim->trees[tree]) == 0 ||
            (attempt->lease->work != NULL && strcmp(attempt->lease->work, sim->trees[tree]) == 0);
    }
    if (node->has_tree[tree] && !is_used) {
        node->has_tree[tree] = false;
        agent_tree_lost(node->agent, sim->trees[tree]);
    }
}

void sim_work_done(struct sim *sim, struct sim_node *node, const struct sim_event *event)
{
    const char *name = sim->trees[event->step];
    bool has_failed = !sim->is_calm && sim_chance(sim, 30);
    if (event->ordinal == AGENT_BLOB_WRITE && event->ref.attempt != node->pulls[event->step]) {
        return; /* of a pull that was dropped */
    }
    if (event->ordinal == AGENT_BLOB_WRITE) {
        on_blob_written(node->agent, sim->now, name, event->connection,
                        has_failed ? "no space" : NULL, &node->out);
        return;
    }
    has_failed |= event->ordinal == AGENT_TREE_SETUP && node->is_setup_stopped[event->step];
    node->has_tree[event->step] = !has_failed;
    on_tree_made(node->agent, sim->now, name, has_failed ? "it did not work" : NULL, &node->out);
}

void sim_trees_tell(struct sim *sim, struct sim_node *node)
{
    for (uint32_t i = 0; i < sim->n_trees; i++) {
        if (node->has_tree[i]) {
            sim_require(sim, agent_tree_found(node->agent, sim->trees[i]) == OK, "tree_found");
        }
    }
}
