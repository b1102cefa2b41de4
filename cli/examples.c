/* One line of use for a verb, shown by its help and in the manual page. */
#include <string.h>

#include "cli/manual.h"

const struct cli_example cli_examples[] = {
    {"muster up -d", "a cluster of this machine, in the background"},
    {"muster up -d --listen tcp://0.0.0.0:7700", "other machines may join it"},
    {"muster run --cpus 4 -- make -j4", "one command, its output, its exit code"},
    {"muster submit sweep.yaml", "submit, print the number"},
    {"muster submit --wait --key night-7 sweep.yaml", "once, whoever calls how often"},
    {"muster submit -f -- ./simulate --n 100", "a command, followed to its end"},
    {"muster check sweep.yaml --print", "every default filled in"},
    {"muster check sweep.yaml --sample train.log", "what its lines would report"},
    {"muster check sweep.yaml --preview", "how many trials, the first configurations"},
    {"muster sweep run sweep.yaml", "submit and watch"},
    {"muster sweep run sweep.yaml --test", "one trial, to its first rung"},
    {"muster sweep run sweep.yaml --dry-run", "what trial 1 would run"},
    {"muster sweep run sweep.yaml --set search.seed=3", "another seed, the same file"},
    {"muster sweep list --filter state=running", "what goes on"},
    {"muster sweep list --sort -created --limit 5", "the latest"},
    {"muster sweep show last", "with its trials"},
    {"muster sweep best 12 -o json", "the best trial, every digit"},
    {"muster sweep pause 12", "what runs saves and leaves until it is resumed"},
    {"muster sweep set 12 stop.trials=200 limits.concurrency=8", "more trials, fewer at a time"},
    {"muster sweep resume 12 --trials +100", "go on with a sweep that has ended"},
    {"muster sweep cancel 3-5,8", "several"},
    {"muster sweep clone 12 --set search.seed=3", "the same again, changed"},
    {"muster sweep export 12 -O trials.csv", "for a notebook"},
    {"muster sweep rm 1-9 --yes", "without a question"},
    {"muster trial list 12 --sort best.metrics.loss", "the best first"},
    {"muster trial list --columns id,params.lr,step", "only these"},
    {"muster trial logs -f 12.41", "as it is written"},
    {"muster trial logs 12.3-7,9 --tail 2000", "the ends of several"},
    {"muster trial metrics 12.41 --metric loss", "with its curve"},
    {"muster trial metrics 12.41 -o csv", "every row"},
    {"muster trial explain 12.41", "why it waits"},
    {"muster trial retry 12.3-7", "once more"},
    {"muster trial rerun 12.41 --local", "here, in a copy of its folder"},
    {"muster trial rerun 12.41 --print", "only show how"},
    {"eval \"$(muster trial env)\"", "MUSTER_P_..., MUSTER_RESTORE and MUSTER_STEP of a trial"},
    {"muster report --step 3 loss=0.2", "0 go on, 10 checkpoint, 11 pause, 12 stop, 13 exploit"},
    {"folder=$(muster save --step 3 --due) && cp model \"$folder\"",
     "then: muster commit --step 3"},
    {"eval \"$(muster exploit)\"", "after exit code 13: another start, other parameters"},
    {"muster node drain gpu03 --deadline 10m", "empty it"},
    {"muster node label gpu03 zone=a --remove spot", "for `require` and `prefer`"},
    {"muster doctor --node gpu03", "here, and what the head knows of it"},
    {"muster explain 12", "why its next trial waits"},
    {"muster debug turn", "is the head busy, and with what"},
    {"muster completion bash > ~/.muster-completion", "then source it in ~/.bashrc"},
    {"muster help --man > muster.1", "the manual page"},
    {NULL, NULL},
};

bool cli_example_is_of(const struct cli_example *example, const struct cli_verb *verb)
{
    char start[96];
    size_t n =
        (size_t)snprintf(start, sizeof start, "muster %s%s%s", verb->noun != NULL ? verb->noun : "",
                         verb->noun != NULL ? " " : "", verb->name);
    return strncmp(example->command, start, n) == 0 &&
           (example->command[n] == ' ' || example->command[n] == '\0');
}
