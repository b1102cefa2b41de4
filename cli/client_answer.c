/* What the head answered, as message and exit code. */
#include <string.h>

#include "cli/cli.h"

void client_answer_fini(struct client_answer *answer)
{
    buf_fini(&answer->body);
    json_decref(answer->json);
    answer->json = NULL;
}

int client_answer_fail(const struct client_answer *answer)
{
    static const struct {
        const char *code;
        int exit_code;
    } rows[] = {
        {"not_found", EXIT_NOT_FOUND},      {"unsatisfiable", EXIT_NEVER},
        {"not_allowed", EXIT_UNREACHABLE},  {"invalid", EXIT_USAGE},
        {"unsupported", EXIT_USAGE},        {"format", EXIT_USAGE},
        {"unauthorized", EXIT_UNREACHABLE}, {"exists", EXIT_REQUEST},
    };
    const char *code = cli_json_str(answer->json, "error.code");
    const char *text = cli_json_str(answer->json, "error.text");
    int exit_code =
        answer->status == 401 || answer->status == 403 ? EXIT_UNREACHABLE : EXIT_REQUEST;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (strcmp(rows[i].code, code) == 0) {
            exit_code = rows[i].exit_code;
        }
    }
    int64_t line = cli_json_int(answer->json, "error.line");
    if (line > 0) {
        return cli_fail(exit_code, "%s at %s:%lld:%lld", text,
                        cli_json_str(answer->json, "error.file"), (long long)line,
                        (long long)cli_json_int(answer->json, "error.column"));
    }
    if (text[0] != '\0' && answer->status == 401) {
        return cli_fail(exit_code, "%s; 'muster login URL' or MUSTER_TOKEN gives another", text);
    }
    if (text[0] != '\0') {
        return cli_fail(exit_code, "%s", text);
    }
    return cli_fail(exit_code, "the head answered %ld", answer->status);
}
