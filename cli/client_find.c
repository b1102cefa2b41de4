/* Which head a command speaks to, with which token, and whom it trusts. */
#include "cli/client_find.h"

#include <stdlib.h>
#include <string.h>

#include "cli/contexts.h"

enum { CURRENT_MAX = 64 << 10 };

static const char *given(const struct cli *cli, const char *option, const char *variable)
{
    const char *text = cli_option(cli, option);
    text = text != NULL ? text : getenv(variable);
    return text != NULL && text[0] != '\0' ? text : NULL;
}

bool client_is_elsewhere(const struct cli *cli)
{
    return given(cli, "head", "MUSTER_HEAD") != NULL || context_is_chosen(cli->state_dir);
}

static bool file_read(const char *path, char *ret_text, size_t size_bytes)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return false;
    }
    size_t n = fread(ret_text, 1, size_bytes - 1, file);
    ret_text[n] = '\0';
    fclose(file);
    ret_text[strcspn(ret_text, "\r\n")] = '\0';
    return n > 0;
}

/* The head of this machine's state folder. */
static error_code current_find(const struct cli *cli, struct client_place *ret_place,
                               struct report *report)
{
    char path[CLI_PATH_MAX + 16], text[CURRENT_MAX];
    snprintf(path, sizeof path, "%s/current", cli->state_dir);
    if (!file_read(path, text, sizeof text)) {
        return report_fail(report, ERR_UNREACHABLE,
                           "no head runs in %s; start one with 'muster up', name one with --head, "
                           "or use one elsewhere with 'muster login'",
                           cli->state_dir);
    }
    json_t *json = json_loads(text, 0, NULL);
    struct client_place place = {0};
    snprintf(place.url, sizeof place.url, "%s", cli_json_str(json, "url"));
    snprintf(place.ca, sizeof place.ca, "%s", cli_json_str(json, "ca"));
    bool has_token = file_read(cli_json_str(json, "token_file"), place.token, sizeof place.token);
    json_decref(json);
    if (place.url[0] == '\0' || !has_token) {
        return report_fail(report, ERR_FORMAT,
                           "%s is damaged; 'muster down' and 'muster up' write it again", path);
    }
    *ret_place = place;
    return OK;
}

static void place_from_context(const struct context *context, struct client_place *ret_place)
{
    snprintf(ret_place->url, sizeof ret_place->url, "%s", context->url);
    snprintf(ret_place->token, sizeof ret_place->token, "%s", context->token);
    snprintf(ret_place->ca, sizeof ret_place->ca, "%s", context->ca);
}

/* What --head or MUSTER_HEAD names. Where no MUSTER_TOKEN is given, what is known of it counts. */
static error_code named_find(const struct cli *cli, const char *head,
                             struct client_place *ret_place, struct report *report)
{
    struct client_place place = {0}, here;
    struct context context;
    char url[CONTEXT_URL_MAX];
    const char *token = getenv("MUSTER_TOKEN");
    bool is_allowed = cli_option(cli, "insecure-http") != NULL;
    error_code error = context_url_normalise(head, url, report);
    if (error != OK) {
        return error;
    }
    if (context_find(cli->state_dir, url, &context, NULL) == OK) {
        place_from_context(&context, &place);
        is_allowed |= context.is_insecure;
    } else if (current_find(cli, &here, NULL) == OK && strcmp(here.url, url) == 0) {
        place = here;
    }
    snprintf(place.url, sizeof place.url, "%s", url);
    if (token != NULL && token[0] != '\0') {
        snprintf(place.token, sizeof place.token, "%s", token);
    }
    error = context_url_check(url, is_allowed, report);
    if (error == OK) {
        *ret_place = place;
    }
    return error;
}

error_code client_find_here(const struct cli *cli, struct client_place *ret_place,
                            struct report *report)
{
    return current_find(cli, ret_place, report);
}

error_code client_find(const struct cli *cli, struct client_place *ret_place, struct report *report)
{
    const char *head = given(cli, "head", "MUSTER_HEAD");
    const char *ca = given(cli, "ca", "MUSTER_CA");
    struct client_place place = {0};
    struct context context;
    error_code error;
    if (head != NULL) {
        error = named_find(cli, head, &place, report);
    } else {
        error = context_find(cli->state_dir, NULL, &context, report);
        if (error == OK) {
            place_from_context(&context, &place);
            error = context_url_check(context.url, context.is_insecure, report);
        } else if (error == ERR_NOT_FOUND) {
            error = current_find(cli, &place, report);
        }
    }
    if (error != OK) {
        return error;
    }
    if (ca != NULL) {
        snprintf(place.ca, sizeof place.ca, "%s", ca);
    }
    *ret_place = place;
    return OK;
}
