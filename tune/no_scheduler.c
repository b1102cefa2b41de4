/* tune/no_scheduler.c -- every trial runs until its trainer ends: no milestones, nothing to
 * remember. */
#include "tune/trial_scheduler.h"

static error_code none_new(const struct sweep_spec *spec, struct trial_scheduler **ret_scheduler)
{
    (void)spec;
    *ret_scheduler = NULL;
    return OK;
}

static void none_free(struct trial_scheduler *scheduler)
{
    (void)scheduler;
}

static int64_t none_first_milestone(const struct trial_scheduler *scheduler, uint32_t trial,
                                    int64_t judged)
{
    (void)scheduler;
    (void)trial;
    (void)judged;
    return INT64_MAX;
}

static void none_decide(const struct trial_scheduler *scheduler, const struct sweep_view *view,
                        int64_t judged, const struct tune_milestone *milestone,
                        struct tune_decision *ret_decision, struct value *ret_params)
{
    (void)scheduler;
    (void)view;
    (void)judged;
    (void)milestone;
    (void)ret_params;
    *ret_decision = (struct tune_decision){.act = TUNE_GO, .until = INT64_MAX};
}

static error_code none_apply(struct trial_scheduler *scheduler, const struct sweep_view *view,
                             int64_t judged, const struct tune_event *event, int64_t *ret_judged)
{
    (void)scheduler;
    (void)view;
    (void)event;
    *ret_judged = judged;
    return OK;
}

static void none_print(const struct trial_scheduler *scheduler, bool is_whole, struct json_out *out,
                       const char *key)
{
    (void)scheduler;
    (void)is_whole;
    json_array_begin(out, key);
    json_array_end(out);
}

const struct trial_scheduler_ops trial_scheduler_none = {
    .name = "none",
    .new = none_new,
    .free = none_free,
    .first_milestone = none_first_milestone,
    .decide = none_decide,
    .apply = none_apply,
    .print = none_print,
};
