/* muster trial show: the checkpoints that are kept for a trial. */
#include <string.h>

#include "cli/trials.h"
#include "spec/quantity.h"

enum { WORDS_MAX_BYTES = 128 };

/* `best, last` of a list of words. */
static void words_join(const json_t *words, char ret_text[WORDS_MAX_BYTES])
{
    const json_t *word;
    size_t i, n = 0;
    ret_text[0] = '\0';
    json_array_foreach(words, i, word)
    {
        const char *text = json_is_string(word) ? json_string_value(word) : "";
        n += (size_t)snprintf(ret_text + n, WORDS_MAX_BYTES - n, "%s%s", i > 0 ? ", " : "", text);
        if (n >= WORDS_MAX_BYTES) {
            return;
        }
    }
}

static void checkpoint_print(const json_t *trial, const json_t *checkpoint, bool is_first)
{
    char value[64], size[QUANTITY_TEXT_MAX], why[WORDS_MAX_BYTES];
    const char *safe = cli_json_str(checkpoint, "safe_node");
    const char *maker = cli_json_str(checkpoint, "trial");
    bool is_own = strcmp(maker, cli_json_str(trial, "id")) == 0;
    cli_value_print(json_object_get(checkpoint, "value"), value, sizeof value);
    quantity_size_print(cli_json_int(checkpoint, "bytes"), size);
    words_join(json_object_get(checkpoint, "why"), why);
    printf("  %-11s %s@%lld.%lld  %s%s%s on %s%s%s  (%s%s)\n", is_first ? "kept" : "", maker,
           (long long)cli_json_int(checkpoint, "step"),
           (long long)cli_json_int(checkpoint, "ordinal"), value, value[0] != '\0' ? "  " : "",
           size, cli_json_str(checkpoint, "node"), safe[0] != '\0' ? " and " : "", safe, why,
           is_own ? "" : ", of another trial");
}

void cli_checkpoints_print(const json_t *trial)
{
    const json_t *checkpoints = json_object_get(trial, "checkpoints"), *checkpoint;
    size_t i;
    json_array_foreach(checkpoints, i, checkpoint)
    {
        checkpoint_print(trial, checkpoint, i == 0);
    }
}
