#!/usr/bin/env python3
"""tests/KEYS.md names, for each key of the sweep file and each verb of sweeps and trials, tests that fail if it is ignored. This holds the table
to the code: a key or verb without a row, a row for what is not there, and a test that does not exist are failures."""
import os
import re
import sys

SOURCE = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "../.."))
TABLE = os.path.join(SOURCE, "tests/KEYS.md")
# Blocks whose table is not named in the row of their key: the reader knows it.
HIDDEN = {"early_terminate": "early_terminate_keys", "schedule.steps": "change_keys"}
NOUNS = ("sweep", "trial")
INSIDE = ("report", "save", "commit", "exploit")  # verbs inside of a trial


def read(*parts):
    with open(os.path.join(SOURCE, *parts), encoding="utf-8") as file:
        return file.read()


def tables():
    """{name: [(key, table of its block or None)]} of every table of keys in lib/spec."""
    found = {}
    for name in sorted(os.listdir(os.path.join(SOURCE, "lib/spec"))):
        if not name.endswith(".c"):
            continue
        text = read("lib/spec", name)
        for match in re.finditer(r"const struct spec_key (\w+)\[\] = \{(.*?)\n\};", text, re.S):
            rows = re.findall(r'\{"(\w+)",\s*(\w+),(.*?)\}(?=,\n)', match.group(2), re.S)
            found[match.group(1)] = [(key, (re.findall(r"\b(\w+_keys)\b", rest) or [None])[0]) for key, _, rest in rows]
    return found


def keys():
    """Every path of the file that this release reads."""
    found = tables()
    assert "sweep_keys" in found and len(found["sweep_keys"]) > 20, "the tables of keys are not where this looks for them"

    def walk(table, prefix):
        for key, inner in found[table]:
            path = prefix + key
            inner = inner or HIDDEN.get(path)
            if inner:
                yield from walk(inner, path + ".")
            else:
                yield path
    return list(walk("sweep_keys", ""))


def verbs():
    text = read("cli/verbs.c")
    pairs = re.findall(r'\{(NULL|"\w+"), "([\w-]+)"', text)
    return [f"{noun.strip(chr(34))} {verb}" for noun, verb in pairs if noun.strip('"') in NOUNS] + [verb for noun, verb in pairs if noun == "NULL" and verb in INSIDE]


def rows():
    """[(what, [file::test])] of the table, both halves."""
    found = []
    for line in read("tests/KEYS.md").splitlines():
        match = re.match(r"\| `([^`]+)` \| (.+) \|$", line)
        if match:
            found.append((match.group(1), re.findall(r"`([^`]+)`", match.group(2))))
    return found


def test_is_there(name):
    path, _, test = name.partition("::")
    full = os.path.join(SOURCE, "tests", path)
    if not os.path.exists(full):
        return False
    with open(full, encoding="utf-8") as file:
        text = file.read()
    defined = rf"^\s*(static void|def) {re.escape(test)}\(" if path.endswith((".c", ".py")) else test
    called = not path.endswith(".c") or re.search(rf"cmocka_unit_test(_\w+)?\({re.escape(test)}", text)
    return re.search(defined, text, re.M) is not None and bool(called)


def main():
    wanted, listed, wrong = keys() + verbs(), rows(), []
    names = [name for name, _ in listed]
    wrong += [f"{name}: a key or verb without a row in tests/KEYS.md" for name in wanted if name not in names]
    wrong += [f"{name}: a row in tests/KEYS.md for what is not there" for name in names if name not in wanted]
    wrong += [f"{name}: two rows in tests/KEYS.md" for name in sorted({n for n in names if names.count(n) > 1})]
    for name, tests in listed:
        if not tests:
            wrong.append(f"{name}: no test is named")
        wrong += [f"{name}: there is no test {test}" for test in tests if not test_is_there(test)]
    for text in wrong:
        print(text)
    print(("FAIL" if wrong else "ok") + f" keys_and_verbs: {len(wanted)} of them, {sum(len(tests) for _, tests in listed)} tests named")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
