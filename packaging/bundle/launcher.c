/* The programs in a bundle's bin/. Each is this launcher under the program's name: it runs
 * DIR/libexec/NAME under the loader and with the libraries of DIR/lib, and nothing else of the
 * machine. The libraries are named on the loader's command line, not in the environment, so that
 * what the program starts itself (trainers above all) gets the machine's own.
 *
 * Linked statically: it must start where no library is, or an older libc. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef MUSTER_LOADER
#error "MUSTER_LOADER is the file name of the loader, e.g. ld-linux-x86-64.so.2"
#endif

enum { OWN_ARGUMENTS = 7, EXIT_CANNOT_RUN = 127 };

static int fail(const char *what, const char *why)
{
    fprintf(stderr, "muster: %s: %s\n", what, why);
    return EXIT_CANNOT_RUN;
}

/* `path` loses its last part, which is returned. */
static char *last_part_cut(char *path)
{
    char *slash = strrchr(path, '/');
    if (slash == NULL) {
        return path;
    }
    *slash = '\0';
    return slash + 1;
}

int main(int argc, char **argv)
{
    char self[PATH_MAX], loader[PATH_MAX + 64], libraries[PATH_MAX + 64],
        program[2 * PATH_MAX + 64];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n <= 0) {
        return fail("cannot read /proc/self/exe", "is /proc mounted?");
    }
    self[n] = '\0';
    const char *name = last_part_cut(self);
    last_part_cut(self); /* bin */
    snprintf(loader, sizeof loader, "%s/lib/%s", self, MUSTER_LOADER);
    snprintf(libraries, sizeof libraries, "%s/lib", self);
    snprintf(program, sizeof program, "%s/libexec/%s", self, name);
    char **words = calloc((size_t)argc + OWN_ARGUMENTS + 1, sizeof *words);
    if (words == NULL) {
        return fail("cannot start", strerror(errno));
    }
    char *own[OWN_ARGUMENTS] = {loader,    "--inhibit-cache", "--library-path",
                                libraries, "--argv0",         argc > 0 ? argv[0] : program,
                                program};
    memcpy(words, own, sizeof own);
    for (int i = 1; i < argc; i++) {
        words[OWN_ARGUMENTS + i - 1] = argv[i];
    }
    /* Made for another libc than ours. */
    unsetenv("LD_PRELOAD");
    unsetenv("LD_AUDIT");
    execv(loader, words);
    return fail(loader, strerror(errno));
}
