/* What the tests of lib/lines share: a text goes in, in some cut, and what comes out is one text of
 * `step=value` that is compared. */
#ifndef MUSTER_TEST_LINES_RIG_H
#define MUSTER_TEST_LINES_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "lines/reports.h"

struct rig {
    char text[4096];
    size_t len;
};

static inline void rig_on_report(void *context, const struct line_report *report)
{
    struct rig *rig = context;
    rig->len += (size_t)snprintf(rig->text + rig->len, sizeof rig->text - rig->len, "%s%g=%g",
                                 rig->len > 0 ? " " : "", report->step, report->value);
    assert_true(rig->len < sizeof rig->text);
}

/* `cut`: so many bytes at a time. */
static inline void rig_run(const struct line_config *base, const char *input, size_t len,
                           size_t cut, struct rig *rig)
{
    struct line_config config = *base;
    struct line_reports *reports;
    struct report report = {0};
    *rig = (struct rig){0};
    config.on_report = rig_on_report;
    config.context = rig;
    error_code error = line_reports_new(&config, &reports, &report);
    if (error != OK) {
        fail_msg("%s: %s", error_word(error), report.text);
    }
    for (size_t at = 0; at < len; at += cut) {
        size_t n = len - at < cut ? len - at : cut;
        line_reports_feed(reports, (struct bytes){(const uint8_t *)input + at, n});
    }
    line_reports_end(reports);
    line_reports_free(reports);
    assert_int_equal(mem_live_count(), 0);
}

/* Whole, and byte by byte, and in threes: the same. */
static inline void reports_are(const struct line_config *config, const char *input,
                               const char *wanted)
{
    static const size_t cuts[] = {1 << 20, 1, 3};
    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
        struct rig rig;
        rig_run(config, input, strlen(input), cuts[i], &rig);
        if (strcmp(rig.text, wanted) != 0) {
            fail_msg("cut %zu of\n%s\n  want %s\n  have %s", cuts[i], input, wanted, rig.text);
        }
    }
}

static inline void preset_reports(const char *preset, const char *metric, const char *time,
                                  const char *input, const char *wanted)
{
    const char *const rules[] = {preset};
    const struct line_config config = {
        .rules = rules, .n_rules = 1, .metric = metric, .time = time};
    reports_are(&config, input, wanted);
}

#endif
