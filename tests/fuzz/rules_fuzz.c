/* Patterns of what a work folder leaves behind, a line each, and a path to ask after. */
#include "input.h"
#include "work/rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *patterns[WORK_RULES_MAX];
    uint32_t n = 0;
    char *text = fuzz_text(data, size);
    char *path = strtok(text, "\n");
    for (char *line = strtok(NULL, "\n"); line != NULL && n < WORK_RULES_MAX;
         line = strtok(NULL, "\n")) {
        patterns[n++] = line;
    }
    struct work_rules *rules = NULL;
    struct report report = {0};
    if (path != NULL && work_rules_new(patterns, n, &rules, &report) == OK) {
        bool is_out = work_rules_leave_out(rules, path, false);
        assert(is_out == work_rules_leave_out(rules, path, false));
        (void)work_rules_leave_out(rules, path, true);
        assert(work_rules_leave_out(rules, ".git", true) || n > 0);
    }
    work_rules_free(rules);
    free(text);
    return 0;
}
