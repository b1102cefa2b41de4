/* net/keys.h -- who is who: CURVE key pairs, the head's key files, the join key, secrets and their
 * comparison. Any thread after keys_init(). Files are 0600; their folder is made by the caller
 * (0700). */
#ifndef MUSTER_NET_KEYS_H
#define MUSTER_NET_KEYS_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/error.h"

enum {
    KEY_BYTES = 32,
    KEY_TEXT_BYTES =
        41, /* a CURVE key as Z85, NUL included: what ZeroMQ takes and what User-Id says */
    SECRET_TEXT_BYTES = 44, /* 32 random bytes as base64url without padding, NUL included */
    JOIN_KEY_TEXT_BYTES = 4 + 43 + 1 + 43 + 1, /* mj1.<head's public key>.<secret>, NUL included */
};

struct key_pair {
    char public_key[KEY_TEXT_BYTES];
    char secret_key[KEY_TEXT_BYTES];
};

/* What a worker needs to join: whom to trust, and what proves that it may. The secret only admits;
 * it decrypts nothing. */
struct join_key {
    char head_public[KEY_TEXT_BYTES]; /* Z85 */
    char secret[SECRET_TEXT_BYTES];
};

/* Once, before anything else here; ERR_SYSTEM when the machine gives no randomness. */
MUST_CHECK error_code keys_init(void);

MUST_CHECK error_code key_pair_new(struct key_pair *ret_pair);
void key_pair_fini(struct key_pair *pair); /* wipes it */
/* Z85 <-> 32 bytes. ERR_FORMAT: not exactly 40 characters of Z85. */
MUST_CHECK error_code key_decode(const char *text, uint8_t ret_key[KEY_BYTES]);
void key_encode(const uint8_t key[KEY_BYTES], char ret_text[KEY_TEXT_BYTES]);

/* 32 random bytes as text: a join secret, an HTTP token, a password. */
void secret_new(char ret_text[SECRET_TEXT_BYTES]);
/* Equal, in a time that does not tell how much of it was equal. NULL equals nothing. */
bool secret_equal(const char *known, const char *given);
bool secret_equal_bytes(const char *known, struct bytes given);

/* "mj1.<head public>.<secret>", both base64url: safe in shells, YAML and environment variables. */
void join_key_print(const struct join_key *key, char ret_text[JOIN_KEY_TEXT_BYTES]);
/* White space around it is allowed. ERR_FORMAT with a text that says what is wrong, never the key
 * itself. */
MUST_CHECK error_code join_key_parse(const char *text, struct join_key *ret_key,
                                     struct report *report);

/* ---- files; each blocks for a few fsyncs when it makes one ---- */

/* folder/head.secret and folder/head.public: read, or made at the first start. The secret decides;
 * a missing or different public file is written again. ERR_FORMAT: a damaged secret file (never
 * replaced: agents trust it). */
MUST_CHECK error_code head_keys_load(const char *folder, struct key_pair *ret_pair,
                                     struct report *report);
/* folder/join: read, or made with a new secret. The head's key in it must be `head_public`, else it
 * is written again with the secret kept. */
MUST_CHECK error_code join_key_load(const char *folder, const char *head_public,
                                    struct join_key *ret_key, struct report *report);
/* Whether every file of the folder that holds a secret is its owner's alone; what is not there is
 * fine. ERR_NOT_ALLOWED, with the chmod line to run. */
MUST_CHECK error_code key_files_check(const char *folder, struct report *report);
/* A worker's side: any file that holds a join key. */
MUST_CHECK error_code join_key_read(const char *path, struct join_key *ret_key,
                                    struct report *report);
/* A file with one secret (token, Redis password): read, or made. ERR_FORMAT: it holds anything else
 * than 16 to 43 visible characters. */
MUST_CHECK error_code secret_load(const char *path, char ret_text[SECRET_TEXT_BYTES],
                                  struct report *report);

#endif
