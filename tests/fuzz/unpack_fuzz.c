/* An archive becomes a folder, or nothing: nothing is left beside it and, after an error, nothing
 * of it. The first byte says in which pieces it comes and whether its name is the right one;
 * checksums of headers are made right, since no luck finds them. */
#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "input.h"
#include "sys/files.h"
#include "work/unpack.h"
#include "work/ustar.h"

enum { BYTES_MAX = 1 << 20, ENTRIES_MAX = 200, AT_SUM = 148, SUM_BYTES = 8 };

static char parent[64], folder[96];

static void parent_remove(void)
{
    ignore_error(dir_remove_tree(parent, NULL), "the machine's own to clean");
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    snprintf(parent, sizeof parent, "%s/muster-fuzz-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert(mkdtemp(parent) != NULL);
    snprintf(folder, sizeof folder, "%s/folder", parent);
    return atexit(parent_remove);
}

static void sums_set(uint8_t *data, size_t size)
{
    for (size_t at = 0; size - at >= USTAR_BLOCK_BYTES; at += USTAR_BLOCK_BYTES) {
        uint8_t *block = data + at;
        char sum[SUM_BYTES + 1];
        unsigned total = 0;
        if (memcmp(block + 257, "ustar", 5) != 0) {
            continue;
        }
        memset(block + AT_SUM, ' ', SUM_BYTES);
        for (int i = 0; i < USTAR_BLOCK_BYTES; i++) {
            total += block[i];
        }
        snprintf(sum, sizeof sum, "%06o", total & 0777777);
        memcpy(block + AT_SUM, sum, 7);
    }
}

static void assert_only(const char *wanted)
{
    struct dirent **entries;
    int n = scandir(parent, &entries, NULL, NULL);
    assert(n >= 2);
    for (int i = 0; i < n; i++) {
        const char *name = entries[i]->d_name;
        assert(strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strcmp(name, wanted) == 0);
        free(entries[i]);
    }
    free(entries);
}

static bool unpack(const uint8_t *data, size_t size, size_t piece, bool is_right)
{
    static const struct work_limits limits = {BYTES_MAX, ENTRIES_MAX};
    struct work_unpack *unpack = NULL;
    struct report report = {0};
    struct work_hasher hasher;
    char hash[WORK_HASH_TEXT_BYTES];
    uint64_t bytes = 0;
    work_hasher_init(&hasher);
    work_hasher_add(&hasher, is_right ? data : (const uint8_t *)"", is_right ? size : 0);
    work_hasher_end(&hasher, hash);
    error_code error = work_unpack_new(folder, &limits, &unpack, &report);
    for (size_t at = 0; error == OK && at < size; at += piece) {
        size_t n = size - at < piece ? size - at : piece;
        error = work_unpack_add(unpack, (struct bytes){data + at, n}, 0, &report);
    }
    error = error == OK ? work_unpack_end(unpack, hash, &bytes, &report) : error;
    assert(error != OK || (is_right && bytes <= BYTES_MAX));
    assert(error == OK || report.text[0] != '\0' || error == ERR_NO_MEMORY);
    work_unpack_free(unpack);
    return error == OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) {
        return 0;
    }
    uint8_t *copy = malloc(size);
    assert(copy != NULL);
    memcpy(copy, data + 1, size - 1);
    sums_set(copy, size - 1);
    size_t piece = 1 + (size_t)(data[0] & 0x7f) * 37;
    bool is_whole = unpack(copy, size - 1, piece, (data[0] & 0x80) == 0);
    assert_only(is_whole ? "folder" : "");
    if (is_whole) {
        error_code error = dir_remove_tree(folder, NULL);
        assert(error == OK);
        assert_only("");
    }
    free(copy);
    return 0;
}
