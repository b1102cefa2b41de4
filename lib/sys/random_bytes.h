/* sys/random_bytes.h -- random bytes from the kernel. Any thread. */
#ifndef MUSTER_SYS_RANDOM_BYTES_H
#define MUSTER_SYS_RANDOM_BYTES_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* Fills the whole of ret_bytes. Blocks only in the first moments of a machine's life. ERR_SYSTEM:
 * there are none. */
MUST_CHECK error_code random_bytes(void *ret_bytes, size_t size_bytes);
/* A random number that is not 0. */
MUST_CHECK error_code random_number(uint64_t *ret_number);

#endif
