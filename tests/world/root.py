"""The root of a world: a tmpfs of its own with the programs of this machine read-only, and nothing else of it.

build() runs in the world's first process, in a fresh mount namespace."""
import os
import shutil

import kernel

# What programs read in /etc; all else of the submitter's machine is out of sight.
ETC = ("passwd", "group", "nsswitch.conf", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "ssl", "localtime", "services", "protocols")
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
LINKS_OF_USR = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
FOLDERS = {"etc": 0o755, "home": 0o755, "opt": 0o755, "proc": 0o555, "root": 0o700, "run": 0o755, "sys": 0o555, "tmp": 0o1777,
           "var/lib": 0o755, "var/tmp": 0o1777}
STAGE = "/mnt"  # where the new root stands until it is the root; an empty folder on any Linux


def _pin(path):
    """A name of `path` that stays right when STAGE is mounted over."""
    return f"/proc/self/fd/{os.open(path, os.O_PATH)}"


def _programs_of_this_machine(root):
    for name in ("usr", *LINKS_OF_USR):
        here, there = "/" + name, os.path.join(root, name)
        if os.path.islink(here):
            os.symlink(os.readlink(here), there)
        elif os.path.isdir(here):
            os.mkdir(there)
            kernel.bind_read_only(here, there)
    os.mkdir(os.path.join(root, "etc"))
    for name in ETC:
        here, there = "/etc/" + name, os.path.join(root, "etc", name)
        if os.path.isdir(here):
            shutil.copytree(here, there, symlinks=True, ignore_dangling_symlinks=True, ignore=shutil.ignore_patterns("private"))
        elif os.path.exists(here):
            shutil.copy(here, there, follow_symlinks=not os.path.islink(here))


def _write(root, path, text):
    path = os.path.join(root, path)
    if os.path.lexists(path):
        os.unlink(path)
    with open(path, "w") as file:
        file.write(text)


def _devices(root):
    dev = os.path.join(root, "dev")
    os.makedirs(dev, exist_ok=True)
    kernel.mount("dev", dev, "tmpfs", kernel.MS_NOSUID, "mode=755,size=64k")
    for name in DEVICES:
        os.close(os.open(os.path.join(dev, name), os.O_CREAT, 0o666))
        kernel.mount("/dev/" + name, os.path.join(dev, name), None, kernel.MS_BIND)
    for name, target in (("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2"), ("ptmx", "pts/ptmx")):
        os.symlink(target, os.path.join(dev, name))
    for name, kind, data in (("shm", "tmpfs", "mode=1777"), ("pts", "devpts", "newinstance,ptmxmode=0666")):
        os.mkdir(os.path.join(dev, name))
        kernel.mount(name, os.path.join(dev, name), kind, kernel.MS_NOSUID | kernel.MS_NOEXEC, data)


def build(plan, hosts):
    """`plan` is the World's; `hosts` the text of /etc/hosts."""
    kernel.mount(None, "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    put = {inside: (_pin(path), os.path.isdir(path)) for inside, path in plan.put.items()}
    foreign = _pin(plan.root) if plan.root else None
    root = STAGE
    kernel.mount("world", root, "tmpfs", kernel.MS_NOSUID, f"mode=755,size={plan.size_bytes}")
    if foreign:
        for name in ("upper", "work", "all"):
            os.mkdir(os.path.join(STAGE, name))
        root = os.path.join(STAGE, "all")
        kernel.mount("world", root, "overlay", 0, f"lowerdir={foreign},upperdir={STAGE}/upper,workdir={STAGE}/work")
    else:
        _programs_of_this_machine(root)
    _devices(root)
    for name, mode in FOLDERS.items():
        os.makedirs(os.path.join(root, name), exist_ok=True)
        os.chmod(os.path.join(root, name), mode)
    _write(root, "etc/hosts", hosts)
    _write(root, "etc/hostname", plan.name + "\n")
    _write(root, "etc/resolv.conf", "")
    # Before the pivot: in a user namespace a new proc or sysfs is allowed only while a whole one is in sight.
    kernel.mount("proc", os.path.join(root, "proc"), "proc", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)
    kernel.mount("sysfs", os.path.join(root, "sys"), "sysfs", kernel.MS_RDONLY | kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)
    for inside, size_bytes in plan.small.items():
        os.makedirs(root + inside, exist_ok=True)
        kernel.mount("small", root + inside, "tmpfs", kernel.MS_NOSUID, f"mode=755,size={size_bytes}")
    for inside, (source, is_folder) in put.items():
        if is_folder:
            os.makedirs(root + inside, exist_ok=True)
        else:
            os.makedirs(os.path.dirname(root + inside), exist_ok=True)
            os.close(os.open(root + inside, os.O_CREAT, 0o755))
        kernel.bind_read_only(source, root + inside)
    kernel.pivot(root)
