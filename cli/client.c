/* HTTP to the head by libcurl, opened only by the verbs that talk: loading it costs 4 ms of an
 * exec. */
#include <curl/curl.h>
#include <dlfcn.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "cli/client_find.h"
#include "sys/program.h"

enum { BODY_MAX = 512 << 20, URL_MAX_BYTES = 8192 };

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
    struct client_place place;
    bool is_here; /* the state folder's own head, whatever else is named */
    char authorization[512];
    char why[CURL_ERROR_SIZE]; /* of the last call that failed, in libcurl's words */
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

error_code client_open_at(const struct client_place *place, struct client **ret_client,
                          struct report *report)
{
    struct client *client = mem_zalloc(sizeof *client);
    if (client == NULL) {
        return report_fail(report, ERR_NO_MEMORY, "out of memory");
    }
    client->place = *place;
    snprintf(client->authorization, sizeof client->authorization, "Authorization: Bearer %s",
             place->token);
    error_code error = curl_load(report) ? OK : ERR_SYSTEM;
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

error_code client_open(struct cli *cli, struct client **ret_client, struct report *report)
{
    struct client_place place;
    error_code error = client_find(cli, &place, report);
    return error == OK ? client_open_at(&place, ret_client, report) : error;
}

error_code client_open_here(struct cli *cli, struct client **ret_client, struct report *report)
{
    struct client_place place;
    error_code error = client_find_here(cli, &place, report);
    error = error == OK ? client_open_at(&place, ret_client, report) : error;
    if (error == OK) {
        (*ret_client)->is_here = true;
    }
    return error;
}

error_code client_open_again(struct cli *cli, const struct client *client,
                             struct client **ret_client)
{
    return client->is_here ? client_open_here(cli, ret_client, NULL)
                           : client_open(cli, ret_client, NULL);
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
    return client->place.url;
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
    char url[URL_MAX_BYTES], machine_ca[PATH_MAX];
    snprintf(url, sizeof url, "%s%s", client->place.url, path);
    curl.easy_reset(client->easy);
    curl.easy_setopt(client->easy, CURLOPT_URL, url);
    curl.easy_setopt(client->easy, CURLOPT_ERRORBUFFER, client->why);
    client->why[0] = '\0';
    if (client->place.ca[0] != '\0') {
        curl.easy_setopt(client->easy, CURLOPT_CAINFO, client->place.ca);
        curl.easy_setopt(client->easy, CURLOPT_CAPATH, NULL); /* that one, and no other */
    } else if (strncmp(url, "https://", 8) == 0 && program_ca_file(machine_ca)) {
        /* libcurl's own place is that of the machine it was built on. */
        curl.easy_setopt(client->easy, CURLOPT_CAINFO, machine_ca);
    }
    curl.easy_setopt(client->easy, CURLOPT_NOSIGNAL, 1L);
    curl.easy_setopt(client->easy, CURLOPT_NOPROXY, "*");
    curl.easy_setopt(client->easy, CURLOPT_TCP_NODELAY, 1L);
    struct curl_slist *headers = curl.slist_append(NULL, client->authorization);
    if (extra == NULL || strncmp(extra, "Expect:", 7) != 0) {
        headers = curl.slist_append(headers, "Expect:");
    }
    headers = curl.slist_append(headers, "Content-Type: application/json");
    if (extra != NULL) {
        headers = curl.slist_append(headers, extra);
    }
    curl.easy_setopt(client->easy, CURLOPT_HTTPHEADER, headers);
    return headers;
}

/* Certificates that are not trusted, or not of that name: trying again would not help. */
static error_code client_untrusted(const struct client *client, CURLcode code,
                                   struct report *report)
{
    const char *why = client->why[0] != '\0' ? client->why : curl.easy_strerror(code);
    if (code == CURLE_SSL_CACERT_BADFILE) {
        return report_fail(report, ERR_NOT_ALLOWED,
                           "the CA file %s cannot be used (%s); --ca or MUSTER_CA names another",
                           client->place.ca, why);
    }
    return report_fail(report, ERR_NOT_ALLOWED,
                       "the certificate of %s is not trusted (%s). Give its CA with --ca FILE or "
                       "MUSTER_CA: a copy of keys/ca.crt of the head's state folder. If it is the "
                       "name that does not fit, start the head with --http-name NAME",
                       client->place.url, why);
}

static error_code client_error(const struct client *client, CURLcode code, struct report *report)
{
    if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE ||
        code == CURLE_SSL_ISSUER_ERROR) {
        return client_untrusted(client, code, report);
    }
    if (code == CURLE_OPERATION_TIMEDOUT) {
        return report_fail(report, ERR_TIMEOUT, "the head at %s did not answer in time",
                           client->place.url);
    }
    if (code == CURLE_SSL_CONNECT_ERROR) {
        return report_fail(report, ERR_UNREACHABLE,
                           "no TLS with %s (%s); a head on loopback, or with --insecure-http, is "
                           "called http://",
                           client->place.url, client->why);
    }
    if (code == CURLE_GOT_NOTHING && strncmp(client->place.url, "http://", 7) == 0) {
        return report_fail(
            report, ERR_UNREACHABLE,
            "%s answers no plain HTTP; a head that others can reach speaks TLS: call "
            "it https://%s",
            client->place.url, client->place.url + 7);
    }
    return report_fail(report, ERR_UNREACHABLE, "the head at %s cannot be reached (%s)",
                       client->place.url, curl.easy_strerror(code));
}

/* Only Date is looked at. */
static size_t on_header(char *data, size_t size, size_t n, void *context)
{
    struct client_answer *answer = context;
    char line[64];
    struct tm tm = {0};
    snprintf(line, sizeof line, "%.*s", (int)(size * n < 63 ? size * n : 63), data);
    if (strncasecmp(line, "Date: ", 6) == 0 &&
        strptime(line + 6, "%a, %d %b %Y %H:%M:%S GMT", &tm) != NULL) {
        answer->date_s = (int64_t)timegm(&tm);
    }
    return size * n;
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
    curl.easy_setopt(client->easy, CURLOPT_HEADERFUNCTION, on_header);
    curl.easy_setopt(client->easy, CURLOPT_HEADERDATA, &answer);
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

struct upload_context {
    client_read_fn *on_read;
    void *context;
};

static size_t on_upload(char *buffer, size_t size, size_t count, void *context)
{
    struct upload_context *upload = context;
    size_t n = 0;
    return upload->on_read(upload->context, buffer, size * count, &n) == OK ? n
                                                                            : CURL_READFUNC_ABORT;
}

error_code client_upload(struct client *client, const char *path, client_read_fn *on_read,
                         void *context, uint64_t bytes, struct client_answer *ret_answer,
                         struct report *report)
{
    enum { STALLED_S = 30 };
    struct upload_context upload = {on_read, context};
    struct client_answer answer = {0};
    buf_init(&answer.body, ERROR_BODY_MAX);
    /* A head that does not want it says so before it is sent. */
    struct curl_slist *headers = client_prepare(client, path, "Expect: 100-continue");
    curl.easy_setopt(client->easy, CURLOPT_UPLOAD, 1L);
    curl.easy_setopt(client->easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)bytes);
    curl.easy_setopt(client->easy, CURLOPT_READFUNCTION, on_upload);
    curl.easy_setopt(client->easy, CURLOPT_READDATA, &upload);
    curl.easy_setopt(client->easy, CURLOPT_UPLOAD_BUFFERSIZE, 1L << 20);
    curl.easy_setopt(client->easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl.easy_setopt(client->easy, CURLOPT_LOW_SPEED_TIME, (long)STALLED_S);
    curl.easy_setopt(client->easy, CURLOPT_CONNECTTIMEOUT_MS, 5000L);
    curl.easy_setopt(client->easy, CURLOPT_WRITEFUNCTION, on_body);
    curl.easy_setopt(client->easy, CURLOPT_WRITEDATA, &answer.body);
    CURLcode code = curl.easy_perform(client->easy);
    curl.easy_getinfo(client->easy, CURLINFO_RESPONSE_CODE, &answer.status);
    curl.slist_free_all(headers);
    if (code != CURLE_OK && answer.status < 400) {
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
