/* The one table of verbs and options; help and (later) man page and completions are printed from
 * it. */
#include "cli/cli.h"

const struct cli_option cli_options_of_all[] = {
    {"state", 0, "DIR",
     "the cluster's folder on this machine (MUSTER_STATE; default ~/.local/state/muster)"},
    {"head", 0, "URL", "the head to talk to (MUSTER_HEAD; default: the state folder's)"},
    {"output", 'o', "FORM", "table, json or ndjson"},
    {"json", 0, NULL, "the same as -o json"},
    {"help", 'h', NULL, "this help"},
    {0},
};

static const struct cli_option no_options[] = {{0}};

#define NODE_OPTIONS                                                                               \
    {"cpus", 0, "N", "CPUs to offer (default: what this machine or its container has)"},           \
        {"memory", 0, "SIZE", "memory to offer, e.g. 8G"},                                         \
        {"fake-gpus", 0, "N", "offer N GPUs that are not there, for trying things out"},           \
        {"custom", 0, "NAME=N", "offer a custom resource; may be given several times"},            \
    {                                                                                              \
        "label", 0, "NAME=VALUE", "a label of the node; may be given several times"                \
    }

static const struct cli_option up_options[] = {
    {"detach", 'd', NULL, "start in the background, return when it is ready"},
    {"linger", 0, "S", "leave S seconds after the last work and reader (default: stay)"},
    {"no-worker", 0, NULL, "head and store only"},
    {"for-reading", 0, NULL, "leave with the last command that reads (used by those)"},
    NODE_OPTIONS,
    {"ready-fd", 0, "FD", "write a byte there when ready"},
    {0},
};
static const struct cli_option down_options[] = {
    {"timeout", 0, "S", "seconds to wait for running work to leave (default 60)"},
    {0},
};
static const struct cli_option head_options[] = {
    {"ready-fd", 0, "FD", "write a byte there when ready"},
    {"port", 0, "N", "HTTP port on loopback (default: any free one)"},
    {"linger", 0, "S", "leave S seconds after the last work and reader"},
    {0},
};
static const struct cli_option worker_options[] = {
    {"join", 0, "ADDR", "the head's address, e.g. ipc:///path"},
    {"key-file", 0, "FILE", "file with the join key (else MUSTER_JOIN_KEY)"},
    {"name", 0, "NAME", "the node's name (default: local)"},
    NODE_OPTIONS,
    {"ready-fd", 0, "FD", "write a byte there when joined"},
    {0},
};
static const struct cli_option run_options[] = {
    {"name", 0, "NAME", "a name for people"},
    {"cpus", 0, "N", "CPUs it needs (default 1)"},
    {"gpus", 0, "N", "GPUs it needs"},
    {"memory", 0, "SIZE", "memory it needs, e.g. 2G"},
    {"custom", 0, "NAME=N", "custom resource it needs; may be given several times"},
    {"require", 0, "EXPR", "a label the node must have, e.g. 'zone == a'"},
    {"priority", 0, "N", "0 to 100, higher first (default 50)"},
    {"env", 0, "NAME=VALUE", "environment; may be given several times"},
    {"retries", 0, "N", "tries again after a failure (default 0)"},
    {"key", 0, "KEY", "idempotency key: the same key and command give the existing task"},
    {0},
};
static const struct cli_option check_options[] = {
    {"print", 0, NULL, "the normalised file, every default filled in"},
    {0},
};
static const struct cli_option sweep_run_options[] = {
    {"detach", 'd', NULL, "return when it is submitted"},
    {"key", 0, "KEY", "idempotency key: the same key and file give the existing sweep"},
    {"timeout", 0, "S", "wait at most S seconds (exit 124; the sweep goes on)"},
    {0},
};
static const struct cli_option wait_options[] = {
    {"timeout", 0, "S", "wait at most S seconds (exit 124)"},
    {0},
};
static const struct cli_option list_options[] = {
    {"filter", 0, "KEY=VALUE", "state=running, sweep=12; may be given several times"},
    {"limit", 0, "N", "at most N"},
    {0},
};
static const struct cli_option cancel_options[] = {
    {"grace", 0, "S", "time from told to SIGTERM, and again to SIGKILL, e.g. 10s"},
    {0},
};
static const struct cli_option logs_options[] = {
    {"follow", 'f', NULL, "go on until it ends"},
    {"stream", 0, "NAME", "out or err (default: both)"},
    {"attempt", 0, "N", "which attempt (default: the last)"},
    {"tail", 0, "BYTES", "only the last so many bytes"},
    {0},
};
static const struct cli_option events_options[] = {
    {"follow", 'f', NULL, "go on until interrupted"},
    {0},
};

const struct cli_verb cli_verbs[] = {
    {NULL, "up", "", 0, 0, false, "Start head, store and a worker on this machine", up_options,
     verb_up},
    {NULL, "down", "", 0, 0, false,
     "End the cluster of the state folder; queued work stays for the next up", down_options,
     verb_down},
    {NULL, "run", "-- CMD...", 0, 0, true,
     "Run one command on the cluster, follow its output, exit with its code", run_options,
     verb_run},
    {NULL, "check", "FILE", 1, 1, false, "Validate a sweep file", check_options, verb_check},
    {"sweep", "run", "FILE", 1, 1, false, "Submit a sweep and watch it to its end",
     sweep_run_options, verb_sweep_run},
    {"sweep", "list", "", 0, 0, false, "All sweeps", list_options, verb_sweep_list},
    {"sweep", "show", "[N]", 0, 1, false, "One sweep with its trials (default: the last)",
     no_options, verb_sweep_show},
    {"sweep", "best", "[N]", 0, 1, false, "The best trial's parameters and checkpoint", no_options,
     verb_sweep_best},
    {"sweep", "wait", "[N]", 0, 1, false, "Wait for its end", wait_options, verb_sweep_wait},
    {"sweep", "watch", "[N]", 0, 1, false, "Watch it to its end", wait_options, verb_sweep_watch},
    {"sweep", "stop", "[N]", 0, 1, false, "No new trials; running ones finish", no_options,
     verb_sweep_stop},
    {"sweep", "cancel", "[N]", 0, 1, false, "End it: running trials are told to leave",
     cancel_options, verb_sweep_cancel},
    {"trial", "list", "[N]", 0, 1, false, "Trials of a sweep (default: the last)", list_options,
     verb_trial_list},
    {"trial", "show", "N.I", 1, 1, false, "One trial: state, parameters, metrics, why it failed",
     no_options, verb_trial_show},
    {"trial", "logs", "N.I", 1, 1, false, "What it wrote", logs_options, verb_trial_logs},
    {"trial", "cancel", "N.I", 1, 1, false, "End one trial", cancel_options, verb_trial_cancel},
    {"task", "list", "", 0, 0, false, "Tasks made by run", list_options, verb_task_list},
    {"task", "show", "N.I", 1, 1, false, "One task", no_options, verb_task_show},
    {"task", "logs", "N.I", 1, 1, false, "What it wrote", logs_options, verb_trial_logs},
    {"task", "cancel", "N.I", 1, 1, false, "End it", cancel_options, verb_trial_cancel},
    {"node", "list", "", 0, 0, false, "Nodes and what they hold", no_options, verb_node_list},
    {NULL, "status", "", 0, 0, false, "The cluster at a glance", no_options, verb_status},
    {NULL, "explain", "N[.I]", 1, 1, false, "Why something waits", no_options, verb_explain},
    {NULL, "events", "", 0, 0, false, "What happens, one line each", events_options, verb_events},
    {NULL, "head", "", 0, 0, false, "The head alone (started by up)", head_options, verb_head},
    {NULL, "worker", "", 0, 0, false, "The agent alone (started by up)", worker_options,
     verb_worker},
    {NULL, "help", "[VERB...]", 0, 2, false, "This list, or one verb's options", no_options,
     verb_help},
    {NULL, "version", "", 0, 0, false, "The version", no_options, verb_version},
};
const unsigned cli_verbs_count = sizeof cli_verbs / sizeof cli_verbs[0];
