#!/usr/bin/env python3
"""Holds the documents to the code: paths, links, functions, tests, routes, fields and verbs that they name exist.

usage: tests/tools/check_docs.py [ROOT]

What is checked, in every .md file of the repository:
  paths      `lib/sys/loop.c`: relative to the root, to the document's folder or to lib/ (as #include writes it)
  links      [text](target): relative ones, from the document's folder
  functions  `core_task_move()`: a word of the sources
  tests      `test_something`: a test of tests/
and that docs/API.md has each route of head/shell/routes.c and each field of lib/schema/api.c, docs/CLI.md each verb and
option of cli/option_lists.c; docs/STATES.md is what the build's muster-reference prints (MUSTER_TEST_BUILD). One line for each check: `ok name`, `FAIL name: why` or `SKIP name: why`."""
import os
import re
import subprocess
import sys

ROOT = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else os.environ.get("MUSTER_TEST_SOURCE", os.path.join(os.path.dirname(__file__), "../..")))
SKIPPED_FOLDERS = {".git", "build", "node_modules", "__pycache__"}
# Written by a command, not by hand: they may be absent in a fresh tree.
GENERATED = {"docs/STATES.md", "bench/RESULTS.md"}
SOURCE_ENDINGS = (".c", ".h", ".py", ".cmake", ".txt", ".yaml", ".in", ".json")
PATH = re.compile(r"^[A-Za-z0-9_.*-]+(/[A-Za-z0-9_.*-]+)*/?$")
missing_generated = set()


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def files():
    for folder, names, found in os.walk(ROOT):
        names[:] = sorted(n for n in names if n not in SKIPPED_FOLDERS)
        for name in sorted(found):
            yield os.path.relpath(os.path.join(folder, name), ROOT)


ALL = list(files())
FOLDERS = {os.path.dirname(f) for f in ALL} | {f.split("/")[0] for f in ALL if "/" in f}
for folder in list(FOLDERS):
    while folder:
        FOLDERS.add(folder)
        folder = os.path.dirname(folder)
TOP = {f.split("/")[0] for f in ALL if "/" in f} | {d for d in os.listdir(ROOT) if os.path.isdir(os.path.join(ROOT, d))}
DOCUMENTS = [f for f in ALL if f.endswith(".md")]


def exists(path):
    path = os.path.normpath(path)
    if path in GENERATED and not os.path.exists(os.path.join(ROOT, path)):
        missing_generated.add(path)
        return True
    if "*" in path:
        pattern = re.compile("^" + re.escape(path).replace(r"\*", "[^/]*") + "$")
        return any(pattern.match(f) for f in ALL)
    return os.path.exists(os.path.join(ROOT, path))


def prose(text):
    """Without fenced blocks."""
    return re.sub(r"^```.*?^```", "", text, flags=re.S | re.M)


def inline(document):
    return re.findall(r"`([^`\n]+)`", prose(read(document)))


def must_exist(token):
    """Is this word in backticks meant as a path of the tree?"""
    if not PATH.match(token) or token.startswith("-") or ".." in token.split("/"):
        return False
    first = token.split("/")[0]
    return ("/" in token and first in TOP - {"build"}) or token.endswith((".c", ".h", ".md"))


def check_paths():
    for document in DOCUMENTS:
        folder = os.path.dirname(document)
        for token in inline(document):
            if must_exist(token) and not any(exists(os.path.join(base, token)) for base in ("", folder, "lib")):
                yield f"{document} names `{token}`"


def check_links():
    for document in DOCUMENTS:
        for target in re.findall(r"\]\(([^)\s]+)\)", prose(read(document))):
            target = target.split("#")[0]
            if target and not re.match(r"^[a-z]+:", target) and not exists(os.path.join(os.path.dirname(document), target)):
                yield f"{document} links to {target}"


def words_of_sources():
    words = set()
    for path in ALL:
        if path.endswith(SOURCE_ENDINGS) or "." not in os.path.basename(path):
            try:
                words.update(re.findall(r"[A-Za-z_][A-Za-z0-9_]*", read(path)))
            except UnicodeDecodeError:
                pass
    return words


def check_functions():
    words = words_of_sources()
    for document in DOCUMENTS:
        for token in inline(document):
            call = re.match(r"^([A-Za-z][A-Za-z0-9_]*)\(\)$", token)
            if call and call.group(1) not in words:
                yield f"{document} names `{token}`"


def check_tests():
    known = set()
    for path in ALL:
        if path.startswith("tests/") and path.endswith((".c", ".py")):
            known.update(re.findall(r"\btest_[a-z0-9_]+", read(path)))
    for document in DOCUMENTS:
        for token in inline(document):
            if re.match(r"^test_[a-z0-9_]+$", token) and token not in known:
                yield f"{document} names `{token}`"


def check_routes():
    text = read("docs/API.md")
    for method, pattern in re.findall(r'\{HTTP_([A-Z]+), "([^"]+)"', read("head/shell/routes.c")):
        shown = pattern.replace("#", "N").replace("@", "N.I").replace("blobs/$", "blobs/HASH").replace("$", "NAME")
        if f"| {method} | `{shown}`" not in text:
            yield f"docs/API.md lacks {method} {shown}"


def check_fields():
    """Each api_<object>_fields table of api.c is a table under `## <object>` in API.md, in the same order."""
    text = read("docs/API.md")
    tables = re.findall(r"static const struct field api_([a-z]+)_fields\[\] = \{(.*?)\n\};", read("lib/schema/api.c"), re.S)
    if not tables:
        yield "no field table was found in lib/schema/api.c"
    for name, body in tables:
        fields = re.findall(r"F_[A-Z0-9_]+\(struct api_[a-z]+,\s*([a-z_]+)", body)
        section = re.search(rf"^### {name}$(.*?)(?=^##|\Z)", text, re.S | re.M)
        shown = re.findall(r"^\| `([a-z_]+)` \|", section.group(1), re.M) if section else []
        if shown != fields:
            yield f"docs/API.md, {name}: lacks {sorted(set(fields) - set(shown))}, has besides {sorted(set(shown) - set(fields))}" + (
                "" if set(shown) != set(fields) else ", another order")


def check_verbs():
    text, table = read("docs/CLI.md"), read("cli/verbs.c")
    verbs = re.findall(r'\{(NULL|"[a-z]+"), "([a-z]+)",', table)
    if not verbs:
        yield "no verb was found in cli/verbs.c"
    for noun, verb in verbs:
        name = verb if noun == "NULL" else f"{noun[1:-1]} {verb}"
        if f"`{name}" not in text:
            yield f"docs/CLI.md lacks the verb {name}"
    for option in re.findall(r'\{\s*(?:\\\s*)?"([a-z-]+)", (?:0|\'.\'), (?:NULL|"[^"]*"),', read("cli/option_lists.c")):
        if f"--{option}" not in text:
            yield f"docs/CLI.md lacks the option --{option}"


def check_exit_codes():
    text = read("docs/CLI.md")
    for name, value in re.findall(r"(EXIT_[A-Z_]+) = (\d+)", read("cli/cli.h")):
        if not re.search(rf"^\| {value} \|", text, re.M):
            yield f"docs/CLI.md lacks exit code {value} ({name})"


def check_states():
    printer = os.path.join(os.environ.get("MUSTER_TEST_BUILD", ROOT + "/build/release"), "docs/muster-reference")
    if not os.path.exists(printer) or not exists("docs/STATES.md"):
        raise LookupError(f"{os.path.relpath(printer, ROOT)} is not built")
    if subprocess.run([printer], stdout=subprocess.PIPE, check=True).stdout.decode() != read("docs/STATES.md"):
        yield "docs/STATES.md is not what the tables say; run `make docs`"


CHECKS = [check_paths, check_links, check_functions, check_tests, check_routes, check_fields, check_verbs, check_exit_codes, check_states]


def main():
    failed = 0
    for check in CHECKS:
        name = check.__name__.replace("check_", "docs_")
        try:
            wrong = list(check())
        except LookupError as why:
            print(f"SKIP {name}: {why}")
            continue
        for why in wrong:
            print(f"FAIL {name}: {why}")
        if not wrong:
            print(f"ok {name}")
        failed += bool(wrong)
    for path in sorted(missing_generated):
        print(f"SKIP docs_generated_{os.path.basename(path)}: {path} has not been made here")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
