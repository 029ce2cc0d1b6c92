"""The central agent: what a cycle over thousands of volumes, floating IPs and images costs it and the Python agent, beside
each other on the same server of recorded answers.

Ours is measured over several cycles. Ceilometer's agent polls once, for it looks for each resource among all those before
it, which takes minutes; should it not come to the end of its cycle in time, what it has spent by then is the least that the
cycle costs it.
"""

import collections
import json
import os
import signal
import subprocess
import time

from compute import family, metric, process_seconds, resident_mib
from launcher import Failure, log_tail
from openstack import venv
from stage import ROOT, RUN_SECONDS

AGENT = os.path.join(ROOT, "tests", "oracle", "ceilometer_central.py")
COUNT = os.path.join(ROOT, "scripts", "benchmarks", "count_samples.py")
ANSWERS = os.path.join(ROOT, "crates", "pollsters", "tests", "central", "answers")
QUEUE = "notifications.sample"
# The list that has copies, and the pollster that reads it.
LISTS = {"volumes": "volume.size", "floatingips": "ip.floating", "images": "image.size"}
# What services give at most, unless they are told otherwise.
PAGE = 1000
# The server's name for Keystone.
IDENTITY = "identity"
# Seconds from one of our cycles to the next: more than a cycle takes, so that each is over before the next begins.
INTERVAL = 20
# Ceilometer's agent does not come to a second one.
ONCE = 86_400
# How long its cycle is waited for.
PEER_SECONDS = 270
LOOK_SECONDS = 0.2
# An agent that uses no more of a second than that has nothing to do.
QUIET_SECONDS = 0.02

CONFIGURATION = """\
[DEFAULT]
transport_url = {transport}
pipeline_cfg_file = {folder}/pipeline.yaml
event_pipeline_cfg_file = {folder}/event_pipeline.yaml
[service_credentials]
auth_type = password
auth_url = {auth_url}
username = ceilometer
password = swordfish
user_domain_id = default
project_name = admin
project_domain_id = default
[oslo_messaging_rabbit]
amqp_durable_queues = true
[polling]
cfg_file = {folder}/polling.yaml
"""
OWN = """\
[nephoscope]
polling_listen_address = 127.0.0.1:{port}
state_dir = {folder}/state
buffer_memory_bytes = 4194304
"""


class Recorded:
    """The server of recorded answers, with so many copies in each list."""

    def __init__(self, stage, objects):
        program = os.path.join(stage.examples, "recorded_cloud")
        copies = [f"{name}={objects}" for name in LISTS]
        self._process = subprocess.Popen(
            [program, ANSWERS, str(PAGE), *copies], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=stage.folder
        )
        stage.adopt(self._process)
        self.auth_url = self._process.stdout.readline().strip().partition("=")[2]
        if not self.auth_url:
            raise Failure("the server of recorded answers did not start")

    def requests(self):
        """How many requests each service had since the last call."""
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return collections.Counter(json.loads(self._process.stdout.readline()))

    def end(self):
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


class Agent:
    """A central agent, ours or Python's."""

    def __init__(self, stage, name, server, command, interval):
        self.interval = interval
        self.folder = os.path.join(stage.folder, name)
        os.makedirs(self.folder, 0o700, exist_ok=True)
        self.port = stage.port()
        self._ours = command[0] == stage.binary
        text = CONFIGURATION.format(transport=stage.oslo_url, folder=self.folder, auth_url=server.auth_url)
        if self._ours:
            text += OWN.format(port=self.port, folder=self.folder)
        meters = json.dumps(list(LISTS.values()))
        files = {
            "ceilometer.conf": text,
            "polling.yaml": f"sources: [{{name: s, interval: {interval}, meters: {meters}}}]\n",
        }
        for file, text in files.items():
            with open(os.path.join(self.folder, file), "w", encoding="utf-8") as output:
                output.write(text)
        configuration = os.path.join(self.folder, "ceilometer.conf")
        self.program = stage.start(name, [*command, "--config-file", configuration])

    def cycles(self):
        """Cycles that have ended."""
        if self._ours:
            return int(metric(self.port, "nephoscope_polling_cycles_total"))
        with open(self.program.log, encoding="utf-8", errors="replace") as log:
            lines = [line for line in log if "inished polling pollster " in line]
        return min(sum(f"pollster {meter} " in line for line in lines) for meter in LISTS.values())

    def has_ended(self, wanted, seconds):
        """Waits until so many cycles have ended; returns whether they have in that time."""
        deadline = time.monotonic() + seconds
        while (cycles := self.cycles()) < wanted:
            if self.program.exited():
                raise Failure(f"{self.program.name} ended after {cycles} cycles:\n{log_tail(self.program.log)}")
            if time.monotonic() > deadline:
                return False
            time.sleep(LOOK_SECONDS)
        return True

    def wait_for_cycle(self, wanted):
        """Waits until so many cycles have ended. Looking costs the agent time, so it is done when they should have."""
        time.sleep(max(0, (wanted - self.cycles() - 1) * self.interval))
        if not self.has_ended(wanted, RUN_SECONDS):
            raise Failure(f"{self.program.name} did not come to {wanted} cycles:\n{log_tail(self.program.log)}")

    def settle(self):
        """Waits until the cycle is over and the broker has confirmed all its samples."""
        deadline = time.monotonic() + self.interval
        last = self.cpu_seconds()
        while time.monotonic() < deadline:
            time.sleep(1)
            now = self.cpu_seconds()
            # An agent that waits for the broker is quiet as well, with samples in memory or on disk.
            if now - last <= QUIET_SECONDS and metric(self.port, "nephoscope_pipeline_buffer_records") == 0:
                return
            last = now
        raise Failure(f"a cycle takes {self.program.name} longer than {self.interval} s: the machine is too busy")

    def cpu_seconds(self):
        """CPU time of the process and all that it has started, to the nanosecond."""
        return sum(process_seconds(pid) for pid in family(self.program.pid))

    def peak_mib(self):
        return sum(resident_mib(pid, "VmHWM") for pid in family(self.program.pid))


# What a cycle of an agent came to: CPU seconds, requests by service, samples by meter (none if its end was not seen),
# highest resident memory of all its processes.
Cycle = collections.namedtuple("Cycle", "cpu requests samples peak")


def samples_in(stage, queue):
    """How many samples of each meter wait in the queue; they are gone then."""
    command = [os.path.join(venv(), "bin", "python"), "-B", COUNT, f"127.0.0.1:{stage.broker['port']}", queue]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=RUN_SECONDS)
    return json.loads(done.stdout)


def ours(stage, server, cycles):
    """Several cycles, after one in which connections are made."""
    agent = Agent(stage, "central-agent", server, [stage.binary, "polling", "--polling-namespaces", "central"], INTERVAL)
    agent.wait_for_cycle(1)
    agent.settle()
    stage.purge(QUEUE)
    server.requests()
    first, cpu = agent.cycles(), agent.cpu_seconds()
    agent.wait_for_cycle(first + cycles)
    agent.settle()
    ran = agent.cycles() - first
    cpu = (agent.cpu_seconds() - cpu) / ran
    requests = {service: count / ran for service, count in server.requests().items()}
    samples = {meter: count / ran for meter, count in samples_in(stage, QUEUE).items()}
    peak = agent.peak_mib()
    agent.program.end()
    stage.purge(QUEUE)
    return Cycle(cpu, requests, samples, peak)


def ceilometers(stage, server):
    """One cycle, from the agent's first request on: what it takes to start is left out."""
    python = os.path.join(venv(), "bin", "python")
    command = [python, "-B", AGENT, "--polling-namespaces", "central"]
    server.requests()
    agent = Agent(stage, "central-Ceilometer", server, command, ONCE)
    deadline = time.monotonic() + PEER_SECONDS
    cpu, requests = agent.cpu_seconds(), server.requests()
    while not requests:
        if agent.program.exited() or time.monotonic() > deadline:
            raise Failure(f"Ceilometer's agent asked for nothing:\n{log_tail(agent.program.log)}")
        time.sleep(LOOK_SECONDS / 10)
        cpu, requests = agent.cpu_seconds(), server.requests()
    has_ended = agent.has_ended(1, deadline - time.monotonic())
    cpu = agent.cpu_seconds() - cpu
    requests += server.requests()
    peak = agent.peak_mib()
    if has_ended:
        agent.program.end()
        samples = samples_in(stage, QUEUE)
    else:
        samples = None
        # Asked to end, it would finish its cycle first.
        for pid in family(agent.program.pid):
            os.kill(pid, signal.SIGKILL)
    stage.purge(QUEUE)
    return Cycle(cpu, requests, samples, peak)


def measure(bench, stage):
    objects, cycles = bench.options.central_objects, bench.options.central_cycles
    print(f"central: {objects} volumes, floating IPs and images; {cycles} cycles of the agent, one of Ceilometer's", flush=True)
    server = Recorded(stage, objects)
    found = {"agent": ours(stage, server, cycles)}
    if bench.options.peer_messages:
        found["Ceilometer"] = ceilometers(stage, server)
    server.end()
    whole = {meter: objects for meter in LISTS.values()}
    for name, cycle in found.items():
        if cycle.samples not in (whole, None):
            raise Failure(f"a cycle of {name} sent {cycle.samples} instead of {whole}")
        asked = ", ".join(f"{service} {count:g}" for service, count in sorted(cycle.requests.items()))
        print(f"    {name}: requests of a cycle: {asked}", flush=True)
    report(bench.report.figure, objects, found)


def report(add, objects, found):
    what = f"{objects} volumes, floating IPs and images"
    theirs = found.get("Ceilometer")
    unfinished = ", not yet at its end" if theirs and theirs.samples is None else ""
    add(f"central: samples of a cycle, {what}", sum(found["agent"].samples.values()))
    for name, cycle in found.items():
        late = unfinished if name == "Ceilometer" else ""
        add(f"central: {name}'s CPU of a cycle{late}", cycle.cpu * 1000, "ms", 1)
    if theirs:
        ratio = theirs.cpu / found["agent"].cpu
        add(f"central: Ceilometer's CPU of a cycle{unfinished} ÷ agent's", ratio, digits=1, at_least=20)
    # A page each, and nothing else.
    pages = len(LISTS) * -(-objects // PAGE)
    for name, cycle in found.items():
        of_services = sum(count for service, count in cycle.requests.items() if service != IDENTITY)
        held = {"at_most": pages} if name == "agent" else {}
        add(f"central: {name}'s requests of a cycle, {pages} pages", of_services, digits=1, **held)
        if name == "agent":
            add("central: agent's requests to Keystone a cycle", cycle.requests.get(IDENTITY, 0), digits=1, at_most=0)
    for name, cycle in found.items():
        held = {"at_most": 60} if name == "agent" else {}
        add(f"central: {name}'s highest resident memory", cycle.peak, "MiB", 1, **held)
