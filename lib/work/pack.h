/* work/pack.h -- a work folder as one archive, read piece by piece: sorted by name, owners and
 * times 0. Equal folders give equal bytes. One thread at a time; every call may block on the disk.
 *
 * First the folder is looked through (names and sizes only), then its bytes are read as often as
 * need be, e.g. once for the name and once to send them. Whatever differs from what was seen at
 * first is an error, never a torn copy. */
#ifndef MUSTER_WORK_PACK_H
#define MUSTER_WORK_PACK_H

#include "work/hash.h"
#include "work/rules.h"

struct work_pack;

enum { WORK_ENTRIES_MAX = 200000 };

struct work_pack_options {
    const char *folder;
    const struct work_rules *rules;
    uint64_t max_bytes; /* of the archive */
};

/* ERR_LIMIT: larger than max_bytes, the report names the largest entries; ERR_INVALID: a socket,
 * device or pipe, or a link that leads out; else what the disk says, with the path. */
MUST_CHECK error_code work_pack_new(const struct work_pack_options *options,
                                    struct work_pack **ret_pack, struct report *report);
void work_pack_free(struct work_pack *pack); /* NULL is fine */
/* Of the archive, to the last byte. */
uint64_t work_pack_bytes(const struct work_pack *pack);
uint32_t work_pack_entries(const struct work_pack *pack);
/* The next bytes; *ret_n 0: the end, until work_pack_rewind(). ERR_CONFLICT: a file has changed
 * since it was looked at. */
MUST_CHECK error_code work_pack_read(struct work_pack *pack, void *buffer, size_t size_bytes,
                                     size_t *ret_n, struct report *report);
void work_pack_rewind(struct work_pack *pack);
/* Reads it all once, from the beginning, and rewinds it. */
MUST_CHECK error_code work_pack_hash(struct work_pack *pack, char ret_hash[WORK_HASH_TEXT_BYTES],
                                     struct report *report);

#endif
