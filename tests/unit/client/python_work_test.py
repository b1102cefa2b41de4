#!/usr/bin/env python3
"""What muster_work.py packs, and where muster_http.py finds a head. That the command packs the same bytes is shown by
tests/e2e/python_client_test.py."""
import io
import json
import os
import shutil
import stat
import sys
import tarfile
import tempfile
import traceback

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.environ.get("MUSTER_TEST_SOURCE", os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../..")), "client/python"))
import muster_http  # noqa: E402
import muster_work  # noqa: E402


def write(folder, name, data=b"", mode=0o644):
    path = os.path.join(folder, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)
    os.chmod(path, mode)
    return path


class Skip(Exception):
    pass


def refusal(call):
    try:
        call()
    except muster_work.WorkError as error:
        return str(error)
    raise AssertionError("it was not refused")


def test_rules_decide_as_the_documented_patterns(folder):
    for patterns, path, is_folder, left_out in (
            ([".git/"], ".git", True, True), ([".git/"], "a/.git", True, True), ([".git/"], ".git", False, False),
            (["*.o"], "a/b.o", False, True), (["/x"], "a/x", False, False), (["/x"], "x", False, True), (["a/x"], "b/a/x", False, False),
            (["a/**/b"], "a/b", False, True), (["a/**/b"], "a/q/r/b", False, True), (["a/**"], "a", True, False), (["a/**"], "a/x/y", False, True),
            (["**/b"], "q/r/b", False, True), (["*", "!keep"], "keep", False, False), (["!keep", "*"], "keep", False, True),
            (["[a-c]x"], "bx", False, True), (["[!a-c]x"], "bx", False, False), (["[^a-c]x"], "dx", False, True), (["[]x]"], "]", False, True),
            (["[x"], "[x", False, True), (["x[\\]]"], "x]", False, True), (["\\*"], "*", False, True), (["\\*"], "a", False, False),
            (["a?c"], "abc", False, True), (["a*c"], "a/c", False, False), (["# no"], "# no", False, False), (["\\# yes"], "# yes", False, True),
            (["blank  "], "blank", False, True), (["blank\\ "], "blank ", False, True)):
        assert muster_work.Rules(patterns).leave_out(path, is_folder) == left_out, (patterns, path)


def test_workdir_of_every_form_is_read(folder):
    for text, said in (
            ("workdir: sub # c\n", {"path": "sub"}), ("name: x\n", {}), ("workdir:\n  mode: shared\n", {"mode": "shared"}),
            ("a: 1\nworkdir: {path: ., mode: shared, ignore: [data/, '*.o', \"q,r\"], max: 200M}\n",
             {"path": ".", "mode": "shared", "ignore": ["data/", "*.o", "q,r"], "max": "200M"}),
            ("workdir:\n  path: x\n\n  ignore:\n    - a/\n    - '#b'  # c\n  max: 1G\nname: y\n", {"path": "x", "ignore": ["a/", "#b"], "max": "1G"}),
            ('{"workdir": "a"}', {"path": "a"}), ('{"workdir": {"path": "b", "ignore": ["c"]}}', {"path": "b", "ignore": ["c"]}),
            ("env: {workdir: no}\ncommand:\n  workdir: neither\n", {})):
        assert muster_work.workdir_of(text) == said, (text, muster_work.workdir_of(text))
    assert "work=" in refusal(lambda: muster_work.workdir_of("workdir: &anchor {path: a\n"))


def test_pack_is_the_same_bytes_whoever_made_the_folder(folder):
    hashes = []
    for at in ("one", "two"):
        top = os.path.join(folder, at)
        for name in ("b", "a/c", "a-b", "run.sh") if at == "one" else ("run.sh", "a-b", "a/c", "b"):
            write(top, name, name.encode() * 300, 0o755 if name == "run.sh" else 0o600 if at == "one" else 0o664)
        os.symlink("a/c", os.path.join(top, "link"))
        write(top, ".git/config")
        write(top, "data/big", b"x" * 5000)
        os.utime(os.path.join(top, "b"), (1, len(at) * 1000))
        to = io.BytesIO()
        hash, size = muster_work.write(muster_work.wanted("workdir: {ignore: [data/]}", top), to)
        assert size == len(to.getvalue()) and size % 512 == 0
        hashes.append(hash)
    assert hashes[0] == hashes[1] and len(hashes[0]) == 64
    with tarfile.open(fileobj=io.BytesIO(to.getvalue())) as tar:
        found = {entry.name: entry for entry in tar}
    assert set(found) == {"a", "a-b", "a/c", "b", "link", "run.sh"}, found
    assert found["run.sh"].mode == 0o755 and found["b"].mode == 0o644 and found["link"].linkname == "a/c" and found["b"].mtime == 0


def test_pack_long_names_survive(folder):
    names = ["n" * 200, "d" * 90 + "/" + "e" * 90 + "/f", "d" * 120 + "/" + "g" * 120]
    for name in names:
        write(folder, name, name.encode())
    os.symlink("/".join(["."] * 80) + "/" + "n" * 200, os.path.join(folder, "long-link"))
    to = io.BytesIO()
    muster_work.write(muster_work.wanted("", folder), to)
    to.seek(0)
    with tarfile.open(fileobj=to) as tar:
        for name in names:
            assert tar.extractfile(name).read() == name.encode()
        assert tar.getmember("long-link").linkname.endswith("n" * 200)


def test_pack_what_cannot_be_sent_is_named(folder):
    os.mkfifo(os.path.join(folder, "pipe"))
    assert "pipe" in refusal(lambda: muster_work.entries(muster_work.wanted("", folder)))
    os.unlink(os.path.join(folder, "pipe"))
    for target in ("/etc/passwd", "../out", "a/../../out"):
        os.symlink(target, os.path.join(folder, "link"))
        assert target in refusal(lambda: muster_work.entries(muster_work.wanted("", folder)))
        os.unlink(os.path.join(folder, "link"))
    write(folder, "large", b"x" * 3_000_000)
    text = refusal(lambda: muster_work.write(muster_work.wanted("workdir: {max: 2M}", folder), io.BytesIO()))
    assert "large 2.9 MiB" in text and "workdir.max" in text, text
    assert "no folder" in refusal(lambda: muster_work.wanted("workdir: nowhere", folder))


def test_pack_device_is_refused_with_its_path(folder):
    for kind, numbers in ((stat.S_IFCHR, (1, 3)), (stat.S_IFBLK, (7, 0))):
        try:
            os.mknod(os.path.join(folder, "null"), kind | 0o600, os.makedev(*numbers))
        except PermissionError:
            raise Skip("no device may be made here")
        text = refusal(lambda: muster_work.entries(muster_work.wanted("", folder)))
        assert text.startswith("null in the work folder") and "device" in text, text
        assert not muster_work.entries(muster_work.wanted("workdir: {ignore: ['null']}", folder))
        os.unlink(os.path.join(folder, "null"))


def test_head_is_found_as_the_command_does(folder):
    for name in [name for name in os.environ if name in ("MUSTER_HEAD", "MUSTER_TOKEN", "MUSTER_CA", "MUSTER_STATE")]:
        del os.environ[name]
    os.environ["MUSTER_STATE"] = folder
    find = lambda **given: muster_http.Head(*(given.get(name) for name in ("url", "token", "ca", "state"))).find()
    try:
        find()
        raise AssertionError("there is no head")
    except muster_http.Unreachable as error:
        assert "muster up" in str(error)
    write(folder, "token", b"secret\n")
    write(folder, "current", json.dumps({"url": "https://127.0.0.1:1", "token_file": os.path.join(folder, "token"), "ca": "/ca"}).encode())
    assert find() == ("https://127.0.0.1:1", "secret", "/ca")
    assert find(url="https://127.0.0.1:1/") == ("https://127.0.0.1:1", "secret", "/ca")
    assert find(url="https://other:2") == ("https://other:2", "", None)
    write(folder, "contexts.json", json.dumps({"chosen": "https://b:3", "contexts": [{"url": "https://a:3", "token": "ta", "ca": ""},
                                                                                     {"url": "https://b:3", "token": "tb", "ca": "/cb"}]}).encode())
    assert find() == ("https://b:3", "tb", "/cb")
    assert find(state=folder) == ("https://127.0.0.1:1", "secret", "/ca")
    assert find(url="a:3", ca="/mine") == ("https://a:3", "ta", "/mine")
    os.environ.update(MUSTER_HEAD="https://b:3", MUSTER_TOKEN="tt")
    assert find() == ("https://b:3", "tt", "/cb")
    del os.environ["MUSTER_HEAD"], os.environ["MUSTER_TOKEN"]
    write(folder, "contexts.json", b"{")
    try:
        find()
        raise AssertionError("a damaged file was taken")
    except muster_http.Unreachable as error:
        assert "contexts.json" in str(error)


def main():
    failed = 0
    for name, test in list(globals().items()):
        if name.startswith("test_"):
            folder = tempfile.mkdtemp(prefix="muster-unit-")
            try:
                test(folder)
                print("ok", name)
            except Skip as why:
                print(f"SKIP {name}: {why}")
            except BaseException:
                traceback.print_exc(file=sys.stdout)
                print("FAIL", name)
                failed += 1
            shutil.rmtree(folder)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
