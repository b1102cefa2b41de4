/* tests/fuzz/input.h -- what the fuzzers share: an entry point, assertions that allow for an
 * allocation that was made to fail, and a cursor that turns a fuzzer's bytes into choices. One
 * thread; header only. */
#ifndef MUSTER_TESTS_FUZZ_INPUT_H
#define MUSTER_TESTS_FUZZ_INPUT_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/mem.h"

/* Called by libFuzzer and by replay.c. Everything that an input made is freed when it returns. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);
/* After a whole corpus: prints what its inputs came to where only some of them get. False: none of
 * them did, so the corpus proves nothing about it. A fuzzer that has no such place defines none. */
bool fuzz_corpus_reached(void);

/* What must work, unless memory ran out because this run was told that it does. */
static inline bool fuzz_must(bool is_so)
{
    assert(is_so || mem_has_failed());
    return is_so;
}

/* A NUL-terminated copy of its own size, so that the sanitizer sees a read past its end. */
static inline char *fuzz_text(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    assert(text != NULL);
    memcpy(text, size > 0 ? data : (const uint8_t *)"", size);
    text[size] = '\0';
    return text;
}

/* Bytes as choices, taken from the front; an input that is used up gives zeros. */
struct fuzz_input {
    const uint8_t *at;
    size_t left;
};

static inline struct fuzz_input fuzz_input_of(const uint8_t *data, size_t size)
{
    return (struct fuzz_input){data, size};
}

static inline uint8_t fuzz_byte(struct fuzz_input *in)
{
    if (in->left == 0) {
        return 0;
    }
    in->left--;
    return *in->at++;
}

static inline uint64_t fuzz_bytes(struct fuzz_input *in, unsigned n)
{
    uint64_t number = 0;
    while (n-- > 0) {
        number = number << 8 | fuzz_byte(in);
    }
    return number;
}

/* 0 to bound - 1. */
static inline uint32_t fuzz_below(struct fuzz_input *in, uint32_t bound)
{
    uint32_t number = bound <= 256 ? fuzz_byte(in) : (uint32_t)fuzz_bytes(in, 4);
    return bound == 0 ? 0 : number % bound;
}

/* The next bytes up to `max` of them, as many as a length byte says. Borrowed. */
static inline struct fuzz_input fuzz_piece(struct fuzz_input *in, size_t max)
{
    size_t n = fuzz_byte(in);
    n = n > max ? max : n;
    n = n > in->left ? in->left : n;
    struct fuzz_input piece = {in->at, n};
    in->at += n;
    in->left -= n;
    return piece;
}

#endif
