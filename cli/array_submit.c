/* muster submit --array, --each-line, --from-json: a task array. */
#include <limits.h>
#include <sodium.h>
#include <string.h>

#include "cli/array_items.h"
#include "cli/jobs.h"
#include "cli/signals.h"
#include "cli/submit.h"
#include "spec/array_text.h"

bool submit_is_array(const struct cli *cli)
{
    return cli_option(cli, "array") != NULL || cli_option(cli, "each-line") != NULL ||
           cli_option(cli, "from-json") != NULL;
}

/* The options, before anything is read or asked. EXIT_OK, or EXIT_USAGE after the message. */
static int options_read(const struct cli *cli, struct array_ids *ret_ids, uint32_t *ret_max_fails,
                        int64_t *ret_timeout_ms)
{
    const char *array = cli_option(cli, "array"), *fails = cli_option(cli, "max-fails");
    const char *timeout = cli_option(cli, "timeout");
    struct report report = {0};
    cli_output output;
    uint64_t number = 0;
    *ret_ids = (struct array_ids){0};
    *ret_timeout_ms = -1;
    if (!cli_output_parse(cli, &output) ||
        (timeout != NULL && !cli_duration("--timeout", timeout, ret_timeout_ms)) ||
        (fails != NULL && !cli_number("--max-fails", fails, ARRAY_TASKS_MAX, &number))) {
        return EXIT_USAGE;
    }
    if (fails != NULL && number == 0) {
        return cli_fail(EXIT_USAGE, "--max-fails wants 1 or more; without it failed tasks end "
                                    "nothing but themselves");
    }
    *ret_max_fails = (uint32_t)number;
    if (cli_option(cli, "from-json") != NULL &&
        (cli_option(cli, "each-line") != NULL || array != NULL)) {
        return cli_fail(EXIT_USAGE, "--from-json makes a task of each value; it goes with neither "
                                    "--each-line nor --array");
    }
    return array == NULL || spec_array_parse(array, ret_ids, &report) == OK
               ? EXIT_OK
               : cli_fail(EXIT_USAGE, "--array: %s", report.text);
}

static int items_read(const struct cli *cli, struct array_ids ids, struct array_items *ret_items)
{
    const char *lines = cli_option(cli, "each-line"), *json = cli_option(cli, "from-json");
    int code = lines != NULL  ? array_items_of_lines(lines, ids, ret_items)
               : json != NULL ? array_items_of_json(json, ret_items)
                              : EXIT_OK;
    if (lines == NULL && json == NULL) {
        *ret_items = (struct array_items){.ids = ids};
    }
    return code;
}

static int array_post(struct cli *cli, const struct task_array *array, struct array_items *items,
                      struct cli_work *work, struct client **client, uint32_t *ret_number)
{
    json_t *body = task_body(cli, work->folder, array);
    struct cli_work *works[] = {work, &items->work};
    int code = body != NULL ? cli_connect(cli, true, true, client) : EXIT_USAGE;
    if (code == EXIT_OK && !submit_is_called_off(&code)) {
        code = submit_job_post(cli, client, works, 2, body, ret_number);
    }
    json_decref(body);
    return code;
}

static int array_then(struct cli *cli, struct client **client, uint32_t number, submit_then then,
                      int64_t timeout_ms)
{
    if (then != SUBMIT_DETACH) {
        return cli_job_watch(cli, client, number, then == SUBMIT_WAIT, timeout_ms);
    }
    json_t *answer = json_pack("{s:I}", "id", (json_int_t)number);
    int code = cli_id_print(cli, answer);
    json_decref(answer);
    return code;
}

int submit_array(struct cli *cli, submit_then then)
{
    char folder[PATH_MAX];
    struct task_array array = {0};
    struct array_items items = {0};
    struct cli_work work = {0};
    struct client *client = NULL;
    int64_t timeout_ms;
    uint32_t number = 0;
    int code = options_read(cli, &array.ids, &array.max_fails, &timeout_ms);
    code = code == EXIT_OK ? cli_signals_catch(cli) : code;
    if (code == EXIT_OK && sodium_init() < 0) {
        code = cli_fail(EXIT_REQUEST, "this machine gives no random numbers");
    }
    code = code == EXIT_OK ? items_read(cli, array.ids, &items) : code;
    code = code == EXIT_OK ? submit_workdir(cli, folder, &work) : code;
    array.ids = items.ids;
    array.first = items.first;
    array.items = "";
    if (code == EXIT_OK && cli_option(cli, "dry-run") != NULL) {
        code = task_show_plan(cli, work.folder, &array);
    } else if (code == EXIT_OK) {
        code = items.folder[0] != '\0' ? array_items_pack(cli, &items) : EXIT_OK;
        array.items = items.work.pack != NULL ? items.work.hash : "";
        code = code == EXIT_OK ? array_post(cli, &array, &items, &work, &client, &number) : code;
        code = code == EXIT_OK ? array_then(cli, &client, number, then, timeout_ms) : code;
    }
    cli_work_fini(&work);
    array_items_fini(&items);
    client_close(client);
    return code;
}
