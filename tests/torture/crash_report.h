/* tests/torture/crash_report.h -- whose crash was it? */
#ifndef MUSTER_TESTS_TORTURE_CRASH_REPORT_H
#define MUSTER_TESTS_TORTURE_CRASH_REPORT_H

#include <stdbool.h>

/* A test that follows NULL, or asserts with assert(): the first line of a sanitizer's report (or of
 * a failed assertion) that names a file of this tree names the test. */
bool torture_is_the_tests_own(const char *text);

#endif
