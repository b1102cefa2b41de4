/* Why the head is not reached, in words. ZeroMQ does not say it, so while there is no connection
 * the agent looks itself now and then: is there such a host, does anybody listen, and who. */
#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "net/address.h"
#include "sys/log.h"
#include "worker/shell/shell.h"

enum {
    REACH_FIRST_MS = 500, /* a head that is just starting is not worth a word */
    REACH_AGAIN_MS = 30000,
    REACH_CONNECT_MS = 5000,
};

struct reach {
    struct worker *worker; /* NULL: the worker is leaving */
    struct net_address address;
    uv_getaddrinfo_t lookup;
    uv_tcp_t tcp;
    uv_timer_t timer;
    uv_connect_t connect;
    uint32_t n_open; /* lookup, tcp, timer */
    bool is_busy;
    bool is_tcp_open;
    time_ms since; /* of the outage; 0: none */
    time_ms next;
    char resolved[64];
};

static void on_tcp_closed(uv_handle_t *handle)
{
    struct reach *reach = handle->data;
    reach->is_busy = false;
    reach->n_open--;
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct reach *reach = handle->data;
    reach->n_open--;
}

static void reach_tell(struct reach *reach, const char *why)
{
    if (reach->worker == NULL || dealer_is_up(reach->worker->dealer)) {
        return;
    }
    log_write(LOG_LEVEL_WARNING, "the head at %s is not reached: %s; trying again",
              reach->worker->options->join, why);
}

static void tcp_close(struct reach *reach)
{
    if (reach->is_tcp_open) {
        reach->is_tcp_open = false;
        (void)uv_timer_stop(&reach->timer);
        uv_close((uv_handle_t *)&reach->tcp, on_tcp_closed);
    }
}

static void on_connected(uv_connect_t *request, int status)
{
    struct reach *reach = request->data;
    char why[256];
    if (status == UV_ECANCELED) {
        return; /* the time was up, or the worker leaves */
    }
    if (status == UV_ECONNREFUSED) {
        snprintf(why, sizeof why,
                 "nobody listens at %s port %u (does the head run, with --listen?)",
                 reach->resolved, reach->address.port);
    } else if (status != 0) {
        snprintf(why, sizeof why, "%s port %u: %s", reach->resolved, reach->address.port,
                 uv_strerror(status));
    } else {
        snprintf(why, sizeof why,
                 "%s port %u answers, but it is not the head of this join key (another cluster, "
                 "another program, or a head that is still starting)",
                 reach->resolved, reach->address.port);
    }
    reach_tell(reach, why);
    tcp_close(reach);
}

static void on_time_up(uv_timer_t *timer)
{
    struct reach *reach = timer->data;
    char why[256];
    snprintf(why, sizeof why, "%s port %u does not answer within %d s (a firewall, or no route)",
             reach->resolved, reach->address.port, REACH_CONNECT_MS / 1000);
    reach_tell(reach, why);
    tcp_close(reach);
}

static void on_looked_up(uv_getaddrinfo_t *request, int status, struct addrinfo *found)
{
    struct reach *reach = request->data;
    struct loop *loop = reach->worker != NULL ? reach->worker->loop : NULL;
    char why[512];
    reach->is_busy = false;
    if (loop != NULL && status != 0) {
        snprintf(why, sizeof why, "the host name '%s' cannot be resolved: %s", reach->address.host,
                 uv_strerror(status));
        reach_tell(reach, why);
    }
    if (loop != NULL && status == 0 && uv_tcp_init(loop_uv(loop), &reach->tcp) == 0) {
        reach->tcp.data = reach->connect.data = reach;
        reach->is_busy = reach->is_tcp_open = true;
        reach->n_open++;
        if (getnameinfo(found->ai_addr, found->ai_addrlen, reach->resolved, sizeof reach->resolved,
                        NULL, 0, NI_NUMERICHOST) != 0) {
            snprintf(reach->resolved, sizeof reach->resolved, "?");
        }
        int rc = uv_tcp_connect(&reach->connect, &reach->tcp, found->ai_addr, on_connected);
        if (rc != 0) {
            on_connected(&reach->connect, rc);
        } else {
            (void)uv_timer_start(&reach->timer, on_time_up, REACH_CONNECT_MS, 0);
        }
    }
    uv_freeaddrinfo(found);
    reach->n_open--;
}

static void reach_look(struct reach *reach)
{
    char port[8];
    const struct addrinfo hints = {
        .ai_flags = AI_NUMERICSERV, .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    snprintf(port, sizeof port, "%u", reach->address.port);
    if (uv_getaddrinfo(loop_uv(reach->worker->loop), &reach->lookup, on_looked_up,
                       reach->address.host, port, &hints) == 0) {
        reach->is_busy = true;
        reach->n_open++;
    }
}

time_ms reach_turn(struct reach *reach, time_ms now)
{
    if (reach == NULL) {
        return INT64_MAX;
    }
    if (dealer_is_up(reach->worker->dealer) || reach->worker->is_refused) {
        reach->since = 0;
        return INT64_MAX;
    }
    if (reach->since == 0) {
        reach->since = now;
        reach->next = now + REACH_FIRST_MS;
    }
    if (now >= reach->next && !reach->is_busy) {
        reach->next = now + REACH_AGAIN_MS;
        reach_look(reach);
    }
    return reach->next > now ? reach->next : now + REACH_FIRST_MS;
}

error_code reach_new(struct worker *worker, struct reach **ret_reach, struct report *report)
{
    struct net_address address;
    if (strncmp(worker->options->join, "tcp://", 6) != 0) {
        *ret_reach = NULL;
        return OK;
    }
    error_code error =
        net_address_parse(worker->options->join, "tcp", NET_PORT_AGENTS, &address, report);
    struct reach *reach = error == OK ? mem_zalloc(sizeof *reach) : NULL;
    if (reach == NULL) {
        return error != OK ? error : ERR_NO_MEMORY;
    }
    reach->worker = worker;
    reach->address = address;
    reach->lookup.data = reach->timer.data = reach;
    if (uv_timer_init(loop_uv(worker->loop), &reach->timer) != 0) {
        mem_free(reach);
        return ERR_SYSTEM;
    }
    reach->n_open = 1;
    *ret_reach = reach;
    return OK;
}

void reach_free(struct reach *reach)
{
    if (reach == NULL) {
        return;
    }
    uv_loop_t *uv = loop_uv(reach->worker->loop);
    reach->worker = NULL;
    if (reach->is_busy && !reach->is_tcp_open) {
        (void)uv_cancel((uv_req_t *)&reach->lookup); /* else it ends by itself */
    }
    tcp_close(reach);
    uv_close((uv_handle_t *)&reach->timer, on_timer_closed);
    while (reach->n_open > 0) {
        (void)uv_run(uv, UV_RUN_ONCE);
    }
    mem_free(reach);
}
