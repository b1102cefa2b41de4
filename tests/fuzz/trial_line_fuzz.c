/* A line of a trainer. Whatever it is, the request that comes of it keeps the promises that the
 * agent's core relies on. */
#include "input.h"
#include "worker/shell/trial_line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct trial_line line;
    char *text = fuzz_text(data, size);
    trial_line_decode((struct bytes){(const uint8_t *)text, size}, &line);
    const struct trainer_request *request = &line.request;
    assert(request->kind <= TRAINER_BAD && request->n_metrics <= METRICS_MAX);
    for (uint32_t i = 0; i < request->n_metrics; i++) {
        assert(strlen(request->names[i]) <= METRIC_NAME_MAX);
    }
    assert(request->kind != TRAINER_BAD || (request->error != NULL && request->error_text != NULL));
    assert(request->note == NULL || strlen(request->note) <= NOTE_MAX_BYTES);
    trial_line_fini(&line);
    free(text);
    return 0;
}
