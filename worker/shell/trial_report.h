/* worker/shell/trial_report.h -- the plain report, read without a JSON tree. Any thread; nothing
 * blocks. Nine lines of ten are reports, and a tree costs more than all else that is done with
 * them. */
#ifndef MUSTER_WORKER_SHELL_TRIAL_REPORT_H
#define MUSTER_WORKER_SHELL_TRIAL_REPORT_H

#include "worker/shell/trial_line.h"

/* True: `text` is {"report":{"step":N,"m":{"name":number,...}}} and nothing else, with a few plain
 * names; ret_line->request says what it says, as trial_line_decode() would. False: it is anything
 * else, right or wrong, and ret_line's request is not set. */
bool trial_report_scan(struct bytes text, struct trial_line *ret_line);

#endif
