/* Small files that the programs read back: logins, a snapshot's manifest. The first byte chooses.
 * They lie in a folder of their own, in memory where there is such a place. */
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/contexts.h"
#include "input.h"
#include "sys/beneath.h"
#include "sys/files.h"
#include "worker/shell/manifest.h"

static char folder[64];

static void folder_remove(void)
{
    ignore_error(dir_remove_tree(folder, NULL), "the machine's own to clean");
}

static void file_put(const char *name, const uint8_t *data, size_t size)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wbe");
    assert(file != NULL);
    assert(fwrite(data, 1, size, file) == size);
    assert(fchmod(fileno(file), 0600) == 0 && fclose(file) == 0);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    snprintf(folder, sizeof folder, "%s/muster-fuzz-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert(mkdtemp(folder) != NULL);
    file_put("weights", (const uint8_t *)"12345", 5);
    return atexit(folder_remove);
}

static void logins(void)
{
    struct context context = {0};
    struct report report = {0};
    (void)context_is_chosen(folder);
    if (context_find(folder, NULL, &context, &report) == OK) {
        /* Found once, found again by its own name. */
        struct context again = {0};
        error_code error = context_find(folder, context.url, &again, &report);
        assert(fuzz_must(error == OK) || error == ERR_NO_MEMORY);
        ignore_error(context_url_check(context.url, context.is_insecure, &report), "either");
    }
    json_decref(contexts_list(folder));
}

static void login_url(const uint8_t *data, size_t size)
{
    char url[CONTEXT_URL_MAX], again[CONTEXT_URL_MAX];
    char *text = fuzz_text(data, size);
    struct report report = {0};
    if (context_url_normalise(text, url, &report) == OK) {
        assert(strlen(url) > strlen("http://"));
        if (context_url_normalise(url, again, &report) == OK) {
            assert(strcmp(url, again) == 0);
        }
        ignore_error(context_url_check(url, false, &report), "either");
    }
    free(text);
}

static void manifest(bool must_hash)
{
    const struct proving how = {.must_hash = must_hash};
    struct manifest found;
    struct report report = {0};
    error_code error = manifest_verify(folder, &how, &found, &report);
    assert(error != OK || (found.ordinal >= 1 && found.task.job >= 1 && found.task.index >= 1));
    assert(error == OK || report.text[0] != '\0' || error == ERR_NO_MEMORY);
}

/* Another node's, which a copy believes as far as this: names stay inside, sizes add up, each file
 * is found by its name. */
static void manifest_list(const uint8_t *data, size_t size)
{
    struct manifest_list list;
    struct report report = {0};
    uint64_t bytes = 0;
    if (manifest_list_parse((struct bytes){data, size}, &list, &report) != OK) {
        return;
    }
    assert(list.n_files <= MANIFEST_FILES_MAX);
    for (uint32_t i = 0; i < list.n_files; i++) {
        const char *name = list.files[i].name;
        assert(beneath_path_is_good(name, MANIFEST_DEPTH_MAX + 1));
        assert(strlen(name) < MANIFEST_PATH_MAX && strcmp(name, MANIFEST_NAME) != 0);
        assert(manifest_list_find(&list, name) == &list.files[i]);
        assert(list.files[i].size <= UINT64_MAX - bytes);
        bytes += list.files[i].size;
    }
    assert(bytes == list.manifest.bytes);
    manifest_list_fini(&list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) {
        return 0;
    }
    switch (data[0] % 4) {
    case 0:
        file_put("contexts.json", data + 1, size - 1);
        logins();
        break;
    case 1:
        login_url(data + 1, size - 1);
        break;
    default:
        file_put(MANIFEST_NAME, data + 1, size - 1);
        manifest(data[0] % 4 == 2);
        manifest_list(data + 1, size - 1);
        break;
    }
    return 0;
}
