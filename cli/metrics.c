/* muster trial metrics: the rows, and one metric as a curve. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/list.h"
#include "cli/text.h"

enum { CURVE_ROWS = 10, CURVE_COLUMNS = 60 };

static double number_of(const json_t *value)
{
    return json_is_number(value) ? json_number_value(value) : NAN;
}

struct curve {
    double step_min, step_max, min, max;
    char cells[CURVE_ROWS][CURVE_COLUMNS + 1];
};

static bool curve_range(const json_t *items, const char *path, struct curve *curve)
{
    size_t i;
    json_t *row;
    curve->step_min = curve->min = INFINITY;
    curve->step_max = curve->max = -INFINITY;
    json_array_foreach((json_t *)(uintptr_t)items, i, row)
    {
        double value = number_of(column_get(row, path)), step = number_of(column_get(row, "step"));
        if (isfinite(value) && isfinite(step)) {
            curve->step_min = fmin(curve->step_min, step);
            curve->step_max = fmax(curve->step_max, step);
            curve->min = fmin(curve->min, value);
            curve->max = fmax(curve->max, value);
        }
    }
    return isfinite(curve->min);
}

/* Where `value` lies between min and max, of n places. */
static int place(double value, double min, double max, int n)
{
    double range = max - min;
    int at = range > 0 ? (int)((value - min) / range * (n - 1) + 0.5) : 0;
    return at < 0 ? 0 : at >= n ? n - 1 : at;
}

static void curve_print(const json_t *items, const char *path)
{
    struct curve curve;
    size_t i;
    json_t *row;
    if (json_array_size(items) < 2 || !curve_range(items, path, &curve)) {
        return;
    }
    for (int y = 0; y < CURVE_ROWS; y++) {
        memset(curve.cells[y], ' ', CURVE_COLUMNS);
        curve.cells[y][CURVE_COLUMNS] = '\0';
    }
    json_array_foreach((json_t *)(uintptr_t)items, i, row)
    {
        double value = number_of(column_get(row, path)), step = number_of(column_get(row, "step"));
        if (isfinite(value) && isfinite(step)) {
            int x = place(step, curve.step_min, curve.step_max, CURVE_COLUMNS);
            int y = place(value, curve.min, curve.max, CURVE_ROWS);
            curve.cells[CURVE_ROWS - 1 - y][x] = '*';
        }
    }
    putchar('\n');
    for (int y = 0; y < CURVE_ROWS; y++) {
        char label[32] = "";
        if (y == 0 || y == CURVE_ROWS - 1) {
            snprintf(label, sizeof label, "%.4g", y == 0 ? curve.max : curve.min);
        }
        for (size_t n = CURVE_COLUMNS; n > 0 && curve.cells[y][n - 1] == ' '; n--) {
            curve.cells[y][n - 1] = '\0';
        }
        printf("%10s |%s\n", label, curve.cells[y]);
    }
    printf("%10s +", "");
    for (int x = 0; x < CURVE_COLUMNS; x++) {
        putchar('-');
    }
    printf("\n%10s  step %.10g to %.10g\n", "", curve.step_min, curve.step_max);
}

/* A name that no row has would show an empty table. */
static int metric_check(const json_t *items, const char *metric)
{
    struct buf names;
    size_t i;
    json_t *row, *value, *seen = json_object();
    const char *name;
    json_array_foreach((json_t *)(uintptr_t)items, i, row)
    {
        json_object_foreach(json_object_get(row, "metrics"), name, value)
        {
            json_object_set(seen, name, value);
        }
    }
    int code = EXIT_OK;
    if (json_object_get(seen, metric) == NULL) {
        buf_init(&names, 1 << 16);
        json_object_foreach(seen, name, value)
        {
            ignore_error(buf_printf(&names, "%s%s", names.len > 0 ? ", " : "", name),
                         "shown as far as it goes");
        }
        code = names.len == 0 ? cli_fail(EXIT_NOT_FOUND, "it has reported nothing yet")
                              : cli_fail(EXIT_NOT_FOUND, "it has not reported '%s'; it reported %s",
                                         metric, buf_text(&names));
        buf_fini(&names);
    }
    json_decref(seen);
    return code;
}

/* Only rows that have it, and only it. */
static void rows_pick(json_t *list, const char *metric)
{
    json_t *items = json_object_get(list, "items"), *kept = json_array(), *row;
    size_t i;
    json_array_foreach(items, i, row)
    {
        json_t *value = json_object_get(json_object_get(row, "metrics"), metric);
        if (value != NULL) {
            json_t *only = json_object();
            json_object_set(only, metric, value);
            json_object_set_new(row, "metrics", only);
            json_array_append(kept, row);
        }
    }
    json_object_set_new(list, "items", kept);
}

int verb_trial_metrics(struct cli *cli)
{
    struct client *client = NULL;
    char path[128];
    task_id id;
    cli_output output;
    json_t *list = NULL;
    const char *metric = cli_option(cli, "metric");
    if (cli_task_id(cli->arguments[0], &id) != EXIT_OK || !cli_output_parse(cli, &output)) {
        return EXIT_USAGE;
    }
    int code = list_check(cli, &cli_metric_kind);
    code = code == EXIT_OK ? cli_connect(cli, false, false, &client) : code;
    if (code != EXIT_OK) {
        return code;
    }
    snprintf(path, sizeof path, "/api/v1/trials/%u.%u/metrics", id.job, id.index);
    code = client_get_json(cli, &client, path, &list);
    if (code == EXIT_OK && metric != NULL) {
        code = metric_check(json_object_get(list, "items"), metric);
    }
    if (code == EXIT_OK && metric != NULL) {
        rows_pick(list, metric);
    }
    code = code == EXIT_OK ? list_narrow(cli, &cli_metric_kind, list) : code;
    code = code == EXIT_OK ? cli_print_list(cli, &cli_metric_kind, list) : code;
    if (code == EXIT_OK && metric != NULL && cli_output_is_text(cli, output)) {
        snprintf(path, sizeof path, "metrics.%.100s", metric);
        curve_print(json_object_get(list, "items"), path);
    }
    json_decref(list);
    client_close(client);
    return code;
}
