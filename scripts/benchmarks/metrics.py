"""The metric store: what measures and reads cost, in its own process and over HTTP, beside a real Gnocchi (API and metricd)
under the same requests.
"""

import functools
import http.client
import json
import os
import re
import shutil
import statistics
import subprocess
import time

from fixture import Fixture
from launcher import Failure, log_tail
from stage import RUN_SECONDS, START_SECONDS, tree_cpu_seconds

# Noon of a day; measures of a round are as many seconds later as the round before covers.
BEGIN = 1_766_016_000
MINUTE, HOUR, DAY = 60, 3_600, 86_400
# A measure every five minutes.
DAY_POINTS = DAY // (5 * MINUTE)

CONFIGURATION = """\
[api]
host = 127.0.0.1
port = {port}
[nephoscope]
state_dir = {folder}/state
metric_listen_address =
"""

ALL = ["mean", "min", "max", "sum", "std", "count"]
POLICIES = {
    # Ceilometer's own, and Gnocchi's own.
    "ceilometer-low": (["mean"], [(5 * MINUTE, 30 * DAY)]),
    "medium": (ALL, [(MINUTE, 7 * DAY), (HOUR, 365 * DAY)]),
    # Gnocchi's best case: one file of one method takes all.
    "one-method": (["mean"], [(1, 7 * DAY)]),
}


class Server:
    """One of both servers: its requests, and its CPU time."""

    def __init__(self, name, port, cpu_seconds, prefix="", drained=lambda server: None):
        self.name = name
        self.cpu_seconds = cpu_seconds
        self.prefix = prefix
        self.drained = lambda: drained(self)
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=RUN_SECONDS)

    def ask(self, method, path, body=None, accepted=(200, 201, 202, 204)):
        headers = {"Authorization": "basic YWRtaW46", "Content-Type": "application/json"}
        text = body if body is None or isinstance(body, str) else json.dumps(body)
        try:
            self._connection.request(method, self.prefix + path, text, headers)
            answer = self._connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            raise
        if answer.status not in accepted:
            raise Failure(f"{self.name} answered {answer.status} to {method} {path[:200]}: {content[:500]!r}")
        return json.loads(content) if content and answer.status in (200, 201) else None

    def prepare(self):
        """Makes the archive policies."""
        for name, (methods, definition) in POLICIES.items():
            levels = [{"granularity": granularity, "timespan": span} for granularity, span in definition]
            policy = {"name": name, "back_window": 0, "aggregation_methods": methods, "definition": levels}
            self.ask("POST", "/v1/archive_policy", policy, accepted=(201, 409))

    def resources(self, prefix, count, names, policy):
        """Makes resources with metrics; the ids of the metrics, resource by resource."""
        metrics = {name: {"archive_policy_name": policy} for name in names}
        made = []
        for number in range(count):
            made.append(self.ask("POST", "/v1/resource/generic", {"id": f"{prefix}-{number}", "metrics": metrics})["metrics"])
        return [[of[name] for name in names] for of in made]

    def cpu_of(self, requests):
        """CPU seconds of each request, one after the other, until all that it has begun is done."""
        spent = []
        for method, path, body in requests:
            before = self.cpu_seconds()
            self.ask(method, path, body)
            self.drained()
            spent.append(self.cpu_seconds() - before)
        return spent


def points(begin, count, step, seed):
    """A list of measures, as JSON: values are short decimals that differ."""
    measures = (
        f'{{"timestamp": "{stamp(begin + place * step)}", "value": {(seed * 7919 + place * 104729) % 10_000 / 100}}}'
        for place in range(count)
    )
    return f"[{', '.join(measures)}]"


def spaced(number):
    """A number with its thousands apart."""
    return f"{int(number):,}".replace(",", " ")


@functools.lru_cache(maxsize=1 << 16)
def stamp(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def of_ids(ids, begin, count, step):
    """A request with measures of metrics."""
    entries = (f'"{metric}": {points(begin, count, step, number)}' for number, metric in enumerate(ids))
    return "POST", "/v1/batch/metrics/measures", f"{{{', '.join(entries)}}}"


def of_resources(prefix, resources, names, begin, count, step):
    """A request with measures as Ceilometer's publisher writes it."""
    entries = []
    for number in range(resources):
        metrics = (
            f'"{name}": {{"archive_policy_name": "ceilometer-low", "unit": "B", '
            f'"measures": {points(begin, count, step, number * len(names) + place)}}}'
            for place, name in enumerate(names)
        )
        entries.append(f'"{prefix}-{number}": {{{", ".join(metrics)}}}')
    return "POST", "/v1/batch/resources/metrics/measures?create_metrics=true", f"{{{', '.join(entries)}}}"


class Loads:
    """The three ways to write, for one server."""

    RESOURCES, METRICS = 100, 10

    def __init__(self, server):
        self.server = server
        server.prepare()
        self.names = [f"meter.{place}" for place in range(self.METRICS)]
        self.ceilometer_ids = server.resources("ceilometer", self.RESOURCES, self.names, "ceilometer-low")
        self.medium_ids = [metric for of in server.resources("medium", 10, self.names, "medium") for metric in of]
        self.one_ids = [metric for of in server.resources("one", 1, self.names, "one-method") for metric in of]

    def ceilometer(self, rounds):
        """CPU seconds a request, and its measures. A day is there before."""
        day = of_resources("ceilometer", self.RESOURCES, self.names, BEGIN, DAY_POINTS, 5 * MINUTE)
        self.server.cpu_of([day])
        requests = (
            of_resources("ceilometer", self.RESOURCES, self.names, BEGIN + DAY + number * 5 * MINUTE, 1, 1)
            for number in range(rounds)
        )
        return self.server.cpu_of(requests), self.RESOURCES * self.METRICS

    def medium(self, rounds):
        self.server.cpu_of([of_ids(self.medium_ids, BEGIN, 60, MINUTE)])
        requests = (of_ids(self.medium_ids, BEGIN + number * HOUR, 60, MINUTE) for number in range(1, rounds + 1))
        return self.server.cpu_of(requests), len(self.medium_ids) * 60

    def one_method(self, rounds):
        self.server.cpu_of([of_ids(self.one_ids, BEGIN, 3_000, 1)])
        requests = (of_ids(self.one_ids, BEGIN + number * 3_000, 3_000, 1) for number in range(1, rounds + 1))
        return self.server.cpu_of(requests), len(self.one_ids) * 3_000

    def aggregates(self, rounds):
        """CPU seconds of the mean over all of Ceilometer's metrics, of a day of each."""
        return self.server.cpu_of([aggregates([metric for of in self.ceilometer_ids for metric in of])] * rounds)


def aggregates(ids):
    references = " ".join(f"({metric} mean)" for metric in ids)
    window = f"start={BEGIN}&stop={BEGIN + DAY}&granularity={5 * MINUTE}"
    return "POST", f"/v1/aggregates?{window}", {"operations": f"(aggregate mean (metric {references}))"}


def found_aggregates(resources, names):
    """The same over the metrics of resources that are searched for: so many could not be named."""
    references = " ".join(f"({name} mean)" for name in names)
    window = f"start={BEGIN}&stop={BEGIN + DAY}&granularity={5 * MINUTE}"
    body = {
        "operations": f"(aggregate mean (metric {references}))",
        "resource_type": "generic",
        "search": {"like": {"original_resource_id": resources}},
    }
    return "POST", f"/v1/aggregates?{window}", body


def measure(bench, stage):
    add = bench.report.figure
    in_process(add, stage, bench.options.metrics)
    ours = over_http(add, stage, bench.options)
    if bench.options.peer_messages:
        beside_gnocchi(add, ours, bench.options)


# --- in its own process -------------------------------------------------------------------------------------------------


def in_process(add, stage, metrics):
    """The store without a server, see crates/metric-store/examples/store_cost.rs."""
    print(f"metrics: the store in process, up to {metrics} metrics", flush=True)
    program = os.path.join(stage.examples, "store_cost")
    directory = os.path.join(stage.folder, "store")

    def part(name, rounds):
        command = [program, directory, str(metrics), str(rounds), name]
        seconds = RUN_SECONDS * max(1, metrics // 100_000)
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=seconds).stdout

    def said(text, word):
        lines = re.findall(rf"^{word} (\w+=.*)$", text, re.MULTILINE)
        return [dict(pair.split("=", 1) for pair in line.split()) for line in lines]

    costs = said(part("cpu", 1), "cpu")
    most = costs[-1]
    add(f"metrics: in process, CPU a measure, 60-point batches, {spaced(most['metrics'])} metrics",
        int(most["ns"]) / 1000, "µs", 2, at_most=0.7)  # fmt: skip
    add(f"metrics: the same ÷ that of {spaced(costs[0]['metrics'])} metrics",
        int(most["ns"]) / int(costs[0]["ns"]), digits=2, at_most=1.2)  # fmt: skip
    text = part("ceilometer-low", 6)
    memory, restart = said(text, "memory")[0], said(text, "restart")[0]
    add(f"metrics: memory a metric, ceilometer-low, {spaced(metrics)} metrics, most",
        int(memory["most"]), "bytes", at_most=2048)  # fmt: skip
    add(f"metrics: start to ready with {spaced(metrics)} metrics", float(restart["seconds"]), "s", 2, at_most=5)
    bounds = {"Constant": 0.5, "Gauge": 2.5, "Counter": 5}
    for kind in said(part("disk", 1), "disk"):
        add(f"metrics: bytes on disk a measure, {kind['kind'].lower()}, every aggregate of medium",
            float(kind["bytes"]), digits=2, at_most=bounds.get(kind["kind"]))  # fmt: skip


# --- over HTTP ------------------------------------------------------------------------------------------------------------


def started(stage):
    """`nephoscope metric` on an empty directory."""
    folder = os.path.join(stage.folder, "metric")
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder, 0o700)
    port = stage.port()
    configuration = os.path.join(folder, "gnocchi.conf")
    with open(configuration, "w", encoding="utf-8") as output:
        output.write(CONFIGURATION.format(port=port, folder=folder))
    program = stage.start("metric", [stage.binary, "metric", "--config-file", configuration])
    # The kernel's name for the clock of a process (MAKE_PROCESS_CPUCLOCK, CPUCLOCK_SCHED).
    server = Server("nephoscope metric", port, lambda: time.clock_gettime((~program.pid << 3) | 2))
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            server.ask("GET", "/v1/")
            return program, server
        except (OSError, http.client.HTTPException):
            if program.exited() or time.monotonic() > deadline:
                raise Failure(f"nephoscope metric did not answer:\n{log_tail(program.log)}") from None
            time.sleep(0.01)


def over_http(add, stage, options):
    """Our figures; returns CPU seconds by name, for the comparison."""
    print(f"metrics: nephoscope metric over HTTP, {options.metrics_rounds} requests of each kind", flush=True)
    program, server = started(stage)
    found = our_figures(add, server, options.metrics_rounds)
    add("metrics: highest resident memory of the server", program.peak_mib(), "MiB", 1)
    for count in options.metrics_curve:
        aggregates_of(add, program, server, count)
    program.end()
    return found


def our_figures(add, server, rounds):
    loads = Loads(server)
    found = {}
    for name, bound in (("medium", 2), ("ceilometer", None), ("one_method", None)):
        spent, measures = getattr(loads, name)(rounds)
        found[name] = statistics.fmean(spent) / measures
        add(f"metrics: {TITLES[name]}: CPU a measure", found[name] * 1e6, "µs", 2, at_most=bound)
    metric = loads.medium_ids[0]
    # The last day of what was written.
    stop = BEGIN + (rounds + 1) * HOUR
    path = f"/v1/metric/{metric}/measures?aggregation=mean&granularity={MINUTE}&start={stop - DAY}&stop={stop}"
    read = server.ask("GET", path)
    if len(read) != min(DAY, (rounds + 1) * HOUR) // MINUTE:
        raise Failure(f"{len(read)} measures of a day are there")
    spent = server.cpu_of([("GET", path, None)] * 50)
    add(f"metrics: a day of a metric read, {len(read)} measures, CPU", statistics.median(spent) * 1000, "ms", 2, at_most=2)
    found["aggregates"] = statistics.median(loads.aggregates(10))
    add("metrics: aggregates over 1 000 metrics × 1 day, CPU", found["aggregates"] * 1000, "ms", 1)
    return found


def aggregates_of(add, program, server, count):
    """One answer over the day of so many metrics, a hundred a resource: what it costs, and what it holds in memory."""
    print(f"metrics: aggregates over {count} metrics", flush=True)
    names = [f"m{place}" for place in range(100)]
    ids = [metric for of in server.resources(f"curve-{count}", count // 100, names, "ceilometer-low") for metric in of]
    for begin in range(0, count, 1_000):
        server.ask(*of_ids(ids[begin : begin + 1_000], BEGIN, DAY_POINTS, 5 * MINUTE))
    request = found_aggregates(f"curve-{count}-%", names)
    read = server.ask(*request)["measures"]["aggregated"]
    if len(read) != DAY_POINTS:
        raise Failure(f"{len(read)} aggregates of a day of {count} metrics came")
    before = program.forget_peak()
    spent = statistics.median(server.cpu_of([request] * 3))
    add(f"metrics: aggregates over {spaced(count)} metrics × 1 day, CPU", spent * 1000, "ms", 1)
    add("metrics: memory that it takes, at its highest", program.peak_mib() - before, "MiB", 1,
        at_most=256 if count <= 100_000 else None)  # fmt: skip


TITLES = {
    "ceilometer": "Ceilometer's shape, 100 resources × 10 metrics × 1 point a request",
    "medium": "100 metrics × 60 points a request, policy medium",
    "one_method": "10 metrics × 3 000 points a request, one method",
}


# --- the original ----------------------------------------------------------------------------------------------------------


def beside_gnocchi(add, ours, options):
    """The same requests to a real Gnocchi, few of them, each until its backlog is empty."""
    print("metrics: the same to a real Gnocchi", flush=True)
    postgresql = Fixture("postgresql")
    gnocchi = None
    try:
        account = f"{postgresql['user']}:{postgresql['password']}@127.0.0.1:{postgresql['port']}"
        gnocchi = Fixture("gnocchi", f"--indexer-url=postgresql://{account}/{postgresql['database']}")
        port, pid = gnocchi["port"], gnocchi.pid
        server = Server("Gnocchi", port, lambda: tree_cpu_seconds(pid), drained=backlog_is_empty)
        compare(add, ours, server, options.metrics_peer_rounds)
    finally:
        for fixture in (gnocchi, postgresql):
            if fixture is not None:
                fixture.wait()


def compare(add, ours, server, rounds):
    loads = Loads(server)
    for name, bound, times in (("medium", 150, rounds), ("one_method", 10, 3 * rounds), ("ceilometer", 1_000, rounds)):
        spent, measures = getattr(loads, name)(times)
        each = statistics.fmean(spent) / measures
        add(f"metrics: Gnocchi, {TITLES[name]}: CPU a measure", each * 1e6, "µs", 1)
        add("metrics: the same ÷ nephoscope's", each / ours[name], at_least=bound)
    spent = statistics.median(loads.aggregates(3))
    add("metrics: Gnocchi, aggregates over 1 000 metrics × 1 day, CPU", spent * 1000, "ms", 1)
    add("metrics: the same ÷ nephoscope's", spent / ours["aggregates"], at_least=50)


def backlog_is_empty(server):
    """Waits until metricd has worked everything off."""
    deadline = time.monotonic() + RUN_SECONDS
    while server.ask("GET", "/v1/status?details=false")["storage"]["summary"]["measures"]:
        if time.monotonic() > deadline:
            raise Failure(f"Gnocchi did not work its backlog off within {RUN_SECONDS} s")
        time.sleep(0.5)
