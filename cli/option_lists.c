/* The options of each verb, and those that all have. */
#include "cli/option_lists.h"

const struct cli_option cli_options_of_all[] = {
    {"state", 0, "DIR",
     "the cluster's folder on this machine (MUSTER_STATE; default ~/.local/state/muster)"},
    {"head", 0, "URL", "the head to talk to (MUSTER_HEAD; default: the state folder's)"},
    {"ca", 0, "FILE", "the CA to check an https:// head's certificate with (MUSTER_CA)"},
    {"insecure-http", 0, NULL,
     "allow plain HTTP to, or of up and head on, other addresses than loopback"},
    {"output", 'o', "table|wide|json|ndjson|csv|yaml|name", "how results are printed"},
    {"json", 0, NULL, "the same as -o json"},
    {"help", 'h', NULL, "this help"},
    {0},
};

const struct cli_option no_options[] = {{0}};

/* ---- groups ---- */

/* Of verbs that show things. */
#define SHOW_OPTIONS                                                                               \
    {                                                                                              \
        "columns", 0, "A,B,C", "only these, e.g. id,state,params.lr; '?' lists them"               \
    }
#define LIST_OPTIONS                                                                               \
    {"filter", 0, "K=V",                                                                           \
     "only where K is V; also K!=V, and K~TEXT (contains); may be given several times"},           \
        {"sort", 0, "[-]COLUMN", "by a column, with a minus from high to low"},                    \
        {"limit", 0, "N", "at most N"}, {"owner", 0, "NAME", "the same as --filter owner=NAME"},   \
        SHOW_OPTIONS

/* Of verbs that submit; what a sweep and a command share. */
#define SUBMIT_OPTIONS                                                                             \
    {"name", 0, "NAME", "a name for people"},                                                      \
        {"label", 0, "LABEL", "a label; may be given several times"},                              \
        {"priority", 0, "N", "0 to 100, higher first (default 50)"},                               \
        {"key", 0, "KEY", "idempotency key: the same key and work give what exists already"},      \
        {"dry-run", 0, NULL, "print what would be run, submit nothing"},                           \
        {"grace", 0, "S",                                                                          \
         "what a signal cancels has so long until SIGTERM, and again until SIGKILL (default 10s; " \
         "of a sweep its timeouts.grace)"},                                                        \
    {                                                                                              \
        "on-signal", 0, "detach|cancel",                                                           \
            "what Ctrl-C and SIGTERM do while it waits (default: Ctrl-C detaches; SIGTERM "        \
            "cancels, unless on a terminal)"                                                       \
    }
#define SWEEP_SUBMIT_OPTIONS                                                                       \
    {"set", 0, "PATH=VALUE",                                                                       \
     "change the file: parameters.lr.max=0.5; may be given several times"},                        \
    {                                                                                              \
        "test", 0, NULL, "one trial, to its first rung, then stop"                                 \
    }
#define TASK_OPTIONS                                                                               \
    {"cpus", 0, "N", "CPUs it needs (default 1)"}, {"gpus", 0, "N", "GPUs it needs"},              \
        {"memory", 0, "SIZE", "memory it needs, e.g. 2G"},                                         \
        {"custom", 0, "NAME=N", "custom resource it needs; may be given several times"},           \
        {"require", 0, "EXPR", "a label the node must have, e.g. 'zone == a'"},                    \
        {"env", 0, "NAME=VALUE", "environment; may be given several times"},                       \
        {"workdir", 0, "DIR", "send this folder along and start in a copy of it"},                 \
    {                                                                                              \
        "retries", 0, "N", "tries again after a failure (default 0)"                               \
    }
#define ARRAY_OPTIONS                                                                              \
    {"array", 0, "IDS",                                                                            \
     "a task for each id, as 1-500000 or 1-100:2; ${index} in the command is the id"},             \
        {"each-line", 0, "FILE",                                                                   \
         "a task for each line (-: stdin); ${line} is the line; --array chooses lines"},           \
        {"from-json", 0, "FILE",                                                                   \
         "a task for each value of a JSON array (-: stdin); ${line} is the value"},                \
        {"log-files", 0, NULL, "files of its own for what each task writes, on its node"},         \
    {                                                                                              \
        "max-fails", 0, "N", "end the array when more than N of its tasks have failed"             \
    }
#define GRACE_OPTION                                                                               \
    {                                                                                              \
        "grace", 0, "S", "time from told to SIGTERM, and again to SIGKILL, e.g. 10s"               \
    }
#define YES_OPTION                                                                                 \
    {                                                                                              \
        "yes", 'y', NULL, "do not ask"                                                             \
    }

#define NODE_OPTIONS                                                                               \
    {"cpus", 0, "N", "CPUs to offer (default: what this machine or its container has)"},           \
        {"memory", 0, "SIZE", "memory to offer, e.g. 8G"},                                         \
        {"fake-gpus", 0, "N", "offer N GPUs that are not there, for trying things out"},           \
        {"cache-max", 0, "SIZE", "work folders kept on this node (default 20G)"},                  \
        {"address", 0, "HOST",                                                                     \
         "where agents of other nodes get snapshots from this one (default: the address from "     \
         "which it reaches the head; *: the one that leads out of this machine)"},                 \
        {"custom", 0, "NAME=N", "offer a custom resource; may be given several times"},            \
    {                                                                                              \
        "label", 0, "NAME=VALUE", "a label of the node; may be given several times"                \
    }

#define LISTEN_OPTIONS                                                                             \
    {"listen", 0, "ADDR",                                                                          \
     "where workers of other machines join, tcp://HOST:PORT (port 7700 unless said); may be "      \
     "given "                                                                                      \
     "several times"},                                                                             \
        {"http", 0, "ADDR:PORT",                                                                   \
         "where HTTP listens (default: 127.0.0.1 and any free port); TLS off loopback"},           \
        {"http-name", 0, "NAME",                                                                   \
         "a name or address by which clients call this head, for its certificate; may be given "   \
         "several times"},                                                                         \
        {"tls-cert", 0, "FILE", "a certificate (chain) for HTTP instead of one of its own CA"},    \
        {"tls-key", 0, "FILE", "its private key"},                                                 \
        {"depot-max", 0, "SIZE", "work folders kept by the head (default 10G)"},                   \
    {                                                                                              \
        "orphan-timeout", 0, "S",                                                                  \
            "workers that joined over TCP end their attempts after S seconds without a head "      \
            "(default 30m; 0: never)"                                                              \
    }

const struct cli_option up_options[] = {
    {"detach", 'd', NULL, "start in the background, return when it is ready"},
    {"linger", 0, "S", "leave S seconds after the last work and reader (default: stay)"},
    {"no-worker", 0, NULL, "head and store only"},
    {"for-reading", 0, NULL, "leave with the last command that reads (used by those)"},
    LISTEN_OPTIONS,
    NODE_OPTIONS,
    {"ready-fd", 0, "FD", "write a byte there when ready"},
    {0},
};
const struct cli_option down_options[] = {
    {"timeout", 0, "S", "seconds to wait for running work to leave (default 60)"},
    {0},
};
const struct cli_option head_options[] = {
    LISTEN_OPTIONS,
    {"store", 0, "URL",
     "an external Redis: redis://[USER:PASSWORD@]HOST[:PORT][/DB] or unix:///PATH[?db=N] (default: "
     "one of its own in the state folder)"},
    {"store-prefix", 0, "NAME", "what its keys begin with, one for each cluster (default: m)"},
    {"detach", 'd', NULL, "start in the background, return when it is ready (not with --store)"},
    {"linger", 0, "S", "leave S seconds after the last work and reader"},
    {"ready-fd", 0, "FD", "write a byte there when ready (used by the supervisor)"},
    {0},
};
const struct cli_option worker_options[] = {
    {"join", 0, "ADDR", "the head's address: tcp://HOST:PORT, or ipc:///path on its machine"},
    {"key-file", 0, "FILE",
     "file with the join key, a copy of the head's keys/join (else MUSTER_JOIN_KEY)"},
    {"name", 0, "NAME", "the node's name (default: the host's name; local on the head's machine)"},
    {"drain", 0, "S", "from SIGTERM to the end of what runs (default 25)"},
    {"dry", 0, NULL, "complete what comes without running it, for measuring muster itself"},
    NODE_OPTIONS,
    {"ready-fd", 0, "FD", "write a byte there when joined"},
    {0},
};
const struct cli_option run_options[] = {
    SUBMIT_OPTIONS,
    TASK_OPTIONS,
    {0},
};
const struct cli_option submit_options[] = {
    SUBMIT_OPTIONS,
    SWEEP_SUBMIT_OPTIONS,
    TASK_OPTIONS,
    ARRAY_OPTIONS,
    {"wait", 0, NULL, "return when it has ended, with its exit code"},
    {"follow", 'f', NULL, "the same, and show its progress or output"},
    {"timeout", 0, "S", "wait at most S seconds (exit 124; the work goes on)"},
    {0},
};
const struct cli_option check_options[] = {
    {"print", 0, NULL, "the normalised file, every default filled in"},
    {"sample", 0, "LOG", "what this log's lines would report, by `report` of the file"},
    {"stream", 0, "out|err", "of --sample: by the rules of stdout (default) or stderr"},
    {"preview", 0, NULL, "how many trials, and the first configurations"},
    {"set", 0, "PATH=VALUE", "as for sweep run; may be given several times"},
    {0},
};
const struct cli_option sweep_run_options[] = {
    SUBMIT_OPTIONS,
    SWEEP_SUBMIT_OPTIONS,
    {"detach", 'd', NULL, "print its number and return"},
    {"timeout", 0, "S", "wait at most S seconds (exit 124; the sweep goes on)"},
    {0},
};
const struct cli_option wait_options[] = {
    {"timeout", 0, "S", "wait at most S seconds (exit 124)"},
    {0},
};
const struct cli_option task_wait_options[] = {
    {"quiet", 'q', NULL, "no progress"},
    {"timeout", 0, "S", "wait at most S seconds (exit 124)"},
    {0},
};
const struct cli_option retry_options[] = {
    {"failed", 0, NULL, "only those that failed, passing over what ended otherwise"},
    YES_OPTION,
    {0},
};
const struct cli_option list_options[] = {LIST_OPTIONS, {0}};
const struct cli_option show_options[] = {SHOW_OPTIONS, {0}};
const struct cli_option sweep_show_options[] = {
    {"lineage", 0, NULL, "which parameters each trial got, and whose weights with them"},
    SHOW_OPTIONS,
    {0},
};
const struct cli_option act_options[] = {YES_OPTION, {0}};
const struct cli_option cancel_options[] = {GRACE_OPTION, YES_OPTION, {0}};
const struct cli_option resume_options[] = {
    {"trials", 0, "+N", "N more trials than it has; goes on with a sweep that has ended, too"},
    {0},
};
const struct cli_option clone_options[] = {
    {"name", 0, "NAME", "a name for people (default: the old one's)"},
    {"set", 0, "PATH=VALUE", "change the file: parameters.lr.max=0.5; may be given several times"},
    {"key", 0, "KEY", "idempotency key: the same key gives the clone that exists already"},
    {"detach", 'd', NULL, "print its number and return"},
    {"timeout", 0, "S", "wait at most S seconds (exit 124; the sweep goes on)"},
    {"on-signal", 0, "detach|cancel", "as for sweep run"},
    {0},
};
const struct cli_option export_options[] = {
    {"file", 'O', "FILE", "write there, whole or not at all (default: stdout)"},
    {"schedule", 0, NULL, "the best trial's parameters over the steps of its weights"},
    LIST_OPTIONS,
    {0},
};
const struct cli_option logs_options[] = {
    {"follow", 'f', NULL, "go on until it ends"},
    {"stream", 0, "out|err", "only one of them (default: both)"},
    {"attempt", 0, "N", "which attempt (default: the last)"},
    {"node", 0, "NAME", "of a trial on several nodes: this one's ranks (default: rank 0's node)"},
    {"tail", 0, "BYTES", "only the last so many bytes"},
    {0},
};
const struct cli_option metrics_options[] = {
    {"metric", 0, "NAME", "only this metric, in a table with its curve"},
    LIST_OPTIONS,
    {0},
};
const struct cli_option rerun_options[] = {
    {"local", 0, NULL, "here, on this machine, without the cluster"},
    {"print", 0, NULL, "only print the folder, environment and command line"},
    {"keep", 0, NULL, "keep the scratch folder"},
    {0},
};
/* ---- of verbs that a trainer in shell calls ---- */

#define STEP_OPTION                                                                                \
    {                                                                                              \
        "step", 0, "N", "the step that these weights have done"                                    \
    }
#define ACTS_OPTION                                                                                \
    {                                                                                              \
        "acts", 0, NULL, "print what is to be done, as words: checkpoint exploit pause stop"       \
    }
const struct cli_option trial_env_options[] = {
    {"can", 0, "A,B", "what the trainer can do: checkpoint, pause (both the default), exploit"},
    {0},
};
const struct cli_option report_options[] = {STEP_OPTION, ACTS_OPTION, {0}};
const struct cli_option save_options[] = {
    STEP_OPTION,
    {"due", 0, NULL, "only if a snapshot of this step is wanted; else exit code 1, without a word"},
    {"last", 0, NULL, "with --due: it is the last step, which a sweep may want to keep"},
    {0},
};
const struct cli_option commit_options[] = {STEP_OPTION, ACTS_OPTION, {0}};

const struct cli_option drain_options[] = {
    {"deadline", 0, "S", "running attempts may go on for so long (default 60s)"},
    {"reason", 0, "TEXT", "shown with the node"},
    {0},
};
const struct cli_option cordon_options[] = {
    {"reason", 0, "TEXT", "shown with the node"},
    {0},
};
const struct cli_option node_label_options[] = {
    {"remove", 0, "NAME", "take a label away; may be given several times"},
    {0},
};
const struct cli_option top_options[] = {
    {"once", 0, NULL, "one picture, as when not on a terminal"},
    {"interval", 0, "S", "time between pictures (default 1s)"},
    {0},
};
const struct cli_option doctor_options[] = {
    {"node", 0, "NAME", "what the head knows of this node, too"},
    {0},
};
const struct cli_option help_options[] = {
    {"man", 0, NULL, "the manual page, as roff"},
    {0},
};
const struct cli_option login_options[] = {
    {"token-file", 0, "FILE", "the token (default: one line on stdin)"},
    {"list", 0, NULL, "the heads that are stored"},
    {0},
};
const struct cli_option key_new_options[] = {
    {"role", 0, "ROLE", "reader, user (default) or admin"},
    {"expires", 0, "S", "good so long, e.g. 90d (default: until it is revoked)"},
    {0},
};
const struct cli_option events_options[] = {
    {"follow", 'f', NULL, "go on until interrupted"},
    {0},
};
