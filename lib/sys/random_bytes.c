#include "sys/random_bytes.h"

#include <errno.h>
#include <sys/random.h>
#include <sys/types.h>

error_code random_bytes(void *ret_bytes, size_t size_bytes)
{
    uint8_t *next = ret_bytes;
    while (size_bytes > 0) {
        ssize_t n = getrandom(next, size_bytes, 0);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return ERR_SYSTEM;
        }
        next += n;
        size_bytes -= (size_t)n;
    }
    return OK;
}

error_code random_number(uint64_t *ret_number)
{
    uint64_t number;
    do {
        error_code error = random_bytes(&number, sizeof number);
        if (error != OK) {
            return error;
        }
    } while (number == 0);
    *ret_number = number;
    return OK;
}
