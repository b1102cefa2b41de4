#include "crash_report.h"

#include <stddef.h>
#include <string.h>

/* A line of a report that names a source file of the product. What lies in the system's own /lib is
 * named without a file: "(/lib/x86_64-linux-gnu/libcmocka.so.0+0x511a)". */
static bool is_ours(const char *at, size_t n)
{
    static const char *const rooms[] = {"/lib/",    "/scheduler/", "/tune/", "/head/",
                                        "/worker/", "/client/",    "/cli/"};
    bool has_file = memmem(at, n, ".c:", 3) != NULL || memmem(at, n, ".h:", 3) != NULL;
    for (size_t i = 0; has_file && i < sizeof rooms / sizeof rooms[0]; i++) {
        if (memmem(at, n, rooms[i], strlen(rooms[i])) != NULL &&
            memmem(at, n, "/usr/", 5) == NULL) {
            return true;
        }
    }
    return false;
}

static bool is_of_a_test(const char *at, size_t n)
{
    return memmem(at, n, "tests/unit/", 11) != NULL || memmem(at, n, "_test.c:", 8) != NULL;
}

bool torture_is_the_tests_own(const char *text)
{
    if (strstr(text, "heap-use-after-free") != NULL || strstr(text, "overflow") != NULL ||
        strstr(text, "double-free") != NULL) {
        return false;
    }
    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n' ? 1 : 0;
        size_t n = strcspn(line, "\n");
        bool is_place = memmem(line, n, "    #", 5) != NULL ||
                        memmem(line, n, "runtime error", 13) != NULL ||
                        memmem(line, n, ": Assertion `", 13) != NULL;
        if (!is_place) {
            continue;
        }
        if (is_of_a_test(line, n)) {
            return true;
        }
        if (is_ours(line, n)) {
            return false;
        }
    }
    return false;
}
