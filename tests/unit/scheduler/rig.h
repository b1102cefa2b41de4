/* tests/unit/scheduler/rig.h -- a scheduler with named jobs; scheduler_check() runs after every
 * step. */
#ifndef MUSTER_TESTS_SCHEDULER_RIG_H
#define MUSTER_TESTS_SCHEDULER_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "scheduler/scheduler.h"

#define UNUSED __attribute__((unused))
#define ONE ((amount)AMOUNT_ONE)
#define GIB ((uint64_t)1 << 30)

enum { RIG_JOBS_MAX = 64 };

struct job {
    struct scheduler_item item;
    struct scheduler_class *cls;
    struct allocation allocation;
    struct allocation others[SCHEDULER_GANG_MAX - 1]; /* of a gang */
    uint32_t n_others;
    char name;
};

struct rig {
    struct scheduler *s;
    struct job jobs[RIG_JOBS_MAX];
    uint32_t n_jobs;
    uint32_t n_nodes;
    int64_t live_before;
    char started[RIG_JOBS_MAX + 1];
};

static inline void rig_init(struct rig *rig)
{
    memset(rig, 0, sizeof *rig);
    rig->live_before = mem_live_count();
    assert_int_equal(scheduler_new(&rig->s), OK);
}

static inline uint32_t rig_node_add(struct rig *rig, const struct node_resources *resources)
{
    uint32_t node = 0;
    assert_int_equal(scheduler_node_add(rig->s, resources, &node), OK);
    assert_int_not_equal(node, 0);
    scheduler_check(rig->s);
    return node;
}

/* GPUs are called n<node>g<index>, from 0. */
static UNUSED uint32_t rig_node(struct rig *rig, amount cpus, uint32_t n_gpus,
                                uint64_t memory_bytes)
{
    char uuids[NODE_GPUS_MAX][16];
    const char *gpus[NODE_GPUS_MAX];
    for (uint32_t i = 0; i < n_gpus; i++) {
        snprintf(uuids[i], sizeof uuids[i], "n%ug%u", rig->n_nodes, i);
        gpus[i] = uuids[i];
    }
    rig->n_nodes++;
    return rig_node_add(
        rig, &(struct node_resources){
                 .cpus = cpus, .memory_bytes = memory_bytes, .gpus = gpus, .n_gpus = n_gpus});
}

/* So many events that classes search all nodes and not only those where something was freed;
 * nothing else changes. */
static UNUSED void rig_stir(struct scheduler *s, uint32_t node)
{
    for (int i = 0; i < 100; i++) {
        scheduler_node_open(s, node, false);
        scheduler_node_open(s, node, true);
    }
}

static UNUSED uint32_t rig_node_labelled(struct rig *rig, amount cpus, const char *name,
                                         const char *value)
{
    struct env_pair label = {name, value};
    return rig_node_add(rig,
                        &(struct node_resources){.cpus = cpus, .labels = &label, .n_labels = 1});
}

static UNUSED struct job *rig_submit(struct rig *rig, char name, struct request request,
                                     uint32_t priority, uint64_t age)
{
    assert_true(rig->n_jobs < RIG_JOBS_MAX);
    struct job *job = &rig->jobs[rig->n_jobs++];
    job->name = name;
    scheduler_item_init(&job->item);
    assert_int_equal(scheduler_class_ref(rig->s, &request, &job->cls), OK);
    assert_int_equal(scheduler_enqueue(rig->s, &job->item, job->cls, priority, age), OK);
    scheduler_check(rig->s);
    return job;
}

/* The next that starts, or NULL. */
static inline struct job *rig_next(struct rig *rig)
{
    struct allocation allocations[SCHEDULER_GANG_MAX];
    memset(allocations, 0, sizeof allocations);
    struct scheduler_item *item = scheduler_next(rig->s, allocations);
    scheduler_check(rig->s);
    if (item == NULL) {
        return NULL;
    }
    struct job *job = list_entry(item, struct job, item);
    assert_true(list_is_empty(&item->link));
    assert_int_equal(job->allocation.node, 0);
    job->allocation = allocations[0];
    for (job->n_others = 0;
         job->n_others < SCHEDULER_GANG_MAX - 1 && allocations[1 + job->n_others].node != 0;
         job->n_others++) {
        job->others[job->n_others] = allocations[1 + job->n_others];
    }
    return job;
}

/* Starts all that can start; their names, in order. Valid until the next call. */
static UNUSED const char *rig_start_all(struct rig *rig)
{
    size_t n = 0;
    for (struct job *job; (job = rig_next(rig)) != NULL;) {
        rig->started[n++] = job->name;
    }
    rig->started[n] = '\0';
    return rig->started;
}

static inline void rig_give(struct rig *rig, struct job *job)
{
    scheduler_give(rig->s, &job->allocation);
    for (uint32_t i = 0; i < job->n_others; i++) {
        scheduler_give(rig->s, &job->others[i]);
    }
    job->n_others = 0;
    assert_int_equal(job->allocation.node, 0);
    scheduler_check(rig->s);
}

/* The UUIDs of what a job holds, joined by a comma. Valid until the next call. */
static UNUSED const char *rig_gpus(struct rig *rig, const struct job *job)
{
    static char text[NODE_GPUS_MAX * 16];
    text[0] = '\0';
    for (uint32_t i = 0; i < job->allocation.n_gpus; i++) {
        strcat(text, i > 0 ? "," : "");
        strcat(text,
               scheduler_gpu_uuid(rig->s, job->allocation.node, job->allocation.gpus[i].index));
    }
    return text;
}

static UNUSED const char *rig_explain(struct rig *rig, struct request request, struct job *job)
{
    static char text[4096];
    struct buf buf;
    buf_init(&buf, sizeof text - 1);
    scheduler_explain(rig->s, &request, job != NULL ? &job->item : NULL, &buf);
    snprintf(text, sizeof text, "%s", buf_text(&buf));
    assert_int_equal(buf.failed, OK);
    buf_fini(&buf);
    return text;
}

/* Everything is given back, and nothing is left behind. */
static inline void rig_end(struct rig *rig)
{
    struct scheduler_usage usage;
    for (uint32_t i = 0; i < rig->n_jobs; i++) {
        struct job *job = &rig->jobs[i];
        rig_give(rig, job);
        scheduler_dequeue(rig->s, &job->item);
        scheduler_class_unref(rig->s, job->cls);
        scheduler_check(rig->s);
    }
    scheduler_usage_get(rig->s, 0, &usage);
    assert_int_equal(usage.cpus_used, 0);
    assert_int_equal(usage.gpus_used, 0);
    assert_int_equal(usage.memory_used, 0);
    assert_int_equal(usage.items_waiting, 0);
    scheduler_free(rig->s);
    assert_int_equal(mem_live_count(), rig->live_before);
}

#endif
