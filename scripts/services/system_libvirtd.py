#!/usr/bin/env python3
"""A private libvirtd as the machine's own, with containers (LXC), and with QEMU domains on a bridge and virtlogd.

    system_libvirtd.py

The daemon of the system is root's and keeps everything in fixed places. So it runs as root in namespaces of its own for
mounts, network and processes: private directories lie over those places, the bridge `br0` and all taps are its own, and
whatever it started ends with it. An account that is not root becomes root of a namespace of its own for that; without
rights over control groups and devices no container starts there and no tap is made, which the report says (`starts`).

Commands on stdin: container JSON, instance JSON, virsh JSON.
"""

import glob
import json
import os
import pwd
import signal
import socket
import sys
import time

import domains
from launcher import Failure, Launcher
from libvirtd import guard

START_SECONDS = 120
STATE_SECONDS = 60
STOP_SECONDS = 20
BRIDGE = "br0"
# Where root's daemon keeps things, and the folders that lie over them.
PLACES = {"run": "/run", "lib": "/var/lib", "log": "/var/log", "cache": "/var/cache", "etc": "/etc/libvirt"}
# The account of QEMU processes; the daemon asks for it even where they are configured to have another.
ACCOUNT = "libvirt-qemu"

# Runs as the first process of the namespaces, so that everything ends when it does. The hierarchy without controllers that
# some machines have beside those of version 1 cannot be used, and confuses libvirt.
BEGIN = """
set -e
for place in {places}; do mount --bind "$1/${{place%%=*}}" "${{place#*=}}"; done
mount --bind "$1/passwd" /etc/passwd
mount --bind "$1/group" /etc/group
[ ! -d /sys/fs/cgroup/unified ] || umount /sys/fs/cgroup/unified || true
ip link set lo up
ip link add {bridge} type bridge
ip link set {bridge} up
mkdir -p /run/libvirt
/usr/sbin/virtlogd --config /etc/libvirt/virtlogd.conf &
until [ -S /run/libvirt/virtlogd-sock ]; do sleep 0.02; done
trap 'kill $daemon' TERM
/usr/sbin/libvirtd --config /etc/libvirt/libvirtd.conf &
daemon=$!
wait $daemon || true
"""


class SystemLauncher(Launcher):
    """Takes the empty control groups of containers away: they are the kernel's and no namespace's."""

    def end(self, status):
        for child in list(self.children):
            self.end_child(child, signal.SIGKILL, STOP_SECONDS)
        deadline = time.monotonic() + STOP_SECONDS
        # The processes in them take a moment to be gone.
        while (groups := self.control_groups()) and time.monotonic() < deadline:
            for group in groups:
                for folder, _, _ in os.walk(group, topdown=False):
                    try:
                        os.rmdir(folder)
                    except OSError:
                        continue
            time.sleep(0.01)
        super().end(status)

    def control_groups(self):
        mark = mark_of(self.dir)
        return glob.glob(f"/sys/fs/cgroup/*/machine/*-{mark}*") + glob.glob(f"/sys/fs/cgroup/machine/*-{mark}*")


def mark_of(directory):
    """What the names of this fixture's containers begin with, so that their control groups are known. libvirt takes other
    characters than letters and digits away there.
    """
    return os.path.basename(directory).rsplit("-", 1)[-1].replace("_", "x")


class Server:
    def __init__(self, launcher):
        self.launcher = launcher
        self.is_root = os.getuid() == 0
        # As it is seen from outside.
        self.socket = launcher.path("run", "libvirt", "libvirt-sock")
        self.log = launcher.path("server.log")

    def begin(self):
        launcher = self.launcher
        for folder in (*PLACES, "disks"):
            os.mkdir(launcher.path(folder), 0o755)
        os.chmod(launcher.dir, 0o755)
        settings = [
            'auth_unix_ro = "none"',
            'auth_unix_rw = "none"',
            'unix_sock_rw_perms = "0777"',
            'log_outputs = "2:stderr"',
            'log_filters = "4:util 4:object"',
        ]
        launcher.write("etc/libvirtd.conf", "\n".join(settings) + "\n", 0o644)
        qemu = ['user = "root"', 'group = "root"', 'security_driver = "none"', "cgroup_controllers = []"]
        # What QEMU prints goes through virtlogd, as on a compute host.
        qemu += ['stdio_handler = "logd"', "namespaces = []"]
        launcher.write("etc/virtlogd.conf", 'log_outputs = "3:stderr"\n', 0o644)
        launcher.write("etc/qemu.conf", "\n".join(qemu) + "\n", 0o644)
        self.accounts()
        places = " ".join(f"{folder}={place}" for folder, place in PLACES.items())
        script = BEGIN.format(places=places, bridge=BRIDGE)
        command = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
        if not self.is_root:
            command += ["--user", "--map-root-user"]
        # Neither a message bus nor systemd of the machine is asked.
        nobody = {"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={launcher.path('no-bus')}"}
        server = launcher.spawn([*command, "/bin/sh", "-c", script, "sh", launcher.dir], "server.log", nobody)
        launcher.wait_until("open socket", self.accepts, server, self.log, START_SECONDS)
        return {
            "socket": self.socket,
            "uri": f"lxc+unix:///?socket={self.socket}",
            "log": self.log,
            "starts": self.is_root,
        }

    def accounts(self):
        with open("/etc/passwd", encoding="utf-8") as passwd, open("/etc/group", encoding="utf-8") as group:
            accounts, groups = passwd.read(), group.read()
        identity = pwd.getpwnam("nobody").pw_uid
        for name in (ACCOUNT, "kvm"):
            if not any(line.startswith(f"{name}:") for line in groups.splitlines()):
                groups += f"{name}:x:{identity}:\n"
        if not any(line.startswith(f"{ACCOUNT}:") for line in accounts.splitlines()):
            accounts += f"{ACCOUNT}:x:{identity}:{identity}::/nonexistent:/usr/sbin/nologin\n"
        self.launcher.write("passwd", accounts, 0o644)
        self.launcher.write("group", groups, 0o644)

    def accepts(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(2)
            return probe.connect_ex(self.socket) == 0

    def uri_of(self, driver):
        return f"{driver}+unix:///{'' if driver == 'lxc' else 'system'}?socket={self.socket}"

    def virsh(self, arguments):
        """Runs virsh with {"driver": NAME, "arguments": [...]} and returns what it prints."""
        asked = json.loads(arguments)
        return {"output": self.call(asked["driver"], *asked["arguments"])}

    def call(self, driver, *arguments):
        return self.launcher.run(["/usr/bin/virsh", "--quiet", "--connect", self.uri_of(driver), *arguments])

    def bring(self, driver, name, definition, state):
        self.call(driver, "define", self.launcher.write("new.xml", definition))
        if state == "shut off":
            return
        self.call(driver, "start", name)
        if state == "paused":
            self.call(driver, "suspend", name)
        deadline = time.monotonic() + STATE_SECONDS
        while (now := self.call(driver, "domstate", name).strip()) != state:
            if time.monotonic() > deadline:
                raise Failure(f"{name} is {now} instead of {state} after {STATE_SECONDS} s")
            time.sleep(0.05)

    def container(self, description):
        """A container as Nova's metadata describe it: {"number": N, "state": STATE}."""
        asked = json.loads(description)
        number = asked["number"]
        # Control groups are found by it when everything ends.
        name = f"{mark_of(self.launcher.dir)}-{number}"
        definition = domains.container(number, name, BRIDGE, sys.executable)
        self.bring("lxc", name, definition, asked.get("state", "running"))
        return {"name": name, "uuid": domains.uuid_of(number)}

    def instance(self, description):
        """A QEMU domain as `libvirtd.py` makes them, with taps on the bridge: {"number": N, "guest": KIND, …}."""
        asked = json.loads(description)
        number, guest, state = asked.pop("number"), asked.pop("guest", "idle"), asked.pop("state", "running")
        taps = asked.pop("taps", 1)
        definition = domains.definition(number, nics=(), bridge=BRIDGE, taps=taps, **asked)
        definition = definition.replace("@DIR@", self.launcher.dir)
        for device in asked.get("disks", ("vda",)):
            with open(self.launcher.path("disks", f"{domains.name_of(number)}-{device}.img"), "wb") as image:
                image.write(domains.boot_sector(guest))
                image.truncate(1 << 20)
        name = domains.name_of(number)
        self.bring("qemu", name, definition, state)
        return {"name": name, "uuid": domains.uuid_of(number)}


def main():
    launcher = SystemLauncher("system-libvirtd", keep_user=True)
    # Held until this process ends, however it ends.
    pid, launcher.guard = guard(launcher.dir)
    launcher.companions.add(pid)
    server = Server(launcher)
    launcher.serve(
        server.begin, {"virsh": server.virsh, "container": server.container, "instance": server.instance}
    )


if __name__ == "__main__":
    main()
