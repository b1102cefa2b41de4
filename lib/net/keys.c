#include "net/keys.h"

#include <sodium.h>
#include <string.h>
#include <zmq.h>

static const char join_prefix[] = "mj1.";
enum { KEY_BASE64_LENGTH = 43, JOIN_PREFIX_LENGTH = sizeof join_prefix - 1 };

error_code keys_init(void)
{
    return sodium_init() < 0 ? ERR_SYSTEM : OK;
}

error_code key_pair_new(struct key_pair *ret_pair)
{
    struct key_pair pair;
    if (zmq_curve_keypair(pair.public_key, pair.secret_key) != 0) {
        return ERR_UNSUPPORTED; /* this libzmq was built without CURVE */
    }
    *ret_pair = pair;
    key_pair_fini(&pair);
    return OK;
}

void key_pair_fini(struct key_pair *pair)
{
    sodium_memzero(pair, sizeof *pair);
}

error_code key_decode(const char *text, uint8_t ret_key[KEY_BYTES])
{
    uint8_t key[KEY_BYTES];
    if (strnlen(text, KEY_TEXT_BYTES) != KEY_TEXT_BYTES - 1) {
        return ERR_FORMAT;
    }
    if (zmq_z85_decode(key, text) == NULL) {
        return ERR_FORMAT;
    }
    memcpy(ret_key, key, KEY_BYTES);
    sodium_memzero(key, sizeof key);
    return OK;
}

void key_encode(const uint8_t key[KEY_BYTES], char ret_text[KEY_TEXT_BYTES])
{
    zmq_z85_encode(ret_text, key, KEY_BYTES);
}

static void base64_encode(const uint8_t key[KEY_BYTES], char *ret_text)
{
    sodium_bin2base64(ret_text, KEY_BASE64_LENGTH + 1, key, KEY_BYTES,
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

static bool base64_decode(const char *text, uint8_t ret_key[KEY_BYTES])
{
    size_t length = 0;
    return sodium_base642bin(ret_key, KEY_BYTES, text, KEY_BASE64_LENGTH, NULL, &length, NULL,
                             sodium_base64_VARIANT_URLSAFE_NO_PADDING) == 0 &&
           length == KEY_BYTES;
}

void secret_new(char ret_text[SECRET_TEXT_BYTES])
{
    uint8_t secret[KEY_BYTES];
    randombytes_buf(secret, sizeof secret);
    base64_encode(secret, ret_text);
    sodium_memzero(secret, sizeof secret);
}

/* Both sides are hashed first, so that neither length nor content decides how long the comparison
 * takes. */
bool secret_equal_bytes(const char *known, struct bytes given)
{
    if (known == NULL || given.data == NULL) {
        return false;
    }
    uint8_t a[crypto_generichash_BYTES];
    uint8_t b[crypto_generichash_BYTES];
    crypto_generichash(a, sizeof a, (const uint8_t *)known, strlen(known), NULL, 0);
    crypto_generichash(b, sizeof b, given.data, given.len, NULL, 0);
    return sodium_memcmp(a, b, sizeof a) == 0;
}

bool secret_equal(const char *known, const char *given)
{
    return given != NULL &&
           secret_equal_bytes(known, (struct bytes){(const uint8_t *)given, strlen(given)});
}

void join_key_print(const struct join_key *key, char ret_text[JOIN_KEY_TEXT_BYTES])
{
    uint8_t head[KEY_BYTES];
    zmq_z85_decode(head, key->head_public);
    char *at = ret_text;
    memcpy(at, join_prefix, JOIN_PREFIX_LENGTH);
    at += JOIN_PREFIX_LENGTH;
    base64_encode(head, at);
    at += KEY_BASE64_LENGTH;
    *at++ = '.';
    memcpy(at, key->secret, SECRET_TEXT_BYTES);
}

error_code join_key_parse(const char *text, struct join_key *ret_key, struct report *report)
{
    static const char blanks[] = " \t\r\n";
    text += strspn(text, blanks);
    size_t length = strcspn(text, blanks);
    if (length < JOIN_PREFIX_LENGTH || strncmp(text, join_prefix, JOIN_PREFIX_LENGTH) != 0) {
        return report_fail(report, ERR_FORMAT, "this is no join key: it does not begin with '%s'",
                           join_prefix);
    }
    if (text[length + strspn(text + length, blanks)] != '\0') {
        return report_fail(report, ERR_FORMAT, "more than one word where a join key was expected");
    }
    if (length != JOIN_KEY_TEXT_BYTES - 1) {
        return report_fail(report, ERR_FORMAT, "the join key has %zu characters instead of %d",
                           length, JOIN_KEY_TEXT_BYTES - 1);
    }
    const char *head_text = text + JOIN_PREFIX_LENGTH;
    const char *secret_text = head_text + KEY_BASE64_LENGTH + 1;
    uint8_t head[KEY_BYTES];
    uint8_t secret[KEY_BYTES];
    if (head_text[KEY_BASE64_LENGTH] != '.' || !base64_decode(head_text, head) ||
        !base64_decode(secret_text, secret)) {
        return report_fail(report, ERR_FORMAT, "the join key is damaged: copy it again");
    }
    key_encode(head, ret_key->head_public);
    base64_encode(secret, ret_key->secret);
    sodium_memzero(secret, sizeof secret);
    return OK;
}
