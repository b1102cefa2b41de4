#include "work/hash.h"

#include <string.h>
#include <xxhash.h>

static crypto_generichash_state *hasher_state(struct work_hasher *hasher)
{
    uintptr_t at = (uintptr_t)hasher->memory;
    at = (at + WORK_HASHER_ALIGNMENT - 1) & ~(uintptr_t)(WORK_HASHER_ALIGNMENT - 1);
    return (crypto_generichash_state *)at;
}

void work_hasher_init(struct work_hasher *hasher)
{
    crypto_generichash_init(hasher_state(hasher), NULL, 0, WORK_HASH_BYTES);
}

void work_hasher_add(struct work_hasher *hasher, const void *data, size_t len)
{
    crypto_generichash_update(hasher_state(hasher), data, len);
}

void work_hasher_end(struct work_hasher *hasher, char ret_text[WORK_HASH_TEXT_BYTES])
{
    unsigned char hash[WORK_HASH_BYTES];
    crypto_generichash_final(hasher_state(hasher), hash, sizeof hash);
    sodium_bin2hex(ret_text, WORK_HASH_TEXT_BYTES, hash, sizeof hash);
}

uint64_t work_piece_sum(struct bytes piece)
{
    uint64_t sum = XXH3_64bits(piece.data, piece.len);
    return sum != 0 ? sum : 1;
}

bool work_hash_is_good(const char *text)
{
    return text != NULL && strnlen(text, WORK_HASH_TEXT_BYTES) == WORK_HASH_DIGITS &&
           strspn(text, "0123456789abcdef") == WORK_HASH_DIGITS;
}
