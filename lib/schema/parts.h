/* schema/parts.h -- what the table files share: tables that others are built of, limits, and the
 * checks that no single field can say. Pure; inside lib/schema. */
#ifndef MUSTER_SCHEMA_PARTS_H
#define MUSTER_SCHEMA_PARTS_H

#include "schema/api.h"
#include "schema/table.h"

extern const struct schema label_pair_schema, custom_pair_schema, metric_row_schema,
    snapshot_name_schema, running_ref_schema, attempt_result_schema, node_event_schema,
    array_ids_schema, array_range_schema, array_lane_schema, held_lane_schema, held_range_schema,
    chunk_lease_schema;

/* Items of a list. What a sweep file or a node may have is limited where it comes in, too. */
enum {
    PATH_BYTES_MAX = 4096,
    WORDS_MAX = 1024,
    ARGV_MAX = 4096,
    ENV_MAX = 1024,
    PARAMS_MAX = 256,
    GPUS_MAX = 64,
    LABELS_MAX = 64,
    SETS_MAX = 256, /* as SPEC_SETS_MAX */
    CUSTOM_MAX = 64,
    REQUIRE_MAX = 32,
    SET_ASIDE_MAX = 20000,      /* nodes of a sweep */
    SETUP_MAX_BYTES = 64 << 10, /* as SPEC_TEXT_MAX_BYTES */
    EVENTS_MAX = 100000,
    ATTEMPTS_MAX = 100000, /* of one node */
    ARRAY_RANGES_MAX = 100000,
    JOB_NODES_MAX = 20000,
    LINE_RULES_LIMIT = 16, /* as LINE_RULES_MAX of lib/lines */
    LINE_NAMES_LIMIT = 32, /* as LINE_NAMES_MAX */
    CHECKPOINT_WHYS_MAX = 8,
};

/* Every row has one value for each name. */
error_code metric_rows_check(const void *object, struct report *report);
/* The last values are as many as their names. */
error_code record_task_check(const void *object, struct report *report);

#endif
