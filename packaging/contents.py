"""What goes into a bundle and into a Debian package alike. Used by scripts/bundle and scripts/deb."""
import os
import re
import shutil
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
GENERATED = ((["completion", "bash"], "bash-completion/completions/muster"), (["completion", "zsh"], "zsh/site-functions/_muster"),
             (["completion", "fish"], "fish/vendor_completions.d/muster.fish"), (["help", "--man"], "man/man1/muster.1"))


def version():
    with open(os.path.join(ROOT, "CMakeLists.txt")) as file:
        return re.search(r"project\(muster VERSION ([0-9.]+)", file.read()).group(1)


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def epoch():
    """The time that everything inside has: SOURCE_DATE_EPOCH, else the last change of the sources."""
    if os.environ.get("SOURCE_DATE_EPOCH"):
        return int(os.environ["SOURCE_DATE_EPOCH"])
    done = subprocess.run(["git", "-C", ROOT, "log", "-1", "--format=%ct"], capture_output=True, text=True)
    return int(done.stdout) if done.returncode == 0 and done.stdout.strip() else int(time.time())


def put(source, target, mode=0o644):
    """A copy with this mode; folders are made."""
    os.makedirs(os.path.dirname(target), exist_ok=True)
    shutil.copyfile(os.path.realpath(source), target)
    os.chmod(target, mode)


def put_program(source, target):
    put(source, target, 0o755)
    subprocess.run(["strip", "--strip-unneeded", target], check=True)


def python_put(folder):
    """The modules of client/python."""
    source = os.path.join(ROOT, "client/python")
    for at, folders, files in os.walk(source):
        folders[:] = [name for name in folders if name != "__pycache__"]
        for name in files:
            if name.endswith(".py"):
                put(os.path.join(at, name), os.path.join(folder, os.path.relpath(at, source), name))


def documents_put(folder):
    """The pages for users."""
    for name in ("START.md", "CLI.md", "SWEEP-FILE.md", "TRAINER.md", "C-API.md", "PYTHON.md", "API.md", "STATES.md", "RELIABILITY.md"):
        path = os.path.join(ROOT, "docs", name)
        if os.path.exists(path):
            put(path, os.path.join(folder, name))


def examples_put(digits, folder):
    """The examples, with commands that run beside their files; `digits` is the built trainer."""
    source, target = os.path.join(ROOT, "examples/digits"), os.path.join(folder, "digits")
    for name in sorted(os.listdir(source)):
        path = os.path.join(source, name)
        if name.startswith(".") or name == "CMakeLists.txt" or not os.path.isfile(path):
            continue
        put(path, os.path.join(target, name))
        if name.endswith(".yaml"):
            with open(path) as file:
                text = re.sub(r"[^\s\[]*/build/release/examples/digits/digits", "./digits", file.read())
            text = re.sub(r"workdir: {mode: shared}.*\n", "", text)  # here the program is in the folder, and travels with it
            with open(os.path.join(target, name), "w") as file:
                file.write(text.replace("      (after `make build`)", ""))
    put_program(digits, os.path.join(target, "digits"))


def generated_put(muster, share):
    """Man page and completions, printed by the command itself from its table of verbs; `muster` are the words that run it."""
    for arguments, path in GENERATED:
        done = subprocess.run([*muster, *arguments], capture_output=True, text=True)
        if done.returncode != 0 or not done.stdout:
            print("left out, this muster has no", " ".join(arguments), file=sys.stderr)
            continue
        path = os.path.join(share, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(done.stdout)


def build_targets(build, *targets):
    subprocess.run(["cmake", "--build", build, "--target", *targets, "--", "--quiet"], check=True, stdout=sys.stderr)
