#!/usr/bin/env python3
"""The bundle in root file systems that are not ours: as uid 1000, without network, from a read-only folder with a blank in its
name. Always: a root that has nothing but a static busybox, and one of another Debian release, its C library and busybox; a worker in
such a root beside two of this machine's. With MUSTER_TEST_LONG=1: whole roots of Debian 11, 12 and 13, made by debootstrap."""
import atexit
import glob
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../world"))

from cluster import BUILD, SLOW, SOURCE, Skip, run  # noqa: E402
from fleet import STATE, WORK, Fleet  # noqa: E402

PLACE = "/srv/some where/muster"  # where the foreign root has the bundle
RELEASES = {"bullseye": "11", "bookworm": "12", "trixie": "13"}
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_made = {}


def bundle():
    """The unpacked bundle, made once for this file."""
    if SLOW > 1:
        raise Skip("a bundle is not made of a build with sanitizers")
    if "top" not in _made:
        if os.environ.get("MUSTER_TEST_BUNDLE"):
            tar_path = os.environ["MUSTER_TEST_BUNDLE"]
        else:
            tar_path = subprocess.run([os.path.join(SOURCE, "scripts/bundle"), BUILD], check=True, stdout=subprocess.PIPE, text=True).stdout.split()[-1]
        folder = tempfile.mkdtemp(prefix="muster-bundle-")
        os.chmod(folder, 0o755)
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        with tarfile.open(tar_path) as tar:
            tar.extractall(folder)
        (_made["top"],) = glob.glob(os.path.join(folder, "muster-*"))
    return _made["top"]


def needs_namespaces():
    if os.geteuid() != 0:
        raise Skip("needs root, to change the root folder")
    if subprocess.run(["unshare", "--mount", "--pid", "--net", "--fork", "true"], capture_output=True).returncode:
        raise Skip("this machine allows no namespaces")


def root_bare(cluster):
    """A root of one static shell: no library, no /lib, no user list but its own."""
    needs_namespaces()
    busybox = shutil.which("busybox")
    if not busybox or not is_static(busybox):
        raise Skip("needs a static busybox (package busybox-static)")
    root = os.path.join(cluster.root, "bare")
    os.makedirs(os.path.join(root, "bin"))
    shutil.copy(busybox, os.path.join(root, "bin/busybox"))
    return furnished(root)


def furnished(root):
    """What a root with a busybox needs besides: its commands by name, folders, users."""
    for folder in ("etc", "home/user", "proc", "dev", "tmp", "srv"):
        os.makedirs(os.path.join(root, folder), exist_ok=True)
    for name in subprocess.run(["/usr/sbin/chroot", root, "/bin/busybox", "--list"], check=True, capture_output=True, text=True).stdout.split():
        if not os.path.lexists(os.path.join(root, "bin", name)):
            os.symlink("busybox", os.path.join(root, "bin", name))
    for name, text in (("passwd", "user:x:1000:1000::/home/user:/bin/sh\n"), ("hosts", "127.0.0.1 here.example\n"),
                       ("nsswitch.conf", "passwd: files systemd\nhosts: files mymachines resolve [!UNAVAIL=return] dns\n")):
        with open(os.path.join(root, "etc", name), "w") as file:
            file.write(text)
    return root


def is_static(program):
    done = subprocess.run(["ldd", program], capture_output=True, text=True)
    return "not a dynamic" in done.stdout + done.stderr


def libc_version(root):
    (path,) = glob.glob(os.path.join(root, "lib/*-linux-gnu/libc.so.6"))
    with open(path, "rb") as file:
        return re.search(rb"GNU C Library [^\n]* version ([0-9.]+)", file.read()).group(1)


def mirror():
    """The archive that this machine's own apt uses."""
    for path in [*glob.glob("/etc/apt/sources.list"), *glob.glob("/etc/apt/sources.list.d/*")]:
        with open(path, errors="replace") as file:
            for line in file:
                for word in line.split():
                    if word.startswith("http") and word.rstrip("/").endswith("/debian"):
                        return word
    return "http://deb.debian.org/debian"


def kept(name, make):
    """A root that make(folder) fetches, kept in the build folder."""
    root = os.path.join(os.path.abspath(BUILD), "roots", name)
    if not os.path.exists(root + ".ready"):
        shutil.rmtree(root, ignore_errors=True)
        os.makedirs(root)
        make(root)
        open(root + ".ready", "w").close()
    return root


def root_of_release(release):
    """A Debian release's own minimal root."""
    if os.environ.get("MUSTER_TEST_LONG") != "1":
        raise Skip("makes a whole Debian root; only with MUSTER_TEST_LONG=1")
    if not shutil.which("debootstrap"):
        raise Skip("needs debootstrap: apt-get install debootstrap")

    needs_namespaces()

    def make(root):
        # What it mounts in the root is gone with it, also when it is killed.
        done = subprocess.run(["unshare", "--mount", "--fork", "--kill-child", "debootstrap", "--variant=minbase", "--include=python3",
                               release, root, mirror()], capture_output=True, text=True)
        if done.returncode:
            raise Skip(f"{release} cannot be fetched from {mirror()}: {done.stdout.strip().splitlines()[-1:]}")
    return kept(release, make)


def fetch(release, packages, folder):
    """Packages of another Debian release, by apt with lists of its own; False: there are none here."""
    lists = os.path.join(folder, "apt")
    os.makedirs(lists + "/lists/partial")
    for name, text in (("sources", f"deb [signed-by={KEYRING}] {mirror()} {release} main\n"), ("status", "")):
        with open(os.path.join(lists, name), "w") as file:
            file.write(text)
    options = {"Dir::Etc::SourceList": lists + "/sources", "Dir::Etc::SourceParts": "/dev/null", "Dir::State::Lists": lists + "/lists",
               "Dir::State::status": lists + "/status", "Dir::Cache::pkgcache": "", "Dir::Cache::srcpkgcache": "", "APT::Sandbox::User": "root",
               "Acquire::Languages": "none", "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false", "Acquire::Retries": "0", "Acquire::http::Timeout": "20",
               "APT::Update::Error-Mode": "any"}
    words = ["apt-get", "-qq", *[word for pair in options.items() for word in ("-o", "=".join(pair))]]
    return all(subprocess.run([*words, *verb], cwd=folder, capture_output=True).returncode == 0 for verb in (["update"], ["download", *packages]))


def root_of_another_release():
    """The C library and the busybox of a Debian release that is not this machine's: the oldest that can be had."""
    with open("/etc/os-release") as file:
        here = file.read()
    if not shutil.which("apt-get") or not os.path.exists(KEYRING):
        raise Skip(f"needs apt-get and {KEYRING}")
    for release in (name for name in RELEASES if f"={name}\n" not in here):
        def make(root, release=release):
            with tempfile.TemporaryDirectory() as folder:
                if not fetch(release, ["libc6", "busybox"], folder):
                    raise Skip(f"no Debian release but this machine's can be fetched from {mirror()}")
                for path in glob.glob(folder + "/*.deb"):
                    subprocess.run(["dpkg-deb", "-x", path, root], check=True)
            furnished(root)
        try:
            return kept(release + "-small", make)
        except Skip as why:
            reason = why
    raise reason


def inside(cluster, root, script, seconds=120):
    """Runs a shell script as uid 1000 in the root: own processes, own network that is loopback alone, own /tmp and home."""
    needs_namespaces()
    top = bundle()
    with open(os.path.join(cluster.work, "inside.sh"), "w") as file:
        file.write(script)
    outer = f"""set -e
mount --make-rprivate /
mount --bind '{root}' '{root}'
mkdir -p '{root}{PLACE}' '{root}/home/user'
mount --bind '{top}' '{root}{PLACE}'
mount -o remount,ro,bind '{root}{PLACE}'
mount -t proc proc '{root}/proc'
mount -t tmpfs -o mode=755 tmpfs '{root}/dev'
for device in null zero urandom random; do touch '{root}/dev/'$device; mount --bind /dev/$device '{root}/dev/'$device; done
mount -t tmpfs -o mode=1777 tmpfs '{root}/tmp'
mount -t tmpfs -o uid=1000,gid=1000,mode=700 tmpfs '{root}/home/user'
cp '{cluster.work}/inside.sh' '{root}/home/user/inside.sh'
ip link set lo up
exec env -i HOME=/home/user PATH=/usr/bin:/bin MUSTER='{PLACE}/bin/muster' PLACE='{PLACE}' \\
    /usr/sbin/chroot --userspec=1000:1000 '{root}' /bin/sh -e /home/user/inside.sh
"""
    done = subprocess.run(["unshare", "--mount", "--pid", "--net", "--fork", "--kill-child", "sh", "-c", outer], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=seconds)
    assert done.returncode == 0, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


SWEEP = """
"$MUSTER" up -d --cpus 4
"$MUSTER" sweep run "$PLACE/examples/digits/asha.yaml"
echo "== best"
"$MUSTER" sweep best -o json
echo "== maps"
for pid in /proc/[0-9]*; do
    case "$(tr '\\0' ' ' <$pid/cmdline)" in
    *ld-linux*|*redis-server*) sed -n 's,.* \\(/.*\\),\\1,p' $pid/maps ;;
    esac
done | sort -u
"$MUSTER" down
echo "== left"
for pid in /proc/[0-9]*; do tr '\\0' ' ' <$pid/cmdline; echo; done | grep -e '[m]uster' -e '[r]edis' | grep -v inside.sh || true
"""


def parts(text):
    found = {}
    for part in text.split("== ")[1:]:
        name, _, rest = part.partition("\n")
        found[name] = rest.strip()
    return found


def sweep_in(cluster, root):
    found = parts(inside(cluster, root, SWEEP))
    assert '"val_acc"' in found["best"] or "params" in found["best"], found
    maps = [line for line in found["maps"].splitlines() if not line.startswith(("/home/user", "/tmp", "/dev", "/memfd"))]
    assert any(line.endswith("/lib/libc.so.6") for line in maps), maps
    outside = [line for line in maps if not line.startswith(PLACE + "/")]
    assert not outside, f"used from outside the bundle: {outside}"
    assert not found["left"], found["left"]


def test_bundle_in_a_root_without_libraries_runs_a_sweep(cluster):
    sweep_in(cluster, root_bare(cluster))


def test_bundle_in_a_root_of_another_release_runs_a_sweep(cluster):
    needs_namespaces()
    root = root_of_another_release()
    # It has a C library of its own, of another version, that its own programs need and ours must not get.
    assert not is_static(os.path.join(root, "bin/busybox")) and libc_version(root) != libc_version("/"), libc_version(root)
    sweep_in(cluster, root)


def test_bundle_on_a_foreign_node_trains_beside_two_of_this_machine(cluster):
    try:
        root = root_of_another_release()
    except Skip as why:
        print(f"with busybox alone: {why}")
        root = root_bare(cluster)
    top = bundle()
    foreign = {"root": root, "put": {"/opt/bundle": top}, "program": "/opt/bundle/bin/muster"}
    with Fleet(3, node_options=lambda number: foreign if number == 3 else {}) as fleet:
        for name in ("digits", "digits.txt"):
            shutil.copy(os.path.join(top, "examples/digits", name), fleet.submitter.path(f"{WORK}/{name}"))
        with open(os.path.join(top, "examples/digits/asha.yaml")) as file:
            number = fleet.submit(file.read().replace("trials: 60", "trials: 30"))
        fleet.wait_ended(number, 120)
        _, items = fleet.check_counted_once(number, 30)
        assert {t["node"] for t in items} == {"node1", "node2", "node3"}, [t["node"] for t in items]
        there = [t for t in items if t["node"] == "node3"]
        assert all(t["attempts"] == 1 and t["last"]["metrics"]["val_acc"] > 0 for t in there), there
        # Nothing of this machine is there, and what the worker runs on is the bundle's.
        node = fleet.by_name["node3"]
        assert not os.path.exists(node.path("/usr/bin/python3")) and not os.path.exists(node.path("/opt/muster"))
        inner = node.inner_pid(next(pid for pid, argv in node.pids().items() if "worker" in argv))
        maps = node.run(["/bin/sh", "-c", f"sed -n 's,.* \\(/.*\\),\\1,p' /proc/{inner}/maps"]).stdout.split()
        assert "/opt/bundle/lib/libc.so.6" in maps, maps
        assert not [path for path in maps if not path.startswith(("/opt/bundle/", STATE, "/dev", "/memfd"))], maps


def test_bundle_attempt_gets_the_machine_and_not_the_bundles_libraries(cluster):
    """What an attempt sees: no variable of the loader, the machine's own commands first, muster at the end of PATH."""
    text = inside(cluster, root_bare(cluster), """
"$MUSTER" up -d --cpus 1
"$MUSTER" run -- /bin/sh -c 'echo "== variables"; env | grep -c ^LD_ || true; echo "== path"; echo "$PATH"; echo "== python"; echo "$PYTHONPATH"; echo "== version"; muster version'
"$MUSTER" down
""")
    found = parts(text)
    assert found["variables"] == "0", found
    assert found["path"].split(":")[-1] == PLACE + "/bin" and found["path"].startswith("/usr/bin:/bin"), found
    assert found["python"].split(":")[-1] == PLACE + "/share/muster/python", found
    assert found["version"].split()[-1][0].isdigit(), found


def test_bundle_by_a_link_and_with_a_hostile_environment_runs(cluster):
    """Called through a link on PATH, with loader variables that name what is not there."""
    text = inside(cluster, root_bare(cluster), """
ln -s "$MUSTER" /home/user/muster
export LD_PRELOAD=/nowhere.so LD_LIBRARY_PATH=/nowhere LC_ALL=de_DE.UTF-8 PATH=/home/user:$PATH
echo "== version"
muster version
echo "== status"
muster up -d --no-worker
url=$(sed -n 's/.*"url": *"\\([^"]*\\)".*/\\1/p' $HOME/.local/state/muster/current)
MUSTER_TOKEN=$(cat $HOME/.local/state/muster/keys/token) MUSTER_HEAD="http://here.example:${url##*:}" muster status --insecure-http
muster down
""")
    found = parts(text)
    assert found["version"].split()[-1][0].isdigit(), found
    # It was found by a name of the foreign root's /etc/hosts, though its nsswitch.conf names modules that are not there.
    assert "node" in found["status"], found


def test_bundle_speaks_tls_without_certificates_of_the_machine(cluster):
    """The foreign root has no /etc/ssl: the cluster's own CA is what it is given, everything else is measured by the list inside."""
    text = inside(cluster, root_bare(cluster), """
"$MUSTER" up -d --no-worker --http 0.0.0.0:0 --http-name here.example
state=$HOME/.local/state/muster
url=$(sed -n 's/.*"url": *"\\([^"]*\\)".*/\\1/p' $state/current)
export MUSTER_TOKEN=$(cat $state/keys/token)
cp $state/keys/ca.crt $HOME/ca.crt
echo "== given"
MUSTER_HEAD="https://here.example:${url##*:}" MUSTER_CA=$HOME/ca.crt "$MUSTER" status
echo "== unknown"
"$MUSTER" status --state $HOME/other --head "https://here.example:${url##*:}" 2>&1 && echo trusted || true
"$MUSTER" down
""")
    found = parts(text)
    assert "node" in found["given"], found
    assert "--ca" in found["unknown"] and "trusted" not in found["unknown"].splitlines(), found


def test_bundle_carries_the_licences_of_all_that_is_inside(cluster):
    top = bundle()
    with open(os.path.join(top, "licences/PACKAGES")) as file:
        named = {name for line in file for name in line.split(": ", 1)[1].split()}
    for name in os.listdir(os.path.join(top, "lib")):
        assert name in named or os.path.basename(os.path.realpath(os.path.join(top, "lib", name))) in named, f"no licence for lib/{name}"
    assert os.path.getsize(os.path.join(top, "licences/libc6")) > 1000
    assert os.path.exists(os.path.join(top, "LICENSE"))
    for folder, _, files in os.walk(top):
        for name in files:
            assert os.stat(os.path.join(folder, name)).st_mode & 0o444 == 0o444, f"{folder}/{name} cannot be read by everybody"


def release_in(cluster, release):
    root = root_of_release(release)
    sweep_in(cluster, root)
    found = parts(inside(cluster, root, """
"$MUSTER" up -d --cpus 1
"$MUSTER" run -- python3 -c 'import muster; print("== module"); print(muster.__file__)'
"$MUSTER" down
"""))
    assert found["module"] == PLACE + "/share/muster/python/muster.py", found


def test_bundle_on_debian_11_runs_a_sweep(cluster):
    release_in(cluster, "bullseye")


def test_bundle_on_debian_12_runs_a_sweep(cluster):
    release_in(cluster, "bookworm")


def test_bundle_on_debian_13_runs_a_sweep(cluster):
    release_in(cluster, "trixie")


if __name__ == "__main__":
    run(globals())
