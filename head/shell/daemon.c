/* The head's main loop: what comes in becomes core events, what the core wants done is done once it
 * is on disk. */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "head/shell/redis_server.h"
#include "head/shell/shell.h"
#include "head/shell/store.h"
#include "sys/clock.h"
#include "sys/files.h"
#include "sys/log.h"
#include "sys/state_paths.h"

enum {
    SHUTDOWN_MS = 60000,
    HTTP_DRAIN_MS = 300,
    PATH_BYTES = 4200,
};

struct daemon {
    struct head head;
    struct key_pair keys;
    uv_signal_t signals[2];
    unsigned n_terminations;
    bool is_exiting; /* HEAD_EXIT came, or it failed: leave once no batch is in flight */
    bool is_releasing;
    bool is_serving;
};

static void head_leave(struct daemon *d, int exit_code)
{
    if (!d->is_exiting) {
        d->is_exiting = true;
        d->head.exit_code = exit_code;
        loop_again(d->head.loop);
    }
}

/* ---- serving starts once everything is loaded ---- */

static error_code current_write(struct daemon *d, struct report *report)
{
    char path[PATH_BYTES];
    struct buf text;
    buf_init(&text, 1 << 16);
    struct json_out json = json_out_to(&text);
    json_object_begin(&json, NULL);
    json_str(&json, "url", http_url(d->head.http));
    json_str(&json, "token_file", d->head.token_path);
    json_u64(&json, "pid", (uint64_t)getpid());
    json_object_end(&json);
    ignore_error(buf_append_byte(&text, '\n'), "sticky");
    snprintf(path, sizeof path, "%s/current", d->head.options->state_dir);
    error_code error =
        text.failed == OK ? file_write_atomic(path, buf_bytes(&text), 0600, report) : ERR_NO_MEMORY;
    buf_fini(&text);
    return error;
}

/* The port of the last start, so that clients which reconnect find it again; 0: any. */
static uint16_t port_remembered(const struct head *head)
{
    char path[PATH_BYTES], text[16] = "";
    snprintf(path, sizeof path, "%s/run/http.port", head->options->state_dir);
    FILE *file = fopen(path, "re");
    if (file != NULL) {
        if (fgets(text, sizeof text, file) == NULL) {
            text[0] = '\0';
        }
        fclose(file);
    }
    unsigned long port = strtoul(text, NULL, 10);
    return port > 1023 && port < 65536 ? (uint16_t)port : 0;
}

static void port_remember(const struct head *head)
{
    char path[PATH_BYTES];
    const char *port = strrchr(http_url(head->http), ':');
    snprintf(path, sizeof path, "%s/run/http.port", head->options->state_dir);
    if (port != NULL) {
        struct bytes text = {(const uint8_t *)port + 1, strlen(port + 1)};
        ignore_error(file_write_atomic(path, text, 0600, NULL), "another port is found next time");
    }
}

static void on_http_gone(void *context, uint64_t id)
{
    struct head *head = context;
    notices_gone(head, id);
    follows_gone(head, id);
}

static void on_http_notice(void *context, http_refusal refusal, const char *text)
{
    (void)context;
    log_write(LOG_LEVEL_WARNING, "refused over HTTP: %s (%s); logged once",
              http_refusal_text(refusal), text);
}

static error_code http_open(struct daemon *d, struct report *report)
{
    char token[SECRET_TEXT_BYTES];
    struct head *head = &d->head;
    snprintf(head->token_path, sizeof head->token_path, "%s/keys/token", head->options->state_dir);
    error_code error = secret_load(head->token_path, token, report);
    if (error != OK) {
        return error;
    }
    uint16_t remembered = port_remembered(head);
    struct http_options options = {
        .host = "127.0.0.1",
        .port = head->options->port != 0 ? (uint16_t)head->options->port : remembered,
        .token = token,
    };
    struct http_callbacks callbacks = {
        .on_request = routes_on_request,
        .on_gone = on_http_gone,
        .retry_after_s = routes_retry_after,
        .on_notice = on_http_notice,
        .context = head,
    };
    error = http_start(head->loop, &options, &callbacks, &head->http, report);
    if (error == ERR_BUSY && head->options->port == 0 && remembered != 0) {
        options.port = 0;
        error = http_start(head->loop, &options, &callbacks, &head->http, report);
    }
    return error;
}

static error_code router_open(struct daemon *d, struct report *report)
{
    char address[ROUTER_ENDPOINT_MAX];
    struct head *head = &d->head;
    struct router_options options = {
        .keys = &d->keys,
        .on_frame = peers_on_frame,
        .on_notice = peers_on_notice,
        .context = head,
    };
    error_code error = router_new(head->loop, &options, &head->router, report);
    if (error == OK) {
        error = state_ipc_address(head->options->state_dir, address, sizeof address, report);
    }
    return error == OK ? router_bind(head->router, address, NULL, report) : error;
}

static void ready_tell(const struct head *head)
{
    if (head->options->ready_fd > 0) {
        ssize_t n = write(head->options->ready_fd, "r", 1);
        (void)n; /* Nobody waits any more. */
        close(head->options->ready_fd);
    }
}

static void serve(struct daemon *d)
{
    struct report report = {0};
    error_code error = router_open(d, &report);
    if (error == OK) {
        error = http_open(d, &report);
    }
    if (error == OK) {
        error = current_write(d, &report);
    }
    if (error != OK) {
        log_write(LOG_LEVEL_ERROR, "the head cannot serve: %s", report.text);
        head_leave(d, 1);
        return;
    }
    port_remember(&d->head);
    d->is_serving = true;
    d->head.is_ready = true;
    d->head.busy_at = loop_now(d->head.loop);
    log_write(LOG_LEVEL_INFO, "serving at %s, epoch %llu", http_url(d->head.http),
              (unsigned long long)d->head.epoch);
    ready_tell(&d->head);
}

/* ---- the store ---- */

static void on_store_state(void *context, const char *state, const char *why)
{
    struct daemon *d = context;
    if (d->head.core != NULL) {
        core_store_state_set(d->head.core, state);
    }
    log_write(LOG_LEVEL_INFO, "store: %s%s%s", state, why[0] != '\0' ? ": " : "", why);
}

static void on_store_load(void *context, const struct store_info *info)
{
    struct daemon *d = context;
    char n[32];
    struct core_config config = {
        .version = MUSTER_VERSION,
        .cluster = d->head.cluster,
        .state_dir = d->head.options->state_dir,
        .epoch = info->epoch,
        .pid = (uint32_t)getpid(),
        .started = clock_now(),
        .seed = info->epoch * 0x9E3779B97F4A7C15U,
    };
    core_free(d->head.core);
    d->head.core = NULL;
    d->head.epoch = info->epoch;
    error_code error = core_new(&config, &d->head.core);
    if (error == OK) {
        snprintf(n, sizeof n, "%llu", (unsigned long long)info->n);
        error = core_load_meta(d->head.core, "n", n);
    }
    if (error != OK) {
        head_leave(d, 1);
    }
    if (!info->is_durable) {
        log_write(LOG_LEVEL_WARNING, "the store may lose its last writes when it dies (%s)",
                  info->policy);
    }
}

static error_code on_store_record(void *context, const char *table, struct bytes field,
                                  struct bytes value, struct report *report)
{
    struct daemon *d = context;
    if (d->head.core == NULL) {
        return ERR_NO_MEMORY;
    }
    if (strcmp(table, "meta") != 0) {
        return core_load_record(d->head.core, table, field, value, report);
    }
    char name[64] = "", text[128] = "";
    memcpy(name, field.data, field.len < sizeof name - 1 ? field.len : sizeof name - 1);
    memcpy(text, value.data, value.len < sizeof text - 1 ? value.len : sizeof text - 1);
    return strcmp(name, "n") == 0 ? OK : core_load_meta(d->head.core, name, text);
}

static error_code on_store_log(void *context, uint32_t sweep, uint64_t index, struct bytes value,
                               struct report *report)
{
    struct daemon *d = context;
    (void)index;
    return core_load_log(d->head.core, sweep, value, report);
}

static void on_store_loaded(void *context)
{
    struct daemon *d = context;
    struct report report = {0};
    error_code error = core_load_done(d->head.core, loop_now(d->head.loop), &report);
    if (error == OK && d->head.notices == NULL) {
        error = notices_new(d->head.epoch, &d->head.notices);
    }
    if (error != OK) {
        log_write(LOG_LEVEL_ERROR, "the store's records cannot be read: %s", report.text);
        head_leave(d, 1);
        return;
    }
    if (!d->is_serving) {
        serve(d);
    }
    loop_again(d->head.loop);
}

static void on_store_batch(void *context, uint64_t n)
{
    struct daemon *d = context;
    on_batch_applied(d->head.core, loop_now(d->head.loop), n);
    loop_again(d->head.loop);
}

static void on_store_failed(void *context, error_code code, const char *why)
{
    struct daemon *d = context;
    log_write(LOG_LEVEL_ERROR, "the store: %s (%s)", why, error_word(code));
    fprintf(stderr, "muster head: %s\n", why);
    d->head.has_failed = true;
    head_leave(d, 1);
}

static error_code store_start(struct daemon *d, struct report *report)
{
    char path[PATH_BYTES], data_dir[PATH_BYTES], socket_path[PATH_BYTES],
        password[SECRET_TEXT_BYTES], name[64];
    struct head *head = &d->head;
    snprintf(path, sizeof path, "%s/keys/redis", head->options->state_dir);
    snprintf(data_dir, sizeof data_dir, "%s/redis", head->options->state_dir);
    error_code error = secret_load(path, password, report);
    if (error == OK) {
        error =
            redis_server_socket(head->options->state_dir, socket_path, sizeof socket_path, report);
    }
    if (error != OK) {
        return error;
    }
    snprintf(name, sizeof name, "pid %d", (int)getpid());
    struct store_config config = {
        .unix_path = socket_path,
        .user = REDIS_SERVER_USER,
        .password = password,
        .name = name,
        .is_embedded = true,
        .data_dir = data_dir,
    };
    struct store_handlers handlers = {
        .context = d,
        .on_state = on_store_state,
        .on_load = on_store_load,
        .on_record = on_store_record,
        .on_log = on_store_log,
        .on_loaded = on_store_loaded,
        .on_batch = on_store_batch,
        .on_failed = on_store_failed,
    };
    return store_open(loop_uv(head->loop), &config, &handlers, &head->store, report);
}

/* ---- the turn ---- */

static void effect_run(struct daemon *d, const struct head_effect *effect)
{
    switch (effect->kind) {
    case HEAD_SEND:
        peers_send(&d->head, effect->peer, effect->bytes);
        return;
    case HEAD_ANSWER:
        http_answer(d->head.http, effect->request, effect->status, "application/json",
                    effect->bytes);
        return;
    case HEAD_NOTICE:
        notices_add(&d->head, effect->bytes);
        return;
    case HEAD_EXIT:
        head_leave(d, 0);
        return;
    }
}

static void linger_check(struct daemon *d, time_ms now)
{
    struct head *head = &d->head;
    if (head->options->linger_ms < 0 || head->is_leaving) {
        return;
    }
    if (!core_is_idle(head->core) ||
        notices_readers(head->notices) + follows_readers(head->follows) > 0) {
        head->busy_at = now;
    } else if (now - head->busy_at >= head->options->linger_ms) {
        log_write(LOG_LEVEL_INFO, "idle for %ld ms: leaving", head->options->linger_ms);
        head->is_leaving = true;
        on_shutdown(head->core, now, 0, now + SHUTDOWN_MS);
    }
}

static time_ms earlier(time_ms a, time_ms b)
{
    return a < b ? a : b;
}

static void turn_serve(struct daemon *d, const struct loop_turn *turn)
{
    struct head *head = &d->head;
    const struct batch *batch;
    const struct head_effect *effect;
    if (turn->gap_ms > 0) {
        core_gap(head->core, turn->gap_ms);
        head->busy_at += turn->gap_ms;
    }
    if (!turn->is_behind) {
        on_tick(head->core, turn->now);
    }
    linger_check(d, turn->now);
    core_turn_end(head->core, turn->now);
    batch = core_batch(head->core);
    if (batch != NULL) {
        store_send(head->store, batch);
    }
    while ((effect = core_effect_next(head->core)) != NULL) {
        effect_run(d, effect);
    }
    follows_turn(head, turn->now);
    time_ms deadline =
        earlier(core_next_deadline(head->core), follows_deadline(head->follows, turn->now));
    if (head->options->linger_ms >= 0) {
        deadline = earlier(deadline, head->busy_at + head->options->linger_ms + 1);
    }
    loop_deadline_set(head->loop, deadline > turn->now ? deadline : turn->now + 1);
    if (core_failed(head->core) != OK) {
        log_write(LOG_LEVEL_ERROR, "the core failed: %s; everything acknowledged is in the store",
                  error_word(core_failed(head->core)));
        head_leave(d, 1);
    }
}

static void on_released(void *context)
{
    struct daemon *d = context;
    loop_stop(d->head.loop);
}

static void turn_leave(struct daemon *d)
{
    if (d->is_releasing) {
        return;
    }
    bool is_clean = d->head.exit_code == 0 && d->head.store != NULL && !d->head.has_failed;
    if (is_clean && store_is_sending(d->head.store)) {
        loop_deadline_set(d->head.loop, loop_now(d->head.loop) + 10);
        return;
    }
    d->is_releasing = true;
    if (is_clean) {
        char path[PATH_BYTES];
        snprintf(path, sizeof path, "%s/current", d->head.options->state_dir);
        unlink(path);
        store_release(d->head.store, on_released, d);
    } else {
        loop_stop(d->head.loop);
    }
}

static void on_turn(void *context, const struct loop_turn *turn)
{
    struct daemon *d = context;
    if (d->is_exiting) {
        turn_leave(d);
    } else if (d->head.is_ready) {
        turn_serve(d, turn);
    } else {
        loop_deadline_set(d->head.loop, INT64_MAX);
    }
}

static void on_signal(uv_signal_t *handle, int signal)
{
    struct daemon *d = handle->data;
    (void)signal;
    time_ms now = loop_now(d->head.loop);
    d->n_terminations++;
    if (!d->head.is_ready) {
        head_leave(d, 0);
        d->head.has_failed = true; /* Nothing was taken over that could be given back. */
        return;
    }
    d->head.is_leaving = true;
    if (d->n_terminations > 2) { /* Not even for the store: what was acknowledged is in it. */
        d->head.has_failed = true;
        head_leave(d, 1);
        return;
    }
    on_shutdown(d->head.core, now, 0, d->n_terminations > 1 ? now : now + SHUTDOWN_MS);
    loop_again(d->head.loop);
}

/* ---- start and end ---- */

static error_code head_open(struct daemon *d, struct report *report)
{
    char keys[PATH_BYTES];
    unsigned char hash[8];
    struct head *head = &d->head;
    snprintf(keys, sizeof keys, "%s/keys", head->options->state_dir);
    error_code error = keys_init();
    if (error == OK) {
        error = head_keys_load(keys, &d->keys, report);
    }
    if (error == OK) {
        error = join_key_load(keys, d->keys.public_key, &head->join, report);
    }
    if (error == OK) {
        crypto_generichash(hash, sizeof hash, (const unsigned char *)d->keys.public_key,
                           strlen(d->keys.public_key), NULL, 0);
        sodium_bin2hex(head->cluster, sizeof head->cluster, hash, sizeof hash);
        error = follows_new(&head->follows);
    }
    if (error == OK) {
        error = loop_new(&head->loop, report);
    }
    if (error != OK) {
        return error;
    }
    loop_turn_set(head->loop, on_turn, d);
    static const int numbers[] = {SIGTERM, SIGINT};
    for (int i = 0; i < 2; i++) {
        uv_signal_init(loop_uv(head->loop), &d->signals[i]);
        d->signals[i].data = d;
        uv_signal_start(&d->signals[i], on_signal, numbers[i]);
    }
    return store_start(d, report);
}

static void on_store_closed(void *context)
{
    struct daemon *d = context;
    d->head.store = NULL;
}

static void head_close(struct daemon *d)
{
    struct head *head = &d->head;
    http_stop(head->http, HTTP_DRAIN_MS);
    head->http = NULL; /* Reads of the store that end now have nobody to answer. */
    router_free(head->router);
    if (head->store != NULL) {
        store_close(head->store, on_store_closed, d);
    }
    if (head->loop != NULL) {
        for (int i = 0; i < 2; i++) {
            if (d->signals[i].data != NULL) {
                uv_close((uv_handle_t *)&d->signals[i], NULL);
            }
        }
        while (head->store != NULL && uv_run(loop_uv(head->loop), UV_RUN_ONCE) != 0) {
        }
        uv_run(loop_uv(head->loop), UV_RUN_NOWAIT);
        loop_free(head->loop);
    }
    notices_free(head->notices);
    follows_free(head->follows);
    core_free(head->core);
    key_pair_fini(&d->keys);
}

int head_main(const struct head_options *options)
{
    struct report report = {0};
    struct daemon *d = mem_zalloc(sizeof *d);
    if (d == NULL) {
        return 1;
    }
    d->head.options = options;
    signal(SIGPIPE, SIG_IGN);
    umask(077);
    error_code error = options->log_path != NULL ? log_open(options->log_path, &report) : OK;
    if (error == OK) {
        error = head_open(d, &report);
    }
    if (error == OK) {
        error = loop_run(d->head.loop);
    }
    int exit_code = error == OK ? d->head.exit_code : 1;
    if (error != OK) {
        fprintf(stderr, "muster head: %s\n",
                report.text[0] != '\0' ? report.text : error_word(error));
    }
    head_close(d);
    mem_free(d);
    log_close();
    return exit_code;
}
