#include "cli/contexts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "sys/files.h"
#include "sys/private_file.h"

enum { CONTEXTS_FILE_MAX = 1 << 20, CA_FILE_MAX = 1 << 20 };

/* ---- URLs ---- */

static const char *url_host(const char *url)
{
    const char *mark = strstr(url, "://");
    return mark != NULL ? mark + 3 : url;
}

static bool host_is_loopback(const char *host)
{
    static const char *const names[] = {"localhost", "[::1]"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        size_t n = strlen(names[i]);
        if (strncasecmp(host, names[i], n) == 0 && strchr(":/", host[n]) != NULL) {
            return true;
        }
    }
    /* 127.0.0.0/8, and not 127.evil.example */
    size_t n = strcspn(host, ":/");
    return strncmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") == n;
}

error_code context_url_normalise(const char *text, char ret_url[CONTEXT_URL_MAX],
                                 struct report *report)
{
    bool has_scheme = strstr(text, "://") != NULL;
    bool is_good =
        !has_scheme || strncmp(text, "http://", 7) == 0 || strncmp(text, "https://", 8) == 0;
    const char *host = url_host(text);
    size_t length = strlen(text);
    while (length > 0 && text[length - 1] == '/') {
        length--;
    }
    if (!is_good || length == 0 || host >= text + length || length + 9 > CONTEXT_URL_MAX ||
        strpbrk(host, "@?# \t\r\n") != NULL) {
        return report_fail(report, ERR_INVALID,
                           "'%.200s' is no head's URL; it looks like https://HOST:PORT", text);
    }
    const char *scheme = has_scheme ? "" : host_is_loopback(text) ? "http://" : "https://";
    snprintf(ret_url, CONTEXT_URL_MAX, "%s%.*s", scheme, (int)length, text);
    return OK;
}

error_code context_url_check(const char *url, bool is_allowed, struct report *report)
{
    if (is_allowed || strncmp(url, "https://", 8) == 0 || host_is_loopback(url_host(url))) {
        return OK;
    }
    return report_fail(report, ERR_NOT_ALLOWED,
                       "%s is plain HTTP to another machine, where everybody on the way can read "
                       "the token; use https://, or --insecure-http if that is meant",
                       url);
}

/* ---- the file ---- */

static void contexts_path(const char *state_dir, char ret_path[CLI_PATH_MAX + 64])
{
    snprintf(ret_path, CLI_PATH_MAX + 64, "%s/contexts.json", state_dir);
}

/* The file's object; one without contexts where there is no file. */
static error_code contexts_read(const char *state_dir, json_t **ret_root, struct report *report)
{
    char path[CLI_PATH_MAX + 64];
    struct buf text;
    contexts_path(state_dir, path);
    buf_init(&text, CONTEXTS_FILE_MAX);
    /* In a folder that this user may not enter there is no login of theirs. */
    error_code error = access(path, F_OK) == 0 ? private_file_check(path, report) : ERR_NOT_FOUND;
    if (error == OK) {
        error = file_read_bounded(path, &text, report);
    }
    if (error == ERR_NOT_FOUND) {
        *ret_root = json_pack("{s:s, s:[]}", "chosen", "", "contexts");
        error = *ret_root != NULL ? OK : ERR_NO_MEMORY;
    } else if (error == OK) {
        json_t *root = json_loadb((const char *)text.data, text.len, 0, NULL);
        if (json_is_array(json_object_get(root, "contexts"))) {
            *ret_root = root;
        } else {
            json_decref(root);
            error =
                report_fail(report, ERR_FORMAT, "%s is damaged; remove it and log in again", path);
        }
    }
    buf_fini(&text);
    return error;
}

static error_code contexts_write(const char *state_dir, json_t *root, struct report *report)
{
    char path[CLI_PATH_MAX + 64];
    contexts_path(state_dir, path);
    char *text = json_dumps(root, JSON_INDENT(2));
    error_code error =
        text == NULL
            ? report_fail(report, ERR_NO_MEMORY, "out of memory")
            : file_write_atomic(path, (struct bytes){(uint8_t *)text, strlen(text)}, 0600, report);
    free(text);
    return error;
}

/* Its place in the list; -1: none. */
static int context_index(json_t *root, const char *url)
{
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(root, "contexts"), i, item)
    {
        if (strcmp(cli_json_str(item, "url"), url) == 0) {
            return (int)i;
        }
    }
    return -1;
}

static void context_from_json(const json_t *item, struct context *ret_context)
{
    snprintf(ret_context->url, sizeof ret_context->url, "%s", cli_json_str(item, "url"));
    snprintf(ret_context->token, sizeof ret_context->token, "%s", cli_json_str(item, "token"));
    snprintf(ret_context->ca, sizeof ret_context->ca, "%s", cli_json_str(item, "ca"));
    snprintf(ret_context->name, sizeof ret_context->name, "%s", cli_json_str(item, "name"));
    snprintf(ret_context->role, sizeof ret_context->role, "%s", cli_json_str(item, "role"));
    ret_context->is_insecure = json_is_true(cli_json_get(item, "insecure"));
}

error_code context_find(const char *state_dir, const char *url, struct context *ret_context,
                        struct report *report)
{
    json_t *root = NULL;
    error_code error = contexts_read(state_dir, &root, report);
    if (error != OK) {
        return error;
    }
    const char *wanted = url != NULL ? url : cli_json_str(root, "chosen");
    int index = wanted[0] != '\0' ? context_index(root, wanted) : -1;
    if (index >= 0) {
        context_from_json(json_array_get(json_object_get(root, "contexts"), (size_t)index),
                          ret_context);
    }
    json_decref(root);
    return index >= 0 ? OK : ERR_NOT_FOUND;
}

bool context_is_chosen(const char *state_dir)
{
    struct context context;
    error_code error = context_find(state_dir, NULL, &context, NULL);
    return error != ERR_NOT_FOUND; /* a damaged file is an error of whoever asks for it */
}

/* ---- changing it ---- */

/* Copied: the file that was named may be on a stick, or in a download folder. */
static error_code ca_copy(const char *state_dir, const char *ca_file, struct context *context,
                          struct report *report)
{
    char folder[CLI_PATH_MAX + 32];
    struct buf pem;
    context->ca[0] = '\0';
    if (ca_file == NULL) {
        return OK;
    }
    buf_init(&pem, CA_FILE_MAX);
    error_code error = file_read_bounded(ca_file, &pem, report);
    if (error == OK && strstr(buf_text(&pem), "-----BEGIN CERTIFICATE-----") == NULL) {
        error = report_fail(report, ERR_FORMAT, "%s holds no certificate (PEM)", ca_file);
    }
    snprintf(folder, sizeof folder, "%s/contexts", state_dir);
    if (error == OK) {
        error = dir_make(folder, report);
    }
    if (error == OK) {
        /* One file a URL: letters and digits of it. */
        char name[64];
        size_t n = 0;
        for (const char *c = url_host(context->url); *c != '\0' && n + 1 < sizeof name; c++) {
            bool is_plain = strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                   "0123456789.-",
                                   *c) != NULL;
            name[n++] = is_plain ? *c : '_';
        }
        name[n] = '\0';
        snprintf(context->ca, sizeof context->ca, "%s/%s.crt", folder, name);
        error = file_write_atomic(context->ca, buf_bytes(&pem), 0600, report);
    }
    buf_fini(&pem);
    return error;
}

error_code context_store(const char *state_dir, const struct context *context, const char *ca_file,
                         struct report *report)
{
    struct context made = *context;
    json_t *root = NULL;
    error_code error = dir_make(state_dir, report);
    if (error == OK) {
        error = contexts_read(state_dir, &root, report);
    }
    /* A CA that lies there already is kept as it is. */
    if (error == OK && (ca_file == NULL || strcmp(ca_file, context->ca) != 0)) {
        error = ca_copy(state_dir, ca_file, &made, report);
    }
    json_t *list = json_object_get(root, "contexts");
    int index = error == OK ? context_index(root, made.url) : -1;
    if (index >= 0) {
        json_array_remove(list, (size_t)index);
    }
    if (error == OK && json_array_size(list) >= CONTEXTS_MAX) {
        error = report_fail(report, ERR_LIMIT,
                            "%d heads are stored; 'muster logout URL' forgets one", CONTEXTS_MAX);
    }
    if (error == OK) {
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s, s:s, s:b}", "url", made.url,
                                              "token", made.token, "ca", made.ca, "name", made.name,
                                              "role", made.role, "insecure", made.is_insecure));
        json_object_set_new(root, "chosen", json_string(made.url));
        error = contexts_write(state_dir, root, report);
    }
    json_decref(root);
    return error;
}

error_code context_remove(const char *state_dir, const char *url, struct report *report)
{
    struct context context = {0};
    json_t *root = NULL;
    error_code error = context_find(state_dir, url, &context, report);
    if (error == ERR_NOT_FOUND) {
        return report_fail(report, error, "%s%s; 'muster login --list' shows what is stored",
                           url != NULL ? "there is no login to " : "no login is in use",
                           url != NULL ? url : "");
    }
    if (error == OK) {
        error = contexts_read(state_dir, &root, report);
    }
    int index = error == OK ? context_index(root, context.url) : -1;
    if (index >= 0) {
        json_array_remove(json_object_get(root, "contexts"), (size_t)index);
        if (strcmp(cli_json_str(root, "chosen"), context.url) == 0) {
            json_object_set_new(root, "chosen", json_string(""));
        }
        error = contexts_write(state_dir, root, report);
    }
    if (error == OK && context.ca[0] != '\0') {
        (void)unlink(context.ca); /* it holds nothing secret */
    }
    json_decref(root);
    return error;
}

json_t *contexts_list(const char *state_dir)
{
    json_t *root = NULL, *items = json_array();
    size_t i;
    json_t *item;
    if (contexts_read(state_dir, &root, NULL) == OK) {
        const char *chosen = cli_json_str(root, "chosen");
        json_array_foreach(json_object_get(root, "contexts"), i, item)
        {
            const char *url = cli_json_str(item, "url");
            json_array_append_new(items, json_pack("{s:s, s:s, s:s, s:b}", "url", url, "name",
                                                   cli_json_str(item, "name"), "role",
                                                   cli_json_str(item, "role"), "chosen",
                                                   strcmp(url, chosen) == 0));
        }
    }
    json_decref(root);
    return json_pack("{s:s, s:o, s:n}", "api", "v1", "items", items, "next");
}
