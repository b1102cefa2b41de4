#include "net/routing_id.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static bool is_node_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

bool node_name_is_valid(const char *name)
{
    size_t length = 0;
    while (length <= NODE_NAME_MAX && is_node_character(name[length])) {
        length++;
    }
    return length > 0 && length <= NODE_NAME_MAX && name[length] == '\0';
}

size_t routing_id_print(const struct routing_id *id, char ret_text[ROUTING_ID_TEXT_MAX])
{
    int n = snprintf(ret_text, ROUTING_ID_TEXT_MAX, "%s/%016" PRIx64 "/%08" PRIx32 "/%016" PRIx64,
                     id->node, id->incarnation, id->connection, id->nonce);
    return n > 0 ? (size_t)n : 0;
}

/* `digits` lower-case hexadecimal digits at text[*at], and the separator before them. */
static bool hex_take(struct bytes text, size_t *at, size_t digits, uint64_t *ret_number)
{
    if (text.len - *at < digits + 1 || text.data[*at] != '/') {
        return false;
    }
    uint64_t number = 0;
    for (size_t i = 0; i < digits; i++) {
        uint8_t c = text.data[*at + 1 + i];
        if (c >= '0' && c <= '9') {
            number = number << 4 | (uint64_t)(c - '0');
        } else if (c >= 'a' && c <= 'f') {
            number = number << 4 | (uint64_t)(c - 'a' + 10);
        } else {
            return false;
        }
    }
    *at += digits + 1;
    *ret_number = number;
    return true;
}

error_code routing_id_parse(struct bytes text, struct routing_id *ret_id)
{
    struct routing_id id = {0};
    size_t at = 0;
    uint64_t connection = 0;
    while (at < text.len && at < NODE_NAME_MAX && is_node_character((char)text.data[at])) {
        id.node[at] = (char)text.data[at];
        at++;
    }
    if (at == 0 || !hex_take(text, &at, 16, &id.incarnation) ||
        !hex_take(text, &at, 8, &connection) || !hex_take(text, &at, 16, &id.nonce) ||
        at != text.len) {
        return ERR_FORMAT;
    }
    id.connection = (uint32_t)connection;
    *ret_id = id;
    return OK;
}
