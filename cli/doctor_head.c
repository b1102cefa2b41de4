/* What is looked at of the head that this command would speak to. Nothing is started for it. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "cli/doctor.h"
#include "cli/list.h"

enum { ANSWER_MS = 5000, CLOCK_WARN_S = 5, PORT_AGENTS = 7700, PORT_HTTP = 7780, MIB = 1 << 20 };

static json_t *head_get(struct doctor *doctor, const char *path, int64_t *ret_date_s,
                        struct report *report)
{
    struct client_answer answer;
    json_t *json = NULL;
    error_code error =
        client_call(doctor->client, "GET", path, NULL, NULL, ANSWER_MS, &answer, report);
    if (error != OK) {
        return NULL;
    }
    if (answer.status == 200) {
        json = json_incref(answer.json);
    } else {
        const char *text = cli_json_str(answer.json, "error.text");
        ignore_error(report_fail(report, ERR_NOT_ALLOWED, "it answers %ld%s%s", answer.status,
                                 text[0] != '\0' ? ": " : "", text),
                     "shown by the caller");
    }
    if (ret_date_s != NULL) {
        *ret_date_s = answer.date_s;
    }
    client_answer_fini(&answer);
    return json;
}

void doctor_head(struct doctor *doctor)
{
    struct report report = {0};
    bool is_elsewhere = client_is_elsewhere(doctor->cli);
    error_code error = client_open(doctor->cli, &doctor->client, &report);
    if (error == OK) {
        doctor->status = head_get(doctor, "/api/v1/status", NULL, &report);
    }
    if (doctor->status != NULL) {
        doctor_say(doctor, DOCTOR_OK, "", "%s answers, pid %lld, since %s",
                   client_url(doctor->client), (long long)cli_json_int(doctor->status, "pid"),
                   cli_json_str(doctor->status, "started"));
        return;
    }
    client_close(doctor->client);
    doctor->client = NULL;
    if (!is_elsewhere && (error == ERR_UNREACHABLE || report.code == ERR_UNREACHABLE)) {
        doctor_say(doctor, DOCTOR_WARN, "muster up -d", "none runs in %s", doctor->cli->state_dir);
    } else {
        doctor_say(doctor, DOCTOR_FAIL,
                   is_elsewhere
                       ? "check --head, MUSTER_HEAD and 'muster login --list'; is the head "
                         "there up, does a firewall stand between?"
                       : "see logs/head.log in the state folder",
                   "%s", report.text[0] != '\0' ? report.text : "it does not answer");
    }
}

void doctor_version(struct doctor *doctor)
{
    const char *theirs = cli_json_str(doctor->status, "version");
    if (doctor->status == NULL) {
        doctor_say(doctor, DOCTOR_OK, "", "muster " MUSTER_VERSION);
        return;
    }
    bool is_same = strcmp(theirs, MUSTER_VERSION) == 0;
    doctor_say(doctor, is_same ? DOCTOR_OK : DOCTOR_WARN,
               is_same ? "" : "install the same version on both sides",
               is_same ? "muster " MUSTER_VERSION
                       : "this is muster " MUSTER_VERSION ", the head %s",
               theirs);
}

void doctor_store(struct doctor *doctor)
{
    const char *store = cli_json_str(doctor->status, "store");
    double memory = (double)cli_json_int(doctor->status, "store_memory");
    double memory_max = (double)cli_json_int(doctor->status, "store_memory_max");
    if (doctor->status == NULL) {
        return;
    }
    bool is_ok = strcmp(store, "ok") == 0;
    doctor_say(doctor, is_ok ? DOCTOR_OK : DOCTOR_FAIL,
               is_ok ? ""
                     : "nothing is acknowledged until it is back; see logs/redis.log and disk "
                       "space",
               "%s%s", is_ok ? "on disk what it was told" : "state: ", is_ok ? "" : store);
    if (memory_max > 0 && memory > 0.9 * memory_max) {
        doctor_say(doctor, DOCTOR_WARN, "give it more memory (maxmemory), or remove old sweeps",
                   "it uses %.0f of %.0f MiB", memory / 1048576, memory_max / 1048576);
    }
}

/* Up to its limit is as it should be: what is old goes when there must be room. */
void doctor_depot(struct doctor *doctor)
{
    double used = (double)cli_json_int(doctor->status, "depot");
    double max = (double)cli_json_int(doctor->status, "depot_max");
    if (max > 0) {
        bool is_over = used > max;
        doctor_say(doctor, is_over ? DOCTOR_WARN : DOCTOR_OK,
                   is_over ? "start the head with a larger --depot-max, or remove old sweeps" : "",
                   "packed work folders take %.1f of %.0f MiB", used / MIB, max / MIB);
    }
}

void doctor_clock(struct doctor *doctor)
{
    struct report report = {0};
    int64_t date_s = 0;
    if (doctor->client == NULL) {
        return;
    }
    json_decref(head_get(doctor, "/healthz", &date_s, &report));
    int64_t off_s = date_s - (int64_t)time(NULL);
    if (date_s == 0) {
        doctor_say(doctor, DOCTOR_OK, "", "the head does not tell its time");
        return;
    }
    bool is_off = off_s > CLOCK_WARN_S || off_s < -CLOCK_WARN_S;
    doctor_say(doctor, is_off ? DOCTOR_WARN : DOCTOR_OK,
               is_off
                   ? "set both by NTP (timedatectl set-ntp true): times that are shown come from "
                     "either"
                   : "",
               is_off ? "the head's is %lld s %s" : "as the head's", (long long)llabs(off_s),
               off_s > 0 ? "ahead of this one" : "behind this one");
}

/* Would a head that listens there be refused? */
static bool port_is_free(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_ANY)};
    if (fd < 0) {
        return true;
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    bool is_free =
        bind(fd, (struct sockaddr *)&address, sizeof address) == 0 || errno != EADDRINUSE;
    close(fd);
    return is_free;
}

void doctor_ports(struct doctor *doctor)
{
    static const struct {
        uint16_t port;
        const char *what;
    } ports[] = {{PORT_AGENTS, "workers (--listen)"}, {PORT_HTTP, "HTTP (--http)"}};
    for (size_t i = 0; i < sizeof ports / sizeof ports[0]; i++) {
        bool is_free = port_is_free(ports[i].port);
        bool is_ours = !is_free && doctor->status != NULL;
        doctor_say(doctor, is_free || is_ours ? DOCTOR_OK : DOCTOR_WARN,
                   is_free || is_ours ? "" : "see who has it: ss -ltnp; or give another port",
                   "%u, for %s, is %s", ports[i].port, ports[i].what, is_free ? "free" : "taken");
    }
}

static void node_cache_check(struct doctor *doctor, const json_t *node, const char *name)
{
    double used = (double)cli_json_int(node, "cache"),
           max = (double)cli_json_int(node, "cache_max");
    if (max > 0) {
        bool is_over = used > max;
        doctor_say(doctor, is_over ? DOCTOR_WARN : DOCTOR_OK,
                   is_over ? "those in use do not fit: start its worker with a larger --cache-max"
                           : "",
                   "work folders on %s take %.1f of %.0f MiB", name, used / MIB, max / MIB);
    }
}

static void node_check(struct doctor *doctor, const json_t *node)
{
    const char *name = cli_json_str(node, "name"), *state = cli_json_str(node, "state");
    const char *version = cli_json_str(node, "version");
    bool is_alive = strcmp(state, "alive") == 0;
    char advice[256];
    snprintf(advice, sizeof advice, "look at its machine %s: is the worker up, is the network?",
             cli_json_str(node, "host"));
    doctor_say(doctor,
               is_alive                     ? DOCTOR_OK
               : strcmp(state, "gone") == 0 ? DOCTOR_FAIL
                                            : DOCTOR_WARN,
               is_alive ? "" : advice, "%s is %s, on %s, heard %.3g s ago", name, state,
               cli_json_str(node, "host"), json_number_value(cli_json_get(node, "heard")));
    if (is_alive && strcmp(version, MUSTER_VERSION) != 0) {
        doctor_say(doctor, DOCTOR_WARN, "install the same version everywhere",
                   "%s runs muster %s, this is " MUSTER_VERSION, name, version);
    }
    if (is_alive) {
        node_cache_check(doctor, node, name);
    }
    if (json_is_true(cli_json_get(node, "cordoned"))) {
        snprintf(advice, sizeof advice, "muster node resume %s", name);
        doctor_say(doctor, DOCTOR_WARN, advice, "%s is cordoned%s%s", name,
                   cli_json_str(node, "cordon_reason")[0] != '\0' ? ": " : "",
                   cli_json_str(node, "cordon_reason"));
    }
    size_t i;
    json_t *aside;
    json_array_foreach((json_t *)(uintptr_t)cli_json_get(node, "set_aside"), i, aside)
    {
        doctor_say(doctor, DOCTOR_WARN, "see what its trials wrote there",
                   "sweep %lld gives %s "
                   "nothing any more: %s",
                   (long long)cli_json_int(aside, "sweep"), name, cli_json_str(aside, "reason"));
    }
}

void doctor_nodes(struct doctor *doctor)
{
    struct report report = {0};
    const char *wanted = cli_option(doctor->cli, "node");
    size_t i;
    json_t *node;
    bool is_found = false;
    if (doctor->client == NULL) {
        if (wanted != NULL) {
            doctor_say(doctor, DOCTOR_FAIL, "see above", "no head can be asked for %s", wanted);
        }
        return;
    }
    json_t *list = head_get(doctor, "/api/v1/nodes", NULL, &report);
    json_t *items = json_object_get(list, "items");
    json_array_foreach(items, i, node)
    {
        const char *name = cli_json_str(node, "name");
        bool is_gone = strcmp(cli_json_str(node, "state"), "gone") == 0;
        if (wanted != NULL ? strcmp(name, wanted) == 0 : !is_gone) {
            node_check(doctor, node);
            is_found = true;
        }
    }
    if (list == NULL) {
        doctor_say(doctor, DOCTOR_FAIL, "", "%s", report.text);
    } else if (!is_found) {
        doctor_say(doctor, wanted != NULL ? DOCTOR_FAIL : DOCTOR_WARN,
                   wanted != NULL ? "muster node list"
                                  : "muster worker --join ADDR --key-file FILE",
                   wanted != NULL ? "there is no node %s" : "no node has joined%s",
                   wanted != NULL ? wanted : "");
    }
    json_decref(list);
}
