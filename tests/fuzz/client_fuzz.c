/* What the trainer's library reads: a line of the worker, walked and taken as parameters. Text that
 * comes out is whole and fits. */
#include "../../client/json.h"
#include "../../client/params.h"
#include "input.h"

static void check_value(struct json_span value)
{
    char text[64], one[1];
    double number;
    (void)json_number(value, &number);
    (void)json_text(value, text, sizeof text);
    assert(strnlen(text, sizeof text) < sizeof text);
    for (const char *c = text; *c != '\0';) {
        size_t n = json_utf8_length(c);
        c += n > 0 ? n : 1;
    }
    (void)json_text(value, one, sizeof one);
    assert(one[0] == '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct params params;
    char *text = fuzz_text(data, size);
    struct json_span object = {text, text + strlen(text)}, key, value;
    const char *at = object.begin;
    while (json_next(object, &at, &key, &value)) {
        assert(key.begin >= text && value.begin >= key.end && value.end <= object.end);
        check_value(key);
        check_value(value);
    }
    check_value(json_find(object, "act"));
    params_take(&params, json_find(object, "params"));
    (void)params_find(&params, "lr");
    params_take(&params, object);
    (void)params_find(&params, "lr");
    params_clear(&params);
    free(text);
    return 0;
}
