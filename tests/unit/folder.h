/* A folder of a test's own, removed with all that is in it. */
#ifndef MUSTER_TESTS_UNIT_FOLDER_H
#define MUSTER_TESTS_UNIT_FOLDER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "sys/files.h"

static inline int folder_setup(void **state)
{
    char *path = mem_strdup("/tmp/muster-unit-XXXXXX");
    *state = path;
    return path != NULL && mkdtemp(path) != NULL ? 0 : -1;
}

static inline int folder_teardown(void **state)
{
    struct report report;
    bool is_gone = dir_remove_tree(*state, &report) == OK;
    mem_free(*state);
    *state = NULL;
    if (!is_gone) {
        print_error("%s\n", report.text);
    }
    return is_gone && mem_live_count() == 0 ? 0 : -1;
}

/* Two names in turn, so that two paths can be held at a time. */
static inline const char *folder_path(void **state, const char *name)
{
    static char paths[4][512];
    static unsigned turn;
    char *path = paths[turn++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", (const char *)*state, name);
    return path;
}

static inline void folder_write(void **state, const char *name, const char *text)
{
    struct bytes bytes = {(const uint8_t *)text, strlen(text)};
    assert_int_equal(file_write(folder_path(state, name), bytes, 0600, NULL), OK);
}

static inline void folder_assert_text(void **state, const char *name, const char *wanted)
{
    struct buf text;
    buf_init(&text, 1 << 20);
    struct report report = {0};
    if (file_read_bounded(folder_path(state, name), &text, &report) != OK) {
        fail_msg("%s", report.text);
    }
    assert_string_equal(buf_text(&text), wanted);
    buf_fini(&text);
}

#endif
