"""The compute agent: what a cycle costs it and libvirt's daemon, beside the least that any client can do and beside the
Python agent on the same real domains.
"""

import http.client
import json
import os
import re
import statistics
import subprocess
import time

from fixture import Fixture
from launcher import Failure, log_tail
from openstack import venv
from stage import ROOT, RUN_SECONDS

AGENT = os.path.join(ROOT, "tests", "oracle", "ceilometer_compute.py")
UNIT = os.path.join(ROOT, "packaging", "systemd", "nephoscope-compute.service")
QUEUE = "notifications.sample"
# Cycles before it is measured: connections are made, metadata is read.
WARM_CYCLES = 2
# Domains of the measurements of memory and of the start.
MEMORY_DOMAINS = 200
START_DOMAINS = 20
LOOK_SECONDS = 0.05

# What the packaged polling.yaml has, of instances.
METERS = """power.state cpu memory.available memory.usage network.incoming.bytes network.incoming.packets
    network.outgoing.bytes network.outgoing.packets disk.device.read.bytes disk.device.read.requests
    disk.device.write.bytes disk.device.write.requests""".split()

CONFIGURATION = """\
[DEFAULT]
host = compute-1.example
libvirt_uri = {uri}
{transport}
pipeline_cfg_file = {folder}/pipeline.yaml
event_pipeline_cfg_file = {folder}/event_pipeline.yaml
[compute]
instance_discovery_method = libvirt_metadata
[service_credentials]
auth_type = none
endpoint = http://127.0.0.1:1
[oslo_messaging_rabbit]
amqp_durable_queues = true
[polling]
cfg_file = {folder}/polling.yaml
"""
OWN = """\
[nephoscope]
polling_listen_address = 127.0.0.1:{port}
run_listen_address = 127.0.0.1:{port}
run_metric_address =
state_dir = {folder}/state
"""
PIPELINE = """\
sources: [{{name: s, {what}: ["*"], sinks: [k]}}]
sinks: [{{name: k, publishers: ["file://{folder}/{what}.json?json"]}}]
"""


class Replayed:
    """The server that replays recorded answers, for any number of domains."""

    def __init__(self, stage, domains):
        program = os.path.join(stage.examples, "fake_libvirtd")
        self._process = subprocess.Popen(
            [program, str(domains)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=stage.folder
        )
        stage.adopt(self._process)
        said = dict(word.split("=", 1) for word in self._process.stdout.readline().split())
        self.socket, self.uri = said["socket"], said["uri"]

    def calls(self):
        """How often anything was called so far."""
        self._process.stdin.write("calls\n")
        self._process.stdin.flush()
        return int(re.search(r"calls=(\d+)", self._process.stdout.readline())[1])

    def end(self):
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


class Agent:
    """A compute agent, ours or Python's, and its cycles."""

    def __init__(self, stage, name, uri, command, interval=1, meters=METERS, transport=None):
        self.interval = interval
        self.folder = os.path.join(stage.folder, name)
        os.makedirs(self.folder, 0o700, exist_ok=True)
        self.port = stage.port()
        url = f"transport_url = {stage.oslo_url}" if transport is None else transport
        text = CONFIGURATION.format(uri=uri, transport=url, folder=self.folder)
        self._ours = stage.binary in command
        if self._ours:
            text += OWN.format(port=self.port, folder=self.folder)
        polling = f"sources: [{{name: s, interval: {interval}, meters: {json.dumps(meters)}}}]\n" if meters else "sources: []\n"
        files = {"ceilometer.conf": text, "polling.yaml": polling}
        for what in ("meters", "events"):
            files[f"{'event_' * (what == 'events')}pipeline.yaml"] = PIPELINE.format(what=what, folder=self.folder)
        for file, text in files.items():
            with open(os.path.join(self.folder, file), "w", encoding="utf-8") as output:
                output.write(text)
        self.samples = os.path.join(self.folder, "meters.json")
        if os.path.exists(self.samples):
            os.unlink(self.samples)
        configuration = os.path.join(self.folder, "ceilometer.conf")
        environment = unit_environment() if self._ours and "polling" in command else None
        self.program = stage.start(name, [*command, "--config-file", configuration], environment)

    def cycles(self):
        """Cycles that have ended, by either agent's log: to ask ours for its metrics would cost it as much as half a cycle."""
        said = "cycle ended" if self._ours else "Finished polling pollster cpu in"
        with open(self.program.log, encoding="utf-8", errors="replace") as log:
            return sum(said in line for line in log)

    def wait_for_cycle(self, wanted):
        """Waits until so many cycles have ended; it is looked when they should have."""
        time.sleep(max(0, (wanted - self.cycles() - 1) * self.interval))
        deadline = time.monotonic() + RUN_SECONDS
        while (cycles := self.cycles()) < wanted:
            if self.program.exited() or time.monotonic() > deadline:
                raise Failure(f"{self.program.name} came to {cycles} cycles of {wanted}:\n{log_tail(self.program.log)}")
            time.sleep(LOOK_SECONDS)
        return cycles

    def cpu_seconds(self):
        """CPU time of the process and all that it has started and that is still there, to the nanosecond."""
        return sum(process_seconds(pid) for pid in family(self.program.pid))


def unit_environment():
    """What the service's unit gives the agent."""
    with open(UNIT, encoding="utf-8") as unit:
        return dict(re.findall(r"^Environment=(\w+)=(\S+)$", unit.read(), re.MULTILINE))


def metric(port, name):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()
    lines = [line for line in text.splitlines() if re.match(rf"{name}[ {{]", line)]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


def family(pid):
    """A process and its descendants."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as stat:
                    parents[int(entry)] = int(stat.read().rpartition(")")[2].split()[1])
            except OSError:
                continue
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def process_seconds(pid):
    """CPU time of a process so far, threads that have ended included, to the nanosecond."""
    try:
        # The kernel's name for the clock of a process (MAKE_PROCESS_CPUCLOCK, CPUCLOCK_SCHED).
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return 0


def resident_mib(pid, field="VmRSS"):
    with open(f"/proc/{pid}/status", encoding="utf-8") as status:
        return int(re.search(rf"{field}:\s+(\d+) kB", status.read())[1]) / 1024


def polling(stage):
    return [stage.binary, "polling", "--polling-namespaces", "compute"]


def measure(bench, stage):
    options = bench.options
    in_process(bench.report.figure, stage, options.compute_domains)
    replayed(bench.report.figure, stage, options.compute_domains, options.compute_cycles)
    if options.peer_messages:
        real(bench.report.figure, stage, options.compute_real, options.compute_cycles)
    memory(bench.report.figure, stage)
    start(bench.report.figure, stage, options.starts)


def in_process(add, stage, domains):
    """Cycles of every pollster in the process that the samples stay in, as in `nephoscope run`, and signed ones beside them."""
    print(f"compute: {domains} replayed domains, cycles of every pollster in one process", flush=True)
    program = os.path.join(stage.examples, "compute_cycle")
    command = [program, str(domains)]
    text = subprocess.run(command, check=True, capture_output=True, text=True, timeout=RUN_SECONDS).stdout
    add(f"compute: samples a cycle, {domains} domains, every meter", int(re.search(r"(\d+) samples a cycle", text)[1]))
    ways = {"made": "samples made", "sent": "samples made and handed to a pipeline", "signed": "samples made and signed"}
    for way, what in ways.items():
        times = float(re.search(rf"^{way} .*?([\d.]+) times", text, re.MULTILINE)[1])
        add(f"compute: {what}, CPU ÷ bare bulk call and decode", times, digits=2, at_most=5 if way == "sent" else None)


def replayed(add, stage, domains, cycles):
    """Round trips and processor time of a cycle over many domains, and the least that any client can do."""
    print(f"compute: {domains} replayed domains, {cycles} cycles", flush=True)
    server = Replayed(stage, domains)
    program = os.path.join(stage.examples, "bulk")
    text = subprocess.run([program, server.socket], check=True, capture_output=True, text=True, timeout=RUN_SECONDS).stdout
    bare = float(re.search(r"^bare +([\d.]+)", text, re.MULTILINE)[1]) / 1e6
    add("compute: bulk call and decode, CPU ÷ bare", float(re.search(r"^ratio +([\d.]+)", text, re.MULTILINE)[1]),
        digits=2, at_most=1.5)  # fmt: skip
    agent = Agent(stage, "compute-replayed", server.uri, polling(stage))
    first = agent.wait_for_cycle(WARM_CYCLES)
    calls, samples = server.calls(), metric(agent.port, "nephoscope_polling_samples_total")
    cpu = agent.cpu_seconds()
    last = agent.wait_for_cycle(first + cycles)
    ran = last - first
    spent = (agent.cpu_seconds() - cpu) / ran
    add(f"compute: libvirt round trips a cycle, {domains} domains", (server.calls() - calls) / ran, digits=2, at_most=2)
    made = (metric(agent.port, "nephoscope_polling_samples_total") - samples) / ran
    add(f"compute: samples a cycle, {domains} domains", made)
    # Not held: the signature of each sample alone costs more than the bare call by far.
    add("compute: CPU of a cycle, samples made, signed and sent over AMQP", spent * 1000, "ms", 2)
    add("compute: the same ÷ bare bulk call and decode", spent / bare, digits=1)
    add("compute: CPU of a sample, read, made, signed and sent", spent / made * 1e6, "µs", 2)
    agent.program.end()
    server.end()
    stage.purge(QUEUE)


def real(add, stage, domains, cycles):
    """Both agents on the same domains of a real daemon, one after the other."""
    print(f"compute: {domains} real domains, {cycles} cycles of each agent", flush=True)
    daemon = Fixture("libvirtd")
    try:
        daemon.ready()
        for number in range(1, domains + 1):
            daemon.command("instance " + json.dumps({"number": number, "nova": "2025.2"}))
        theirs = [os.path.join(venv(), "bin", "python"), "-B", AGENT, "--polling-namespaces", "compute"]
        spent, of_daemon, peaks = {}, {}, {}
        for name, command in (("agent", polling(stage)), ("Ceilometer", theirs)):
            agent = Agent(stage, f"compute-real-{name}", daemon["uri"], command)
            first = agent.wait_for_cycle(WARM_CYCLES)
            cpu, served = agent.cpu_seconds(), process_seconds(daemon["pid"])
            ran = agent.wait_for_cycle(first + cycles) - first
            spent[name] = (agent.cpu_seconds() - cpu) / ran
            of_daemon[name] = (process_seconds(daemon["pid"]) - served) / ran
            peaks[name] = sum(resident_mib(pid) for pid in family(agent.program.pid))
            agent.program.end()
            stage.purge(QUEUE)
    finally:
        daemon.wait()
    for name in spent:
        add(f"compute: {name}'s CPU of a cycle, {domains} real domains", spent[name] * 1000, "ms", 2)
    add("compute: Ceilometer's CPU of a cycle ÷ agent's", spent["Ceilometer"] / spent["agent"], digits=1, at_least=30)
    for name in spent:
        add(f"compute: libvirtd's CPU for a cycle of {name}", of_daemon[name] * 1000, "ms", 2)
    add("compute: libvirtd's CPU for the agent ÷ for Ceilometer", of_daemon["agent"] / of_daemon["Ceilometer"],
        digits=2, at_most=0.25)  # fmt: skip
    for name in spent:
        add(f"compute: {name}'s resident memory, all processes", peaks[name], "MiB", 1)


def memory(add, stage):
    print(f"compute: memory, idle and with {MEMORY_DOMAINS} domains", flush=True)
    server = Replayed(stage, MEMORY_DOMAINS)
    idle = Agent(stage, "compute-idle", server.uri, polling(stage), meters=None)
    wait_ready(idle)
    add("compute: resident memory, idle", resident_mib(idle.program.pid), "MiB", 1, at_most=15)
    idle.program.end()
    agent = Agent(stage, "compute-memory", server.uri, polling(stage), meters=["*"])
    agent.wait_for_cycle(10)
    add(f"compute: highest resident memory, {MEMORY_DOMAINS} domains, every meter", resident_mib(agent.program.pid, "VmHWM"),
        "MiB", 1, at_most=25)  # fmt: skip
    agent.program.end()
    server.end()
    stage.purge(QUEUE)


def wait_ready(agent):
    deadline = time.monotonic() + RUN_SECONDS
    while metric(agent.port, "process_resident_memory_bytes") == 0:
        if agent.program.exited() or time.monotonic() > deadline:
            raise Failure(f"{agent.program.name} did not become ready:\n{log_tail(agent.program.log)}")
        time.sleep(LOOK_SECONDS)
    # What the start needed and no longer needs is given back soon or never.
    time.sleep(2)


def start(add, stage, starts):
    """From exec of `nephoscope run` to the first polled sample in a file."""
    print(f"compute: {starts} starts, {START_DOMAINS} replayed domains", flush=True)
    server = Replayed(stage, START_DOMAINS)
    firsts = []
    for _ in range(starts):
        agent = Agent(stage, "compute-start", server.uri, [stage.binary, "run"], interval=3600, transport="")
        deadline = agent.program.began + RUN_SECONDS
        while not (os.path.exists(agent.samples) and os.path.getsize(agent.samples)):
            if agent.program.exited() or time.monotonic() > deadline:
                raise Failure(f"no sample came:\n{log_tail(agent.program.log)}")
            time.sleep(0.0005)
        firsts.append((time.monotonic() - agent.program.began) * 1000)
        agent.program.end()
    server.end()
    add("compute: exec to the first sample in a file, median", statistics.median(firsts), "ms", 1, at_most=100)
    add("compute: exec to the first sample in a file, slowest", max(firsts), "ms", 1)
