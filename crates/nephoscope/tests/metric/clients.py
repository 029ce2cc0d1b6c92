"""python-gnocchiclient against our server: every method of the library's managers, then every command of `gnocchi`.

    clients.py URL [--openstack]

With --openstack the commands run as `openstack metric …`. Prints how many methods and commands were used; one that is not
used is a failure.
"""

import contextlib
import inspect
import io
import json
import os
import sys
import tempfile

import futurist

# The benchmarks' own processes cannot be had: what the program hands to them cannot be pickled by any Python 3.
futurist.ProcessPoolExecutor = futurist.ThreadPoolExecutor

from gnocchiclient import auth, exceptions, shell
from gnocchiclient.v1 import client

DAY = "2026-01-01T00:"


def check(found, expected):
    if found != expected:
        raise AssertionError(f"{found!r} is not {expected!r}")


def refused(kind, call, *args, **named):
    try:
        call(*args, **named)
    except kind as error:
        return error
    raise AssertionError(f"{call} was not refused")


class Watched:
    """A manager that notes which of its methods were called."""

    def __init__(self, manager, used):
        self.manager, self.used = manager, used

    def __getattr__(self, name):
        self.used.add((type(self.manager).__name__, name))
        return getattr(self.manager, name)


def managers(gnocchi):
    return {name: value for name, value in vars(gnocchi).items() if type(value).__name__.endswith("Manager")}


def library(url):
    plugin = auth.GnocchiBasicPlugin("admin", url)
    gnocchi = client.Client(session_options={"auth": plugin})
    used = set()
    wanted = {
        (type(manager).__name__, name)
        for manager in managers(gnocchi).values()
        for name, _ in inspect.getmembers(manager, inspect.ismethod)
        if not name.startswith("_") and name not in ("client",)
    }
    for name, manager in managers(gnocchi).items():
        setattr(gnocchi, name, Watched(manager, used))
    story(gnocchi)
    missing = wanted - used
    if missing:
        raise AssertionError(f"methods that were not used: {sorted(missing)}")
    print(f"library: {len(wanted)} methods")


def story(gnocchi):
    policy = gnocchi.archive_policy.create({"name": "minutely", "back_window": 0, "definition": [{"granularity": "60s", "points": 60}]})
    check(policy["definition"], [{"granularity": "0:01:00", "points": 60, "timespan": "1:00:00"}])
    refused(exceptions.ArchivePolicyAlreadyExists, gnocchi.archive_policy.create, {"name": "minutely", "definition": [{"granularity": 60}]})
    check(gnocchi.archive_policy.get("minutely"), policy)
    check("minutely" in [known["name"] for known in gnocchi.archive_policy.list()], True)
    policy = gnocchi.archive_policy.update("minutely", {"definition": [{"granularity": "60s", "points": 100}]})
    check(policy["definition"][0]["points"], 100)
    refused(exceptions.ArchivePolicyNotFound, gnocchi.archive_policy.get, "nothing")
    rule = gnocchi.archive_policy_rule.create({"name": "cpus", "metric_pattern": "cpu*", "archive_policy_name": "minutely"})
    check(gnocchi.archive_policy_rule.get("cpus"), rule)
    check(gnocchi.archive_policy_rule.update("cpus", "processors")["name"], "processors")
    check([known["name"] for known in gnocchi.archive_policy_rule.list() if known["metric_pattern"] == "cpu*"], ["processors"])
    refused(exceptions.ArchivePolicyRuleNotFound, gnocchi.archive_policy_rule.get, "cpus")
    kind = gnocchi.resource_type.create({"name": "server", "attributes": {"flavor": {"type": "string", "required": False}}})
    check(gnocchi.resource_type.get("server"), kind)
    changes = [{"op": "add", "path": "/attributes/cores", "value": {"type": "number", "required": False}}]
    check(set(gnocchi.resource_type.update("server", changes)["attributes"]), {"flavor", "cores"})
    check([known["name"] for known in gnocchi.resource_type.list()], ["generic", "server"])
    resources(gnocchi)
    measures(gnocchi)
    endings(gnocchi)


def resources(gnocchi):
    made = gnocchi.resource.create("server", {"id": "web 1", "flavor": "small", "project_id": "p1", "metrics": {"cpu_util": {}}})
    check((made["original_resource_id"], made["flavor"], list(made["metrics"])), ("web 1", "small", ["cpu_util"]))
    gnocchi.resource.create("server", {"id": "web 2", "flavor": "large", "project_id": "p2"})
    refused(exceptions.ResourceAlreadyExists, gnocchi.resource.create, "server", {"id": "web 1"})
    check(gnocchi.resource.get("server", made["id"]), made)
    check(gnocchi.resource.update("server", made["id"], {"flavor": "medium"})["flavor"], "medium")
    check([revision["flavor"] for revision in gnocchi.resource.history("server", made["id"], details=True)], ["small", "medium"])
    check(len(gnocchi.resource.get("server", made["id"], history=True)), 2)
    # Page by page.
    names = [found["original_resource_id"] for found in gnocchi.resource.list("server", limit=1, sorts=["original_resource_id:desc"])]
    check(names, ["web 2"])
    check(len(gnocchi.resource.list("server", details=True, history=True, sorts=["id:asc"])), 3)
    for query in ({"=": {"flavor": "large"}}, "flavor = 'large' and project_id != 'p1'"):
        check([found["original_resource_id"] for found in gnocchi.resource.search("server", query)], ["web 2"])
    refused(exceptions.ResourceNotFound, gnocchi.resource.get, "server", "nothing")
    refused(exceptions.ResourceTypeNotFound, gnocchi.resource.list, "nothing")


def measures(gnocchi):
    alone = gnocchi.metric.create(name="load", archive_policy_name="minutely", unit="1")
    check((alone["archive_policy"]["name"], alone["unit"], alone["resource"]), ("minutely", "1", None))
    web = gnocchi.resource.search("server", "flavor = 'medium'")[0]["id"]
    of_web = gnocchi.metric.create(name="cpu.time", resource_id=web, archive_policy_name="minutely")
    check(of_web["resource"]["id"], web)
    refused(exceptions.NamedMetricAlreadyExists, gnocchi.metric.create, name="cpu.time", resource_id=web)
    check(gnocchi.metric.get("cpu.time", web), gnocchi.metric.get(of_web["id"]))
    check({metric["name"] for metric in gnocchi.metric.list(limit=3, sorts=["name:asc"])}, {"cpu.time", "cpu_util", "load"})
    gnocchi.metric.add_measures(alone["id"], [{"timestamp": DAY + "00:10", "value": 1}, {"timestamp": DAY + "00:20", "value": 3}])
    gnocchi.metric.add_measures("cpu_util", [{"timestamp": DAY + "00:10", "value": 10}], web)
    found = gnocchi.metric.get_measures(alone["id"], refresh=True, aggregation="mean", granularity=60)
    check([(time.isoformat(), granularity, value) for time, granularity, value in found], [(DAY + "00:00+00:00", 60.0, 2.0)])
    gnocchi.metric.batch_metrics_measures({alone["id"]: [{"timestamp": DAY + "01:00", "value": 5}], of_web["id"]: [{"timestamp": DAY + "01:00", "value": 7}]})
    batch = {web: {"memory": {"measures": [{"timestamp": DAY + "01:00", "value": 9}], "archive_policy_name": "minutely", "unit": "B"}}}
    refused(exceptions.BadRequest, gnocchi.metric.batch_resources_metrics_measures, batch)
    gnocchi.metric.batch_resources_metrics_measures(batch, create_metrics=True)
    check([value for _, _, value in gnocchi.metric.get_measures("memory", resource_id=web)], [9.0])
    unknown = refused(exceptions.BadRequest, gnocchi.metric.batch_resources_metrics_measures, {"who": batch[web]}, create_metrics=True)
    check((unknown.message["cause"], unknown.message["detail"][0]["original_resource_id"]), ("Unknown resources", "who"))
    found = gnocchi.metric.aggregation([alone["id"], of_web["id"]], aggregation="mean", reaggregation="sum", start=DAY + "01:00", needed_overlap=0)
    check([value for _, _, value in found], [12.0])
    found = gnocchi.metric.aggregation("cpu_util", query="flavor = 'medium'", resource_type="server", groupby=["project_id"])
    check([(group["group"], [value for _, _, value in group["measures"]]) for group in found], [({"project_id": "p1"}, [10.0])])
    found = gnocchi.aggregates.fetch("(+ (metric cpu_util mean) 1)", search={"=": {"flavor": "medium"}}, resource_type="server", details=True)
    check([value for _, _, value in found["measures"][web]["cpu_util"]["mean"]], [11.0])
    operation = ["aggregate", "max", ["metric", "cpu_util", "mean"]]
    found = gnocchi.aggregates.fetch(operation, search="project_id = 'p1'", resource_type="server", groupby=["id"], use_history=True)
    check([group["group"] for group in found], [{"id": web}])
    missing = refused(exceptions.MetricNotFound, gnocchi.aggregates.fetch, ["metric", "nothing", "mean"], search={}, resource_type="server")
    check(str(missing.message), "Metric ['nothing'] does not exist")


def endings(gnocchi):
    check(gnocchi.status.get()["storage"]["summary"]["measures"], 0)
    check(len(gnocchi.capabilities.list()["aggregation_methods"]), 216)
    check(gnocchi.build.get() >= "4.2.0", True)
    web = gnocchi.resource.search("server", "flavor = 'medium'")[0]["id"]
    gnocchi.metric.delete("memory", web)
    refused(exceptions.MetricNotFound, gnocchi.metric.get, "memory", web)
    gnocchi.metric.delete(gnocchi.metric.list(sorts=["name:desc"], limit=1)[0]["id"])
    gnocchi.resource.delete(web)
    check(gnocchi.resource.batch_delete("flavor = 'large'", "server")["deleted"], 1)
    check(gnocchi.resource.list(), [])
    gnocchi.resource_type.delete("server")
    gnocchi.archive_policy_rule.delete("processors")
    refused(exceptions.NotFound, gnocchi.archive_policy.delete, "nothing")


def ended(program, words):
    """With which status: a usage that is not understood ends a process."""
    try:
        return program(words)
    except SystemExit as end:
        return end.code or 0


class Commands:
    """Commands of the program, in this process: starting Python for each takes longer than all of them."""

    def __init__(self, is_openstack):
        self.is_openstack, self.used = is_openstack, set()

    def run(self, name, *arguments, fails=False, shown=True):
        self.used.add(name)
        words = [*name.split(), *map(str, arguments)]
        if shown and not fails:
            words += ["-f", "json"]
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            status = self.call(words)
        if (status != 0) != fails:
            raise AssertionError(f"{words} ended with {status}: {out.getvalue()}")
        if fails:
            return out.getvalue()
        return json.loads(out.getvalue()) if shown else None

    def call(self, words):
        if not self.is_openstack:
            sys.argv = ["gnocchi", *words]
            return ended(shell.main, words)
        from openstackclient import shell as openstack

        if words[0] != "metric":
            words = ["metric", *words]
        sys.argv = ["openstack", *words]
        return ended(openstack.main, words)


def commands(url, is_openstack):
    os.environ.update({"OS_AUTH_TYPE": "gnocchi-basic", "GNOCCHI_USER": "admin", "GNOCCHI_ENDPOINT": url, "OS_USERNAME": "admin", "OS_ENDPOINT": url})
    terminal = Commands(is_openstack)
    run = terminal.run
    check(run("archive-policy create", "hourly", "-d", "granularity:1m,points:60", "-m", "mean", "-m", "max")["name"], "hourly")
    run("archive-policy create", "hourly", "-d", "granularity:1m,points:60", fails=True)
    run("archive-policy update", "hourly", "-d", "granularity:1m,points:120")
    check(run("archive-policy show", "hourly")["definition"][0]["points"], 120)
    check("hourly" in [known["name"] for known in run("archive-policy list")], True)
    run("archive-policy-rule create", "all", "-a", "hourly", "-m", "disk*")
    if not is_openstack:
        run("archive-policy-rule update", "all", "-n", "disks")
    rule = "all" if is_openstack else "disks"
    check(run("archive-policy-rule show", rule)["metric_pattern"], "disk*")
    check(rule in [known["name"] for known in run("archive-policy-rule list")], True)
    run("resource-type create", "disk", "-a", "host:string:false:max_length=20")
    run("resource-type update", "disk", "-a", "size:number:false")
    check("attributes/size" in run("resource-type show", "disk"), True)
    check([known["name"] for known in run("resource-type list")], ["disk", "generic"])
    made = run("resource create", "-t", "disk", "sda", "-a", "host:a", "-a", "size:5", "-n", "disk.read:hourly")
    run("resource update", "-t", "disk", made["id"], "-a", "host:b")
    check(run("resource show", "-t", "disk", made["id"])["host"], "b")
    check([found["host"] for found in run("resource history", "-t", "disk", "--details", made["id"])], ["a", "b"])
    check([found["id"] for found in run("resource list", "-t", "disk")], [made["id"]])
    check([found["id"] for found in run("resource search", "-t", "disk", "host=b and size>=5")], [made["id"]])
    created = "metric create" if not is_openstack else "create"
    show, listing, delete = (("metric " if not is_openstack else "") + word for word in ("show", "list", "delete"))
    run(created, "disk.write", "-r", made["id"], "-u", "B")
    alone = run(created, "-a", "hourly")["id"]
    check(run(show, "disk.write", "-r", made["id"])["unit"], "B")
    check(len(run(listing)), 3)
    run("measures add", alone, "-m", DAY + "00:01+00:00@5", "-m", DAY + "00:02+00:00@7", shown=False)
    run("measures add", "disk.read", "-r", made["id"], "-m", DAY + "00:02+00:00@9", shown=False)
    check([found["value"] for found in run("measures show", alone, "--aggregation", "max", "--granularity", 60, "--utc")], [7.0])
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({alone: [{"timestamp": DAY + "01:00", "value": 1}]}, file)
        file.flush()
        run("measures batch-metrics", file.name, shown=False)
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({made["id"]: {"disk.new": [{"timestamp": DAY + "01:00", "value": 2}]}}, file)
        file.flush()
        run("measures batch-resources-metrics", "--create-metrics", file.name, shown=False)
    check([found["value"] for found in run("measures show", "disk.new", "-r", made["id"])], [2.0])
    check([found["value"] for found in run("measures aggregation", "-m", alone, "--utc")], [6.0, 1.0])
    found = run("measures aggregation", "-m", "disk.read", "--query", "host=b", "--resource-type", "disk", "--reaggregation", "max")
    check([measure["value"] for measure in found], [9.0])
    found = run("aggregates", "(* 2 (metric disk.read mean))", "host=b", "--resource-type", "disk")
    check([measure["value"] for measure in found], [18.0])
    check(len(run("aggregates", f"(metric {alone} mean)")), 2)
    check(run("status")["storage/number of metric having measures to process"], 0)
    check(bool(run("capabilities list")), True)
    check(run("server version")["version"] >= "4.2.0", True)
    run(delete, "disk.new", "-r", made["id"], shown=False)
    run("resource delete", made["id"], shown=False)
    run("resource create", "sdb", "-t", "disk")
    check(run("resource batch delete", "-t", "disk", "original_resource_id = 'sdb'"), {"deleted": 1})
    run("archive-policy-rule delete", rule, shown=False)
    run("resource-type delete", "disk", shown=False)
    run("archive-policy create", "short", "-d", "granularity:1s,points:60")
    run("archive-policy delete", "short", shown=False)
    run("archive-policy show", "short", fails=True)
    if not is_openstack:
        benchmarks(run)
    known = set(shell.GnocchiCommandManager.SHELL_COMMANDS)
    missing = known - terminal.used if not is_openstack else set()
    if missing:
        raise AssertionError(f"commands that were not used: {sorted(missing)}")
    print(f"commands: {len(terminal.used)}")


def benchmarks(run):
    for name, verb, arguments in [
        ("benchmark metric create", "create", ["-n", 20, "-a", "low", "--keep"]),
        ("benchmark metric show", "show", ["-n", 20]),
        ("benchmark measures add", "push", ["-n", 400, "-b", 20]),
        ("benchmark measures show", "show", ["-n", 20]),
    ]:
        if "create" not in name:
            arguments = [*arguments, run("metric list")[0]["id"]]
        figures = run(name, *arguments)
        check((figures[f"{verb} executed"], figures[f"{verb} failures"]), (20, 0))


def main():
    url = sys.argv[1]
    is_openstack = "--openstack" in sys.argv
    if not is_openstack:
        library(url)
    commands(url, is_openstack)


main()
