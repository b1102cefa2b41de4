/* head/shell/access.h -- which role may ask for which path, and whose things are whose. Inside
 * head/shell; the loop's thread. A table of paths; what it does not name only admins may change. */
#ifndef MUSTER_HEAD_SHELL_ACCESS_H
#define MUSTER_HEAD_SHELL_ACCESS_H

#include "head/shell/shell.h"

/* Every request comes here first: refused with 403 and a sentence, or handed to the routes. */
void access_on_request(void *context, const struct http_request *request);
/* The same for the header of an upload, before a byte of its body is taken. */
http_upload access_on_upload(void *context, const struct http_request *request,
                             uint64_t announced_bytes);
/* Whose a submission is: the caller's name. Who holds the built-in admin's token is this machine's
 * own user, or acts for others: then it is the name that was given, if one was. */
const char *access_owner(const struct http_request *request, const char *given);

#endif
