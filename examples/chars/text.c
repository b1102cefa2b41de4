#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "chars.h"

enum { BLOCK = 2048, BLOCKS = 10 };

static uint8_t symbol_of(int c)
{
    return (uint8_t)(c == '\n' ? 0 : c >= ' ' && c <= '~' ? c - ' ' + 1 : '?' - ' ' + 1);
}

static int file_append(struct text *text, const char *path)
{
    FILE *file = fopen(path, "re");
    int c;
    if (file == NULL) {
        fprintf(stderr, "chars: %s cannot be read\n", path);
        return -1;
    }
    while (text->n < CHARS_TEXT_MAX && (c = fgetc(file)) != EOF) {
        text->symbols[text->n++] = symbol_of(c);
    }
    fclose(file);
    return 0;
}

/* Links are other names of files that are there anyway. */
static int folder_append(struct text *text, const char *path)
{
    struct dirent **names;
    int n = scandir(path, &names, NULL, alphasort), result = n < 0 ? -1 : 0;
    for (int i = 0; i < n; i++) {
        char file[4096];
        struct stat status;
        snprintf(file, sizeof file, "%s/%s", path, names[i]->d_name);
        if (result == 0 && lstat(file, &status) == 0 && S_ISREG(status.st_mode)) {
            result = file_append(text, file);
        }
        free(names[i]);
    }
    free(n < 0 ? NULL : names);
    return result;
}

static void text_split(const struct text *all, struct text *train, struct text *validation)
{
    for (int at = 0; at < all->n; at += BLOCK) {
        struct text *to = at / BLOCK % BLOCKS == BLOCKS - 1 ? validation : train;
        int n = all->n - at < BLOCK ? all->n - at : BLOCK;
        memcpy(to->symbols + to->n, all->symbols + at, (size_t)n);
        to->n += n;
    }
}

void text_free(struct text *text)
{
    free(text->symbols);
    *text = (struct text){0};
}

int text_load(const char *path, struct text *ret_train, struct text *ret_validation)
{
    struct text all = {malloc(CHARS_TEXT_MAX), 0}, train = {malloc(CHARS_TEXT_MAX), 0};
    struct text validation = {malloc(CHARS_TEXT_MAX), 0};
    struct stat status;
    int result =
        all.symbols != NULL && train.symbols != NULL && validation.symbols != NULL ? 0 : -1;
    if (result == 0 && stat(path, &status) != 0) {
        fprintf(stderr, "chars: %s is not there\n", path);
        result = -1;
    }
    if (result == 0) {
        result = S_ISDIR(status.st_mode) ? folder_append(&all, path) : file_append(&all, path);
    }
    if (result == 0 && all.n < 2 * BLOCK * BLOCKS) {
        fprintf(stderr, "chars: %s has %d characters; %d are needed\n", path, all.n,
                2 * BLOCK * BLOCKS);
        result = -1;
    }
    if (result == 0) {
        text_split(&all, &train, &validation);
        *ret_train = train;
        *ret_validation = validation;
    } else {
        text_free(&train);
        text_free(&validation);
    }
    text_free(&all);
    return result;
}
