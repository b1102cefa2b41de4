/* work/hash.h -- the name of a packed work folder: BLAKE2b-256 of its bytes as 64 hexadecimal
 * digits; and the sums of its pieces, by which each is proven once the whole was. Any thread. */
#ifndef MUSTER_WORK_HASH_H
#define MUSTER_WORK_HASH_H

#include <sodium.h>

#include "base/buf.h"

enum { WORK_HASH_BYTES = 32, WORK_HASH_DIGITS = 64, WORK_HASH_TEXT_BYTES = WORK_HASH_DIGITS + 1 };

/* libsodium wants its state at a multiple of 64, which no allocation promises: it lies somewhere in
 * here, so a hasher may not be moved once it has begun. */
enum { WORK_HASHER_ALIGNMENT = 64 };
struct work_hasher {
    unsigned char memory[sizeof(crypto_generichash_state) + WORK_HASHER_ALIGNMENT];
};

void work_hasher_init(struct work_hasher *hasher);
void work_hasher_add(struct work_hasher *hasher, const void *data, size_t len);
void work_hasher_end(struct work_hasher *hasher, char ret_text[WORK_HASH_TEXT_BYTES]);

/* Of one piece, never 0: XXH3 of its bytes, some ten times as fast as the hash. It finds what a
 * disk or a program spoiled; that nobody else wrote the piece is what CURVE proves. */
uint64_t work_piece_sum(struct bytes piece);

/* Exactly 64 of 0-9 and a-f: safe as a file's name, and the only spelling of it. NULL: false. */
bool work_hash_is_good(const char *text);

#endif
