"""The stage of a benchmark: a private broker, backlogs in it, and programs that consume them.

Everything lies in the broker's private directory and carries the broker's mark, so that its launcher ends and removes
all of it, whatever becomes of us.
"""

import os
import re
import signal
import socket
import struct
import subprocess
import time

from fixture import Fixture
from launcher import MARK, Failure, Ports, log_tail

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CORPUS = os.path.join(ROOT, "tests", "corpus", "notifications.jsonl")
# Where oslo.messaging puts notifications of priority "info"; what every agent here consumes.
QUEUE = "notifications.info"
PREFETCH = 2000
RUN_SECONDS = 600
START_SECONDS = 60
STOP_SECONDS = 60
LOOK_SECONDS = 0.05
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")

PIPELINE = """\
sources:
  - name: everything
    {what}: ["*"]
    sinks: [file]
sinks:
  - name: file
    publishers: ["{publisher}"]
"""

CONFIGURATION = """\
[DEFAULT]
transport_url = {url}
pipeline_cfg_file = {folder}/pipeline.yaml
event_pipeline_cfg_file = {folder}/event_pipeline.yaml
[oslo_messaging_rabbit]
amqp_durable_queues = true
rabbit_qos_prefetch_count = {prefetch}
"""


# The Gnocchi of the launcher takes everybody for who they say they are.
GNOCCHI = """\
[{section}]
auth_type = gnocchi-basic
user = admin
endpoint = {url}
"""


OWN = """\
[nephoscope]
notification_listen_address = 127.0.0.1:{port}
state_dir = {folder}/state
"""
# For what is to lie in the buffers on disk as soon as it may.
SPILL_AT_ONCE = "buffer_spill_seconds = 1\n"


def corpus_size():
    """How many notifications one pass of the corpus has."""
    with open(CORPUS, "rb") as corpus:
        return sum(1 for _ in corpus)


class Stage:
    """A private broker, and a place for what runs against it: our program, and the examples of a folder."""

    def __init__(self, binary, examples):
        self.binary = binary
        self.examples = examples
        self._ports = Ports()
        self._children = []
        self.broker = Fixture("rabbitmq")

    def __enter__(self):
        try:
            self.broker.ready()
        except BaseException:
            self.broker.wait()
            raise
        self.folder = os.path.join(self.broker["dir"], "bench")
        os.mkdir(self.folder, 0o700)
        return self

    def __exit__(self, *_):
        for child in self._children:
            if child.returncode is None:
                child.kill()
                child.wait()
        self.broker.wait()

    @property
    def url(self):
        """The broker as lapin writes it."""
        return f"amqp://guest:guest@127.0.0.1:{self.broker['port']}/%2f"

    @property
    def oslo_url(self):
        """The broker as oslo.messaging writes it."""
        return f"rabbit://guest:guest@127.0.0.1:{self.broker['port']}/"

    def port(self):
        return self._ports.take()

    def evaluate(self, expressions):
        """Asks the broker's own virtual machine (control.erl)."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as control:
            control.settimeout(30)
            control.connect(self.broker["control"])
            data = expressions.encode()
            control.sendall(struct.pack(">I", len(data)) + data)
            with control.makefile("rb") as answer:
                (length,) = struct.unpack(">I", answer.read(4))
                status, _, text = answer.read(length).decode("utf-8", "replace").partition(" ")
        if status != "ok":
            raise Failure(f"the broker answered {text!r} to {expressions!r}")
        return text

    def depth(self, queue):
        """Messages of a queue, whether ready or delivered and not acknowledged; 0 when there is no queue."""
        return int(
            self.evaluate(
                f'case rabbit_amqqueue:lookup(rabbit_misc:r(<<"/">>, queue, <<"{queue}">>)) of '
                "{ok, Q} -> [{messages, M}] = rabbit_amqqueue:info(Q, [messages]), M; _ -> 0 end."
            )
        )

    def publish(self, queue, messages):
        """Brings messages into a durable queue; the broker has confirmed each."""
        program = os.path.join(self.examples, "publish_corpus")
        command = [program, self.url, queue, str(messages), CORPUS]
        done = subprocess.run(command, capture_output=True, text=True, timeout=RUN_SECONDS, env=self._environment())
        if done.returncode != 0 or f"published {messages} of {messages}" not in done.stdout:
            raise Failure(f"publish_corpus failed: {done.stdout}{done.stderr}")

    def fill(self, queue, messages):
        """Puts a backlog into a durable queue that nobody consumes."""
        self.publish(queue, messages)
        if (depth := self.depth(queue)) != messages:
            raise Failure(f"{queue} holds {depth} messages instead of {messages}")

    def purge(self, queue):
        """Empties a queue, if there is one."""
        self.evaluate(
            f'case rabbit_amqqueue:lookup(rabbit_misc:r(<<"/">>, queue, <<"{queue}">>)) of '
            "{ok, Q} -> rabbit_amqqueue:purge(Q), 0; _ -> 0 end."
        )

    def adopt(self, process):
        """Ends a process with the stage, should it still run then."""
        self._children.append(process)

    def start(self, name, command, environment=None):
        """Starts a program with its output in a file of the stage, and more variables in its environment."""
        log = os.path.join(self.folder, f"{name}.log")
        return Program(name, command, log, {**self._environment(), **(environment or {})}, self._children)

    def drained(self, queue, program):
        """Waits until every message of the queue is acknowledged."""
        deadline = time.monotonic() + RUN_SECONDS
        while left := self.depth(queue):
            # A program that has done its work may leave before the broker has counted its last word.
            if program.exited() and time.monotonic() > program.seen_ended + 5:
                raise Failure(f"{program.name} ended and left {left} messages:\n{log_tail(program.log)}")
            if time.monotonic() > deadline:
                raise Failure(f"{program.name} left {left} messages after {RUN_SECONDS} s:\n{log_tail(program.log)}")
            time.sleep(LOOK_SECONDS)

    def example(self, name, url, queue_arguments, messages):
        """Starts one of the consumers among the library's examples."""
        program = os.path.join(self.examples, name)
        counts = ["--prefetch", str(PREFETCH), "--messages", str(messages)]
        return self.start(name, [program, "--url", url, *queue_arguments, *counts])

    def agent(self, name, command, port=None, out=None, gnocchi=None, own=""):
        """Starts an agent with both pipelines into files, in the folder `out` if that is given, or into the Gnocchi of an
        URL; either implementation reads the same configuration, to which `own` adds options of ours.
        """
        configuration = self.configure(name, port, out, gnocchi, own)
        program = self.start(name, [*command, "--config-file", configuration])
        program.samples, program.events = self.outputs(name, out)
        return program

    def outputs(self, name, out=None):
        """The files that an agent writes samples and events to."""
        return tuple(os.path.join(out or os.path.join(self.folder, name), f"{kind}.json") for kind in ("samples", "events"))

    def configure(self, name, port=None, out=None, gnocchi=None, own=""):
        """Writes an agent's configuration and returns its path."""
        folder = os.path.join(self.folder, name)
        os.makedirs(folder, 0o700, exist_ok=True)
        samples, events = self.outputs(name, out)
        to_gnocchi = "gnocchi://?enable_filter_project=false&timeout=60"
        for path in (samples, events):
            if os.path.exists(path):
                os.unlink(path)
        configuration = CONFIGURATION.format(url=self.oslo_url, folder=folder, prefetch=PREFETCH)
        if port is not None:
            configuration += OWN.format(port=port, folder=folder) + own
        if gnocchi is not None:
            for section in ("service_credentials", "gnocchi"):
                configuration += GNOCCHI.format(section=section, url=gnocchi)
        for file, text in (
            ("pipeline.yaml", PIPELINE.format(what="meters", publisher=to_gnocchi if gnocchi else f"file://{samples}?json")),
            ("event_pipeline.yaml", PIPELINE.format(what="events", publisher=to_gnocchi if gnocchi else f"file://{events}?json")),
            ("ceilometer.conf", configuration),
        ):
            with open(os.path.join(folder, file), "w", encoding="utf-8") as output:
                output.write(text)
        return os.path.join(folder, "ceilometer.conf")

    def nephoscope(self, port=None, out=None, gnocchi=None, own=""):
        return self.agent("nephoscope", [self.binary, "notification"], port or self.port(), out, gnocchi, own)

    def _environment(self):
        return {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "HOME": self.folder,
            "LC_ALL": "C.UTF-8",
            MARK: self.broker["dir"],
        }


class Program:
    """A process whose CPU time and memory are measured."""

    def __init__(self, name, command, log, environment, children):
        self.name = name
        self.log = log
        with open(log, "wb") as output:
            self.began = time.monotonic()
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=environment
            )
        children.append(self._process)
        self.pid = self._process.pid
        self.seen_ended = None

    def exited(self):
        """Whether it has ended; it is not reaped, so that its usage can still be asked for."""
        if self.seen_ended is None:
            if os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
                self.seen_ended = time.monotonic()
        return self.seen_ended is not None

    def peak_mib(self):
        """The highest resident memory so far."""
        with open(f"/proc/{self.pid}/status", encoding="utf-8") as status:
            return int(re.search(r"VmHWM:\s+(\d+) kB", status.read())[1]) / 1024

    def forget_peak(self):
        """Has `peak_mib` begin anew; returns the resident memory."""
        with open(f"/proc/{self.pid}/clear_refs", "w", encoding="utf-8") as references:
            # The kernel's name for the highest resident memory (proc(5)).
            references.write("5")
        return self.peak_mib()

    def cpu_seconds(self):
        """CPU time so far of the process and all that it has started."""
        return tree_cpu_seconds(self.pid)

    def end(self, ask=True):
        """Ends it (with SIGTERM if `ask`, else by its own will) and returns its CPU seconds."""
        if ask and not self.exited():
            self._process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while not self.exited():
            if time.monotonic() > deadline:
                raise Failure(f"{self.name} did not end within {STOP_SECONDS} s:\n{log_tail(self.log)}")
            time.sleep(0.01)
        _, status, usage = os.wait4(self.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        if self._process.returncode != 0:
            raise Failure(f"{self.name} ended with {self._process.returncode}:\n{log_tail(self.log)}")
        return usage.ru_utime + usage.ru_stime


def tree_cpu_seconds(root):
    """CPU time so far of a process and all that it has started."""
    ticks, parents = {}, {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as stat:
                    fields = stat.read().rpartition(")")[2].split()
            except OSError:
                continue
            # After the name: 2nd parent, 12th to 15th own and reaped children's user and system time.
            parents[int(entry)] = int(fields[1])
            ticks[int(entry)] = sum(map(int, fields[11:15]))
    ours = {root}
    while more := {child for child, parent in parents.items() if parent in ours} - ours:
        ours |= more
    return sum(ticks[pid] for pid in ours if pid in ticks) / TICKS_PER_SECOND


def count_lines(path):
    """Lines of a file, 0 when there is none."""
    try:
        with open(path, "rb") as file:
            return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))
    except FileNotFoundError:
        return 0


def count_distinct_events(path):
    """Different notifications among the events of a file."""
    with open(path, "rb") as file:
        return len({re.search(rb'"message_id": "([^"]+)"', line)[1] for line in file})
