#!/usr/bin/env python3
"""The Debian package, in a copy-on-write root of this machine: it installs, its units are right and their commands run a sweep,
it upgrades and leaves. Nothing of this machine is changed."""
import os
import shutil
import subprocess

from cluster import BUILD, SLOW, SOURCE, Skip, run

_made = {}


def package():
    """The package, made once for this file."""
    if SLOW > 1:
        raise Skip("a package is not made of a build with sanitizers")
    for tool in ("dpkg-deb", "dpkg-shlibdeps", "systemd-analyze", "adduser"):
        if not shutil.which(tool, path=os.environ["PATH"] + ":/usr/sbin:/sbin"):
            raise Skip(f"needs {tool}")
    if "path" not in _made:
        _made["path"] = subprocess.run([os.path.join(SOURCE, "scripts/deb"), BUILD], check=True, stdout=subprocess.PIPE, text=True).stdout.split()[-1]
    return _made["path"]


def newer(cluster):
    """The same package with a later version."""
    top = os.path.join(cluster.root, "newer")
    subprocess.run(["dpkg-deb", "-R", package(), top], check=True)
    path = os.path.join(top, "DEBIAN/control")
    with open(path) as file:
        text = file.read().replace("\nVersion: ", "\nVersion: 9:")
    with open(path, "w") as file:
        file.write(text)
    target = os.path.join(cluster.work, "newer.deb")
    subprocess.run(["dpkg-deb", "--root-owner-group", "--build", top, target], check=True, stdout=subprocess.DEVNULL)
    return target


def inside(cluster, script, seconds=120):
    """Runs a script as root in an overlay of this machine's root, with own processes and a network that is loopback alone."""
    if os.geteuid() != 0:
        raise Skip("needs root, for a root folder of its own")
    shutil.copy(package(), os.path.join(cluster.work, "muster.deb"))
    with open(os.path.join(cluster.work, "inside.sh"), "w") as file:
        file.write("set -e\ncd /tmp\n" + script)
    layer = os.path.join(cluster.root, "layer")
    os.makedirs(layer)
    outer = f"""set -e
mount --make-rprivate /
mount -t tmpfs tmpfs '{layer}'
mkdir '{layer}/upper' '{layer}/work' '{layer}/root'
mount -t overlay overlay -o 'lowerdir=/,upperdir={layer}/upper,workdir={layer}/work' '{layer}/root' || exit 77
cd '{layer}/root'
mount -t proc proc proc
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
mkdir -p dev && mount --rbind /dev dev
chmod 1777 tmp
cp '{cluster.work}'/*.deb '{cluster.work}/inside.sh' tmp/
ip link set lo up
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive chroot . /bin/sh /tmp/inside.sh
"""
    done = subprocess.run(["unshare", "--mount", "--pid", "--net", "--fork", "--kill-child", "sh", "-c", outer], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=seconds)
    if done.returncode == 77 or "unshare" in done.stderr:
        raise Skip(f"this machine allows no overlay of its root: {done.stderr.strip()}")
    assert done.returncode == 0, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def parts(text):
    found = {}
    for part in text.split("== ")[1:]:
        name, _, rest = part.partition("\n")
        found[name] = rest.strip()
    return found


def test_deb_names_what_it_needs(cluster):
    fields = dict(line.split(": ", 1) for line in subprocess.run(["dpkg-deb", "-f", package()], check=True, capture_output=True, text=True).stdout.splitlines()
                  if ": " in line)
    assert fields["Package"] == "muster", fields
    names = {part.split()[0] for part in fields["Depends"].split(", ")}
    assert {"libc6", "redis-tools", "adduser"} <= names and any(name.startswith("libcurl4") for name in names), names


def test_deb_installed_has_units_that_verify(cluster):
    found = parts(inside(cluster, """
dpkg -i muster.deb >/dev/null
verify() { systemd-analyze verify "$@" 2>&1 && echo passed || echo "exit $?"; }
echo "== verify"
verify muster-head.service muster-worker.service
echo "== planted"
sed 's,^ExecStart=/usr/bin/,ExecStart=/usr/nowhere/,' /lib/systemd/system/muster-head.service >/lib/systemd/system/muster-planted.service
verify muster-planted.service
echo "== user"
id -un muster
echo "== module"
cd / && /usr/bin/python3 -c 'import muster; print(muster.__file__)'
echo "== pkgconfig"
pkg-config --libs muster
"""))
    assert found["verify"] == "passed", found["verify"]
    assert "/usr/nowhere/muster" in found["planted"] and "exit 1" in found["planted"], found["planted"]
    assert found["user"] == "muster"
    assert found["module"].startswith("/usr/lib/python3/dist-packages/"), found
    assert "-lmuster" in found["pkgconfig"], found


# A unit's commands as systemd would run them: its environment files, its user, its folders.
UNIT = r"""
unit_start() {
    unit=/lib/systemd/system/$1.service
    variables=$(sed -n 's/^Environment=//p' $unit; grep -v '^#' /etc/default/$1 | grep .)
    for folder in $(sed -n 's/^StateDirectory=//p' $unit); do install -d -m 0700 -o muster -g muster /var/lib/$folder; done
    sed -n 's/^ExecStartPre=+//p' $unit | sh -e
    command=$(sed -n 's/^ExecStart=//p' $unit)
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/var/lib/muster $(echo $variables) setpriv --reuid muster --regid muster --clear-groups \
        sh -c "umask 0077; exec $command" >/tmp/$1.log 2>&1 &
}
until_true() { # SECONDS COMMAND...
    left=$(($1 * 20)); shift
    until "$@" >/dev/null 2>&1; do
        left=$((left - 1)); [ $left -gt 0 ] || { echo "waited for: $*"; cat /tmp/*.log; exit 1; }
        sleep 0.05
    done
}
as_muster() { setpriv --reuid muster --regid muster --clear-groups env HOME=/var/lib/muster MUSTER_STATE=/var/lib/muster/head muster "$@"; }
"""


def test_deb_units_commands_run_a_sweep(cluster):
    found = parts(inside(cluster, UNIT + """
dpkg -i muster.deb >/dev/null
unit_start muster-head
head=$!
until_true 20 as_muster status
install -m 0600 /var/lib/muster/head/keys/join /etc/muster/join.key
unit_start muster-worker
worker=$!
worker_is_there() { as_muster node list -o json | grep -q alive; }
until_true 20 worker_is_there
cp -r /usr/share/doc/muster/examples/digits /var/lib/muster/digits
chown -R muster:muster /var/lib/muster/digits
as_muster sweep run /var/lib/muster/digits/asha.yaml
echo "== best"
as_muster sweep best -o json
echo "== end"
kill $worker; wait $worker && echo worker $?
kill $head; wait $head && echo head $?
echo "== left"
ps -eo args | grep -e '[m]uster ' -e '[r]edis' || true
"""))
    assert "params" in found["best"], found
    assert found["end"].split() == ["worker", "0", "head", "0"], found
    assert found["left"] == "", found


def test_deb_upgraded_keeps_settings_and_removed_leaves_nothing(cluster):
    newer(cluster)
    found = parts(inside(cluster, """
dpkg -i muster.deb >/dev/null
sed -i 's/^MUSTER_HTTP=.*/MUSTER_HTTP=127.0.0.1:7999/' /etc/default/muster-head
install -d -o muster /var/lib/muster/head && echo kept >/var/lib/muster/head/file
dpkg -i newer.deb >/dev/null 2>&1
echo "== upgraded"
dpkg-query -W -f '${Version} ${Status}\\n' muster
grep -h MUSTER_HTTP= /etc/default/muster-head
cat /var/lib/muster/head/file
dpkg -r muster >/dev/null 2>&1
echo "== removed"
ls -d /usr/bin/muster /lib/systemd/system/muster-* /usr/share/muster 2>/dev/null || true
echo "== kept"
cat /var/lib/muster/head/file
dpkg -P muster >/dev/null 2>&1
echo "== purged"
ls -d /var/lib/muster /etc/muster /etc/default/muster-* 2>/dev/null || true
"""))
    upgraded = found["upgraded"].split()[0]
    assert upgraded.startswith("9:"), found
    assert found["upgraded"].split() == [upgraded, "install", "ok", "installed", "MUSTER_HTTP=127.0.0.1:7999", "kept"], found
    assert found["removed"] == "" and found["kept"] == "kept" and found["purged"] == "", found


if __name__ == "__main__":
    run(globals())
