/* muster key ...: tokens of named users. */
#include <stdlib.h>
#include <string.h>

#include "cli/kinds.h"

/* One request of an admin; EXIT_OK: *ret_answer is a success and the caller's. */
static int key_call(struct cli *cli, const char *method, const char *path, const char *body,
                    struct client_answer *ret_answer)
{
    struct client *client = NULL;
    int code = cli_connect(cli, false, false, &client);
    if (code != EXIT_OK) {
        return code;
    }
    code = client_call_patiently(cli, &client, method, path, body, NULL, ret_answer);
    if (code == EXIT_OK && ret_answer->status / 100 != 2) {
        code = client_answer_fail(ret_answer);
        client_answer_fini(ret_answer);
    }
    client_close(client);
    return code;
}

/* The same that the head allows, so that the path is plain. */
static bool name_is_plain(const char *name)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-@";
    if (name[0] != '\0' && strspn(name, letters) == strlen(name) && strlen(name) < 64) {
        return true;
    }
    cli_fail(EXIT_USAGE, "a user's name has 1 to 63 letters, digits or .-_@, not '%s'", name);
    return false;
}

int verb_key_new(struct cli *cli)
{
    const char *role = cli_option(cli, "role"), *expires = cli_option(cli, "expires");
    struct client_answer answer;
    int64_t expires_ms = 0;
    if (!name_is_plain(cli->arguments[0]) ||
        (expires != NULL && !cli_duration("--expires", expires, &expires_ms))) {
        return EXIT_USAGE;
    }
    if (expires != NULL && expires_ms < 1000) {
        return cli_fail(EXIT_USAGE, "--expires wants at least a second, as 90d, not '%s'", expires);
    }
    if (role != NULL && strcmp(role, "reader") != 0 && strcmp(role, "user") != 0 &&
        strcmp(role, "admin") != 0) {
        return cli_fail(EXIT_USAGE, "--role wants reader, user or admin, not '%s'", role);
    }
    json_t *body =
        json_pack("{s:s, s:s}", "name", cli->arguments[0], "role", role != NULL ? role : "user");
    if (expires != NULL) {
        json_object_set_new(body, "expires_s", json_integer(expires_ms / 1000));
    }
    char *text = json_dumps(body, JSON_COMPACT);
    json_decref(body);
    if (text == NULL) {
        return cli_fail(EXIT_REQUEST, "out of memory");
    }
    int code = key_call(cli, "POST", "/api/v1/keys", text, &answer);
    free(text);
    if (code != EXIT_OK) {
        return code;
    }
    const char *until = cli_json_str(answer.json, "key.expires");
    printf("%s\n", cli_json_str(answer.json, "token"));
    fprintf(stderr,
            "muster: the token of %s (%s%s%s), shown this once; to use it: muster login URL\n",
            cli_json_str(answer.json, "id"), cli_json_str(answer.json, "key.role"),
            until[0] != '\0' ? ", good until " : "", until);
    client_answer_fini(&answer);
    return EXIT_OK;
}

int verb_key_list(struct cli *cli)
{
    json_t *list = NULL;
    int code = cli_get(cli, "/api/v1/keys", &list);
    if (code == EXIT_OK) {
        code = cli_print_list(cli, &cli_key_kind, list);
    }
    json_decref(list);
    return code;
}

int verb_key_revoke(struct cli *cli)
{
    char path[128];
    struct client_answer answer;
    if (!name_is_plain(cli->arguments[0])) {
        return EXIT_USAGE;
    }
    snprintf(path, sizeof path, "/api/v1/keys/%s/revoke", cli->arguments[0]);
    int code = key_call(cli, "POST", path, "{}", &answer);
    if (code == EXIT_OK) {
        fprintf(stderr, "muster: the key of %s is no longer good\n", cli->arguments[0]);
        client_answer_fini(&answer);
    }
    return code;
}
