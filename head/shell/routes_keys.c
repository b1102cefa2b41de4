/* Keys of named users, and who the caller is. */
#include <sodium.h>
#include <string.h>

#include "base/json_out.h"
#include "head/shell/routes.h"
#include "net/keys.h"

enum { KEY_SECONDS_MAX = 100 * 366 * 24 * 3600LL, SECOND_MS = 1000 };

void get_keys(struct route_call *call)
{
    if (call->request->identity->role != ROLE_ADMIN) {
        http_answer_error(call->head->http, call->request->id, 403, error_word(ERR_NOT_ALLOWED),
                          "only admins may see who has keys");
        return;
    }
    view_users(call->head->core, call->now, call->request->id);
}

void get_whoami(struct route_call *call)
{
    const struct http_identity *who = call->request->identity;
    struct buf text;
    buf_init(&text, 4 << 10);
    struct json_out json = json_out_to(&text);
    json_object_begin(&json, NULL);
    json_str(&json, "name", who->name);
    json_str(&json, "role", user_role_names[who->role]);
    json_bool(&json, "builtin", who->is_builtin);
    json_object_end(&json);
    route_json_answer(call, 200, buf_text(&text));
    buf_fini(&text);
}

static bool role_parse(const char *text, user_role *ret_role)
{
    for (uint32_t i = 0; text != NULL && i < USER_ROLES_COUNT; i++) {
        if (strcmp(user_role_names[i], text) == 0) {
            *ret_role = (user_role)i;
            return true;
        }
    }
    return false;
}

void post_keys(struct route_call *call)
{
    char token[SECRET_TEXT_BYTES], hash_text[USER_HASH_TEXT_BYTES];
    unsigned char hash[USER_HASH_BYTES];
    const char *role = route_body_str(call, "role");
    const json_t *seconds = json_object_get(call->body, "expires_s");
    json_int_t expires_s = json_integer_value(seconds);
    struct record_user record = {
        .name = route_body_str(call, "name"),
        .role = ROLE_USER,
        .hash = hash_text,
        .by = call->request->identity->name,
    };
    if (record.name == NULL || (role != NULL && !role_parse(role, &record.role)) ||
        (seconds != NULL &&
         (!json_is_integer(seconds) || expires_s <= 0 || expires_s > KEY_SECONDS_MAX))) {
        route_wrong_answer(call, "a key wants `name`; `role` is reader, user or admin; `expires_s` "
                                 "a whole number of seconds > 0");
        return;
    }
    record.expires = seconds != NULL ? call->now + expires_s * SECOND_MS : 0;
    secret_new(token);
    crypto_generichash(hash, sizeof hash, (const unsigned char *)token, strlen(token), NULL, 0);
    sodium_bin2hex(hash_text, sizeof hash_text, hash, sizeof hash);
    on_user_new(call->head->core, call->now, call->request->id, &record, token);
    sodium_memzero(token, sizeof token);
}

void post_key_revoke(struct route_call *call)
{
    char name[sizeof call->name];
    memcpy(name, call->name, sizeof name);
    if (on_user_revoke(call->head->core, call->now, call->request->id, name)) {
        http_identity_drop(call->head->http, name);
    }
}
