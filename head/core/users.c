/* Named users: who may speak over HTTP, and in which role. A token is known by its hash only.
 * Pure. */
#include "head/core/state.h"

#include <stdio.h>
#include <string.h>

#include "head/core/view.h"

enum { USER_RECORD_MAX = 16 << 10 };

struct user {
    struct record_user r;
    UT_hash_handle hh; /* by name */
};

static struct user *user_find(const struct core *core, const char *name)
{
    struct user *user = NULL;
    HASH_FIND_STR(core->users, name, user);
    return user;
}

static void user_clear(struct user *user)
{
    core_str_clear(&user->r.name);
    core_str_clear(&user->r.hash);
    core_str_clear(&user->r.by);
    mem_free(user);
}

static void user_free(struct core *core, struct user *user)
{
    HASH_DEL(core->users, user);
    user_clear(user);
}

void core_users_free(struct core *core)
{
    struct user *user, *next;
    HASH_ITER (hh, core->users, user, next) {
        user_free(core, user);
    }
}

/* NULL: out of memory, which is the core's failure. */
static struct user *user_add(struct core *core, const struct record_user *record)
{
    struct user *user = mem_zalloc(sizeof *user);
    if (user == NULL) {
        core_fail(core, ERR_NO_MEMORY);
        return NULL;
    }
    user->r = *record;
    user->r.name = user->r.hash = user->r.by = NULL;
    core_str_set(core, &user->r.name, record->name);
    core_str_set(core, &user->r.hash, record->hash);
    core_str_set(core, &user->r.by, record->by);
    if (core->out.failed == OK) {
        HASH_ADD_KEYPTR(hh, core->users, user->r.name, strlen(user->r.name), user);
    }
    if (user->hh.tbl == NULL) {
        core_fail(core, ERR_NO_MEMORY);
        user_clear(user);
        return NULL;
    }
    return user;
}

/* Recovery. */
error_code core_user_load(struct core *core, struct bytes value, struct arena *arena,
                          struct report *report)
{
    struct record_user record;
    error_code error = record_decode(&record_user_schema, value, arena, &record, report);
    if (error == OK && (record.name == NULL || record.name[0] == '\0' || record.hash == NULL ||
                        user_find(core, record.name) != NULL)) {
        error = report_fail(report, ERR_FORMAT, "a user without a name or a key, or twice");
    }
    return error != OK ? error : user_add(core, &record) != NULL ? OK : ERR_NO_MEMORY;
}

static bool user_is_expired(const struct user *user, time_ms now)
{
    return user->r.expires != 0 && user->r.expires <= now;
}

/* In a time that does not depend on where they differ. */
static bool hash_equal(const char *a, const char *b)
{
    unsigned difference = 0;
    for (int i = 0; i < USER_HASH_TEXT_BYTES - 1; i++) {
        difference |= (unsigned)(a[i] ^ b[i]);
    }
    return difference == 0;
}

bool core_user_identify(const struct core *core, time_ms now, const char *hash,
                        struct core_identity *ret_identity, struct report *report)
{
    const struct user *found = NULL;
    for (const struct user *user = core->users; user != NULL; user = user->hh.next) {
        if (strlen(user->r.hash) == USER_HASH_TEXT_BYTES - 1 && hash_equal(user->r.hash, hash)) {
            found = user;
        }
    }
    if (found == NULL) {
        return false;
    }
    if (user_is_expired(found, now)) {
        char date[32];
        ignore_error(report_fail(report, ERR_NOT_ALLOWED,
                                 "the key of '%s' was good until %s; an admin makes a new one with "
                                 "'muster key new %s'",
                                 found->r.name, time_print(found->r.expires, date), found->r.name),
                     "false says so");
        return false;
    }
    *ret_identity = (struct core_identity){.name = found->r.name, .role = found->r.role};
    return true;
}

const char *core_work_owner(const struct core *core, uint32_t number)
{
    const struct work *work = core_work_find((struct core *)(uintptr_t)core, number);
    if (work == NULL) {
        return NULL;
    }
    const char *owner = work->sweep != NULL ? work->sweep->r.owner : work->job->r.owner;
    return owner != NULL ? owner : "";
}

/* ---- what admins ask ---- */

static void user_print(struct json_out *json, const char *key_name, const struct user *user,
                       time_ms now)
{
    const struct api_key key = {
        .name = user->r.name,
        .role = user->r.role,
        .created = user->r.created,
        .expires = user->r.expires,
        .expired = user_is_expired(user, now),
        .by = user->r.by,
    };
    schema_print_json(&api_key_schema, &key, json, key_name);
}

static void user_write(struct core *core, const struct user *user)
{
    struct buf buf;
    buf_init(&buf, USER_RECORD_MAX);
    error_code error = record_encode(&record_user_schema, &user->r, &buf);
    if (error != OK) {
        core_fail(core, error);
    }
    outbox_hset(&core->out, "users", user->r.name, buf_bytes(&buf));
    buf_fini(&buf);
}

static void answer_failed(struct core *core, uint64_t request, const struct report *report)
{
    core_answer_error(core, request, http_status_of(report->code), report);
}

/* Letters, digits and .-_@, so that it reads the same in files, URLs and logs. */
static bool name_is_good(const char *name)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-@";
    return name != NULL && name[0] != '\0' && name[0] != '-' && strlen(name) <= USER_NAME_MAX &&
           strspn(name, letters) == strlen(name);
}

static error_code user_check(const struct core *core, time_ms now, const struct record_user *record,
                             struct report *report)
{
    if (!name_is_good(record->name) || strcmp(record->name, USER_BUILTIN) == 0) {
        return report_fail(report, ERR_INVALID,
                           "a user's name has 1 to %d letters, digits or .-_@ and is not '%s', "
                           "which is the built-in one",
                           USER_NAME_MAX, USER_BUILTIN);
    }
    if (record->expires != 0 && record->expires <= now) {
        return report_fail(report, ERR_INVALID, "this key would be expired from the start");
    }
    const struct user *old = user_find(core, record->name);
    if (old != NULL && !user_is_expired(old, now)) {
        return report_fail(report, ERR_EXISTS,
                           "'%s' has a key already; end it with 'muster key revoke %s' first",
                           record->name, record->name);
    }
    if (old == NULL && HASH_COUNT(core->users) >= CORE_USERS_MAX) {
        return report_fail(report, ERR_LIMIT, "there are %d users already; revoke the keys of some",
                           CORE_USERS_MAX);
    }
    return OK;
}

void on_user_new(struct core *core, time_ms now, uint64_t request, const struct record_user *record,
                 const char *token)
{
    struct report report = {0};
    if (user_check(core, now, record, &report) != OK) {
        answer_failed(core, request, &report);
        return;
    }
    struct user *old = user_find(core, record->name);
    if (old != NULL) {
        user_free(core, old);
    }
    struct record_user made = *record;
    made.created = now;
    struct user *user = user_add(core, &made);
    if (user == NULL) {
        return;
    }
    user_write(core, user);
    struct buf buf;
    buf_init(&buf, USER_RECORD_MAX);
    struct json_out json = json_out_to(&buf);
    json_object_begin(&json, NULL);
    json_str(&json, "id", user->r.name);
    json_str(&json, "token", token);
    user_print(&json, "key", user, now);
    json_object_end(&json);
    if (buf.failed != OK) {
        core_fail(core, buf.failed);
    }
    outbox_answer(&core->out, request, 201, buf_bytes(&buf));
    buf_fini(&buf);
}

bool on_user_revoke(struct core *core, time_ms now, uint64_t request, const char *name)
{
    struct user *user = user_find(core, name);
    if (user == NULL) {
        struct report report = {0};
        ignore_error(report_fail(&report, ERR_NOT_FOUND,
                                 "there is no key of '%.100s'; 'muster key list' shows all", name),
                     "answered");
        answer_failed(core, request, &report);
        return false;
    }
    struct view view;
    outbox_hdel(&core->out, "users", user->r.name);
    view_begin(&view, core, request);
    user_print(&view.json, NULL, user, now);
    view_end(&view);
    user_free(core, user);
    return true;
}

void view_users(struct core *core, time_ms now, uint64_t request)
{
    struct view view;
    view_begin(&view, core, request);
    json_object_begin(&view.json, NULL);
    json_str(&view.json, "api", "v1");
    json_array_begin(&view.json, "items");
    for (const struct user *user = core->users; user != NULL; user = user->hh.next) {
        user_print(&view.json, NULL, user, now);
    }
    json_array_end(&view.json);
    json_u64(&view.json, "total", HASH_COUNT(core->users));
    json_out_null(&view.json, "next");
    json_object_end(&view.json);
    view_end(&view);
}
