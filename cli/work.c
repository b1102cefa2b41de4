#include "cli/work.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { SEND_TRIES = 5, PACK_TRIES = 3, SHOWN_BYTES = 16 << 20 };

/* The state folder as a pattern, where it lies in the work folder: it holds keys and sockets, and
 * changes all the time. EXIT_OK, or the exit code after the message. */
static int state_pattern(const struct cli *cli, const char *folder, char *ret_pattern, size_t size)
{
    static const char special[] = "\\*?[]!# ";
    char state[PATH_MAX];
    size_t length = strlen(folder), n = 0;
    ret_pattern[0] = '\0';
    if (realpath(cli->state_dir, state) == NULL || strncmp(state, folder, length) != 0 ||
        (state[length] != '/' && state[length] != '\0')) {
        return EXIT_OK;
    }
    if (state[length] == '\0') {
        return cli_fail(EXIT_USAGE,
                        "the work folder %s is the cluster's state folder, with its keys, and is "
                        "not sent; give another work folder, or another --state",
                        folder);
    }
    for (const char *c = state + length; *c != '\0' && n + 4 < size; c++) {
        if (strchr(special, *c) != NULL) {
            ret_pattern[n++] = '\\';
        }
        ret_pattern[n++] = *c;
    }
    memcpy(ret_pattern + n, "/", 2);
    return EXIT_OK;
}

/* Files that are written to while they are read are looked at again, in case that was the end. */
static error_code work_pack_once(struct cli_work *work, const char *own_pattern,
                                 struct report *report)
{
    struct work_rules *rules;
    const char *patterns[WORK_RULES_MAX + 1];
    uint32_t n = 0;
    for (; n < work->spec.n_ignore && n < WORK_RULES_MAX; n++) {
        patterns[n] = work->spec.ignore[n];
    }
    if (own_pattern[0] != '\0') {
        patterns[n++] = own_pattern; /* the last: nothing brings it back */
    }
    error_code error = work_rules_new(patterns, n, &rules, report);
    if (error != OK) {
        return error;
    }
    const struct work_pack_options options = {work->folder, rules, work->spec.max_bytes};
    error = work_pack_new(&options, &work->pack, report);
    work_rules_free(rules);
    if (error == OK) {
        error = work_pack_hash(work->pack, work->hash, report);
    }
    if (error != OK) {
        work_pack_free(TAKE(work->pack));
    }
    return error;
}

int cli_work_pack(const struct cli *cli, const char *folder, const struct workdir_spec *spec,
                  struct cli_work *ret_work)
{
    char own_pattern[WORK_RULE_MAX_BYTES];
    struct cli_work work = {.key = "work", .folder = folder, .spec = *spec};
    struct report report = {0};
    error_code error = ERR_CONFLICT;
    int code = state_pattern(cli, folder, own_pattern, sizeof own_pattern);
    if (code != EXIT_OK) {
        return code;
    }
    for (int i = 0; error == ERR_CONFLICT && i < PACK_TRIES; i++) {
        report = (struct report){0};
        error = work_pack_once(&work, own_pattern, &report);
    }
    if (error != OK) {
        return cli_fail_report(EXIT_USAGE, &report);
    }
    *ret_work = work;
    return EXIT_OK;
}

void cli_work_fini(struct cli_work *work)
{
    work_pack_free(work->pack);
    work->pack = NULL;
}

/* ---- sending ---- */

struct sending {
    struct work_pack *pack;
    struct report report;
};

static error_code on_read(void *context, void *buffer, size_t size_bytes, size_t *ret_n)
{
    struct sending *sending = context;
    return work_pack_read(sending->pack, buffer, size_bytes, ret_n, &sending->report);
}

/* EXIT_OK with *ret_is_there false: try again. */
static int work_put(struct client *client, struct cli_work *work, const char *path,
                    bool *ret_is_there)
{
    struct sending sending = {.pack = work->pack};
    struct client_answer answer;
    struct report report = {0};
    uint64_t bytes = work_pack_bytes(work->pack);
    if (bytes > SHOWN_BYTES) {
        bool is_work = strcmp(work->key, "work") == 0;
        fprintf(stderr, "sending the %s%s, %.1f MiB\n", is_work ? "work folder " : work->key,
                is_work ? work->folder : "", (double)bytes / 1048576.0);
    }
    work_pack_rewind(work->pack);
    error_code error = client_upload(client, path, on_read, &sending, bytes, &answer, &report);
    if (sending.report.code != OK) {
        if (error == OK) {
            client_answer_fini(&answer);
        }
        return cli_fail_report(EXIT_USAGE, &sending.report);
    }
    if (error != OK) {
        return error_is_retryable(error) ? EXIT_OK : cli_fail_report(EXIT_UNREACHABLE, &report);
    }
    *ret_is_there = answer.status == 200 || answer.status == 201;
    int code = *ret_is_there || answer.status == 503 ? EXIT_OK : client_answer_fail(&answer);
    client_answer_fini(&answer);
    return code;
}

static int work_send(struct cli *cli, struct client **client, struct cli_work *work)
{
    char path[128];
    bool is_there = false;
    snprintf(path, sizeof path, "/api/v1/blobs/%s", work->hash);
    for (int i = 0; i < SEND_TRIES; i++) {
        struct client_answer answer;
        int code = client_call_patiently(cli, client, "GET", path, NULL, NULL, &answer);
        if (code != EXIT_OK) {
            return code;
        }
        is_there = answer.status == 200;
        code = is_there || answer.status == 404 ? EXIT_OK : client_answer_fail(&answer);
        client_answer_fini(&answer);
        if (code == EXIT_OK && !is_there) {
            code = work_put(*client, work, path, &is_there);
        }
        if (code != EXIT_OK || is_there) {
            return code;
        }
    }
    return cli_fail(EXIT_UNREACHABLE,
                    "the work folder %s could not be sent: the head went away each time",
                    work->folder);
}

static int works_send(struct cli *cli, struct client **client, struct cli_work *const works[],
                      int n_works)
{
    int code = EXIT_OK;
    for (int i = 0; i < n_works && code == EXIT_OK; i++) {
        code = works[i]->pack != NULL ? work_send(cli, client, works[i]) : EXIT_OK;
    }
    return code;
}

int cli_work_post(struct cli *cli, struct client **client, struct cli_work *const works[],
                  int n_works, const char *path, json_t *body, const char *key,
                  struct client_answer *ret_answer)
{
    bool has_any = false;
    for (int i = 0; i < n_works; i++) {
        if (works[i]->pack != NULL) {
            json_object_set_new(body, works[i]->key, json_string(works[i]->hash));
            has_any = true;
        }
    }
    for (int i = 0;; i++) {
        int code = works_send(cli, client, works, n_works);
        if (code != EXIT_OK) {
            return code;
        }
        char *text = json_dumps(body, JSON_COMPACT);
        if (text == NULL) {
            return cli_fail(EXIT_REQUEST, "out of memory");
        }
        code = client_call_patiently(cli, client, "POST", path, text, key, ret_answer);
        free(text);
        bool is_lost = code == EXIT_OK && ret_answer->status == 409 &&
                       strcmp(cli_json_str(ret_answer->json, "error.code"), "no_blob") == 0;
        if (!is_lost || !has_any || i + 1 >= SEND_TRIES) {
            return code;
        }
        client_answer_fini(ret_answer);
    }
}
