"""Work folders for muster_client: what a sweep file says of its folder, and the folder as one tar.

The tar is the one that the command makes (lib/work), byte for byte, so the same folder has the same name however it was sent.
Standard library only.
"""
import contextlib
import hashlib
import json
import os
import re
import stat
import tempfile

MAX_BYTES = 200 << 20
BUILT_IN_IGNORE = [".git/"]
BLOCK, PATH_MAX, DEPTH_MAX = 512, 4000, 64


class WorkError(ValueError):
    """A work folder that cannot be sent; the text names the entry and says what to do."""


# ---- what the sweep file says ----


class Wanted:
    """path: absolute; is_packed: sent as a tar, else the same path on every node; ignore: rules; max_bytes"""

    def __init__(self, path, is_packed, ignore, max_bytes):
        self.path, self.is_packed, self.ignore, self.max_bytes = path, is_packed, ignore, max_bytes


def wanted(text, folder, work=None):
    """From a sweep file's text, which lies in `folder`; `work` wins over the file's path."""
    said = workdir_of(text)
    path = os.path.realpath(os.path.join(folder, work if work is not None else said.get("path", ".")))
    if not os.path.isdir(path):
        raise WorkError(f"the work folder {path} is no folder")
    is_packed = work is not None or said.get("mode", "snapshot") != "shared"
    return Wanted(path, is_packed, [str(rule) for rule in said.get("ignore") or []], size_of(said.get("max", MAX_BYTES)))


def without_state(wanted, state):
    """The same without the state folder, where that lies in it: it holds keys and sockets, and changes all the time."""
    state, inside = os.path.realpath(state), wanted.path.rstrip("/") + "/"
    if state == wanted.path:
        raise WorkError(f"the work folder {wanted.path} is the cluster's state folder, with its keys, and is not sent; give another work folder, or "
                        "another state folder")
    if not state.startswith(inside):
        return wanted
    own = re.sub(r"([\\*?\[\]!# ])", r"\\\1", state[len(inside):])  # the last: nothing brings it back
    return Wanted(wanted.path, wanted.is_packed, [*wanted.ignore, f"/{own}/"], wanted.max_bytes)


def size_of(value):
    """Bytes of 200M, 1G, 4096."""
    if isinstance(value, int):
        return value
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]?)(?:i?B)?", str(value).strip())
    if not match:
        raise WorkError(f"workdir.max '{value}' is no size, such as 200M")
    return int(float(match.group(1)) * 1024 ** " KMGT".index(match.group(2) or " "))


def workdir_of(text):
    """The `workdir` of a sweep file, as a dict. Of YAML only the forms that such a block has are read here, since Python's library
    has no YAML: one path, {...} on one line, or an indented block whose values are on one line each or `- ` items."""
    if text.lstrip().startswith("{"):
        said = json.loads(text).get("workdir", {})
        return {"path": said} if isinstance(said, str) else said
    lines = text.splitlines()
    for at, line in enumerate(lines):
        match = re.match(r"(?:workdir|\"workdir\"|'workdir')\s*:(?:\s+(.*))?$", line)
        if match:
            rest = _bare(match.group(1) or "")
            if rest.startswith("{"):
                return _flow(rest)
            return {"path": _scalar(rest)} if rest else _indented(lines[at + 1:])
    return {}


def _not_read(what):
    return WorkError(f"the workdir of this sweep file is not understood here ({what}); write it on one line, or give work=FOLDER")


def _bare(text):
    """Without a comment at its end."""
    quote = ""
    for at, c in enumerate(text):
        if quote:
            quote = "" if c == quote else quote
        elif c in "'\"" and (at == 0 or text[at - 1] in " [{,:"):
            quote = c
        elif c == "#" and (at == 0 or text[at - 1] in " \t"):
            return text[:at].strip()
    return text.strip()


def _scalar(text):
    text = text.strip()
    if text[:1] == '"':
        try:
            return json.loads(text)
        except ValueError:
            raise _not_read(text) from None
    if text[:1] == "'" and text[-1:] == "'" and len(text) > 1:
        return text[1:-1].replace("''", "'")
    if text[:1] in ("&", "*", "!", "|", ">", "%", "@", "`"):
        raise _not_read(text)
    return int(text) if re.fullmatch(r"\d+", text) else text


def _split(text):
    """The parts of a flow list or map between its commas."""
    parts, depth, quote, start = [], 0, "", 0
    for at, c in enumerate(text):
        if quote:
            quote = "" if c == quote else quote
        elif c in "'\"":
            quote = c
        elif c in "[{":
            depth += 1
        elif c in "]}":
            depth -= 1
        elif c == "," and depth == 0:
            parts.append(text[start:at])
            start = at + 1
    parts.append(text[start:])
    return [part.strip() for part in parts if part.strip()]


def _value(text):
    if text.startswith("["):
        if not text.endswith("]"):
            raise _not_read(text)
        return [_scalar(part) for part in _split(text[1:-1])]
    return _scalar(text)


def _flow(text):
    if not text.endswith("}"):
        raise _not_read(text)
    said = {}
    for part in _split(text[1:-1]):
        name, colon, value = part.partition(":")
        if not colon:
            raise _not_read(part)
        said[_scalar(name)] = _value(value.strip())
    return said


def _indented(lines):
    said, name = {}, None
    for line in lines:
        text = _bare(line)
        if not text:
            continue
        if line[:1] != " ":
            break
        if text.startswith("- ") or text == "-":
            if name is None or not isinstance(said.get(name), list):
                raise _not_read(text)
            said[name].append(_scalar(text[1:]))
            continue
        name, colon, value = text.partition(":")
        if not colon:
            raise _not_read(text)
        name = _scalar(name)
        said[name] = _value(value.strip()) if value.strip() else []
    return said


# ---- which entries ----


class Rules:
    """Patterns as in a .gitignore file, understood as the command does (lib/work/rules.h): the last that matches decides; `!` keeps
    what an earlier one left out; a `/` at the end matches folders only, one elsewhere ties the pattern to the work folder."""

    def __init__(self, lines):
        self.rules = [rule for rule in map(self._rule, lines) if rule]

    @staticmethod
    def _rule(text):
        while text.endswith(" ") and not text.endswith("\\ "):
            text = text[:-1]
        if not text or text.startswith("#"):
            return None
        is_kept = text.startswith("!")
        text = text[1:] if is_kept else text
        for_folders = text.endswith("/")
        text = text[:-1] if for_folders else text
        is_tied = "/" in text
        text = text[1:] if text.startswith("/") else text
        if not text:
            return None
        segments = [part if part == "**" else re.compile(_segment(part), re.S) for part in text.split("/")] if is_tied else \
                   [re.compile(_segment(text), re.S)]
        return is_kept, for_folders, is_tied, segments

    def leave_out(self, path, is_folder):
        parts = path.split("/")
        for is_kept, for_folders, is_tied, segments in reversed(self.rules):
            if (is_folder or not for_folders) and (_match(segments, parts) if is_tied else segments[0].fullmatch(parts[-1])):
                return not is_kept
        return False


def _match(segments, parts):
    """`**` is any number of folders; at the end it is something below."""
    if not segments:
        return not parts
    if segments[0] == "**":
        if len(segments) == 1:
            return bool(parts)
        return any(_match(segments[1:], parts[at:]) for at in range(len(parts)))
    return bool(parts) and bool(segments[0].fullmatch(parts[0])) and _match(segments[1:], parts[1:])


def _segment(text):
    """One segment as a regular expression."""
    out, at = "", 0
    while at < len(text):
        c = text[at]
        bracket = re.compile(r"\[([!^]?)((?:\\.|[^\]\\])(?:\\.|[^\]\\])*|\](?:\\.|[^\]\\])*)\]", re.S).match(text, at) if c == "[" else None
        if bracket:
            inside = re.sub(r"([\[^&~|])", r"\\\1", bracket.group(2).replace("]", "\\]") if bracket.group(2).startswith("]") else bracket.group(2))
            out += f"[{'^' if bracket.group(1) else ''}{inside}]"
            at = bracket.end()
            continue
        if c == "\\" and at + 1 < len(text):
            at += 1
            c = text[at]
            out += re.escape(c)
        else:
            out += {"*": ".*", "?": "."}.get(c) or re.escape(c)
        at += 1
    return out


def entries(wanted):
    """[(path, about)] of what is sent, sorted by the bytes of the path."""
    rules, found = Rules(BUILT_IN_IGNORE + wanted.ignore), []

    def walk(folder, prefix):
        with os.scandir(folder) as items:
            for item in items:
                path = prefix + item.name
                about = item.stat(follow_symlinks=False)
                is_folder = stat.S_ISDIR(about.st_mode)
                if rules.leave_out(path, is_folder):
                    continue
                if not (is_folder or stat.S_ISREG(about.st_mode) or stat.S_ISLNK(about.st_mode)):
                    raise WorkError(f"{path} in the work folder {wanted.path} is a socket, device or pipe and cannot be sent; "
                                    "remove it or add it to workdir.ignore")
                if stat.S_ISLNK(about.st_mode):
                    _link_check(wanted, path)
                found.append((path, about))
                if is_folder:
                    walk(item.path, path + "/")

    walk(wanted.path, "")
    return sorted(found, key=lambda entry: os.fsencode(entry[0]))


def _link_check(wanted, path):
    target = os.readlink(os.path.join(wanted.path, path))
    inside = os.path.normpath(os.path.join(os.path.dirname(path), target))
    if target.startswith("/") or inside == ".." or inside.startswith("../"):
        raise WorkError(f"{path} in the work folder {wanted.path} is a link that leads out of it, to {target}; "
                        "copy what it names, or add it to workdir.ignore")


# ---- the tar ----


def _block(name, mode, size, kind, target=b"", prefix=b""):
    fields = (name[:100].ljust(100, b"\0"), b"%07o\0" % mode, b"%07o\0" % 0, b"%07o\0" % 0, b"%011o\0" % size, b"%011o\0" % 0, b" " * 8, kind,
              target[:100].ljust(100, b"\0"), b"ustar\00000", b"\0" * 64, b"%07o\0" % 0, b"%07o\0" % 0, prefix.ljust(155, b"\0"), b"\0" * 12)
    block = b"".join(fields)
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def _pax(key, value):
    """`<length> key=value`, where the length counts itself."""
    rest = len(key) + len(value) + 3
    length = rest + 1
    while rest + len(str(length)) != length:
        length = rest + len(str(length))
    return b"%d %s=%s\n" % (length, key, value)


def _prefix(path):
    """Where the path is cut into prefix and name: 0: not at all; None: there is no place."""
    if len(path) <= 100:
        return 0
    cut = path.find(b"/", max(1, len(path) - 101))
    return cut if 0 < cut <= 155 and len(path) - cut - 1 <= 100 else None


def header(path, mode, size, kind, target=b""):
    """The blocks before an entry's contents."""
    if len(path) > PATH_MAX or len(target) > PATH_MAX or path.count(b"/") >= DEPTH_MAX:
        raise WorkError(f"the path {os.fsdecode(path)} is too long or too deep to be sent; add it to workdir.ignore")
    cut, out = _prefix(path), b""
    long = (_pax(b"path", path) if cut is None else b"") + (_pax(b"linkpath", target) if len(target) > 100 else b"")
    if long:
        out = _block(b"pax", 0o644, len(long), b"x") + long + b"\0" * (-len(long) % BLOCK)
    return out + (_block(path[cut + 1:], mode, size, kind, target, path[:cut]) if cut else _block(path, mode, size, kind, target))


class Pack:
    """path of the tar, its hash (64 hex characters of BLAKE2b-256) and size"""

    def __init__(self, path, hash, size):
        self.path, self.hash, self.size = path, hash, size


def _head(folder, path, about):
    """The blocks before an entry's contents, and how long these are."""
    name = os.fsencode(path)
    if stat.S_ISDIR(about.st_mode):
        return header(name + b"/", 0o755, 0, b"5"), 0
    if stat.S_ISLNK(about.st_mode):
        return header(name, 0o755, 0, b"2", os.fsencode(os.readlink(os.path.join(folder, path)))), 0
    return header(name, 0o755 if about.st_mode & 0o111 else 0o644, about.st_size, b"0"), about.st_size


def _size_check(wanted, found, size):
    if size > wanted.max_bytes:
        files = sorted((entry for entry in found if stat.S_ISREG(entry[1].st_mode)), key=lambda entry: -entry[1].st_size)[:3]
        largest = ", ".join(f"{path} {about.st_size / 1048576:.1f} MiB" for path, about in files)
        raise WorkError(f"the work folder {wanted.path} is {size / 1048576:.1f} MiB, more than workdir.max, {wanted.max_bytes / 1048576:.1f} MiB; the "
                        f"largest: {largest}; leave out what trials do without by workdir.ignore, or raise max")


def write(wanted, to):
    """Writes the tar to a binary file; (hash, size)."""
    found = entries(wanted)
    heads = [_head(wanted.path, path, about) for path, about in found]
    size = sum(len(head) + length + -length % BLOCK for head, length in heads) + 2 * BLOCK
    _size_check(wanted, found, size)
    hash = hashlib.blake2b(digest_size=32)

    def put(data):
        to.write(data)
        hash.update(data)

    for (path, about), (head, length) in zip(found, heads):
        put(head)
        if stat.S_ISREG(about.st_mode):
            _file_put(os.path.join(wanted.path, path), length, put)
    put(b"\0" * (2 * BLOCK))
    return hash.hexdigest(), size


def _file_put(full, size, put):
    left = size
    with open(full, "rb") as file:
        while left > 0:
            data = file.read(min(left, 1 << 20))
            if not data:
                break
            put(data)
            left -= len(data)
        if left or file.read(1):
            raise WorkError(f"{full} changed while it was packed; try again when nobody writes to it")
    put(b"\0" * (-size % BLOCK))


@contextlib.contextmanager
def packed(wanted):
    """The folder as a tar in a temporary file, gone when the block ends."""
    with tempfile.NamedTemporaryFile(prefix="muster-work-") as file:
        hash, size = write(wanted, file)
        file.flush()
        yield Pack(file.name, hash, size)
