"""The central agent: what a cycle over thousands of volumes, floating IPs and images costs it and the Python agent, beside
each other on the same server of recorded answers.
"""

import json
import os
import subprocess
import time

from compute import family, metric, process_seconds, resident_mib
from launcher import Failure, log_tail
from openstack import venv
from stage import ROOT, RUN_SECONDS

AGENT = os.path.join(ROOT, "tests", "oracle", "ceilometer_central.py")
ANSWERS = os.path.join(ROOT, "crates", "pollsters", "tests", "central", "answers")
QUEUE = "notifications.sample"
# The list that has copies, and the pollster that reads it.
LISTS = {"volumes": "volume.size", "floatingips": "ip.floating", "images": "image.size"}
# What services give at most, unless they are told otherwise.
PAGE = 1000
# One cycle before it is measured: connections are made, Python imports.
WARM_CYCLES = 1
LOOK_SECONDS = 0.05

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
"""


class Recorded:
    """The server of recorded answers, with so many copies in each list."""

    def __init__(self, stage, objects):
        program = os.path.join(stage.programs, "examples", "recorded_cloud")
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
        return json.loads(self._process.stdout.readline())

    def end(self):
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


class Agent:
    """A central agent, ours or Python's, whose cycles follow each other."""

    def __init__(self, stage, name, server, command):
        self.folder = os.path.join(stage.folder, name)
        os.makedirs(self.folder, 0o700, exist_ok=True)
        self.port = stage.port()
        self._ours = command[0] == stage.binary
        text = CONFIGURATION.format(transport=stage.oslo_url, folder=self.folder, auth_url=server.auth_url)
        if self._ours:
            text += OWN.format(port=self.port, folder=self.folder)
        files = {
            "ceilometer.conf": text,
            "polling.yaml": f"sources: [{{name: s, interval: 1, meters: {json.dumps(list(LISTS.values()))}}}]\n",
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

    def wait_for_cycle(self, wanted):
        deadline = time.monotonic() + RUN_SECONDS
        while (cycles := self.cycles()) < wanted:
            if self.program.exited() or time.monotonic() > deadline:
                raise Failure(f"{self.program.name} came to {cycles} cycles of {wanted}:\n{log_tail(self.program.log)}")
            time.sleep(LOOK_SECONDS)
        return cycles

    def cpu_seconds(self):
        """CPU time of the process and all that it has started, to the nanosecond."""
        return sum(process_seconds(pid) for pid in family(self.program.pid))


def measure(bench, stage):
    objects, cycles = bench.options.central_objects, bench.options.central_cycles
    print(f"central: {objects} volumes, floating IPs and images, {cycles} cycles of each agent", flush=True)
    server = Recorded(stage, objects)
    arguments = ["--polling-namespaces", "central"]
    agents = {"agent": [stage.binary, "polling", *arguments]}
    if bench.options.peer_messages:
        agents["Ceilometer"] = [os.path.join(venv(), "bin", "python"), "-B", AGENT, *arguments]
    spent, asked, peaks = {}, {}, {}
    for name, command in agents.items():
        agent = Agent(stage, f"central-{name}", server, command)
        first = agent.wait_for_cycle(WARM_CYCLES)
        cpu = agent.cpu_seconds()
        server.requests()
        ran = agent.wait_for_cycle(first + cycles) - first
        spent[name] = (agent.cpu_seconds() - cpu) / ran
        asked[name] = sum(server.requests().values()) / ran
        peaks[name] = sum(resident_mib(pid, "VmHWM") for pid in family(agent.program.pid))
        agent.program.end()
        stage.purge(QUEUE)
    server.end()
    add = bench.report.figure
    for name in agents:
        add(f"central: {name}'s CPU of a cycle, {objects} volumes, floating IPs and images", spent[name] * 1000, "ms", 1)
    if "Ceilometer" in agents:
        add("central: Ceilometer's CPU of a cycle ÷ agent's", spent["Ceilometer"] / spent["agent"], digits=1, at_least=20)
    # A page each, and nothing else; a cycle may be under way when it is counted.
    pages = len(LISTS) * -(-objects // PAGE)
    for name in agents:
        held = {"at_most": pages * (cycles + 1) / cycles} if name == "agent" else {}
        add(f"central: requests of a cycle of {name}, {pages} pages", asked[name], digits=1, **held)
    for name in agents:
        held = {"at_most": 60} if name == "agent" else {}
        add(f"central: {name}'s highest resident memory", peaks[name], "MiB", 1, **held)
