/* One file `model.bin`: a header, then params, m and v. Sizes are checked before anything is taken
 * over, and nothing is taken over in part. */
#include "examples/nn/nn.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct header {
    char magic[8];
    uint64_t n_params;
    int64_t step;
    int64_t updates;
    uint64_t rng;
};

static FILE *snapshot_open(const char *folder, const char *mode)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/model.bin", folder);
    FILE *file = fopen(path, mode);
    if (file == NULL) {
        fprintf(stderr, "%s cannot be opened\n", path);
    }
    return file;
}

int snapshot_write(const char *folder, const char *magic, const real *params, const real *m,
                   const real *v, size_t n, const struct snapshot *about)
{
    FILE *file = snapshot_open(folder, "wbe");
    if (file == NULL) {
        return -1;
    }
    struct header header = {
        .n_params = n, .step = about->step, .updates = about->updates, .rng = about->rng.state};
    snprintf(header.magic, sizeof header.magic, "%s", magic);
    bool is_whole = fwrite(&header, sizeof header, 1, file) == 1 &&
                    fwrite(params, sizeof *params, n, file) == n &&
                    fwrite(m, sizeof *m, n, file) == n && fwrite(v, sizeof *v, n, file) == n;
    if (fclose(file) != 0 || !is_whole) {
        fprintf(stderr, "the snapshot could not be written to %s\n", folder);
        return -1;
    }
    return 0;
}

int snapshot_read(const char *folder, const char *magic, real *params, real *m, real *v, size_t n,
                  struct snapshot *ret_about)
{
    FILE *file = snapshot_open(folder, "rbe");
    real *all = malloc(3 * n * sizeof *all);
    struct header header;
    bool is_whole = file != NULL && all != NULL && fread(&header, sizeof header, 1, file) == 1 &&
                    strncmp(header.magic, magic, sizeof header.magic) == 0 &&
                    header.n_params == n && fread(all, sizeof *all, 3 * n, file) == 3 * n &&
                    fgetc(file) == EOF;
    if (is_whole) {
        memcpy(params, all, n * sizeof *all);
        memcpy(m, all + n, n * sizeof *all);
        memcpy(v, all + 2 * n, n * sizeof *all);
        *ret_about = (struct snapshot){header.step, header.updates, {header.rng}};
    } else {
        fprintf(stderr, "the snapshot in %s is damaged, or of another model\n", folder);
    }
    if (file != NULL) {
        fclose(file);
    }
    free(all);
    return is_whole ? 0 : -1;
}
