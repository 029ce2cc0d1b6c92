#!/usr/bin/env python3
"""A private libvirtd with QEMU and test drivers, as the session daemon of an account: own sockets, own directories.

    libvirtd.py [--sasl MECHANISMS] [--tcp] [--tls] [--setting 'name = value']...

The session daemon keeps everything below the directories that XDG's variables name, so that it needs neither root nor
systemd nor D-Bus, and touches nothing of the machine. Domains run in QEMU without KVM. QEMU writes its log into a file, so
that no virtlogd is needed.

Commands on stdin: stop, start, restart, kill (sockets and domains are kept), define JSON, instance JSON, virsh JSON,
pid NAME, signal JSON.
"""

import argparse
import glob
import json
import os
import re
import shutil
import signal
import socket
import sys
import threading
import time

import certificates
import domains
from launcher import Failure, Launcher, accepts, children_of_all_threads, contents_of_process, is_marked, processes_where

START_SECONDS = 120
STOP_SECONDS = 15
# How long a guest may take to come into the state that it shall be in.
STATE_SECONDS = 60
DISK_BYTES = 1 << 20
USER = "nephoscope"
PASSWORD = "pencil, salt = pepper"

# Runs as the server's account: the library writes the file of passwords, as saslpasswd2 does.
SET_PASSWORD = f"""
import ctypes
sasl = ctypes.CDLL("libsasl2.so.2")
connection = ctypes.c_void_p()
create, user, password = 1, {USER!r}.encode(), {PASSWORD!r}.encode()
for name, result in (
    ("init", lambda: sasl.sasl_server_init(None, b"libvirt")),
    ("new", lambda: sasl.sasl_server_new(b"libvirt", None, None, None, None, None, 0, ctypes.byref(connection))),
    ("setpass", lambda: sasl.sasl_setpass(connection, user, password, len(password), None, 0, create)),
):
    code = result()
    if code:
        raise SystemExit(f"sasl {{name}}: {{code}}")
"""


def daemon_program(root):
    """The command of the daemon and what its environment needs: this machine's, or one that is unpacked below `root`
    (`scripts/newer-libvirt`), which is started by its own loader with its own libraries and drivers.
    """
    if not root:
        return ["/usr/sbin/libvirtd"], {}
    loaders = glob.glob(os.path.join(root, "lib64", "ld-linux-*.so.*")) or glob.glob(os.path.join(root, "lib", "ld-linux-*.so.*"))
    libraries = glob.glob(os.path.join(root, "usr", "lib", "*", "libvirt.so.0"))
    if not loaders or not libraries:
        raise Failure(f"there is no libvirt below {root}: run scripts/newer-libvirt {root}")
    folder = os.path.dirname(libraries[0])
    drivers = {"LIBVIRT_DRIVER_DIR": os.path.join(folder, "libvirt", "connection-driver")}
    return [loaders[0], "--library-path", folder, os.path.join(root, "usr", "sbin", "libvirtd")], drivers


class DomainLauncher(Launcher):
    """Finds the processes of QEMU as well: libvirt gives them an environment of its own."""

    # The sockets of QEMU's monitors lie six folders further down, and the path of a socket has 107 characters.
    parent_characters = 18

    def marked(self):
        return processes_where(lambda pid: belongs(pid, self.dir))

    def reap_domains(self):
        """Collects ended QEMUs at once: they are our orphans, and libvirt waits until no trace of them is left."""
        while True:
            time.sleep(0.02)
            for pid in children_of_all_threads():
                try:
                    with open(f"/proc/{pid}/comm", encoding="utf-8") as file:
                        if file.read().startswith("qemu-system"):
                            os.waitpid(pid, os.WNOHANG)
                except OSError:
                    continue


def is_qemu(pid, directory):
    """Whether the process is a QEMU of this directory: of a domain, or one that is asked what it can do."""
    command = contents_of_process(pid, "cmdline")
    return directory.encode() in command and b"qemu-system" in command


def belongs(pid, directory):
    return is_marked(pid, directory) or is_qemu(pid, directory)


def pid_folder(directory):
    return os.path.join(directory, "run", "libvirt", "qemu", "run")


def domain_pids(directory):
    """Process of each domain that runs; the files' contents are believed only if the process is of this directory."""
    found = {}
    try:
        entries = os.listdir(pid_folder(directory))
    except OSError:
        return found
    for entry in entries:
        name, extension = os.path.splitext(entry)
        if extension != ".pid" or name == "driver":
            continue
        try:
            with open(os.path.join(pid_folder(directory), entry), encoding="ascii") as file:
                pid = int(file.read())
        except (OSError, ValueError):
            continue
        if is_qemu(pid, directory):
            found[name] = pid
    return found


def guard(directory):
    """A process that ends every QEMU should the launcher be killed with -9: they are no children that die with it.
    Returns its id, and a descriptor that it watches."""
    end, start = os.pipe()
    if pid := os.fork():
        os.close(end)
        return pid, start
    os.close(start)
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.read(end, 1)
    # The daemon, which dies with its launcher, may have one more started meanwhile; a process shows nothing of itself for
    # a moment while it becomes another program.
    deadline, looks_in_vain = time.monotonic() + STOP_SECONDS, 0
    while looks_in_vain < 3 and time.monotonic() < deadline:
        left = processes_where(lambda pid: belongs(pid, directory))
        looks_in_vain = 0 if left else looks_in_vain + 1
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        time.sleep(0.02)
    while os.path.exists(directory) and time.monotonic() < deadline:
        shutil.rmtree(directory, ignore_errors=True)
    os._exit(0)


class Server:
    def __init__(self, launcher, options):
        self.launcher = launcher
        self.options = options
        self.socket = launcher.path("sock", "libvirt-sock")
        self.uri = f"qemu+unix:///session?socket={self.socket}"
        self.log = launcher.path("server.log")
        self.server = None
        # Those that it listens on besides.
        self.ports = []

    def begin(self):
        launcher = self.launcher
        # The short name of the configuration's folder is for the sake of the monitors' sockets below it.
        for folder in ("sock", "run", "c", "c/libvirt", "cache", "disks", "sasl", "domains"):
            os.mkdir(launcher.path(folder), 0o700)
        settings = [
            f'unix_sock_dir = "{launcher.path("sock")}"',
            f'auth_unix_rw = "{"sasl" if self.options.sasl else "none"}"',
            'log_outputs = "2:stderr"',
            'log_filters = "4:util 4:object"',
            'listen_addr = "127.0.0.1"',
        ]
        report = {"socket": self.socket, "uri": self.uri, "log": self.log}
        if self.options.sasl:
            # A method that encrypts is wanted on plain TCP, which none of ours does; Unix sockets and TLS take any.
            launcher.write(
                "sasl/libvirt.conf",
                f"mech_list: {self.options.sasl}\npwcheck_method: auxprop\nauxprop_plugin: sasldb\n"
                f"sasldb_path: {launcher.path('sasl', 'passwords')}\n",
            )
            report |= {"user": USER, "password": PASSWORD}
        settings.append(f"listen_tcp = {int(self.options.tcp)}")
        settings.append(f"listen_tls = {int(self.options.tls)}")
        if self.options.tcp:
            port = launcher.ports.take()
            self.ports.append(port)
            settings += [f'tcp_port = "{port}"', f'auth_tcp = "{"sasl" if self.options.sasl else "none"}"']
            report["tcp_port"] = port
        if self.options.tls:
            port = launcher.ports.take()
            self.ports.append(port)
            files = certificates.make(launcher)
            settings += [
                f'tls_port = "{port}"',
                f'auth_tls = "{"sasl" if self.options.sasl else "none"}"',
                f'ca_file = "{files["ca"]}"',
                f'cert_file = "{files["server_certificate"]}"',
                f'key_file = "{files["server_key"]}"',
            ]
            report |= {"tls_port": port, "certificates": files}
        settings += self.options.setting
        launcher.write("libvirtd.conf", "\n".join(settings) + "\n")
        # Neither confinement nor control groups: containers have neither.
        qemu = ['security_driver = "none"', "cgroup_controllers = []", 'stdio_handler = "file"']
        launcher.write("c/libvirt/qemu.conf", "\n".join(qemu) + "\n")
        launcher.own()
        if self.options.sasl:
            launcher.run([sys.executable, "-I", "-c", SET_PASSWORD], self.environment())
        return report | self.start()

    def environment(self):
        path = self.launcher.path
        return {
            "XDG_RUNTIME_DIR": path("run"),
            "XDG_CONFIG_HOME": path("c"),
            "XDG_CACHE_HOME": path("cache"),
            "XDG_DATA_HOME": path("c"),
            "SASL_CONF_PATH": path("sasl"),
        }

    def start(self):
        if self.server is not None and self.server.poll() is None:
            raise Failure("the server runs already")
        program, environment = daemon_program(os.environ.get("NEPHOSCOPE_LIBVIRT_ROOT"))
        command = [*program, "--config", self.launcher.path("libvirtd.conf")]
        command += ["--pid-file", self.launcher.path("libvirtd.pid")]
        if self.ports:
            command.append("--listen")
        try:
            self.server = self.launcher.spawn(command, "server.log", self.environment() | environment)
        except FileNotFoundError as missing:
            raise Failure("libvirt is not installed: run scripts/provision test") from missing
        self.launcher.wait_until("open socket", self.accepts, self.server, self.log, START_SECONDS)
        return {"pid": self.server.pid}

    def accepts(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(2)
            return probe.connect_ex(self.socket) == 0 and all(map(accepts, self.ports))

    def stop(self):
        self.launcher.end_child(self.server, signal.SIGTERM, STOP_SECONDS)

    def kill(self):
        self.launcher.end_child(self.server, signal.SIGKILL, 10)

    def restart(self):
        self.stop()
        return self.start()

    def virsh(self, arguments):
        """Runs virsh with the arguments of a JSON list and returns what it prints."""
        command = ["/usr/bin/virsh", "--quiet", "--connect", self.uri, *json.loads(arguments)]
        return {"output": self.launcher.run(command, self.environment())}

    def define(self, definition):
        """Defines a domain by its XML, a JSON string; `@DIR@` is the fixture's directory, images are made there."""
        text = json.loads(definition).replace("@DIR@", self.launcher.dir)
        for image in re.findall(rf"{re.escape(self.launcher.dir)}/disks/[\w.-]+", text):
            with open(image, "ab") as file:
                file.truncate(DISK_BYTES)
        path = self.launcher.write("domains/new.xml", text)
        self.launcher.own()
        return self.virsh(json.dumps(["define", path]))

    def instance(self, description):
        """Defines a domain as Nova does and brings it into a state: {"number": N, "guest": KIND, "state": STATE, …}, the rest
        as `domains.definition` has it. States: running, paused, shut off, crashed, pmsuspended.
        """
        asked = json.loads(description)
        number, guest, state = asked.pop("number"), asked.pop("guest", "idle"), asked.pop("state", "running")
        definition = domains.definition(number, **asked)
        first = re.search(r"@DIR@/(disks/[\w.-]+)", definition)
        if first:
            with open(self.launcher.path(first[1]), "wb") as image:
                image.write(domains.boot_sector(guest))
        self.define(json.dumps(definition))
        name = domains.name_of(number)
        if state != "shut off":
            self.virsh(json.dumps(["start", name, *(["--paused"] if state == "paused" else [])]))
            deadline = time.monotonic() + STATE_SECONDS
            while (now := self.virsh(json.dumps(["domstate", name]))["output"].strip()) != state:
                if time.monotonic() > deadline:
                    raise Failure(f"{name} is {now} instead of {state} after {STATE_SECONDS} s")
                time.sleep(0.05)
        return {"name": name, "uuid": domains.uuid_of(number)}

    def pid(self, name):
        pids = domain_pids(self.launcher.dir)
        if name not in pids:
            raise Failure(f"{name} does not run; there are {sorted(pids)}")
        return {"pid": pids[name]}

    def signal(self, argument):
        """Signals a domain's process: {"domain": NAME, "signal": "STOP"}."""
        asked = json.loads(argument)
        os.kill(self.pid(asked["domain"])["pid"], signal.Signals[f"SIG{asked['signal']}"])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sasl", metavar="MECHANISMS", help="ask for user and password with these mechanisms")
    parser.add_argument("--tcp", action="store_true", help="listen on TCP as well")
    parser.add_argument("--tls", action="store_true", help="listen on TLS as well, for clients with certificates")
    parser.add_argument("--setting", action="append", default=[], help="a line for libvirtd.conf")
    options = parser.parse_args()
    launcher = DomainLauncher("libvirtd")
    # Held until this process ends, however it ends.
    pid, launcher.guard = guard(launcher.dir)
    launcher.companions.add(pid)
    threading.Thread(target=launcher.reap_domains, daemon=True).start()
    server = Server(launcher, options)
    launcher.serve(
        server.begin,
        {
            "stop": server.stop,
            "start": server.start,
            "restart": server.restart,
            "kill": server.kill,
            "virsh": server.virsh,
            "define": server.define,
            "instance": server.instance,
            "pid": server.pid,
            "signal": server.signal,
        },
    )


if __name__ == "__main__":
    main()
