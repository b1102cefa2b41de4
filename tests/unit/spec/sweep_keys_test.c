#include "rig.h"

/* Every key and value that only a later release knows: refused by name, never ignored. */
static const struct refused later[] = {
    REFUSED("method: tpe", ERR_UNSUPPORTED, 1, 9, "`method: tpe` is not supported by this version"),
    REFUSED("tasks: []", ERR_UNSUPPORTED, 1, 1, "`tasks` is not supported by this version"),
    REFUSED("command: x\nmetric: {name: l, summary: x}", ERR_INVALID, 2, 28,
            "`metric.summary` cannot be 'x'; write best or last or min or max or mean"),
    REFUSED("command: x\nmetric: {name: l, on_nan: x}", ERR_INVALID, 2, 27,
            "`metric.on_nan` cannot be 'x'; write worst or ignore or fail"),
    REFUSED("command: x\nmetric: {name: l}\nstop: {cost: 3}\n", ERR_UNSUPPORTED, 3, 8,
            "`stop.cost` is not supported by this version"),
    REFUSED("command: x\nmetric: {name: l}\nstop: {plateau: {}}\n", ERR_UNSUPPORTED, 3, 8,
            "`stop.plateau` is not supported by this version"),
    REFUSED(LEAST "search: {method: tpe}", ERR_UNSUPPORTED, 4, 18,
            "`search.method: tpe` is not supported by this version"),
    REFUSED(LEAST "schedule: {type: pb2}", ERR_UNSUPPORTED, 4, 18,
            "`schedule.type: pb2` is not supported by this version"),
    REFUSED(LEAST "resources: {gpu_memory: 20G}", ERR_UNSUPPORTED, 4, 13,
            "`resources.gpu_memory` is not supported by this version"),
    REFUSED(LEAST "resources: {any_of: []}", ERR_UNSUPPORTED, 4, 13,
            "`resources.any_of` is not supported by this version"),
    REFUSED(LEAST "queue: {name: research}", ERR_UNSUPPORTED, 4, 9,
            "`queue.name` is not supported by this version"),
    REFUSED(LEAST "queue: {preemptible: true}", ERR_UNSUPPORTED, 4, 9,
            "`queue.preemptible` is not supported by this version"),
    REFUSED(LEAST "timeouts: {gpu_idle: {}}", ERR_UNSUPPORTED, 4, 12,
            "`timeouts.gpu_idle` is not supported by this version"),
    REFUSED(LEAST "checkpoints: {every: 10ms}", ERR_INVALID, 4, 22,
            "`checkpoints.every` must be 1s to 3650d or none, not 10ms"),
    REFUSED(LEAST "launch: ranks\nresources: {ranks: 2}\ncheckpoints: {every: 10m}", ERR_INVALID, 6,
            22,
            "`checkpoints.every` does not go with `launch: ranks`: ranks are asked to save at "
            "milestones alone; write `checkpoints.on: rung`"),
    REFUSED(LEAST "checkpoints: {store: s3://bucket}", ERR_INVALID, 4, 22,
            "`checkpoints.store` cannot be 's3://bucket'; write cluster or node"),
    REFUSED(LEAST "checkpoints: {adopt: ''}", ERR_INVALID, 4, 22,
            "`checkpoints.adopt` must not be empty"),
    REFUSED(LEAST "logs: {full: store}", ERR_UNSUPPORTED, 4, 8,
            "`logs.full` is not supported by this version"),
    REFUSED(LEAST "secrets: [A]", ERR_UNSUPPORTED, 4, 1,
            "`secrets` is not supported by this version"),
    REFUSED(LEAST "report: {from: [mlflow]}", ERR_INVALID, 4, 17,
            "`report.from` cannot be 'mlflow'; write api or stdout or stderr or "
            "tensorboard or wandb"),
    REFUSED(LEAST "notify: []", ERR_UNSUPPORTED, 4, 1, "`notify` is not supported by this version"),
    REFUSED(LEAST "metrics: []", ERR_UNSUPPORTED, 4, 1,
            "`metrics` is not supported by this version"),
    REFUSED(LEAST "array: {}", ERR_UNSUPPORTED, 4, 1, "`array` is not supported by this version"),
    REFUSED(LEAST "parameters: {lr: {distribution: beta}}", ERR_UNSUPPORTED, 4, 33,
            "`parameters.lr.distribution: beta` is not supported by this version"),
};

static void test_keys_of_a_later_release_are_unsupported(void **state)
{
    (void)state;
    refused_check(later, sizeof later / sizeof later[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys_of_a_later_release_are_unsupported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
