/* Which sweeps, trials or tasks a command is about: what is accepted has what it names. */
#include <unistd.h>

#include "cli/selector.h"
#include "input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct selector selector;
    if (size < 1) {
        return 0;
    }
    bool is_of_tasks = (data[0] & 1) != 0;
    char *text = fuzz_text(data + 1, size - 1);
    if (selector_parse(text, is_of_tasks, &selector) == EXIT_OK) {
        assert(selector.n >= 0 && selector.n <= SELECTOR_SPANS_MAX);
        for (int i = 0; i < selector.n; i++) {
            const struct selector_span *span = &selector.spans[i];
            assert(span->job_from <= span->job_to);
            assert(!is_of_tasks || span->index_from <= span->index_to);
            task_id id = {span->job_to, is_of_tasks ? span->index_to : 0};
            assert(selector_has(&selector, is_of_tasks, id));
        }
        (void)selector_job(&selector);
    }
    free(text);
    return 0;
}
