"""The few system calls that Python 3.11 lacks: namespaces, mounts, the signal at a parent's death, network card settings.

Each raises OSError with the name of what was tried. All act on the calling thread or process only."""
import contextlib
import ctypes
import fcntl
import os
import platform
import socket
import struct

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
KINDS = {"net": CLONE_NEWNET, "uts": CLONE_NEWUTS, "ipc": CLONE_NEWIPC, "pid": CLONE_NEWPID, "mnt": CLONE_NEWNS}

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
MNT_DETACH = 2
SIOCETHTOOL = 0x8946
ETHTOOL_STXCSUM, ETHTOOL_STSO, ETHTOOL_SGSO = 0x17, 0x1F, 0x24
PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}

_libc = ctypes.CDLL(None, use_errno=True)


def _call(what, function, *arguments):
    if function(*arguments) < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(flags):
    _call("unshare", _libc.unshare, flags)


def mount(source, target, kind=None, flags=0, data=None):
    def text(value):
        return None if value is None else os.fsencode(value)

    _call(f"mount {kind or source} on {target}", _libc.mount, text(source), text(target), text(kind), ctypes.c_ulong(flags), text(data))


def bind_read_only(source, target):
    """A bind mount that nobody inside can write through. Flags that the source has must stay in a user namespace."""
    mount(source, target, None, MS_BIND | MS_REC)
    have = os.statvfs(target).f_flag & (MS_NOSUID | MS_NODEV | MS_NOEXEC)
    mount(None, target, None, MS_REMOUNT | MS_BIND | MS_RDONLY | have)


def pivot(root):
    """Makes `root`, a mount, the root of this mount namespace; what was there is gone from sight."""
    os.chdir(root)
    _call("pivot_root", _libc.syscall, PIVOT_ROOT[platform.machine()], b".", b".")
    _call("umount", _libc.umount2, b".", MNT_DETACH)
    os.chdir("/")


def die_with_parent(sign=9):
    _call("prctl", _libc.prctl, 1, ctypes.c_ulong(sign), 0, 0, 0)


def enter(pid, kinds):
    """Goes into the namespaces of process `pid`. Of `pid`, only children are inside."""
    # All are opened first: after the mount namespace this /proc is out of reach.
    opened = [(os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC), KINDS[kind]) for kind in KINDS if kind in kinds]
    for descriptor, kind in opened:
        _call("setns", _libc.setns, descriptor, kind)
        os.close(descriptor)


@contextlib.contextmanager
def inside_network(pid):
    """The calling thread is in the network of `pid` meanwhile; a socket stays where it was made."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        enter(pid, ["net"])
        yield
    finally:
        _call("setns", _libc.setns, home, CLONE_NEWNET)
        os.close(home)


def become_root_of_user_namespace():
    """An ordinary user becomes root in a user namespace of this process; needs that no other thread runs."""
    user, group = os.geteuid(), os.getegid()
    unshare(CLONE_NEWUSER)
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def offload_off(pid, card):
    """Whole checksums and packets of the link's size, so that they can be read and sent by a program."""
    with inside_network(pid):
        control = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with control:
        for command in (ETHTOOL_STSO, ETHTOOL_SGSO, ETHTOOL_STXCSUM):
            value = ctypes.create_string_buffer(struct.pack("II", command, 0))
            fcntl.ioctl(control, SIOCETHTOOL, struct.pack("16sP8x", card.encode(), ctypes.addressof(value)))
