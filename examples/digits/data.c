#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "digits.h"

enum { VALIDATION_EVERY = 5 };

static int pixel_of(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'g' ? c - 'a' + 10 : -1;
}

static int image_read(const char *line, real *image, uint8_t *label)
{
    for (int i = 0; i < DIGITS_INPUTS; i++) {
        int pixel = pixel_of(line[i]);
        if (pixel < 0) {
            return -1;
        }
        image[i] = (real)pixel / 16;
    }
    int digit = line[DIGITS_INPUTS] == ' ' ? line[DIGITS_INPUTS + 1] - '0' : -1;
    if (digit < 0 || digit >= DIGITS_CLASSES) {
        return -1;
    }
    *label = (uint8_t)digit;
    return 0;
}

/* The split must be the same in every trial, whatever its seed. */
static void dataset_split(struct dataset *all, struct dataset *train, struct dataset *validation)
{
    struct rng rng = {1797};
    int order[DIGITS_IMAGES_MAX];
    rng_permute(&rng, order, all->n);
    for (int i = 0; i < all->n; i++) {
        struct dataset *to = i % VALIDATION_EVERY == 0 ? validation : train;
        memcpy(to->images + (size_t)to->n * DIGITS_INPUTS,
               all->images + (size_t)order[i] * DIGITS_INPUTS, DIGITS_INPUTS * sizeof(real));
        to->labels[to->n++] = all->labels[order[i]];
    }
}

static int dataset_init(struct dataset *data)
{
    *data = (struct dataset){
        .images = calloc((size_t)DIGITS_IMAGES_MAX * DIGITS_INPUTS, sizeof(real)),
        .labels = calloc(DIGITS_IMAGES_MAX, 1),
    };
    return data->images != NULL && data->labels != NULL ? 0 : -1;
}

void dataset_free(struct dataset *data)
{
    free(data->images);
    free(data->labels);
    *data = (struct dataset){0};
}

int dataset_load(const char *path, struct dataset *ret_train, struct dataset *ret_validation)
{
    char line[256];
    struct dataset all = {0}, train = {0}, validation = {0};
    FILE *file = fopen(path, "re");
    int result =
        dataset_init(&all) == 0 && dataset_init(&train) == 0 && dataset_init(&validation) == 0 ? 0
                                                                                               : -1;
    if (file == NULL) {
        fprintf(stderr, "digits: %s cannot be read\n", path);
        result = -1;
    }
    for (int number = 1; result == 0 && fgets(line, sizeof line, file) != NULL; number++) {
        if (line[0] == '#') {
            continue;
        }
        if (all.n == DIGITS_IMAGES_MAX ||
            image_read(line, all.images + (size_t)all.n * DIGITS_INPUTS, &all.labels[all.n]) != 0) {
            fprintf(stderr, "digits: %s:%d is no image\n", path, number);
            result = -1;
        }
        all.n++;
    }
    if (file != NULL) {
        fclose(file);
    }
    if (result == 0) {
        dataset_split(&all, &train, &validation);
        *ret_train = train;
        *ret_validation = validation;
    } else {
        dataset_free(&train);
        dataset_free(&validation);
    }
    dataset_free(&all);
    return result;
}
