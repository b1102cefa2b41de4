#include "cli/spans.h"

#include <string.h>

#include "cli/trials.h"

enum {
    PAGE_ITEMS = 2000,
    TABLE_ROWS_MAX = 1000,   /* a longer table helps nobody */
    LIST_ITEMS_MAX = 100000, /* as many as one request may name (docs/API.md) */
};

/* ---- looking up ---- */

/* One page of a span, from behind `after` on. *ret_after: where the next one begins, 0 if there is
 * none. */
static int page_walk(const struct span_walk *walk, const struct selector_span *span, uint32_t after,
                     uint32_t *ret_after, bool *ret_has_any)
{
    char path[160], cursor[48] = "";
    json_t *page = NULL, *item;
    task_id id = {0, 0};
    size_t i;
    uint32_t left = span->index_to - after;
    if (after > 0) {
        snprintf(cursor, sizeof cursor, "&cursor=%u.%u", span->job_from, after);
    }
    snprintf(path, sizeof path, "/api/v1/%s=%u&limit=%u%s",
             walk->is_trials ? "trials?sweep" : "tasks?job", span->job_from,
             left < PAGE_ITEMS ? left : PAGE_ITEMS, cursor);
    int code = client_get_json(walk->cli, walk->client, path, &page);
    json_array_foreach(json_object_get(page, "items"), i, item)
    {
        bool is_named =
            task_id_parse(cli_json_str(item, "id"), &id) == OK && id.index <= span->index_to;
        if (code == EXIT_OK && is_named) {
            *ret_has_any = true;
            code = walk->on_item(walk->context, item);
        }
    }
    bool has_more = json_is_string(json_object_get(page, "next")) && id.index < span->index_to;
    *ret_after = has_more ? id.index : 0;
    json_decref(page);
    return code;
}

static int nothing_tell(const struct span_walk *walk, const struct selector_span *span)
{
    const char *noun = walk->is_trials ? "trial" : "task";
    bool is_whole = span->index_from == 1 && span->index_to == UINT32_MAX;
    return is_whole ? cli_fail(EXIT_NOT_FOUND, "there is no %s of %u", noun, span->job_from)
           : span->index_from == span->index_to
               ? cli_fail(EXIT_NOT_FOUND, "there is no %s %u.%u", noun, span->job_from,
                          span->index_from)
               : cli_fail(EXIT_NOT_FOUND, "there is no %s among %u.%u-%u", noun, span->job_from,
                          span->index_from, span->index_to);
}

int spans_walk(const struct span_walk *walk)
{
    int code = EXIT_OK, missing = EXIT_OK;
    for (int i = 0; i < walk->selector->n && code == EXIT_OK; i++) {
        const struct selector_span *span = &walk->selector->spans[i];
        uint32_t after = span->index_from - 1;
        bool has_any = false;
        do {
            code = page_walk(walk, span, after, &after, &has_any);
        } while (code == EXIT_OK && after > 0);
        if (code == EXIT_OK && walk->is_strict && !has_any) {
            missing = nothing_tell(walk, span);
        }
    }
    return code != EXIT_OK ? code : missing;
}

/* ---- what was named ---- */

int spans_argument(const struct cli *cli, bool *ret_is_many, struct selector *ret_selector,
                   task_id *ret_id)
{
    const char *text = cli->arguments[0];
    *ret_is_many = task_id_parse(text, ret_id) != OK;
    if (!*ret_is_many) {
        return EXIT_OK;
    }
    int code = selector_parse(text, true, ret_selector);
    bool is_good = !ret_selector->is_all && !ret_selector->is_last;
    for (int i = 0; i < ret_selector->n; i++) {
        is_good = is_good && ret_selector->spans[i].job_from == ret_selector->spans[i].job_to;
    }
    return code != EXIT_OK || is_good
               ? code
               : cli_fail(EXIT_USAGE,
                          "this wants trials or tasks by their number, as 12.41, 12.3-7,9 or 12, "
                          "not '%s'",
                          text);
}

/* ---- showing ---- */

struct collecting {
    json_t *items;
    const char *what;
    size_t max;
    bool is_table;
};

/* Not an exit code: the table is full. */
enum { IS_FULL = -1 };

static int on_item_collect(void *context, json_t *item)
{
    struct collecting *collecting = context;
    if (json_array_size(collecting->items) < collecting->max) {
        json_array_append(collecting->items, item);
        return EXIT_OK;
    }
    return collecting->is_table
               ? IS_FULL
               : cli_fail(EXIT_USAGE, "these are more than %d %s; ask for fewer at a time",
                          LIST_ITEMS_MAX, collecting->what);
}

static int collected_print(struct cli *cli, const struct cli_kind *kind, json_t *items, bool is_cut)
{
    json_t *list = json_pack("{s:s, s:O, s:I, s:n}", "api", "v1", "items", items, "total",
                             (json_int_t)json_array_size(items), "next");
    if (is_cut) {
        fprintf(stderr, "the first %d; ask for fewer at a time, or with -o json\n", TABLE_ROWS_MAX);
    }
    if (kind == &cli_task_kind) {
        cli_tasks_prettify(cli, list);
    }
    int code = cli_print_list(cli, kind, list);
    json_decref(list);
    return code;
}

int spans_show(struct cli *cli, const struct cli_kind *kind, const struct selector *selector)
{
    cli_output output;
    struct client *client = NULL;
    if (!cli_output_parse(cli, &output)) {
        return EXIT_USAGE;
    }
    bool is_table = output == OUTPUT_TABLE || output == OUTPUT_WIDE;
    struct collecting collecting = {.items = json_array(),
                                    .what = kind->what,
                                    .max = is_table ? TABLE_ROWS_MAX : LIST_ITEMS_MAX,
                                    .is_table = is_table};
    const struct span_walk walk = {.cli = cli,
                                   .client = &client,
                                   .selector = selector,
                                   .is_trials = kind == &cli_trial_kind,
                                   .is_strict = true,
                                   .on_item = on_item_collect,
                                   .context = &collecting};
    int code = cli_connect(cli, false, false, &client);
    code = code == EXIT_OK ? spans_walk(&walk) : code;
    bool is_cut = code == IS_FULL, has_any = json_array_size(collecting.items) > 0;
    if (is_cut || code == EXIT_OK || (code == EXIT_NOT_FOUND && has_any)) {
        int printed = collected_print(cli, kind, collecting.items, is_cut);
        code = is_cut || code == EXIT_OK ? printed : code;
    }
    json_decref(collecting.items);
    client_close(client);
    return code;
}
