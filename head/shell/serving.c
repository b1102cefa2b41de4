/* Serving starts once everything is loaded: the sockets of agents and of HTTP, and the file that
 * says where they are. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json_out.h"
#include "head/shell/blobs.h"
#include "head/shell/daemon.h"
#include "head/shell/front.h"
#include "sys/files.h"
#include "sys/log.h"
#include "sys/state_paths.h"

static error_code current_write(struct daemon *d, struct report *report)
{
    char path[DAEMON_PATH_BYTES];
    struct buf text;
    const struct head *head = &d->head;
    buf_init(&text, 1 << 16);
    struct json_out json = json_out_to(&text);
    json_object_begin(&json, NULL);
    json_str(&json, "url", head->own_url);
    json_str(&json, "token_file", head->token_path);
    json_str(&json, "ca", front_ca_path(head));
    json_u64(&json, "pid", (uint64_t)getpid());
    json_str(&json, "store", head->options->store != NULL ? "external" : "embedded");
    json_array_begin(&json, "listen");
    for (uint32_t i = 0; i < head->options->n_listen; i++) {
        json_str(&json, NULL, head->listening[i]);
    }
    json_array_end(&json);
    json_object_end(&json);
    ignore_error(buf_append_byte(&text, '\n'), "sticky");
    snprintf(path, sizeof path, "%s/current", head->options->state_dir);
    error_code error =
        text.failed == OK ? file_write_atomic(path, buf_bytes(&text), 0600, report) : ERR_NO_MEMORY;
    buf_fini(&text);
    return error;
}

/* ---- the port of the last start, so that who connects again finds it ---- */

static uint16_t port_remembered(const struct head *head, const char *name)
{
    char path[DAEMON_PATH_BYTES], text[16] = "";
    snprintf(path, sizeof path, "%s/run/%s.port", head->options->state_dir, name);
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

static void port_remember(const struct head *head, const char *name, const char *address)
{
    char path[DAEMON_PATH_BYTES];
    const char *port = strrchr(address, ':');
    snprintf(path, sizeof path, "%s/run/%s.port", head->options->state_dir, name);
    if (port != NULL) {
        struct bytes text = {(const uint8_t *)port + 1, strlen(port + 1)};
        ignore_error(file_write_atomic(path, text, 0600, NULL), "another port is found next time");
    }
}

/* ---- agents ---- */

/* Port 0 means the last start's, or any: agents that know it come back. */
static error_code listener_open(struct head *head, uint32_t i, struct report *report)
{
    char endpoint[NET_ENDPOINT_MAX], name[32];
    struct net_address address = head->options->listen[i];
    bool is_any = address.port == 0;
    snprintf(name, sizeof name, "agents-%u", i);
    error_code error = net_address_resolve(&address, report);
    if (error != OK) {
        return error;
    }
    address.port = is_any ? port_remembered(head, name) : address.port;
    if (is_any && address.port != 0 && net_address_try(&address, NULL) != OK) {
        address.port = 0;
    }
    net_address_endpoint(&address, endpoint);
    error = router_bind(head->router, endpoint, head->listening[i], report);
    if (error == OK) {
        log_write(LOG_LEVEL_INFO, "agents join at %s", head->listening[i]);
        port_remember(head, name, head->listening[i]);
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
        .on_room = blobs_on_room,
        .context = head,
    };
    error_code error = router_new(head->loop, &options, &head->router, report);
    if (error == OK) {
        error = state_ipc_address(head->options->state_dir, address, sizeof address, report);
    }
    if (error == OK) {
        error = router_bind(head->router, address, NULL, report);
    }
    for (uint32_t i = 0; error == OK && i < head->options->n_listen; i++) {
        error = listener_open(head, i, report);
    }
    return error;
}

/* ---- all of it ---- */

static void ready_tell(const struct head *head)
{
    if (head->options->ready_fd > 0) {
        ssize_t n = write(head->options->ready_fd, "r", 1);
        (void)n; /* Nobody waits any more. */
        close(head->options->ready_fd);
    }
}

void head_serve(struct daemon *d)
{
    struct report report = {0};
    error_code error = router_open(d, &report);
    if (error == OK) {
        error = front_open(&d->head, port_remembered(&d->head, "http"), &report);
    }
    if (error == OK) {
        error = current_write(d, &report);
    }
    if (error != OK) {
        log_write(LOG_LEVEL_ERROR, "the head cannot serve: %s", report.text);
        fprintf(stderr, "muster head: %s\n", report.text);
        head_leave(d, 1);
        return;
    }
    port_remember(&d->head, "http", http_url(d->head.http));
    d->is_serving = true;
    d->head.is_ready = true;
    d->head.busy_at = loop_now(d->head.loop);
    log_write(LOG_LEVEL_INFO, "serving at %s, epoch %llu", http_url(d->head.http),
              (unsigned long long)d->head.epoch);
    ready_tell(&d->head);
}
