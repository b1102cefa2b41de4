/* One file `model.bin`: a header, then params, m and v as float. Sizes are checked before anything
 * is taken over. */
#include <stdio.h>
#include <string.h>

#include "digits.h"

struct header {
    char magic[8];
    uint64_t n_params;
    int64_t step;
    int64_t updates;
    uint64_t rng;
};

static const char magic[8] = "digits1";

static FILE *snapshot_open(const char *folder, const char *mode)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/model.bin", folder);
    FILE *file = fopen(path, mode);
    if (file == NULL) {
        fprintf(stderr, "digits: %s cannot be opened\n", path);
    }
    return file;
}

int snapshot_write(const char *folder, const struct model *model, const float *m, const float *v,
                   const struct snapshot *about)
{
    FILE *file = snapshot_open(folder, "wbe");
    if (file == NULL) {
        return -1;
    }
    struct header header = {.n_params = model->n_params,
                            .step = about->step,
                            .updates = about->updates,
                            .rng = about->rng.state};
    memcpy(header.magic, magic, sizeof magic);
    size_t n = model->n_params;
    bool is_whole = fwrite(&header, sizeof header, 1, file) == 1 &&
                    fwrite(model->params, sizeof(float), n, file) == n &&
                    fwrite(m, sizeof(float), n, file) == n &&
                    fwrite(v, sizeof(float), n, file) == n;
    return fclose(file) == 0 && is_whole ? 0 : -1;
}

int snapshot_read(const char *folder, struct model *model, float *m, float *v,
                  struct snapshot *ret_about)
{
    FILE *file = snapshot_open(folder, "rbe");
    if (file == NULL) {
        return -1;
    }
    struct header header;
    size_t n = model->n_params;
    bool is_ours = fread(&header, sizeof header, 1, file) == 1 &&
                   memcmp(header.magic, magic, sizeof magic) == 0 && header.n_params == n;
    bool is_whole = is_ours && fread(model->params, sizeof(float), n, file) == n &&
                    fread(m, sizeof(float), n, file) == n && fread(v, sizeof(float), n, file) == n;
    fclose(file);
    if (!is_whole) {
        fprintf(stderr, "digits: the snapshot in %s is damaged or of another shape\n", folder);
        return -1;
    }
    *ret_about = (struct snapshot){header.step, header.updates, {header.rng}};
    return 0;
}
