#include "head/shell/access.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "head/shell/blobs.h"

typedef enum {
    ACCESS_USERS,  /* any user, and admins */
    ACCESS_OWNER,  /* the owner of the sweep or job whose number follows, and admins */
    ACCESS_ADMINS, /* admins */
} access_rule;

/* The first row that fits. # is a number, * any rest. */
static const struct {
    const char *pattern;
    access_rule rule;
} access_rows[] = {
    {"/api/v1/sweeps", ACCESS_USERS},
    {"/api/v1/jobs", ACCESS_USERS},
    {"/api/v1/blobs/*", ACCESS_USERS},
    {"/api/v1/sweeps/#/clone", ACCESS_USERS}, /* reading, and a submission of one's own */
    {"/api/v1/sweeps/#*", ACCESS_OWNER},
    {"/api/v1/jobs/#*", ACCESS_OWNER},
    {"/api/v1/trials/#*", ACCESS_OWNER},
    {"/api/v1/tasks/#*", ACCESS_OWNER},
    {"*", ACCESS_ADMINS},
};

static bool row_fits(const char *pattern, const char *path, uint32_t *ret_number)
{
    while (*pattern != '\0' && *pattern != '*') {
        if (*pattern == '#') {
            char *end;
            if (*path < '0' || *path > '9') {
                return false;
            }
            unsigned long long number = strtoull(path, &end, 10);
            *ret_number = number <= UINT32_MAX ? (uint32_t)number : 0;
            path = end;
            pattern++;
        } else if (*pattern++ != *path++) {
            return false;
        }
    }
    return *pattern == '*' || *path == '\0';
}

static bool owner_allows(const struct head *head, const struct http_request *request,
                         uint32_t number, struct report *report)
{
    const char *owner = core_work_owner(head->core, number);
    if (owner == NULL || strcmp(owner, request->identity->name) == 0) {
        return true; /* what is not there is a 404 of its route */
    }
    ignore_error(report_fail(report, ERR_NOT_ALLOWED,
                             "%u belongs to '%s'; you are '%s', and only its owner or an admin may "
                             "do that",
                             number, owner[0] != '\0' ? owner : "nobody", request->identity->name),
                 "answered");
    return false;
}

/* What everybody may read, but not this: it shows how the head works, not what the cluster does. */
static const char debug_path[] = "/api/v1/debug/";

static bool access_allows(const struct head *head, const struct http_request *request,
                          struct report *report)
{
    const struct http_identity *who = request->identity;
    bool is_reading = request->method == HTTP_GET || request->method == HTTP_HEAD;
    bool is_open = is_reading && strncmp(request->path, debug_path, sizeof debug_path - 1) != 0;
    if (request->access != HTTP_TOKEN || is_open || who->role == ROLE_ADMIN) {
        return true;
    }
    if (!is_reading && who->role == ROLE_READER) {
        ignore_error(report_fail(report, ERR_NOT_ALLOWED,
                                 "'%s' is a reader and may change nothing; an admin gives other "
                                 "roles with 'muster key new NAME --role user'",
                                 who->name),
                     "answered");
        return false;
    }
    uint32_t number = 0;
    size_t row = 0;
    while (!row_fits(access_rows[row].pattern, request->path, &number)) {
        row++;
    }
    switch (access_rows[row].rule) {
    case ACCESS_USERS:
        return true;
    case ACCESS_OWNER:
        return owner_allows(head, request, number, report);
    case ACCESS_ADMINS:
        break;
    }
    ignore_error(report_fail(report, ERR_NOT_ALLOWED, "only admins may do that; '%s' is a %s",
                             who->name, user_role_names[who->role]),
                 "answered");
    return false;
}

/* False: it was answered. */
static bool access_pass(struct head *head, const struct http_request *request)
{
    struct report report = {0};
    bool is_allowed = access_allows(head, request, &report);
    if (!is_allowed) {
        http_answer_error(head->http, request->id, 403, error_word(ERR_NOT_ALLOWED), report.text);
    }
    return is_allowed;
}

void access_on_request(void *context, const struct http_request *request)
{
    struct head *head = context;
    if (access_pass(head, request)) {
        routes_on_request(head, request);
    }
}

http_upload access_on_upload(void *context, const struct http_request *request,
                             uint64_t announced_bytes)
{
    struct head *head = context;
    return access_pass(head, request) ? blobs_on_upload(head, request, announced_bytes)
                                      : HTTP_UPLOAD_ANSWERED;
}

const char *access_owner(const struct http_request *request, const char *given)
{
    bool is_given = request->identity->is_builtin && given != NULL && given[0] != '\0';
    return is_given ? given : request->identity->name;
}
