#include "worker/shell/items.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

enum { LINES_EACH = 64 }; /* the place of every so-many-th line is kept */

struct items {
    const uint8_t *data; /* mapped; NULL: an empty file */
    size_t len;
    uint64_t *places; /* of lines 0, LINES_EACH, ... */
    uint32_t n_places, cap_places;
    uint32_t n_lines;
};

static error_code place_add(struct items *items, uint64_t place)
{
    if (items->n_places == items->cap_places) {
        uint32_t cap = items->cap_places == 0 ? 64 : items->cap_places * 2;
        uint64_t *places = mem_realloc(items->places, cap * sizeof *places);
        if (places == NULL) {
            return ERR_NO_MEMORY;
        }
        items->places = places;
        items->cap_places = cap;
    }
    items->places[items->n_places++] = place;
    return OK;
}

/* Behind the line's end; the last line may have none. */
static size_t line_behind(const struct items *items, size_t at)
{
    const uint8_t *end = memchr(items->data + at, '\n', items->len - at);
    return end != NULL ? (size_t)(end - items->data) + 1 : items->len;
}

static error_code items_index(struct items *items)
{
    error_code error = OK;
    for (size_t at = 0; error == OK && at < items->len; at = line_behind(items, at)) {
        if (items->n_lines % LINES_EACH == 0) {
            error = place_add(items, at);
        }
        items->n_lines++;
    }
    return error;
}

static error_code items_map(struct items *items, const char *path)
{
    struct stat about;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return error_from_errno(errno);
    }
    error_code error = fstat(fd, &about) != 0 || !S_ISREG(about.st_mode) ? ERR_IO : OK;
    if (error == OK && about.st_size > 0) {
        void *data = mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        error = data == MAP_FAILED ? error_from_errno(errno) : OK;
        items->data = error == OK ? data : NULL;
        items->len = error == OK ? (size_t)about.st_size : 0;
    }
    close(fd);
    return error;
}

error_code items_open(const char *path, struct items **ret_items, struct report *report)
{
    struct items *items = mem_zalloc(sizeof *items);
    error_code error = items == NULL ? ERR_NO_MEMORY : items_map(items, path);
    if (error == OK) {
        error = items_index(items);
    }
    if (error != OK) {
        items_close(items);
        return report_fail(report, error, "the lines of its array cannot be read from %s: %s", path,
                           error_word(error));
    }
    *ret_items = items;
    return OK;
}

void items_close(struct items *items)
{
    if (items == NULL) {
        return;
    }
    if (items->data != NULL) {
        munmap((void *)(uintptr_t)items->data, items->len);
    }
    mem_free(items->places);
    mem_free(items);
}

error_code items_line(const struct items *items, uint32_t position, struct bytes *ret_line,
                      struct report *report)
{
    if (position >= items->n_lines) {
        return report_fail(report, ERR_NOT_FOUND,
                           "its array has %u lines, and this task wants the "
                           "%u-th",
                           items->n_lines, position + 1);
    }
    size_t at = items->places[position / LINES_EACH];
    for (uint32_t i = 0; i < position % LINES_EACH; i++) {
        at = line_behind(items, at);
    }
    size_t behind = line_behind(items, at);
    size_t len = behind - at;
    if (items->data[behind - 1] == '\n') {
        len--;
    }
    *ret_line = (struct bytes){items->data + at, len};
    return OK;
}
