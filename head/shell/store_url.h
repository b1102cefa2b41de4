/* head/shell/store_url.h -- where an external Redis is, as --store says it. Pure. */
#ifndef MUSTER_HEAD_SHELL_STORE_URL_H
#define MUSTER_HEAD_SHELL_STORE_URL_H

#include "base/error.h"

enum { STORE_URL_TEXT_MAX = 255, STORE_URL_PATH_MAX = 4095, STORE_PORT = 6379 };

struct store_url {
    char unix_path[STORE_URL_PATH_MAX + 1]; /* "": host and port */
    char host[STORE_URL_TEXT_MAX + 1];
    uint16_t port;
    uint32_t database;
    char user[STORE_URL_TEXT_MAX + 1]; /* "": the server's default user */
    char password[STORE_URL_TEXT_MAX + 1];
};

/* redis://[[user]:password@]host[:port][/db] or unix://[[user]:password@]/path[?db=N]; `%40` in
 * user and password is an @. ERR_UNSUPPORTED: rediss; ERR_INVALID. The report never has the
 * password. */
MUST_CHECK error_code store_url_parse(const char *text, struct store_url *ret_url,
                                      struct report *report);

#endif
