/* head/core/submit.h -- what sweeps and jobs share when they come in. Pure; inside head/core. */
#ifndef MUSTER_HEAD_CORE_SUBMIT_H
#define MUSTER_HEAD_CORE_SUBMIT_H

#include "head/core/state.h"

/* What a key made before; NULL: nothing. */
const struct work *core_key_work(struct core *core, const char *key);
/* 200 with what it made, or 409 if that is something else. */
void core_key_answer(struct core *core, uint64_t request, const char *key, const struct work *made,
                     bool is_same);
/* NULL is as empty as "". */
bool core_texts_equal(const char *a, const char *b);
/* {id, kind} */
void core_answer_number(struct core *core, uint64_t request, uint32_t status,
                        const struct work *work);
/* Refuses what no node that is known could ever run; with no node known yet, it waits for one. */
error_code core_request_check(struct core *core, const struct request *request,
                              struct report *report);
/* Is there room for one more number? */
error_code core_works_check(const struct core *core, struct report *report);
/* Whoever failed may have had no memory for a text. */
void core_submit_refuse(struct core *core, uint64_t request, error_code error,
                        struct report *report);

#endif
