/* base/id.h -- ids and times that all rooms share. Pure. */
#ifndef MUSTER_BASE_ID_H
#define MUSTER_BASE_ID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* Milliseconds since 1970, read once a loop turn; never goes back within a process. */
typedef int64_t time_ms;

/* A task or trial, printed `12.41`: job (or sweep) 12, index 41. Jobs and sweeps count from 1,
 * indexes from 1. */
typedef struct {
    uint32_t job;
    uint32_t index;
} task_id;

enum { TASK_ID_TEXT_MAX = 24, NODE_NAME_MAX = 63, NAME_MAX_BYTES = 127 };

static inline bool task_id_equal(task_id a, task_id b)
{
    return a.job == b.job && a.index == b.index;
}

/* "12.41" into ret_text (at least TASK_ID_TEXT_MAX bytes); returns ret_text. */
char *task_id_print(task_id id, char *ret_text);
/* ERR_FORMAT unless the whole text is `number.number`, both 1..2^32-1, without leading zeros. */
MUST_CHECK error_code task_id_parse(const char *text, task_id *ret_id);

/* 2026-11-24T14:46:02.123Z into ret_text (at least 32 bytes); returns ret_text. "" for 0. */
char *time_print(time_ms time, char *ret_text);

#endif
