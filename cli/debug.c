/* muster debug turn: where the head's time goes. */
#include "cli/kinds.h"

static void turn_print(const json_t *turn)
{
    printf(
        "%.0f turns in %.0f s, busy %.2f %%; a turn: p50 %.1f us, p99 %.0f us, longest %.0f us\n",
        json_number_value(cli_json_get(turn, "turns")),
        json_number_value(cli_json_get(turn, "seconds")),
        json_number_value(cli_json_get(turn, "busy_percent")),
        json_number_value(cli_json_get(turn, "median_us")),
        json_number_value(cli_json_get(turn, "tail_us")),
        json_number_value(cli_json_get(turn, "longest_us")));
    printf("last second: %.0f turns, busy %.2f %%\n\n",
           json_number_value(cli_json_get(turn, "last_turns")),
           json_number_value(cli_json_get(turn, "last_busy_percent")));
}

int verb_debug_turn(struct cli *cli)
{
    cli_output output;
    json_t *answer = NULL;
    if (!cli_output_parse(cli, &output)) {
        return EXIT_USAGE;
    }
    int code = cli_get(cli, "/api/v1/debug/turn", &answer);
    if (code == EXIT_OK && cli_output_is_text(cli, output)) {
        turn_print(cli_json_get(answer, "turn"));
    }
    if (code == EXIT_OK) {
        code = cli_print_list(cli, &cli_stage_kind, answer);
    }
    json_decref(answer);
    return code;
}
