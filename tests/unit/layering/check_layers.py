#!/usr/bin/python3
"""Keeps the house in order (docs/ARCHITECTURE.md, the map of folders).

Three checks over the source tree and the static archives of a build:
  includes   a folder includes only the folders below it; pure folders no header that does I/O; no cycle
  symbols    what the pure folders' archives leave undefined stands on a short list: no socket, open, read, clock
  names      no file is named util, common, misc or helper

    check_layers.py --source DIR [--build DIR]     exit 1: a violation; 77: an archive is not built yet
    check_layers.py --self-test [--cc CC]          plants each kind of violation and wants it found
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile

EXIT_SKIPPED = 77

LIB = {"lib/base", "lib/lines", "lib/schema", "lib/spec", "lib/sys", "lib/net", "lib/work"}
PURE_LIB = {"lib/base", "lib/lines", "lib/schema", "lib/spec"}

# folder -> the folders that it may include besides itself. "lib/spec/types.h": that header alone.
MAY_INCLUDE = {
    "lib/base": set(),
    "lib/schema": {"lib/base"},
    "lib/lines": {"lib/base"},
    "lib/spec": {"lib/base", "lib/lines"},
    "lib/sys": {"lib/base"},
    "lib/work": {"lib/base", "lib/sys"},
    "lib/net": {"lib/base", "lib/schema", "lib/spec", "lib/sys"},
    "scheduler": {"lib/base", "lib/spec/types.h"},
    "tune": {"lib/base", "lib/spec/types.h"},
    "head/core": PURE_LIB | {"scheduler", "tune"},
    "worker/core": PURE_LIB,
    "k8s/core": PURE_LIB,
    "head/shell": LIB | {"head/core", "dashboard"},
    "worker/shell": LIB | {"worker/core"},
    "k8s/shell": LIB | {"k8s/core"},
    "sim": PURE_LIB | {"scheduler", "tune", "head/core", "worker/core"},
    "dashboard": set(),
    "client": set(),
    "examples": {"client"},
    "cli": LIB | {"head/core", "head/shell", "worker/core", "worker/shell", "k8s/core", "k8s/shell",
                  "scheduler", "tune", "sim", "client", "dashboard"},
}

# Folder -> its static archive. These do no I/O.
PURE_ARCHIVES = {
    "lib/base": "libmuster_base.a",
    "lib/lines": "libmuster_lines.a",
    "lib/schema": "libmuster_schema.a",
    "lib/spec": "libmuster_spec.a",
    "scheduler": "libmuster_scheduler.a",
    "tune": "libmuster_tune.a",
    "head/core": "libmuster_head_core.a",
    "worker/core": "libmuster_worker_core.a",
    "k8s/core": "libmuster_k8s_core.a",
}

PURE_SYSTEM_HEADERS = {
    "assert.h", "ctype.h", "errno.h", "float.h", "inttypes.h", "limits.h", "math.h", "stdalign.h", "stdarg.h",
    "stdatomic.h", "stdbool.h", "stddef.h", "stdint.h", "stdio.h", "stdlib.h", "string.h", "strings.h",
    "uthash.h", "utlist.h", "pcre2.h", "msgpack.h", "yaml.h", "jansson.h", "xxhash.h",
    "signal.h",  # the numbers; kill and sigaction would show among the symbols
}

# What pure code may leave to libc, libm, msgpack-c, libyaml, PCRE2 and jansson.
SYMBOLS = set("""
    __assert_fail __errno_location __stack_chk_fail __ctype_b_loc __ctype_tolower_loc __ctype_toupper_loc
    _GLOBAL_OFFSET_TABLE_ __isoc99_sscanf __isoc23_sscanf __isoc23_strtol __isoc23_strtoll __isoc23_strtoul
    __isoc23_strtoull malloc calloc realloc free abs labs llabs qsort bsearch isalnum isalpha isdigit isspace
    toupper tolower memchr memcmp memcpy memmem memmove memrchr memset stpcpy strcasecmp strcat strchr strchrnul
    strcmp strcpy strcspn strlen strncasecmp strncat strncmp strncpy strnlen strpbrk strrchr strspn strstr strtod
    strtol strtoll strtoul strtoull snprintf vsnprintf sprintf sscanf ceil cos exp exp2 expm1 fabs floor fmax fmin
    fmod frexp isfinite isinf isnan ldexp llround log log10 log1p log2 lround modf nearbyint nextafter pow rint
    bcmp htonl htons ntohl ntohs round scalbn signbit sin sqrt trunc ilogb cbrt __isnan __isinf __finite __signbit
""".split())
SYMBOL_PREFIXES = ("msgpack_", "yaml_", "json_", "pcre2_", "XXH", "__asan_", "__ubsan_", "__tsan_", "__sanitizer_", "__gcov_",
                   "__llvm_")
# Of these libraries, what reads or writes files.
SYMBOLS_REFUSED = re.compile(r"_file$|_output_file|_input_file|json_loadfd|json_dumpfd|msgpack_object_print$")

BAD_NAME = re.compile(r"(^|[_.\-])(utils?|common|misc|helpers?)([_.\-]|$)", re.IGNORECASE)
CODE = (".c", ".h", ".cu", ".cuh")
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^">]+)[">]', re.MULTILINE)
TOP = ("lib", "scheduler", "tune", "head", "worker", "k8s", "sim", "client", "cli", "dashboard", "examples", "bench",
       "tests", "scripts", "cmake", "docs")


def room_of(path):
    """The room that a path (relative to the source) lies in, None outside of all."""
    for room in MAY_INCLUDE:
        if path == room or path.startswith(room + "/"):
            return room
    return None


def files_of(source):
    for top in TOP:
        for folder, folders, files in os.walk(os.path.join(source, top)):
            folders[:] = sorted(d for d in folders if not d.startswith(".") and d != "__pycache__"
                                and d != "node_modules")
            for name in sorted(files):
                yield os.path.relpath(os.path.join(folder, name), source)


def resolve(source, includer, header):
    """The included file, relative to the source; None if it is none of ours."""
    places = (os.path.dirname(includer), "", "lib", "client")
    for place in places:
        path = os.path.normpath(os.path.join(place, header))
        if os.path.isfile(os.path.join(source, path)):
            return path
    return None


def check_names(files):
    return ["%s: a file name says what is inside; this one says nothing" % path
            for path in files if BAD_NAME.search(os.path.basename(path))]


def check_one_include(source, path, room, quote, header, arrows):
    if quote == "<":
        if room in PURE_ARCHIVES and header not in PURE_SYSTEM_HEADERS:
            return "%s: a pure folder includes <%s>" % (path, header)
        return None
    target = resolve(source, path, header)
    if target is None:
        return "%s: includes \"%s\", which is nowhere" % (path, header)
    target_room = room_of(target)
    if target_room == room:
        return None
    if target_room is None or not (target_room in MAY_INCLUDE[room] or target in MAY_INCLUDE[room]):
        return "%s: %s may not include %s" % (path, room, target)
    arrows.setdefault(room, set()).add(target_room)
    return None


def find_cycle(arrows):
    done = set()

    def walk(room, trail):
        if room in trail:
            return trail[trail.index(room):] + [room]
        if room in done:
            return None
        for target in sorted(arrows.get(room, ())):
            cycle = walk(target, trail + [room])
            if cycle:
                return cycle
        done.add(room)
        return None

    for room in sorted(arrows):
        cycle = walk(room, [])
        if cycle:
            return cycle
    return None


def check_includes(source, files):
    problems, arrows = [], {}
    for path in files:
        room = room_of(path)
        if not path.endswith(CODE):
            continue
        with open(os.path.join(source, path), encoding="utf-8", errors="replace") as file:
            includes = INCLUDE.findall(file.read())
        for quote, header in includes:
            if room is None:
                target = resolve(source, path, header) if quote == '"' else None
                is_wrong = target and room_of(target) == "cli" and not path.startswith(("tests/unit/cli/", "tests/fuzz/"))
                problem = ("%s: nobody includes cli" % path) if is_wrong else None
            else:
                problem = check_one_include(source, path, room, quote, header, arrows)
            if problem:
                problems.append(problem)
    cycle = find_cycle(arrows)
    if cycle:
        problems.append("a cycle of folders: " + " -> ".join(cycle))
    return problems


def nm(archive, option):
    lines = subprocess.run(["nm", "-A", option, archive], check=True, capture_output=True, text=True).stdout
    found = {}
    for line in lines.splitlines():
        place, _, rest = line.rpartition(":")
        words = rest.split()
        if words:
            found.setdefault(words[-1].split("@")[0], place.rsplit(":", 1)[-1])
    return found


def is_allowed(symbol):
    if SYMBOLS_REFUSED.search(symbol):
        return False
    plain = re.sub(r"^__(\w+)_chk$", r"\1", symbol)  # _FORTIFY_SOURCE
    return symbol in SYMBOLS or plain in SYMBOLS or symbol.startswith(SYMBOL_PREFIXES)


def check_symbols(archives):
    defined, problems = set(), []
    for archive in archives:
        defined.update(nm(archive, "--defined-only"))
    for archive in archives:
        for symbol, member in sorted(nm(archive, "-u").items()):
            if symbol not in defined and not is_allowed(symbol):
                problems.append("%s(%s): a pure folder needs '%s'" % (os.path.basename(archive), member, symbol))
    return problems


def find_archives(source, build, files):
    """Archives of the pure folders that have sources: (built, missing names)."""
    places = {}
    for folder, folders, names in os.walk(build):
        folders[:] = [d for d in folders if d not in ("CMakeFiles", "Testing", "_deps")]
        places.update((name, os.path.join(folder, name)) for name in names if name.endswith(".a"))
    built, missing = [], []
    for room, name in PURE_ARCHIVES.items():
        if any(room_of(path) == room and path.endswith(".c") for path in files):
            (built if name in places else missing).append(places.get(name, name))
    return built, missing


def check(source, build):
    files = list(files_of(source))
    problems = check_names(files) + check_includes(source, files)
    missing = []
    if build:
        built, missing = find_archives(source, build, files)
        problems += check_symbols(built)
        print("symbols of %s" % (", ".join(os.path.basename(a) for a in built) or "nothing"))
    for problem in problems:
        print("layers: " + problem)
    if problems:
        return 1
    if missing:
        print("layers: SKIPPED the symbols of %s: not built" % ", ".join(missing))
        return EXIT_SKIPPED
    return 0


# ---- the check's own test: each violation, planted in a small house, is found, and the clean house passes ----

HOUSE = {
    "lib/base/error.h": "#include <stdint.h>\n",
    "lib/base/error.c": '#include "base/error.h"\n#include <stdlib.h>\nint *f(void);\nint *f(void) { return malloc(4); }\n',
    "lib/spec/types.h": '#include "base/error.h"\n',
    "lib/spec/parser.h": '#include "spec/types.h"\n',
    "lib/sys/loop.h": "#include <unistd.h>\n",
    "tune/tune.h": '#include "spec/types.h"\n',
    "scheduler/scheduler.h": '#include "spec/types.h"\n',
    "head/core/core.h": '#include "tune/tune.h"\n#include "scheduler/scheduler.h"\n',
    "head/shell/store.h": '#include "head/core/core.h"\n#include "sys/loop.h"\n',
    "cli/cli.h": '#include "head/shell/store.h"\n',
    "tests/unit/gpu/utilization_test.c": '#include "base/error.h"\n',
}

PLANTED = [
    ("a parser in tune", "tune/bad.c", '#include "spec/parser.h"\n', "tune may not include lib/spec/parser.h"),
    ("tune knows scheduler", "tune/bad.h", '#include "scheduler/scheduler.h"\n', "may not include scheduler/"),
    ("pure includes I/O", "head/core/bad.c", '#include "sys/loop.h"\n', "may not include lib/sys/loop.h"),
    ("core includes shell", "head/core/bad.c", '#include "head/shell/store.h"\n', "may not include head/shell/"),
    ("pure system header", "lib/base/bad.c", "#include <unistd.h>\n", "includes <unistd.h>"),
    ("indented directive", "lib/base/bad.c", "  #  include <sys/socket.h>\n", "includes <sys/socket.h>"),
    ("relative path", "lib/base/bad.c", '#include "../spec/types.h"\n', "may not include lib/spec/types.h"),
    ("somebody includes cli", "tests/e2e/bad.c", '#include "cli/cli.h"\n', "nobody includes cli"),
    ("shell includes cli", "head/shell/bad.c", '#include "cli/cli.h"\n', "may not include cli/cli.h"),
    ("a header that is nowhere", "tune/bad.c", '#include "tune/none.h"\n', "which is nowhere"),
    ("file name", "lib/base/string_utils.c", "", "says nothing"),
    ("file name", "tests/unit/common.h", "", "says nothing"),
    ("file name", "scripts/test-helper.py", "", "says nothing"),
]

SYMBOLS_PLANTED = [
    ("#include <time.h>\nlong f(void);\nlong f(void) { struct timespec t; clock_gettime(0, &t); return t.tv_sec; }\n",
     "clock_gettime"),
    ("#include <sys/socket.h>\nint f(void);\nint f(void) { return socket(1, 1, 0); }\n", "socket"),
    ("#include <stdio.h>\nvoid f(void);\nvoid f(void) { printf(\"%d\", 1); }\n", "printf"),
    ("void *json_load_file(const char *);\nvoid *f(void);\nvoid *f(void) { return json_load_file(\"x\"); }\n",
     "json_load_file"),
    ("void uv_run(void);\nvoid f(void);\nvoid f(void) { uv_run(); }\n", "uv_run"),
]


def plant(root, files):
    for path, text in files.items():
        path = os.path.join(root, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)


def archive_of(root, cc, text, name):
    plant(root, {name + ".c": text})
    source, object_file = os.path.join(root, name + ".c"), os.path.join(root, name + ".o")
    archive = os.path.join(root, name + ".a")
    subprocess.run([cc, "-c", source, "-o", object_file], check=True)
    subprocess.run(["ar", "rcs", archive, object_file], check=True)
    return archive


def self_test(cc):
    failures = []
    with tempfile.TemporaryDirectory() as root:
        plant(root, HOUSE)
        files = list(files_of(root))
        clean = check_names(files) + check_includes(root, files)
        if clean:
            failures.append("the clean house: %s" % clean)
    for title, path, text, wanted in PLANTED:
        with tempfile.TemporaryDirectory() as root:
            plant(root, {**HOUSE, path: text})
            files = list(files_of(root))
            found = check_names(files) + check_includes(root, files)
            if len(found) != 1 or wanted not in found[0]:
                failures.append("%s: wanted '%s', found %s" % (title, wanted, found))
    if find_cycle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) != ["b", "c", "b"] or find_cycle({"a": {"b"}, "b": set()}):
        failures.append("the cycle is not found")
    if find_cycle({room: {t for t in may if t in MAY_INCLUDE} for room, may in MAY_INCLUDE.items()}):
        failures.append("the table of arrows has a cycle itself")
    with tempfile.TemporaryDirectory() as root:
        good = archive_of(root, cc, HOUSE["lib/base/error.c"].replace('#include "base/error.h"', ""), "good")
        user = archive_of(root, cc, "int *f(void);\nint *g(void);\nint *g(void) { return f(); }\n", "user")
        if check_symbols([good, user]):
            failures.append("clean archives: %s" % check_symbols([good, user]))
        for i, (text, symbol) in enumerate(SYMBOLS_PLANTED):
            found = check_symbols([good, archive_of(root, cc, text, "bad%d" % i)])
            if len(found) != 1 or "'%s'" % symbol not in found[0]:
                failures.append("%s: found %s" % (symbol, found))
    for failure in failures:
        print("self-test: " + failure)
    print("self-test: %d planted, %d missed" % (len(PLANTED) + len(SYMBOLS_PLANTED), len(failures)))
    return 1 if failures else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source")
    parser.add_argument("--build")
    parser.add_argument("--self-test", action="store_true")
    parser.add_argument("--cc", default="cc")
    arguments = parser.parse_args()
    if arguments.self_test:
        return self_test(arguments.cc)
    if not arguments.source:
        parser.error("--source is needed")
    return check(arguments.source, arguments.build)


if __name__ == "__main__":
    sys.exit(main())
