/* HTTP to the head by libcurl, opened only by the verbs that talk: loading it costs 4 ms of an
 * exec. */
#include <curl/curl.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/cli.h"

enum { CURRENT_MAX = 64 << 10, BODY_MAX = 512 << 20, URL_MAX_BYTES = 4096 };

static struct {
    void *handle;
    __typeof__(curl_easy_init) *easy_init;
    __typeof__(curl_easy_cleanup) *easy_cleanup;
    __typeof__(curl_easy_reset) *easy_reset;
    CURLcode (*easy_setopt)(CURL *curl, CURLoption option, ...);
    __typeof__(curl_easy_perform) *easy_perform;
    CURLcode (*easy_getinfo)(CURL *curl, CURLINFO info, ...);
    __typeof__(curl_easy_strerror) *easy_strerror;
    __typeof__(curl_slist_append) *slist_append;
    __typeof__(curl_slist_free_all) *slist_free_all;
} curl;

struct client {
    CURL *easy;
    char url[URL_MAX_BYTES];
    char authorization[512];
};

static bool curl_load(struct report *report)
{
    static const struct {
        const char *name;
        void *slot;
    } symbols[] = {
        {"curl_easy_init", &curl.easy_init},           {"curl_easy_cleanup", &curl.easy_cleanup},
        {"curl_easy_reset", &curl.easy_reset},         {"curl_easy_setopt", &curl.easy_setopt},
        {"curl_easy_perform", &curl.easy_perform},     {"curl_easy_getinfo", &curl.easy_getinfo},
        {"curl_easy_strerror", &curl.easy_strerror},   {"curl_slist_append", &curl.slist_append},
        {"curl_slist_free_all", &curl.slist_free_all},
    };
    static const char *const names[] = {"libcurl.so.4", "libcurl-gnutls.so.4", "libcurl.so"};
    for (size_t i = 0; curl.handle == NULL && i < sizeof names / sizeof names[0]; i++) {
        curl.handle = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    }
    if (curl.handle == NULL) {
        ignore_error(report_fail(report, ERR_SYSTEM,
                                 "libcurl is missing (libcurl.so.4); install the package libcurl4"),
                     "false says so");
        return false;
    }
    for (size_t i = 0; i < sizeof symbols / sizeof symbols[0]; i++) {
        void *symbol = dlsym(curl.handle, symbols[i].name);
        if (symbol == NULL) {
            ignore_error(report_fail(report, ERR_SYSTEM, "libcurl has no %s; install a newer one",
                                     symbols[i].name),
                         "false says so");
            return false;
        }
        memcpy(symbols[i].slot, &symbol, sizeof symbol);
    }
    return true;
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

static void client_token_set(struct client *client, const char *token)
{
    snprintf(client->authorization, sizeof client->authorization, "Authorization: Bearer %.400s",
             token);
}

static error_code client_find(struct cli *cli, struct client *client, struct report *report)
{
    const char *given = cli_option(cli, "head");
    given = given != NULL ? given : getenv("MUSTER_HEAD");
    if (given != NULL && given[0] != '\0') {
        const char *token = getenv("MUSTER_TOKEN");
        snprintf(client->url, sizeof client->url, "%.3000s", given);
        client_token_set(client, token != NULL ? token : "");
        return OK;
    }
    char path[CLI_PATH_MAX + 16], text[CURRENT_MAX], token[256] = "";
    snprintf(path, sizeof path, "%s/current", cli->state_dir);
    if (!file_read(path, text, sizeof text)) {
        return report_fail(
            report, ERR_UNREACHABLE,
            "no head runs in %s; start one with 'muster up', or name one with --head",
            cli->state_dir);
    }
    json_t *json = json_loads(text, 0, NULL);
    snprintf(client->url, sizeof client->url, "%.3000s", cli_json_str(json, "url"));
    bool has_token = file_read(cli_json_str(json, "token_file"), token, sizeof token);
    json_decref(json);
    client_token_set(client, token);
    if (client->url[0] == '\0' || !has_token) {
        return report_fail(report, ERR_FORMAT,
                           "%s is damaged; 'muster down' and 'muster up' write it again", path);
    }
    return OK;
}

error_code client_open(struct cli *cli, struct client **ret_client, struct report *report)
{
    struct client *client = mem_zalloc(sizeof *client);
    if (client == NULL) {
        return report_fail(report, ERR_NO_MEMORY, "out of memory");
    }
    error_code error = client_find(cli, client, report);
    if (error == OK && !curl_load(report)) {
        error = ERR_SYSTEM;
    }
    if (error == OK) {
        client->easy = curl.easy_init();
        error = client->easy != NULL ? OK : report_fail(report, ERR_NO_MEMORY, "out of memory");
    }
    if (error != OK) {
        client_close(client);
        return error;
    }
    *ret_client = client;
    return OK;
}

void client_close(struct client *client)
{
    if (client != NULL) {
        if (client->easy != NULL) {
            curl.easy_cleanup(client->easy);
        }
        mem_free(client);
    }
}

const char *client_url(const struct client *client)
{
    return client->url;
}

static size_t on_body(char *data, size_t size, size_t count, void *context)
{
    struct buf *body = context;
    return buf_append(body, data, size * count) == OK ? size * count : 0;
}

enum { ERROR_BODY_MAX = 64 << 10 };

struct stream_context {
    client_data_fn *on_data;
    void *context;
    CURL *easy;
    struct buf error; /* the body of an answer that is no stream */
    bool is_ended;
};

static size_t on_stream(char *data, size_t size, size_t count, void *context)
{
    struct stream_context *stream = context;
    long status = 0;
    curl.easy_getinfo(stream->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status != 200) {
        return buf_append(&stream->error, data, size * count) == OK ? size * count : 0;
    }
    if (!stream->on_data(stream->context, data, size * count)) {
        stream->is_ended = true;
        return 0;
    }
    return size * count;
}

/* The stream may be ended by its reader though nothing comes. */
static int on_progress(void *context, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    (void)a, (void)b, (void)c, (void)d;
    struct stream_context *stream = context;
    if (!stream->on_data(stream->context, NULL, 0)) {
        stream->is_ended = true;
        return 1;
    }
    return 0;
}

static struct curl_slist *client_prepare(struct client *client, const char *path, const char *extra)
{
    char url[URL_MAX_BYTES + 4096];
    snprintf(url, sizeof url, "%s%s", client->url, path);
    curl.easy_reset(client->easy);
    curl.easy_setopt(client->easy, CURLOPT_URL, url);
    curl.easy_setopt(client->easy, CURLOPT_NOSIGNAL, 1L);
    curl.easy_setopt(client->easy, CURLOPT_NOPROXY, "*");
    curl.easy_setopt(client->easy, CURLOPT_TCP_NODELAY, 1L);
    struct curl_slist *headers = curl.slist_append(NULL, client->authorization);
    headers = curl.slist_append(headers, "Expect:");
    headers = curl.slist_append(headers, "Content-Type: application/json");
    if (extra != NULL) {
        headers = curl.slist_append(headers, extra);
    }
    curl.easy_setopt(client->easy, CURLOPT_HTTPHEADER, headers);
    return headers;
}

static error_code client_error(const struct client *client, CURLcode code, struct report *report)
{
    if (code == CURLE_OPERATION_TIMEDOUT) {
        return report_fail(report, ERR_TIMEOUT, "the head at %s did not answer in time",
                           client->url);
    }
    return report_fail(report, ERR_UNREACHABLE, "the head at %s cannot be reached (%s)",
                       client->url, curl.easy_strerror(code));
}

error_code client_call(struct client *client, const char *method, const char *path,
                       const char *body, const char *key, int64_t timeout_ms,
                       struct client_answer *ret_answer, struct report *report)
{
    char key_header[512];
    struct client_answer answer = {0};
    buf_init(&answer.body, BODY_MAX);
    snprintf(key_header, sizeof key_header, "Idempotency-Key: %.400s", key != NULL ? key : "");
    struct curl_slist *headers = client_prepare(client, path, key != NULL ? key_header : NULL);
    curl.easy_setopt(client->easy, CURLOPT_CUSTOMREQUEST, method);
    if (body != NULL) {
        curl.easy_setopt(client->easy, CURLOPT_POSTFIELDS, body);
        curl.easy_setopt(client->easy, CURLOPT_POSTFIELDSIZE, (long)strlen(body));
    }
    curl.easy_setopt(client->easy, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
    curl.easy_setopt(client->easy, CURLOPT_CONNECTTIMEOUT_MS,
                     (long)(timeout_ms < 5000 ? timeout_ms : 5000));
    curl.easy_setopt(client->easy, CURLOPT_WRITEFUNCTION, on_body);
    curl.easy_setopt(client->easy, CURLOPT_WRITEDATA, &answer.body);
    CURLcode code = curl.easy_perform(client->easy);
    curl.easy_getinfo(client->easy, CURLINFO_RESPONSE_CODE, &answer.status);
    curl.slist_free_all(headers);
    if (code != CURLE_OK) {
        client_answer_fini(&answer);
        return client_error(client, code, report);
    }
    answer.json = json_loadb((const char *)answer.body.data, answer.body.len, 0, NULL);
    *ret_answer = answer;
    return OK;
}

error_code client_stream(struct client *client, const char *path, const char *last_event_id,
                         client_data_fn *on_data, void *context, long *ret_status,
                         struct report *report)
{
    char id_header[128];
    struct stream_context stream = {.on_data = on_data, .context = context, .easy = client->easy};
    buf_init(&stream.error, ERROR_BODY_MAX);
    snprintf(id_header, sizeof id_header, "Last-Event-ID: %.64s",
             last_event_id != NULL ? last_event_id : "");
    struct curl_slist *headers = client_prepare(
        client, path, last_event_id != NULL && last_event_id[0] != '\0' ? id_header : NULL);
    curl.easy_setopt(client->easy, CURLOPT_WRITEFUNCTION, on_stream);
    curl.easy_setopt(client->easy, CURLOPT_WRITEDATA, &stream);
    curl.easy_setopt(client->easy, CURLOPT_NOPROGRESS, 0L);
    curl.easy_setopt(client->easy, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl.easy_setopt(client->easy, CURLOPT_XFERINFODATA, &stream);
    CURLcode code = curl.easy_perform(client->easy);
    curl.easy_getinfo(client->easy, CURLINFO_RESPONSE_CODE, ret_status);
    curl.slist_free_all(headers);
    if (*ret_status != 200 && stream.error.len > 0) {
        json_t *json = json_loadb((const char *)stream.error.data, stream.error.len, 0, NULL);
        ignore_error(report_fail(report, ERR_INVALID, "%s", cli_json_str(json, "error.text")),
                     "the status says so");
        json_decref(json);
    }
    buf_fini(&stream.error);
    return code == CURLE_OK || stream.is_ended ? OK : client_error(client, code, report);
}

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
        {"unauthorized", EXIT_UNREACHABLE},
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
    if (text[0] != '\0') {
        return cli_fail(exit_code, "%s", text);
    }
    return cli_fail(exit_code, "the head answered %ld", answer->status);
}
