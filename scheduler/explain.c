/* Why something does not start, in sentences that name what to change. One walk over the nodes
 * gathers the figures; nothing here decides anything. */
#include <inttypes.h>
#include <stdio.h>

#include "scheduler/state.h"

/* What can be short: CPUs, GPUs, memory, then each custom amount of the request. */
enum { SUPPLY_CPUS, SUPPLY_GPUS, SUPPLY_MEMORY, SUPPLY_CUSTOM, SUPPLIES_MAX = 3 + SPEC_CUSTOM_MAX };

struct supply {
    int64_t total, used;
    int64_t usable; /* by this request: whole GPUs need entirely free ones */
};

/* Figures of one supply over the nodes with the right labels. */
struct shortage {
    int64_t largest;     /* on one node */
    uint32_t n_nodes;    /* open ones that could run it and lack this now */
    int64_t total, used; /* on those */
};

struct survey {
    const struct request *request;
    const struct scheduler_group *group; /* NULL: none */
    uint32_t n_supplies;
    uint32_t n_nodes, n_matching, n_capable, n_closed, n_fitting;
    uint32_t n_aside; /* open, and could run it, but its group may not use them */
    uint32_t n_full;  /* have room, but hold as many of its group as they may */
    uint32_t n_meeting[SPEC_REQUIRE_MAX];
    struct shortage shortages[SUPPLIES_MAX];
};

static int64_t supply_asked(const struct request *request, uint32_t supply)
{
    switch (supply) {
    case SUPPLY_CPUS:
        return request->cpus;
    case SUPPLY_GPUS:
        return request->gpus;
    case SUPPLY_MEMORY:
        return request->memory_bytes < INT64_MAX ? (int64_t)request->memory_bytes : INT64_MAX;
    default:
        return request->custom[supply - SUPPLY_CUSTOM].amount;
    }
}

static struct supply supply_of(const struct scheduler_node *node, const struct request *request,
                               uint32_t supply)
{
    const struct scheduler_room *room = &node->room;
    if (supply == SUPPLY_CPUS) {
        return (struct supply){node->cpus_total, node->cpus_used, room->cpus};
    }
    if (supply == SUPPLY_GPUS) {
        amount total = (amount)node->n_gpus * AMOUNT_ONE;
        return (struct supply){total, total - node->gpus_free,
                               request->gpus < AMOUNT_ONE ? room->gpu_largest : room->gpus_whole};
    }
    if (supply == SUPPLY_MEMORY) {
        return (struct supply){(int64_t)node->memory_total, (int64_t)node->memory_used,
                               room->memory_bytes};
    }
    const struct scheduler_custom *custom =
        scheduler_node_custom(node, request->custom[supply - SUPPLY_CUSTOM].name);
    return custom != NULL
               ? (struct supply){custom->total, custom->used, custom->total - custom->used}
               : (struct supply){0};
}

static void survey_node(struct survey *survey, const struct scheduler_node *node)
{
    const struct request *request = survey->request;
    survey->n_nodes++;
    for (uint32_t i = 0; i < request->n_require && i < SPEC_REQUIRE_MAX; i++) {
        survey->n_meeting[i] += scheduler_node_meets(node, &request->require[i]) ? 1 : 0;
    }
    if (!scheduler_node_meets_all(node, request)) {
        return;
    }
    survey->n_matching++;
    bool is_capable = scheduler_node_could_fit(node, request);
    survey->n_capable += is_capable ? 1 : 0;
    survey->n_closed += is_capable && !node->is_open ? 1 : 0;
    const struct scheduler_share *share = NULL;
    if (survey->group != NULL) {
        HASH_FIND(hh, survey->group->shares, &node->handle, sizeof node->handle, share);
    }
    if (share != NULL && share->is_excluded) {
        survey->n_aside += is_capable && node->is_open ? 1 : 0;
        return;
    }
    if (node->is_open && scheduler_node_fits(node, request)) {
        bool is_allowed = scheduler_group_allows(survey->group, node);
        survey->n_fitting += is_allowed ? 1 : 0;
        survey->n_full += is_allowed ? 0 : 1;
    }
    for (uint32_t i = 0; i < survey->n_supplies; i++) {
        struct supply supply = supply_of(node, request, i);
        struct shortage *shortage = &survey->shortages[i];
        if (supply.total > shortage->largest) {
            shortage->largest = supply.total;
        }
        if (is_capable && node->is_open && supply_asked(request, i) > 0 &&
            supply.usable < supply_asked(request, i)) {
            shortage->n_nodes++;
            shortage->total += supply.total;
            shortage->used += supply.used;
        }
    }
}

static bool survey_has_enough(const struct survey *survey)
{
    return survey->n_fitting >= request_nodes(survey->request);
}

/* The text of an explanation, sentence by sentence. */
struct sentences {
    struct buf *text;
    bool has_some;
};

static struct buf *sentence_begin(struct sentences *out)
{
    if (out->has_some) {
        ignore_error(buf_append_text(out->text, "; "), "sticky");
    }
    out->has_some = true;
    return out->text;
}

#define sentence(out, ...) ignore_error(buf_printf(sentence_begin(out), __VA_ARGS__), "sticky")

enum { QUANTITY_TEXT_MAX = 32 };

static const char *amount_print(amount value, char *ret_text)
{
    const char *sign = value < 0 ? "-" : "";
    int64_t whole = value / AMOUNT_ONE, rest = value % AMOUNT_ONE;
    whole = whole < 0 ? -whole : whole;
    rest = rest < 0 ? -rest : rest;
    int length =
        snprintf(ret_text, QUANTITY_TEXT_MAX, "%s%" PRId64 ".%04" PRId64, sign, whole, rest);
    while (ret_text[length - 1] == '0') {
        ret_text[--length] = '\0';
    }
    if (ret_text[length - 1] == '.') {
        ret_text[length - 1] = '\0';
    }
    return ret_text;
}

/* Three decimals at most, so that a shortage of a few MiB on a large node is still seen. */
static const char *bytes_print(int64_t bytes, char *ret_text)
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (unit + 1 < sizeof units / sizeof units[0] && value >= 1024) {
        value /= 1024;
        unit++;
    }
    int length = snprintf(ret_text, QUANTITY_TEXT_MAX, "%.3f", value);
    while (ret_text[length - 1] == '0') {
        length--;
    }
    length -= ret_text[length - 1] == '.' ? 1 : 0;
    snprintf(ret_text + length, QUANTITY_TEXT_MAX - (size_t)length, " %s", units[unit]);
    return ret_text;
}

static const char *supply_print(uint32_t supply, int64_t value, char *ret_text)
{
    return supply == SUPPLY_MEMORY ? bytes_print(value, ret_text) : amount_print(value, ret_text);
}

static const char *supply_name(const struct request *request, uint32_t supply, bool is_one)
{
    static const char *const names[][2] = {
        [SUPPLY_CPUS] = {"CPUs", "CPU"},
        [SUPPLY_GPUS] = {"GPUs", "GPU"},
        [SUPPLY_MEMORY] = {"of memory", "of memory"},
    };
    return supply < SUPPLY_CUSTOM ? names[supply][is_one ? 1 : 0]
                                  : request->custom[supply - SUPPLY_CUSTOM].name;
}

/* "2 GPUs", "0.5 GPU", "4 GiB of memory". */
static void quantity_append(struct buf *text, const struct request *request, uint32_t supply)
{
    char value[QUANTITY_TEXT_MAX];
    int64_t asked = supply_asked(request, supply);
    ignore_error(buf_printf(text, "%s %s", supply_print(supply, asked, value),
                            supply_name(request, supply, asked <= AMOUNT_ONE)),
                 "sticky");
}

static const char *plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

static void require_append(struct buf *text, const struct require *require)
{
    ignore_error(buf_append_text(text, require->text != NULL ? require->text : require->label),
                 "sticky");
}

/* All that it asks of one node. */
static void quantities_append(struct buf *text, const struct survey *survey)
{
    const char *separator = "";
    for (uint32_t i = 0; i < survey->n_supplies; i++) {
        if (supply_asked(survey->request, i) > 0) {
            ignore_error(buf_append_text(text, separator), "sticky");
            quantity_append(text, survey->request, i);
            separator = ", ";
        }
    }
    if (separator[0] == '\0') {
        ignore_error(buf_append_text(text, "room"), "sticky");
    }
}

/* No node has the labels. */
static void explain_labels(const struct survey *survey, struct sentences *out)
{
    const struct request *request = survey->request;
    bool is_named = false;
    for (uint32_t i = 0; i < request->n_require && i < SPEC_REQUIRE_MAX; i++) {
        if (survey->n_meeting[i] == 0) {
            is_named = true;
            ignore_error(buf_append_text(sentence_begin(out), "no node has label "), "sticky");
            require_append(out->text, &request->require[i]);
        }
    }
    if (is_named) {
        return;
    }
    ignore_error(buf_append_text(sentence_begin(out), "no node has all of these labels: "),
                 "sticky");
    for (uint32_t i = 0; i < request->n_require; i++) {
        ignore_error(buf_append_text(out->text, i > 0 ? ", " : ""), "sticky");
        require_append(out->text, &request->require[i]);
    }
}

/* Nodes with the right labels, and none is large enough. */
static void explain_sizes(const struct survey *survey, struct sentences *out)
{
    const struct request *request = survey->request;
    const char *node = request->n_require > 0 ? "no node with these labels" : "no node";
    bool is_named = false;
    for (uint32_t i = 0; i < survey->n_supplies; i++) {
        int64_t largest = survey->shortages[i].largest;
        if (supply_asked(request, i) <= largest) {
            continue;
        }
        is_named = true;
        char value[QUANTITY_TEXT_MAX];
        ignore_error(buf_append_text(sentence_begin(out), "needs "), "sticky");
        quantity_append(out->text, request, i);
        if (largest == 0) {
            ignore_error(buf_printf(out->text, "; %s has any", node), "sticky");
        } else {
            ignore_error(buf_printf(out->text, "; %s has so %s (largest: %s)", node,
                                    i == SUPPLY_MEMORY ? "much" : "many",
                                    supply_print(i, largest, value)),
                         "sticky");
        }
    }
    if (is_named) {
        return;
    }
    ignore_error(buf_append_text(sentence_begin(out), "needs "), "sticky");
    quantities_append(out->text, survey);
    ignore_error(buf_printf(out->text, "; %s has all of it together", node), "sticky");
}

/* It wants several nodes at once, and so many are not there, or have no room at the same time. */
static void explain_gang(const struct survey *survey, struct sentences *out)
{
    uint32_t nodes = request_nodes(survey->request);
    if (survey->n_fitting >= nodes) {
        return;
    }
    ignore_error(buf_printf(sentence_begin(out), "needs %u nodes with ", nodes), "sticky");
    quantities_append(out->text, survey);
    if (survey->n_capable < nodes) {
        ignore_error(buf_printf(out->text, " each; %u node%s so much", survey->n_capable,
                                survey->n_capable == 1 ? " has" : "s have"),
                     "sticky");
    } else {
        ignore_error(buf_printf(out->text, " each; %u ha%s them free", survey->n_fitting,
                                survey->n_fitting == 1 ? "s" : "ve"),
                     "sticky");
    }
}

/* The bounds that its group has set itself. */
static void explain_group(const struct survey *survey, struct sentences *out)
{
    if (survey->n_aside > 0) {
        sentence(out, "%u node%s that could run it %s set aside (retries.node_failures)",
                 survey->n_aside, plural(survey->n_aside), survey->n_aside == 1 ? "is" : "are");
    }
    if (!scheduler_group_has_gpus(survey->group, survey->request)) {
        char used[QUANTITY_TEXT_MAX], limit[QUANTITY_TEXT_MAX];
        sentence(out, "limits.gpus is %s, and %s are in use",
                 amount_print(survey->group->limits.gpus, limit),
                 amount_print(survey->group->gpus_used, used));
    }
    if (survey->n_full > 0 && !survey_has_enough(survey)) {
        sentence(out, "limits.per_node is %u, and as many run on %u node%s with room for more",
                 survey->group->limits.per_node, survey->n_full, plural(survey->n_full));
    }
}

/* Some node could run it; what stands in the way now. */
static void explain_shortages(const struct survey *survey, struct sentences *out)
{
    if (survey->n_capable < survey->n_nodes) {
        sentence(out, "%u of %u nodes can run it", survey->n_capable, survey->n_nodes);
    }
    if (survey->n_closed > 0) {
        sentence(out, "%u node%s that could run it %s closed (suspect, draining or cordoned)",
                 survey->n_closed, plural(survey->n_closed), survey->n_closed == 1 ? "is" : "are");
    }
    for (uint32_t i = 0; i < survey->n_supplies; i++) {
        const struct shortage *shortage = &survey->shortages[i];
        if (shortage->n_nodes > 0 && !survey_has_enough(survey)) {
            char used[QUANTITY_TEXT_MAX], total[QUANTITY_TEXT_MAX];
            sentence(out, "waits for %s: %s of %s in use on %u node%s",
                     i == SUPPLY_MEMORY ? "memory" : supply_name(survey->request, i, false),
                     supply_print(i, shortage->used, used), supply_print(i, shortage->total, total),
                     shortage->n_nodes, plural(shortage->n_nodes));
        }
    }
}

void scheduler_explain(const struct scheduler *s, const struct request *request,
                       const struct scheduler_item *item, struct buf *ret_text)
{
    scheduler_group_explain(s, NULL, request, item, ret_text);
}

void scheduler_group_explain(const struct scheduler *s, const struct scheduler_group *group,
                             const struct request *request, const struct scheduler_item *item,
                             struct buf *ret_text)
{
    struct sentences out = {.text = ret_text};
    struct survey survey = {.request = request, .group = group, .n_supplies = SUPPLY_CUSTOM};
    error_code error = scheduler_request_check(request);
    if (error != OK) {
        sentence(&out, "asks for what no node can give: amounts are not negative, GPUs are whole "
                       "ones or one fraction below 1");
        return;
    }
    survey.n_supplies += request->n_custom;
    for (const struct scheduler_node *node = s->nodes; node != NULL; node = node->hh.next) {
        survey_node(&survey, node);
    }
    if (survey.n_nodes == 0) {
        sentence(&out, "no node is there yet");
    } else if (survey.n_matching == 0) {
        explain_labels(&survey, &out);
    } else if (survey.n_capable == 0) {
        explain_sizes(&survey, &out);
    } else {
        if (request_nodes(request) > 1) {
            explain_gang(&survey, &out);
        }
        explain_shortages(&survey, &out);
        explain_group(&survey, &out);
    }
    uint64_t n_before = 0;
    if (item != NULL && !list_is_empty(&item->link)) {
        n_before = scheduler_items_before(s, item);
    }
    if (n_before > 0) {
        sentence(&out, "%" PRIu64 " item%s before it in the queue", n_before,
                 n_before == 1 ? " is" : "s are");
    }
    if (survey_has_enough(&survey) && scheduler_group_has_gpus(group, request)) {
        sentence(&out, "%u node%s room for it now", survey.n_fitting,
                 survey.n_fitting == 1 ? " has" : "s have");
    }
}
