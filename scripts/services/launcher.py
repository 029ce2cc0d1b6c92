"""What every service launcher in this folder shares: one private server, on a leash.

A launcher starts one real server in a private directory on private ports, says so with one JSON line on
stdout, and then serves commands, `VERB [ARGUMENT]` on each line of stdin, each answered by one JSON line. When stdin ends
(its owner closed it, died or was killed) or a signal comes, the launcher kills what it started and removes
the directory. Nothing outlives the owner, however the owner ends.

Only the standard library is used, so that any Python 3.11 can run a launcher.
"""

import ctypes
import json
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

# Private ports lie below the kernel's range for outgoing connections (32768 and up), so that no client
# socket of a neighbour can take a port between our choice of it and the server's bind.
PORT_RANGE = (15000, 32000)
# Set in the environment of every process of a fixture; its value is the fixture's own directory.
MARK = "NEPHOSCOPE_FIXTURE"
LOG_TAIL_BYTES = 4000
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36

_libc = ctypes.CDLL(None, use_errno=True)


class Failure(Exception):
    """A server did not start or a command did not work; the text says why and carries the log's tail."""


def _die_with_parent():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def children_of_all_threads():
    """Ids of our children, those included that we took over when their parents ended."""
    found = []
    for thread in os.listdir("/proc/self/task"):
        try:
            with open(f"/proc/self/task/{thread}/children", encoding="ascii") as file:
                found += map(int, file.read().split())
        except OSError:
            continue
    return found


def processes_where(condition):
    """Ids of the processes besides this one of which it is true."""
    ids = (int(entry) for entry in os.listdir("/proc") if entry.isdigit())
    return [pid for pid in ids if pid != os.getpid() and condition(pid)]


def contents_of_process(pid, name):
    """A file of a process in /proc; nothing of one that has ended or is somebody else's."""
    try:
        with open(f"/proc/{pid}/{name}", "rb") as file:
            return file.read()
    except OSError:
        return b""


def is_marked(pid, directory):
    """Whether the process carries the mark of the fixture with this directory."""
    return f"{MARK}={directory}".encode() in contents_of_process(pid, "environ").split(b"\0")


def log_tail(path):
    """The last few kilobytes of a log, for error messages."""
    try:
        with open(path, "rb") as log:
            log.seek(0, os.SEEK_END)
            log.seek(max(0, log.tell() - LOG_TAIL_BYTES))
            return log.read().decode("utf-8", "replace")
    except OSError as error:
        return f"(no log at {path}: {error})"


def accepts(port):
    """Whether something listens on this loopback port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Ports:
    """Chooses private ports and holds each against other fixtures for as long as this process lives."""

    def __init__(self):
        self._held = []

    def take(self):
        for _ in range(2000):
            port = random.SystemRandom().randrange(*PORT_RANGE)
            # An abstract socket is a lock that the kernel frees when its owner dies; testkit takes the same.
            claim = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                claim.bind(f"\0nephoscope-port-{port}")
                with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
                    probe.bind(("127.0.0.1", port))
            except OSError:
                claim.close()
                continue
            self._held.append(claim)
            return port
        raise Failure(f"no free port in {PORT_RANGE}")


class Launcher:
    """A private directory, the processes started for it, and the promise that both go together."""

    # The longest path that private directories may lie in.
    parent_characters = 50

    def __init__(self, name, keep_user=False):
        self.name = name
        self.ports = Ports()
        self.children = []
        # Children that end when we do.
        self.companions = set()
        self.stop_signal = signal.SIGKILL
        self._lock = threading.RLock()
        self._closing = False
        self.user = None if keep_user else self._unprivileged()
        _libc.prctl(PR_SET_CHILD_SUBREAPER, 1)
        # Whoever tells us to leave finds either no directory, or somebody who removes it.
        ends = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        signal.pthread_sigmask(signal.SIG_BLOCK, ends)
        self.dir = tempfile.mkdtemp(prefix=f"nephoscope-{name}-", dir=self._parent())
        for number in ends:
            signal.signal(number, lambda *_: self.end(0))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ends)

    @classmethod
    def _parent(cls):
        """Where private directories go: short enough for Unix sockets, and open to unprivileged servers."""
        for folder in (tempfile.gettempdir(), "/tmp", "/var/tmp"):
            path = os.path.realpath(folder)
            steps = [path]
            while steps[-1] != "/":
                steps.append(os.path.dirname(steps[-1]))
            if len(path) <= cls.parent_characters and os.access(path, os.W_OK) and all(os.stat(step).st_mode & 1 for step in steps):
                return path
        raise Failure("no usable directory for temporary files: neither TMPDIR nor /tmp nor /var/tmp")

    @staticmethod
    def _unprivileged():
        """The account for the server when we are root: servers refuse root, or should."""
        if os.getuid() != 0:
            return None
        return pwd.getpwnam("nobody")

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def write(self, name, text, mode=0o600):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(self.path(name), mode)
        return self.path(name)

    def own(self):
        """Hands the whole directory to the server's account."""
        if self.user is None:
            return
        for folder, _, files in os.walk(self.dir):
            for entry in (folder, *(os.path.join(folder, file) for file in files)):
                try:
                    os.chown(entry, self.user.pw_uid, self.user.pw_gid, follow_symlinks=False)
                except FileNotFoundError:
                    # The server that works in it has taken it away, and whatever it has it owns.
                    continue

    def spawn(self, command, log, env=None, privileged=False):
        """Starts a long-lived server process with its output in the log file."""
        with self._lock:
            if self._closing:
                raise Failure("the fixture is closing")
            with open(self.path(log), "ab") as output:
                child = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    **self._surroundings(env, privileged),
                )
            self.children.append(child)
            return child

    def run(self, command, env=None, timeout=120, privileged=False):
        """Runs a short-lived command to its end and returns its output."""
        with self._lock:
            if self._closing:
                raise Failure("the fixture is closing")
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                **self._surroundings(env, privileged),
            )
        try:
            output, _ = child.communicate(timeout=timeout)
        except subprocess.TimeoutExpired as late:
            child.kill()
            raise Failure(f"{command[0]} did not end within {timeout} s") from late
        text = output.decode("utf-8", "replace")
        if child.returncode != 0:
            raise Failure(f"{' '.join(command)} ended with {child.returncode}: {text[-LOG_TAIL_BYTES:]}")
        return text

    def _surroundings(self, env, privileged):
        account = {}
        if self.user is not None and not privileged:
            account = {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []}
        return {
            "cwd": self.dir,
            "env": self.environment(env),
            # The hook runs after the change of account, which would clear the death signal.
            "preexec_fn": _die_with_parent,
            "start_new_session": True,
            **account,
        }

    def environment(self, extra=None):
        """A clean environment: nothing of the caller's reaches the server but the search path."""
        return {
            "PATH": os.environ.get("PATH", "") + ":/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": self.dir,
            "TMPDIR": self.dir,
            "LANG": "C.UTF-8",
            "LC_ALL": "C.UTF-8",
            MARK: self.dir,
            **(extra or {}),
        }

    def wait_until(self, what, condition, child, log, seconds):
        """Waits for a condition of a started server, with a deadline; fails at once if the server ends."""
        deadline = time.monotonic() + seconds
        while not condition():
            if child.poll() is not None:
                raise Failure(f"{self.name} ended with {child.returncode} before {what}:\n{log_tail(log)}")
            if time.monotonic() > deadline:
                raise Failure(f"{self.name}: no {what} within {seconds} s:\n{log_tail(log)}")
            time.sleep(0.03)

    def end_child(self, child, number, seconds):
        """Signals one child and waits for its end; kills it past the deadline."""
        if child.poll() is None:
            child.send_signal(number)
            try:
                child.wait(seconds)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait(10)
        if child in self.children:
            self.children.remove(child)

    def marked(self):
        """Processes that carry this fixture's mark: what a server has forked, too."""
        return processes_where(lambda pid: is_marked(pid, self.dir))

    def end(self, status):
        """Stops everything that was started, removes the directory and leaves. For the main thread alone."""
        with self._lock:
            self._closing = True
            if self.stop_signal != signal.SIGKILL:
                for child in list(self.children):
                    self.end_child(child, self.stop_signal, 10)
            self._kill_all(20)
            # A process that had not become its program when the marked ones were looked for may still have written.
            deadline = time.monotonic() + 10
            while os.path.exists(self.dir) and time.monotonic() < deadline:
                shutil.rmtree(self.dir, ignore_errors=True)
            os._exit(status)

    def _kill_all(self, seconds):
        """Kills until nothing is left of what was started. What carries no mark becomes our child when its parent ends."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            left = {*self.marked(), *children_of_all_threads()} - self.companions
            if not left:
                return
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            self._collect()
            time.sleep(0.005)

    @staticmethod
    def _collect():
        """Collects what has ended: what is killed takes a moment to be gone."""
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass

    def _reap_orphans(self):
        """Collects what servers left behind: their orphans become ours (child subreaper)."""
        known = {child.pid for child in self.children}
        try:
            while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                if ended.si_pid in known:
                    return
                os.waitpid(ended.si_pid, os.WNOHANG)
        except ChildProcessError:
            pass

    def serve(self, start, commands):
        """Starts the server, reports it, then answers commands until stdin ends."""
        lines = []
        arrived = threading.Condition()

        def watch():
            for line in sys.stdin:
                with arrived:
                    lines.append(line)
                    arrived.notify()
            # The main thread itself ends everything: it cannot write into the directory while that is removed.
            signal.pthread_kill(threading.main_thread().ident, signal.SIGTERM)

        threading.Thread(target=watch, daemon=True).start()
        try:
            self.report({"ok": True, "dir": self.dir, **start()})
        except Exception as error:  # whatever it is, the owner must hear of it
            self.report({"ok": False, "error": f"{error}" or repr(error)})
            self.end(1)
        while True:
            with arrived:
                # No command runs now, so every child that is not in the list is an orphan.
                while not lines:
                    self._reap_orphans()
                    arrived.wait(1)
                verb, _, argument = lines.pop(0).strip().partition(" ")
            try:
                if verb not in commands:
                    raise Failure(f"no such command: {verb}")
                self.report({"ok": True, **(commands[verb](*([argument] if argument else [])) or {})})
            except Exception as error:
                self.report({"ok": False, "error": f"{error}" or repr(error)})

    @staticmethod
    def report(record):
        try:
            print(json.dumps(record), flush=True)
        except BrokenPipeError:
            pass
