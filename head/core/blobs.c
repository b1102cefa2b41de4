/* Which packed work folders are named by a sweep or job: those are kept in the depot. */
#include <string.h>

#include "head/core/state.h"

struct blob_ref {
    UT_hash_handle hh;
    uint32_t n_works;
    char hash[BLOB_HASH_MAX + 1];
};

void core_blob_ref(struct core *core, struct blob_ref **ref, const char *hash)
{
    size_t len = hash != NULL ? strlen(hash) : 0;
    if (len == 0 || len > BLOB_HASH_MAX || *ref != NULL) {
        return;
    }
    struct blob_ref *blob;
    HASH_FIND(hh, core->blobs, hash, len, blob);
    if (blob == NULL) {
        blob = mem_zalloc(sizeof *blob);
        if (blob != NULL) {
            memcpy(blob->hash, hash, len + 1);
            HASH_ADD_KEYPTR(hh, core->blobs, blob->hash, len, blob);
        }
        if (blob == NULL || blob->hh.tbl == NULL) {
            mem_free(blob);
            core_fail(core, ERR_NO_MEMORY);
            return;
        }
    }
    blob->n_works++;
    *ref = blob;
}

void core_blob_unref(struct core *core, struct blob_ref **ref)
{
    struct blob_ref *blob = *ref;
    *ref = NULL;
    if (blob != NULL && --blob->n_works == 0) {
        HASH_DELETE(hh, core->blobs, blob);
        mem_free(blob);
    }
}

bool core_blob_is_named(const struct core *core, const char *hash)
{
    const struct blob_ref *blob;
    HASH_FIND(hh, core->blobs, hash, strlen(hash), blob);
    return blob != NULL;
}
