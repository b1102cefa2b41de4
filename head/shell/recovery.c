/* What the store says goes to the core: its state, the records of a recovery, batches on disk. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "head/shell/daemon.h"
#include "head/shell/front.h"
#include "head/shell/redis_server.h"
#include "head/shell/store.h"
#include "head/shell/store_url.h"
#include "sys/clock.h"
#include "sys/locks.h"
#include "sys/log.h"

/* Room for what the configuration points to. */
struct store_place {
    char unix_path[DAEMON_PATH_BYTES], data_dir[DAEMON_PATH_BYTES];
    char embedded_password[SECRET_TEXT_BYTES];
};

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
        .orphan_timeout_ms = d->head.options->orphan_timeout_ms,
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
        struct store_facts facts;
        store_facts_get(d->head.store, &facts);
        log_write(LOG_LEVEL_WARNING, "if the store's machine dies it may lose %s (%s)", facts.loss,
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

static void on_store_facts(void *context)
{
    struct daemon *d = context;
    struct store_facts facts;
    if (d->head.core == NULL) {
        return;
    }
    store_facts_get(d->head.store, &facts);
    const struct core_store_facts told = {
        .kind = facts.is_embedded ? "embedded" : "external",
        .policy = facts.policy,
        .loss = facts.loss,
        .memory_bytes = facts.memory_bytes,
        .memory_max_bytes = facts.memory_max_bytes,
    };
    core_store_facts_set(d->head.core, &told);
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
    on_store_facts(d);
    if (!d->is_serving) {
        head_serve(d);
    } else {
        front_core_tell(&d->head);
    }
    loop_again(d->head.loop);
}

static void on_store_batch(void *context, uint64_t n)
{
    struct daemon *d = context;
    turn_stage before = turn_enter(loop_clock(d->head.loop), TURN_REACTOR);
    on_batch_applied(d->head.core, loop_now(d->head.loop), n);
    turn_back(loop_clock(d->head.loop), before);
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

/* Who a head that finds us active is told of. */
static void head_name(char *ret_name, size_t size_bytes)
{
    char host[256] = "";
    if (gethostname(host, sizeof host - 1) != 0) {
        host[0] = '\0';
    }
    char since[32];
    snprintf(ret_name, size_bytes, "host %.60s, pid %d, since %s",
             host[0] != '\0' ? host : "unknown", (int)getpid(), time_print(clock_now(), since));
}

/* The lock of this state folder's head, which this process holds. */
static void head_owner(const struct head *head, char ret_owner[LOCK_NAME_BYTES])
{
    char path[DAEMON_PATH_BYTES];
    snprintf(path, sizeof path, "%s/run/head.lock", head->options->state_dir);
    lock_name(path, ret_owner);
}

/* The state folder's own redis-server: its lock says that no other head has it. */
static error_code embedded_config(const struct head *head, struct store_place *place,
                                  struct store_config *ret_config, struct report *report)
{
    char path[DAEMON_PATH_BYTES];
    snprintf(path, sizeof path, "%s/keys/redis", head->options->state_dir);
    snprintf(place->data_dir, sizeof place->data_dir, "%s/redis", head->options->state_dir);
    error_code error = secret_load(path, place->embedded_password, report);
    if (error == OK) {
        error = redis_server_socket(head->options->state_dir, place->unix_path,
                                    sizeof place->unix_path, report);
    }
    *ret_config = (struct store_config){
        .unix_path = place->unix_path,
        .user = REDIS_SERVER_USER,
        .password = place->embedded_password,
        .is_embedded = true,
        .data_dir = place->data_dir,
    };
    return error;
}

error_code head_store_start(struct daemon *d, struct report *report)
{
    char name[128], owner[LOCK_NAME_BYTES];
    struct head *head = &d->head;
    struct store_place place = {0};
    struct store_config config;
    struct store_url url;
    error_code error;
    if (head->options->store != NULL) {
        error = store_url_parse(head->options->store, &url, report);
        config = (struct store_config){
            .unix_path = url.unix_path[0] != '\0' ? url.unix_path : NULL,
            .host = url.host[0] != '\0' ? url.host : NULL,
            .port = url.port,
            .database = url.database,
            .user = url.user[0] != '\0' ? url.user : NULL,
            .password = url.password[0] != '\0' ? url.password : NULL,
            .prefix = head->options->store_prefix,
        };
    } else {
        error = embedded_config(head, &place, &config, report);
    }
    if (error != OK) {
        return error;
    }
    head_name(name, sizeof name);
    head_owner(head, owner);
    config.name = name;
    config.owner = owner;
    struct store_handlers handlers = {
        .context = d,
        .on_state = on_store_state,
        .on_load = on_store_load,
        .on_record = on_store_record,
        .on_log = on_store_log,
        .on_facts = on_store_facts,
        .on_loaded = on_store_loaded,
        .on_batch = on_store_batch,
        .on_failed = on_store_failed,
    };
    return store_open(loop_uv(head->loop), &config, &handlers, &head->store, report);
}
