/* muster sweep export --schedule: the hyperparameters of the best member of a population over the
 * steps of its weights. They are found backwards: the last change of the best trial, then what the
 * donor had before it was copied, and so on to a trial that began from nothing. */
#include <string.h>

#include "cli/list.h"
#include "cli/schedule.h"

/* The last change of `trial` before place `end`, and its place; NULL: none. */
static json_t *change_find(const json_t *changes, const char *trial, size_t end, size_t *ret_at)
{
    for (size_t i = end; i-- > 0;) {
        json_t *change = json_array_get(changes, i);
        if (strcmp(cli_json_str(change, "trial"), trial) == 0) {
            *ret_at = i;
            return change;
        }
    }
    return NULL;
}

json_t *schedule_of(const json_t *changes, const char *trial)
{
    json_t *schedule = json_array();
    size_t at = json_array_size(changes);
    json_t *change = change_find(changes, trial, at, &at);
    while (change != NULL && schedule != NULL) {
        json_array_insert(schedule, 0, change);
        const char *from = cli_json_str(change, "from");
        change = from[0] != '\0' ? change_find(changes, from, at, &at) : NULL;
    }
    return schedule;
}

int schedule_fetch(struct cli *cli, struct client **client, uint32_t sweep, json_t **ret_list)
{
    char path[64];
    json_t *about = NULL, *lineage = NULL;
    snprintf(path, sizeof path, "/api/v1/sweeps/%u", sweep);
    int code = client_get_json(cli, client, path, &about);
    if (code == EXIT_OK) {
        snprintf(path, sizeof path, "/api/v1/sweeps/%u/lineage", sweep);
        code = client_get_json(cli, client, path, &lineage);
    }
    const char *best = code == EXIT_OK ? cli_json_str(about, "best") : "";
    if (code == EXIT_OK && best[0] == '\0') {
        code = cli_fail(EXIT_NOT_FOUND, "sweep %u has no best trial yet", sweep);
    }
    if (code == EXIT_OK) {
        json_t *items = schedule_of(json_object_get(lineage, "items"), best);
        *ret_list = json_pack("{s:s, s:o}", "api", "v1", "items", items);
        code = *ret_list != NULL ? EXIT_OK : cli_fail(EXIT_REQUEST, "out of memory");
    }
    json_decref(about);
    json_decref(lineage);
    return code;
}
