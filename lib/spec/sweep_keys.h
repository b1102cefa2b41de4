/* spec/sweep_keys.h -- the table of every key of a sweep file.
 * Inner header of lib/spec. Pure. */
#ifndef MUSTER_SPEC_SWEEP_KEYS_H
#define MUSTER_SPEC_SWEEP_KEYS_H

#include "spec/reader.h"
#include "spec/types.h"

/* Of the outermost block; the base is a struct sweep_spec. */
extern const struct spec_key sweep_keys[];

/* The word of an enum's value; NULL if none. For printing. */
const char *sweep_word(const struct spec_word *words, int value);
extern const struct spec_word sweep_goal_words[];
extern const struct spec_word sweep_summary_words[], sweep_on_nan_words[];
extern const struct spec_word sweep_search_words[];
extern const struct spec_word sweep_schedule_words[];
extern const struct spec_word sweep_mode_words[];
extern const struct spec_word sweep_checkpoint_words[];
extern const struct spec_word sweep_store_words[];
extern const struct spec_word sweep_place_words[];
extern const struct spec_word sweep_launch_words[];
extern const struct spec_word sweep_retry_words[];
extern const struct spec_word sweep_workdir_words[];
extern const struct spec_word sweep_report_words[];

/* Of the work folder (workdir.c). */
spec_key_read key_read_workdir; /* a path alone, or a block */
spec_key_read key_read_ignore;  /* work.ignore, work.n_ignore */
spec_key_read key_read_setup;   /* one command, or a list of them */
/* Of W&B's `program` (program.c). */
spec_key_read key_read_program; /* its place is the command: kept nowhere */
/* Before the keys are read: what `program` says goes into the command. The tree and what is added
 * to it live in `arena`. */
MUST_CHECK error_code program_apply(const struct spec_node *root, struct arena *arena,
                                    struct report *report);
/* Of printed lines (line_rules.c). */
spec_key_read key_read_line_rules; /* of report: out_rules, n_out_rules, or those of stderr */
/* What the keys of `report` say of one another, and of the metric; the defaults are filled in. */
MUST_CHECK error_code line_rules_check(struct reader *r, const struct spec_node *root,
                                       struct sweep_spec *spec);
/* Readers of fields that no other key is like (sweep_fields.c). */
spec_key_read key_read_labels;  /* labels, n_labels */
spec_key_read key_read_target;  /* metric.target, metric.has_target */
spec_key_read key_read_seed;    /* seed, has_seed */
spec_key_read key_read_gpus;    /* resources.gpus: whole, or a fraction below 1 */
spec_key_read key_read_custom;  /* resources.custom */
spec_key_read key_read_require; /* resources.require */
spec_key_read key_read_prefer;  /* resources.prefer */
spec_key_read key_read_rules;   /* retries.rules; `more`: the keys of one */
spec_key_read key_read_backoff; /* retries.backoff_min_ms, backoff_max_ms */

#endif
