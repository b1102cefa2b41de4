/* Requests as text: `METHOD PATH?NAME=VALUE&...` on the first line, the body behind it, a NUL
 * between two requests. For what tables do not think of: bodies that are no JSON, odd paths. */
#include "head_ends.h"

enum { REQUESTS_MAX = 8 };

static http_method method_of(char letter)
{
    return letter == 'G'   ? HTTP_GET
           : letter == 'H' ? HTTP_HEAD
           : letter == 'U' ? HTTP_PUT
           : letter == 'D' ? HTTP_DELETE
                           : HTTP_POST;
}

static void query_split(char *query, struct ends_pair *pairs)
{
    int n = 0;
    for (char *at = query; at != NULL && n < ENDS_PAIRS;) {
        char *pair = strsep(&at, "&");
        pairs[n].name = strsep(&pair, "=");
        pairs[n].value = pair != NULL ? pair : "";
        n++;
    }
}

static void request(char *text, size_t size)
{
    static const struct http_identity admin = {"admin", ROLE_ADMIN, true};
    struct ends_pair pairs[ENDS_PAIRS + 1] = {{NULL, NULL}};
    char *body = memchr(text, '\n', size);
    size_t body_len = 0;
    if (body != NULL) {
        *body++ = '\0';
        body_len = size - (size_t)(body - text);
    }
    char *path = strchr(text, ' ');
    if (path == NULL) {
        return;
    }
    *path++ = '\0';
    char *query = strchr(path, '?');
    if (query != NULL) {
        *query++ = '\0';
        query_split(query, pairs);
    }
    ends_request(method_of(text[0]), path, pairs, (struct bytes){(uint8_t *)body, body_len}, &admin,
                 strlen(text) > 4 ? text : NULL);
    ends_turn(false);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    ends_open(true);
    int n = 0;
    for (size_t at = 0; at < size && n++ < REQUESTS_MAX && !ends_has_failed();) {
        size_t len = strlen(text + at);
        request(text + at, len);
        at += len + 1;
    }
    ends_close(size % 4 == 0);
    free(text);
    return 0;
}
