#!/usr/bin/env python3
"""The bundle in root file systems that are not ours: as uid 1000, without network, from a read-only folder with a blank in its
name. Always: a root that has nothing but a static busybox. With MUSTER_TEST_LONG=1: Debian 11 and 13, made by debootstrap."""
import atexit
import glob
import os
import shutil
import subprocess
import tarfile
import tempfile

from cluster import BUILD, SLOW, SOURCE, Skip, run

PLACE = "/srv/some where/muster"  # where the foreign root has the bundle
RELEASES = ("bullseye", "trixie")
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
    busybox = shutil.which("busybox")
    if not busybox or not is_static(busybox):
        raise Skip("needs a static busybox (package busybox-static)")
    root = os.path.join(cluster.root, "bare")
    for folder in ("bin", "etc", "home/user", "proc", "dev", "tmp", "srv"):
        os.makedirs(os.path.join(root, folder))
    shutil.copy(busybox, os.path.join(root, "bin/busybox"))
    for name in subprocess.run([busybox, "--list"], capture_output=True, text=True).stdout.split():
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


def mirror():
    """The archive that this machine's own apt uses."""
    for path in [*glob.glob("/etc/apt/sources.list"), *glob.glob("/etc/apt/sources.list.d/*")]:
        with open(path, errors="replace") as file:
            for line in file:
                for word in line.split():
                    if word.startswith("http") and word.rstrip("/").endswith("/debian"):
                        return word
    return "http://deb.debian.org/debian"


def root_of_release(release):
    """A Debian release's own minimal root, kept in the build folder."""
    if os.environ.get("MUSTER_TEST_LONG") != "1":
        raise Skip("makes a whole Debian root; only with MUSTER_TEST_LONG=1")
    if not shutil.which("debootstrap"):
        raise Skip("needs debootstrap")
    root = os.path.join(BUILD, "roots", release)
    if os.path.exists(root + ".ready"):
        return root
    shutil.rmtree(root, ignore_errors=True)
    os.makedirs(os.path.dirname(root), exist_ok=True)
    done = subprocess.run(["debootstrap", "--variant=minbase", "--include=python3", release, root, mirror()], capture_output=True, text=True)
    if done.returncode:
        raise Skip(f"{release} cannot be fetched from {mirror()}: {done.stdout.strip().splitlines()[-1:]}")
    open(root + ".ready", "w").close()
    return root


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
    release_in(cluster, RELEASES[0])


def test_bundle_on_debian_13_runs_a_sweep(cluster):
    release_in(cluster, RELEASES[1])


if __name__ == "__main__":
    run(globals())
