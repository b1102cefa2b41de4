/* muster login and logout. */
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include <sodium.h>

#include "cli/client_find.h"
#include "cli/contexts.h"

enum { LOGIN_MS = 10000 };

static bool token_trim(char *token)
{
    static const char blanks[] = " \t\r\n";
    size_t begin = strspn(token, blanks);
    memmove(token, token + begin, strlen(token + begin) + 1);
    size_t length = strcspn(token, blanks);
    bool is_one_word = token[length + strspn(token + length, blanks)] == '\0';
    token[length] = '\0';
    return is_one_word && length > 0;
}

/* A token typed at a terminal is not shown. */
static bool line_read(FILE *from, char *ret_text, size_t size_bytes)
{
    struct termios before, silent;
    bool is_terminal =
        from == stdin && isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &before) == 0;
    if (is_terminal) {
        fputs("token: ", stderr);
        silent = before;
        silent.c_lflag &= ~(tcflag_t)ECHO;
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
    }
    bool is_read = fgets(ret_text, (int)size_bytes, from) != NULL;
    if (is_terminal) {
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
        fputc('\n', stderr);
    }
    return is_read;
}

/* From --token-file, else stdin; of a head that is known already, what is stored. */
static int token_read(const struct cli *cli, const struct context *stored, char *ret_token,
                      size_t size_bytes)
{
    const char *path = cli_option(cli, "token-file");
    FILE *from = path == NULL ? stdin : fopen(path, "re");
    char text[CONTEXT_TOKEN_MAX + 64] = "";
    if (from == NULL) {
        return cli_fail(EXIT_USAGE, "--token-file: %s cannot be read", path);
    }
    bool is_read = line_read(from, text, sizeof text);
    if (path != NULL) {
        fclose(from);
    }
    bool is_good = is_read && token_trim(text) && strlen(text) < size_bytes;
    if (is_good) {
        snprintf(ret_token, size_bytes, "%s", text);
    } else if (text[0] == '\0' && stored->token[0] != '\0' && path == NULL) {
        snprintf(ret_token, size_bytes, "%s", stored->token);
        is_good = true;
    }
    sodium_memzero(text, sizeof text);
    return is_good ? EXIT_OK
                   : cli_fail(EXIT_USAGE, "a login wants a token, one line on stdin or in "
                                          "--token-file FILE; an admin makes one with 'muster key "
                                          "new NAME'");
}

/* Does the token work there, and whose is it? */
static int login_try(struct context *context, const char *ca)
{
    struct report report = {0};
    struct client *client = NULL;
    struct client_answer answer;
    struct client_place place = {0};
    snprintf(place.url, sizeof place.url, "%s", context->url);
    snprintf(place.token, sizeof place.token, "%s", context->token);
    snprintf(place.ca, sizeof place.ca, "%s", ca != NULL ? ca : "");
    error_code error = client_open_at(&place, &client, &report);
    if (error == OK) {
        error =
            client_call(client, "GET", "/api/v1/whoami", NULL, NULL, LOGIN_MS, &answer, &report);
    }
    if (error != OK) {
        client_close(client);
        return cli_fail_report(EXIT_UNREACHABLE, &report);
    }
    int code = EXIT_OK;
    if (answer.status == 401) {
        const char *why = cli_json_str(answer.json, "error.text");
        code = cli_fail(EXIT_UNREACHABLE, "%s does not take this token: %s", context->url,
                        why[0] != '\0' ? why : "it is nobody's");
    } else if (answer.status != 200 || cli_json_str(answer.json, "role")[0] == '\0') {
        code = cli_fail(EXIT_UNREACHABLE, "what answers at %s is no muster head (status %ld)",
                        context->url, answer.status);
    } else {
        snprintf(context->name, sizeof context->name, "%s", cli_json_str(answer.json, "name"));
        snprintf(context->role, sizeof context->role, "%s", cli_json_str(answer.json, "role"));
    }
    client_answer_fini(&answer);
    client_close(client);
    return code;
}

static int login_list(struct cli *cli)
{
    static const struct cli_column columns[] = {
        {"URL", "url", false},
        {"NAME", "name", false},
        {"ROLE", "role", false},
        {"IN USE", "chosen", false},
    };
    json_t *list = contexts_list(cli->state_dir);
    int code = list == NULL ? cli_fail(EXIT_REQUEST, "out of memory")
                            : cli_print_items(cli, list, columns, sizeof columns / sizeof *columns);
    json_decref(list);
    return code;
}

int verb_login(struct cli *cli)
{
    struct report report = {0};
    struct context context = {0}, stored = {0};
    const char *given_ca = cli_option(cli, "ca");
    bool is_insecure = cli_option(cli, "insecure-http") != NULL;
    if (cli_option(cli, "list") != NULL) {
        return login_list(cli);
    }
    if (cli->n_arguments == 0) {
        return cli_fail(EXIT_USAGE, "login wants the head's URL, as https://HOST:PORT");
    }
    error_code error = context_url_normalise(cli->arguments[0], context.url, &report);
    if (error == OK && context_find(cli->state_dir, context.url, &stored, NULL) == OK) {
        is_insecure |= stored.is_insecure;
        given_ca = given_ca == NULL && stored.ca[0] != '\0' ? stored.ca : given_ca;
    }
    if (error == OK) {
        error = context_url_check(context.url, is_insecure, &report);
    }
    if (error != OK) {
        return cli_fail_report(EXIT_USAGE, &report);
    }
    context.is_insecure = is_insecure;
    snprintf(context.ca, sizeof context.ca, "%s", stored.ca);
    int code = token_read(cli, &stored, context.token, sizeof context.token);
    code = code == EXIT_OK ? login_try(&context, given_ca) : code;
    if (code == EXIT_OK) {
        error = context_store(cli->state_dir, &context, given_ca, &report);
        code = error == OK ? EXIT_OK : cli_fail_report(EXIT_REQUEST, &report);
    }
    if (code == EXIT_OK) {
        fprintf(stderr, "muster: commands go to %s as %s (%s); 'muster logout' ends that\n",
                context.url, context.name, context.role);
    }
    sodium_memzero(&context, sizeof context);
    sodium_memzero(&stored, sizeof stored);
    return code;
}

int verb_logout(struct cli *cli)
{
    struct report report = {0};
    char url[CONTEXT_URL_MAX];
    bool is_named = cli->n_arguments > 0;
    error_code error = is_named ? context_url_normalise(cli->arguments[0], url, &report) : OK;
    if (error == OK) {
        error = context_remove(cli->state_dir, is_named ? url : NULL, &report);
    }
    return error == OK              ? EXIT_OK
           : error == ERR_NOT_FOUND ? cli_fail_report(EXIT_NOT_FOUND, &report)
                                    : cli_fail_report(EXIT_REQUEST, &report);
}
