/* What a table's fields must say together. */
#include "schema/parts.h"

error_code metric_rows_check(const void *object, struct report *report)
{
    const struct metric_rows *rows = object;
    for (uint32_t i = 0; i < rows->n_rows; i++) {
        if (rows->rows[i].n_values != rows->n_names) {
            return report_fail(report, ERR_INVALID, "row %u has %u values for %u names", i,
                               rows->rows[i].n_values, rows->n_names);
        }
    }
    return OK;
}

error_code record_task_check(const void *object, struct report *report)
{
    const struct record_task *task = object;
    if (task->n_last_values != task->n_metric_names) {
        return report_fail(report, ERR_INVALID, "%u last values for %u metric names",
                           task->n_last_values, task->n_metric_names);
    }
    return OK;
}
