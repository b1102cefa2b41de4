/* muster debug failpoints: where a test can make a daemon die or fail. */
#include "cli/cli.h"
#include "sys/failpoints.h"

static json_t *points_list(void)
{
    json_t *items = json_array();
    for (int i = 0; i < FAILPOINTS_COUNT; i++) {
        const struct failpoint_about *about = &failpoint_table[i];
        json_array_append_new(items, json_pack("{s:s, s:b, s:s}", "name", about->name, "can_fail",
                                               about->can_fail, "where", about->where));
    }
    return json_pack("{s:s, s:b, s:o, s:i}", "api", "v1", "built", failpoints_are_built(), "items",
                     items, "total", FAILPOINTS_COUNT);
}

static void points_print(void)
{
    printf("%-20s %-9s %s\n", "POINT", "CAN FAIL", "WHERE");
    for (int i = 0; i < FAILPOINTS_COUNT; i++) {
        const struct failpoint_about *about = &failpoint_table[i];
        printf("%-20s %-9s %s\n", about->name, about->can_fail ? "yes" : "no", about->where);
    }
}

int verb_debug_failpoints(struct cli *cli)
{
    cli_output output;
    if (!cli_output_parse(cli, &output)) {
        return EXIT_USAGE;
    }
    if (!failpoints_are_built()) {
        fprintf(stderr, "muster: they are not in this build; a build with -DMUSTER_FAILPOINTS=ON "
                        "has them\n");
    }
    if (cli_output_is_text(cli, output)) {
        points_print();
        return EXIT_OK;
    }
    json_t *list = points_list();
    int code = cli_print_list(cli, NULL, list);
    json_decref(list);
    return code;
}
