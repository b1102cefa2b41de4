/* What must be there before a role starts: folders, keys, free ports. */
#include <sodium.h>
#include <string.h>

#include "cli/supervisor_inside.h"
#include "net/address.h"
#include "net/keys.h"
#include "sys/files.h"
#include "sys/locks.h"

int supervisor_folders_make(const struct supervisor_options *options)
{
    static const char *const folders[] = {"", "/keys", "/run", "/logs", "/redis", "/nodes"};
    struct report report = {0};
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        char path[PATH_MAX];
        snprintf(path, sizeof path, "%s%s", options->state_dir, folders[i]);
        if (dir_make(path, &report) != OK) {
            return cli_fail_report(EXIT_REQUEST, &report);
        }
    }
    char keys[PATH_MAX];
    snprintf(keys, sizeof keys, "%s/keys", options->state_dir);
    if (key_files_check(keys, &report) != OK) {
        return cli_fail_report(EXIT_REQUEST, &report);
    }
    return EXIT_OK;
}

error_code supervisor_keys_make(const struct supervisor_options *options, struct report *report)
{
    char folder[PATH_MAX], path[PATH_MAX + 16], token[SECRET_TEXT_BYTES];
    struct key_pair pair;
    struct join_key join;
    snprintf(folder, sizeof folder, "%s/keys", options->state_dir);
    error_code error = keys_init();
    if (error == OK) {
        error = head_keys_load(folder, &pair, report);
    }
    if (error == OK) {
        error = join_key_load(folder, pair.public_key, &join, report);
        key_pair_fini(&pair);
    }
    if (error == OK) {
        snprintf(path, sizeof path, "%s/token", folder);
        error = secret_load(path, token, report); /* nothing listens without one */
    }
    sodium_memzero(&join, sizeof join);
    sodium_memzero(token, sizeof token);
    return error;
}

error_code supervisor_listen_check(const struct supervisor *s, struct report *report)
{
    char path[PATH_MAX];
    error_code error = OK;
    supervisor_path(s, path, "run/%s.lock", role_names[HEAD]);
    if (lock_is_held(path, NULL)) {
        return OK;
    }
    for (int i = 0; error == OK && i + 1 < s->options->n_head_arguments; i++) {
        struct net_address address;
        const char *option = s->options->head_arguments[i], *at = s->options->head_arguments[i + 1];
        if (strcmp(option, "--listen") == 0) {
            error = net_address_parse(at, "tcp", NET_PORT_AGENTS, &address, report);
        } else if (strcmp(option, "--http") == 0) {
            error = net_address_parse(at, "http", NET_PORT_HTTP, &address, report);
        } else {
            continue;
        }
        error = error == OK ? net_address_resolve(&address, report) : error;
        error = error == OK ? net_address_try(&address, report) : error;
    }
    return error;
}
