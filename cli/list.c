/* Lists: what the server can select by it is asked for, the rest is picked here. */
#include "cli/list.h"

#include <string.h>

#include "cli/filters.h"

enum { PAGE_ITEMS = 2000 };

void url_append(struct buf *buf, const char *text)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";
    for (; *text != '\0'; text++) {
        if (strchr(plain, *text) != NULL) {
            ignore_error(buf_append_byte(buf, (uint8_t)*text), "sticky");
        } else {
            ignore_error(buf_printf(buf, "%%%02X", (unsigned char)*text), "sticky");
        }
    }
}

static int limit_read(const struct cli *cli, uint64_t *ret_limit)
{
    const char *text = cli_option(cli, "limit");
    *ret_limit = UINT64_MAX;
    return text == NULL || cli_number("--limit", text, 1000000000, ret_limit) ? EXIT_OK
                                                                              : EXIT_USAGE;
}

/* The column of --sort; NULL: none is wanted. */
static int sort_read(const struct cli *cli, const struct cli_kind *kind, const char **ret_path,
                     bool *ret_is_descending)
{
    const char *text = cli_option(cli, "sort");
    struct column column;
    *ret_is_descending = text != NULL && text[0] == '-';
    *ret_path = text != NULL ? text + *ret_is_descending : NULL;
    if (text == NULL || column_make(kind->schema, *ret_path, &column)) {
        return EXIT_OK;
    }
    struct buf names;
    buf_init(&names, 1 << 14);
    column_names_print(kind->schema, &names);
    int code = cli_fail(EXIT_USAGE, "--sort: %s have no column '%s'; there are %s", kind->what,
                        *ret_path, buf_text(&names));
    buf_fini(&names);
    return code;
}

int list_check(const struct cli *cli, const struct cli_kind *kind)
{
    struct filters filters;
    struct columns columns;
    const char *path;
    uint64_t limit;
    bool is_descending;
    cli_output output;
    if (!cli_output_parse(cli, &output)) {
        return EXIT_USAGE;
    }
    int code = filters_read(cli, kind, &filters);
    code = code == EXIT_OK ? sort_read(cli, kind, &path, &is_descending) : code;
    code = code == EXIT_OK ? limit_read(cli, &limit) : code;
    if (code == EXIT_OK && cli_option(cli, "columns") != NULL) {
        code = columns_choose(cli, kind, NULL, output, &columns);
        if (code == EXIT_OK) {
            columns_fini(&columns);
        }
    }
    return code;
}

/* ---- picking ---- */

/* Keeps what fits, in the order that is wanted, up to the limit. */
static int items_narrow(const struct cli *cli, const struct cli_kind *kind,
                        const struct filters *filters, json_t *list)
{
    json_t *items = json_object_get(list, "items"), *kept = json_array(), *item;
    size_t i;
    uint64_t limit;
    const char *path;
    bool is_descending;
    int code = limit_read(cli, &limit);
    code = code == EXIT_OK ? sort_read(cli, kind, &path, &is_descending) : code;
    if (code != EXIT_OK) {
        json_decref(kept);
        return code;
    }
    json_array_foreach(items, i, item)
    {
        if (filters_fit(filters, item)) {
            json_array_append(kept, item);
        }
    }
    bool is_fewer = json_array_size(kept) < json_array_size(items);
    if (path != NULL) {
        items_sort(kept, path, is_descending);
    }
    if (is_fewer || json_object_get(list, "total") == NULL) {
        json_object_set_new(list, "total", json_integer((json_int_t)json_array_size(kept)));
    }
    while (json_array_size(kept) > limit) {
        json_array_remove(kept, json_array_size(kept) - 1);
    }
    json_object_set_new(list, "items", kept);
    return EXIT_OK;
}

int list_narrow(const struct cli *cli, const struct cli_kind *kind, json_t *list)
{
    struct filters filters;
    int code = filters_read(cli, kind, &filters);
    return code == EXIT_OK ? items_narrow(cli, kind, &filters, list) : code;
}

/* ---- asking ---- */

static void query_add(struct buf *path, const char *key, const char *value)
{
    bool is_first = strchr(buf_text(path), '?') == NULL;
    ignore_error(buf_printf(path, "%c%s=", is_first ? '?' : '&', key), "sticky");
    url_append(path, value);
}

/* The next page's place; false: that was the last one. */
static bool page_next(const json_t *page, const char *base, struct buf *path)
{
    char number[32];
    const json_t *next = json_object_get(page, "next");
    buf_reset(path);
    ignore_error(buf_append_text(path, base), "sticky");
    if (json_is_string(next)) {
        query_add(path, "cursor", json_string_value(next));
    } else if (json_is_integer(next)) {
        snprintf(number, sizeof number, "%lld", (long long)json_integer_value(next));
        query_add(path, "offset", number);
    } else {
        return false;
    }
    return path->failed == OK;
}

/* Pages of at most `limit` items in all. */
static int pages_fetch(struct cli *cli, struct client **client, const char *path, uint64_t limit,
                       json_t **ret_list)
{
    char number[32];
    struct buf at, base;
    json_t *list = NULL;
    int code = EXIT_OK;
    bool has_more = true;
    buf_init(&at, 1 << 20);
    buf_init(&base, 1 << 20);
    ignore_error(buf_append_text(&base, path), "checked below");
    snprintf(number, sizeof number, "%llu",
             (unsigned long long)(limit < PAGE_ITEMS ? limit : PAGE_ITEMS));
    query_add(&base, "limit", number);
    ignore_error(buf_append_text(&at, buf_text(&base)), "checked below");
    while (code == EXIT_OK && has_more) {
        json_t *page = NULL;
        code = at.failed == OK && base.failed == OK ? EXIT_OK
                                                    : cli_fail(EXIT_USAGE, "too long a filter");
        code = code == EXIT_OK ? client_get_json(cli, client, buf_text(&at), &page) : code;
        if (code == EXIT_OK && list == NULL) {
            list = json_incref(page);
        } else if (code == EXIT_OK) {
            json_array_extend(json_object_get(list, "items"), json_object_get(page, "items"));
        }
        has_more = code == EXIT_OK && page_next(page, buf_text(&base), &at);
        bool is_enough = json_array_size(json_object_get(list, "items")) >= limit;
        if (code == EXIT_OK && has_more && !is_enough) {
            json_object_set_new(list, "next", json_null());
        }
        has_more = has_more && !is_enough;
        json_decref(page);
    }
    buf_fini(&at);
    buf_fini(&base);
    if (code != EXIT_OK) {
        json_decref(list);
        return code;
    }
    *ret_list = list;
    return EXIT_OK;
}

int list_fetch_all(struct cli *cli, struct client **client, const char *path, const char *query,
                   json_t **ret_list)
{
    struct buf full;
    buf_init(&full, 1 << 20);
    ignore_error(
        buf_printf(&full, "%s%s%s", path, query != NULL ? "?" : "", query != NULL ? query : ""),
        "checked by pages_fetch");
    int code = pages_fetch(cli, client, buf_text(&full), UINT64_MAX, ret_list);
    buf_fini(&full);
    return code;
}

int list_fetch(struct cli *cli, struct client **client, const struct cli_kind *kind,
               const char *path, const char *extra, json_t **ret_list)
{
    struct filters filters;
    struct buf full;
    uint64_t limit;
    json_t *list = NULL;
    int code = filters_read(cli, kind, &filters);
    code = code == EXIT_OK ? limit_read(cli, &limit) : code;
    if (code != EXIT_OK) {
        return code;
    }
    buf_init(&full, 1 << 20);
    ignore_error(
        buf_printf(&full, "%s%s%s", path, extra != NULL ? "?" : "", extra != NULL ? extra : ""),
        "checked by pages_fetch");
    bool is_whole = cli_option(cli, "sort") == NULL;
    for (int i = 0; i < filters.n; i++) {
        const struct filter *filter = &filters.items[i];
        bool is_fast = filter->op == IS_EQUAL && filter->value[0] != '\0' &&
                       (strcmp(filter->key, "state") == 0 || strcmp(filter->key, "outcome") == 0 ||
                        (strcmp(filter->key, "sweep") == 0 && extra == NULL));
        if (filter->is_server || is_fast) {
            query_add(&full, filter->key, filter->value);
        } else {
            is_whole = false;
        }
    }
    code = pages_fetch(cli, client, buf_text(&full), is_whole ? limit : UINT64_MAX, &list);
    buf_fini(&full);
    code = code == EXIT_OK ? items_narrow(cli, kind, &filters, list) : code;
    if (code != EXIT_OK) {
        json_decref(list);
        return code;
    }
    *ret_list = list;
    return EXIT_OK;
}

int list_show(struct cli *cli, const struct cli_kind *kind, const char *path)
{
    struct client *client = NULL;
    json_t *list = NULL;
    int code = list_check(cli, kind);
    code = code == EXIT_OK ? cli_connect(cli, false, false, &client) : code;
    if (code != EXIT_OK) {
        return code;
    }
    code = list_fetch(cli, &client, kind, path, NULL, &list);
    code = code == EXIT_OK ? cli_print_list(cli, kind, list) : code;
    json_decref(list);
    client_close(client);
    return code;
}
