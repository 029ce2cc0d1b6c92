"""Questions that chance hardly asks, after those of chance. Each has a label of its own."""

import uuid

from question import ask

NOBODY = str(uuid.UUID(int=9))
UNKNOWN = str(uuid.UUID(int=0xFFFF))
POLICY = {"name": "cases", "back_window": 1, "definition": [{"granularity": 1}, {"granularity": 60, "points": 3}],
          "aggregation_methods": ["mean", "sum", "rate:mean", "max"]}  # fmt: skip


def questions(world):
    for question in [*preparation(), *status(), *named(), *refusals(), *formats(), *influx(), *back_window(), *calendar(), *ends()]:
        world.now += 1_000_000
        question.now = world.now
        yield question


def preparation():
    yield ask("case: policy", "POST", "/v1/archive_policy", POLICY)
    for name in ("case-1", "case-2"):
        metrics = {"load": {"archive_policy_name": "cases"}, "late": {"archive_policy_name": "cases"}}
        yield ask("case: resource", "POST", "/v1/resource/generic", {"id": name, "project_id": "p", "metrics": metrics})


def named():
    """One of each expected difference that chance might leave out."""
    yield ask("type", "POST", "/v1/resource_type", {"name": "case_type", "attributes": {"size": {"type": "number", "required": False}}})
    yield ask("resource", "POST", "/v1/resource/case_type", {"id": "case-3", "size": 1})
    yield ask("change resource", "PATCH", "/v1/resource/case_type/case-3", {"size": 2})
    yield ask("resource", "GET", "/v1/resource/case_type/case-3", headers={"If-None-Match": "*"})
    other = str(uuid.uuid5(uuid.UUID("0a7a15ff-aa13-4ac2-897c-9bdf30ce175b"), "case-3\0admin"))
    yield ask("resource", "GET", f"/v1/resource/case_type/{other}", user="bob")
    retyped = [{"op": "add", "path": "/attributes/size", "value": {"type": "string", "min_length": 5, "max_length": 2, "options": {"fill": "x"}}}]
    yield ask("change type", "PATCH", "/v1/resource_type/case_type", retyped, headers={"Content-Type": "application/json-patch+json"})
    yield ask("aggregates", "POST", "/v1/aggregates", {"operations": ["metric", ["a", "mean"], ["b"]]})
    yield ask("wrong search", "POST", "/v1/search/resource/generic", {"~": {"id": 1}})
    yield ask("other", "GET", "/v1/nothing", accept="text/html")
    yield ask("change type", "PATCH", "/v1/resource_type/case_type", [{"op": "add"}], headers={"Content-Type": "application/json-patch+json"})
    yield ask("search", "POST", "/v1/search/resource/generic?limit=1&sort=id", {"like": {"original_resource_id": "case-%"}})
    for user in ("admin", None):
        yield ask("other", "GET", "/v1/resource/generic/x/y", user=user)
        yield ask("other", "GET", "/v1/resource/generic?limit=1&sort=id", user=user)
    yield ask("other", "GET", "/v1")
    yield ask("broken body", "POST", "/v1/metric", text="nonsense", headers={"Content-Type": "application/json"})
    yield ask("wrong filter", "POST", "/v1/search/resource/generic?filter=1a")
    of_cases = {"resource_type": "generic", "search": {"like": {"original_resource_id": "case-%"}}}
    yield ask("aggregates by search", "POST", "/v1/aggregates?granularity=7", {"operations": ["metric", "lo*", "mean"], **of_cases})
    yield ask("aggregates by search", "POST", "/v1/aggregates?granularity=60", {"operations": ["metric", "l*", "std"], **of_cases})


def status():
    """What waits, when nothing does: both have worked off what came before."""
    for details in ("", "?details=true", "?details=no", "?details=0", "?details=", "?details=maybe", "?details=false&details=true", "?nothing=1"):
        for user in ("admin", "alice", None):
            yield ask("case: status", "GET", f"/v1/status{details}", user=user)
    for accept in (None, "text/html", "text/plain", "application/*"):
        yield ask("case: status", "GET", "/v1/status", accept=accept)
        yield ask("case: status", "GET", "/v1/status?details=maybe", accept=accept)
    for method in ("POST", "PUT", "DELETE"):
        yield ask("case: status", method, "/v1/status")


def refusals():
    yield ask("case: metric of an unknown resource", "POST", "/v1/metric", {"name": "a", "archive_policy_name": "cases", "resource_id": UNKNOWN})
    yield ask("case: measure without a time", "POST", "/v1/resource/generic/case-1/metric/load/measures", [{}], measures=True)
    yield ask("case: end that is null", "PATCH", "/v1/resource/generic/case-1", {"ended_at": None})
    yield ask("case: search of values of nothing", "POST", "/v1/search/metric", {"=": 1})
    yield ask("case: search of values of no id", "POST", "/v1/search/metric?metric_id=x", {"=": 1})
    yield ask("case: marker that is no id", "GET", "/v1/resource/generic?marker=x")
    yield ask("case: marker that is no id, metrics", "GET", "/v1/metric?marker=x")
    yield ask("case: metrics by no id", "GET", "/v1/metric?id=x")
    yield ask("case: batch without measures", "POST", "/v1/batch/resources/metrics/measures?create_metrics=true", {"case-1": {"new": {"unit": "B", "archive_policy_name": "cases"}}})
    yield ask("case: aggregates without a search", "POST", "/v1/aggregates", {"operations": ["metric", "load", "mean"], "resource_type": "generic"})
    yield ask("case: aggregates without operations", "POST", "/v1/aggregates", {"search": {}, "resource_type": "generic"})
    yield ask("case: measures of nobody", "GET", "/v1/resource/generic/nobody/metric/load/measures")
    yield ask("case: influx to an unknown type", "POST", "/v1/influxdb/write?db=nothing", text="m,host=a v=1 1000")
    yield ask("case: anonymous", "GET", "/v1/resource/generic?limit=1", user=None)
    yield ask("case: bearer", "GET", "/v1/archive_policy/cases", user=None, headers={"Authorization": "Bearer x"})
    yield ask("case: deletion of everything", "DELETE", "/v1/resource/generic")
    yield ask("case: deletion by a wrong search", "DELETE", "/v1/resource/generic", {"=": {"nothing": 1}})


def formats():
    for accept in ("application/json; charset=utf-8", "application/*", "text/html;q=0.1, application/json", "text/*", "image/png", "",
                   "application/json;q=0.5, */*;q=0.1", "text/plain, application/json;q=0.8"):  # fmt: skip
        yield ask(f"case: refusal for {accept!r}", "GET", f"/v1/metric/{UNKNOWN}", accept=accept)
        yield ask(f"case: answer for {accept!r}", "GET", "/v1/archive_policy/cases", accept=accept)
    for text in ("✔ é <b>&\"'", "a\nb", "'", '"', "\\"):
        body = {"name": text, "definition": [{"granularity": text}]}
        for accept in (None, "text/html", "application/json"):
            yield ask("case: refusal with a text", "POST", "/v1/archive_policy", body, accept=accept)


def influx():
    yield ask("case: influx ping", "GET", "/v1/influxdb/ping", accept=None)
    yield ask("case: influx query", "POST", "/v1/influxdb/query?q=CREATE+DATABASE+points", accept=None)
    yield ask("case: influx query", "POST", "/v1/influxdb/query?q=DROP+DATABASE+points", accept=None)
    yield ask("case: rule", "POST", "/v1/archive_policy_rule", {"name": "cases", "metric_pattern": "z.*", "archive_policy_name": "cases"})
    lines = ["z.a,host=one v=1i 1767225600000000000", "z.a,host=one,x=y v=2.5,w=3 1767225660000000000", "z.b,host=two\\ 2 v=1 1767225600000000000\n\nz.b,host=two\\ 2 v=2 1767225601000000000",
             "z.a v=1 1767225600000000000", "nonsense", "z.a,host=one v=\"text\" 1767225600000000000"]  # fmt: skip
    for line in lines:
        yield ask("case: influx write", "POST", "/v1/influxdb/write?db=points", text=line, accept=None, measures=True)
    yield ask("case: influx resources", "GET", "/v1/resource/points?sort=original_resource_id")


def load(name, measures):
    body = [{"timestamp": timestamp, "value": value} for timestamp, value in measures]
    return ask("case: measures", "POST", f"/v1/resource/generic/case-1/metric/{name}/measures", body, measures=True)


def shown(name, parameters):
    return ask("case: shown", "GET", f"/v1/resource/generic/case-1/metric/{name}/measures", parameters=parameters)


def back_window():
    """Batches one after the other, with points that are just young enough, and some that are not."""
    day = "2026-03-01T14:"
    for batch in (
        [(day + "30:00", 100), (day + "33:57.2", 3), (day + "33:57.7", 1), (day + "35:00", 7)], [(day + "34:30", 50)], [(day + "33:30", 50)],
        [(day + "31:30", 50)], [(day + "36:00", 5), (day + "36:00", 2), (day + "36:00", 9)], [(day + "36:00", 8)], [(day + "36:00", 1)],
        [(day + "50:00", 1)], [(day + "36:30", 1)],
    ):  # fmt: skip
        yield load("late", batch)
        for granularity in (1, 60):
            for method in ("sum", "rate:mean", "max"):
                yield shown("late", {"granularity": granularity, "aggregation": method})


def ends():
    """An end is taken back by a measure of its time or later, once, and what the resource was is history."""
    metrics = {name: {"archive_policy_name": "cases"} for name in ("load", "more")}
    yield ask("case: resource", "POST", "/v1/resource/case_type", {"id": "case-5", "started_at": "2026-01-01", "size": 1, "metrics": metrics})
    path = "/v1/resource/case_type/case-5"
    end = ask("case: end", "PATCH", path, {"ended_at": "2026-04-01T00:00:00.000002"})
    yield end
    for time in ("2026-03-31T23:59:59.999999", "2026-04-01T00:00:00.000001", "2026-04-01T00:00:00.000002", "2026-04-01T00:00:01"):
        yield ask("case: measures", "POST", f"{path}/metric/load/measures", [{"timestamp": time, "value": 1}], measures=True)
        yield ask("case: end", "GET", path)
    for body in ({"load": "2026-04-01T00:01:00", "more": "2026-03-01"}, {"load": "2026-03-01", "more": "2026-04-01T00:01:00"}, {"load": "2026-04-02", "more": "2026-04-02"}):
        yield ask("case: end", "PATCH", path, {"ended_at": "2026-04-01"})
        measures = {name: [{"timestamp": "2026-01-05", "value": 2}, {"timestamp": time, "value": 1}] for name, time in body.items()}
        yield ask("case: measures", "POST", "/v1/batch/resources/metrics/measures", {"case-5": measures}, measures=True)
        yield ask("case: end", "GET", path)
    yield ask("case: end", "GET", f"{path}/history?details=true")
    yield ask("case: end", "GET", "/v1/resource/generic/case-5/history")


def calendar():
    batch = [(f"20{year}-{month:02}-28T12:00:00", year * month) for year in (24, 25) for month in range(1, 13)]
    yield load("load", batch)
    for letter in "YHQMW":
        for method in ("mean", "sum", "max", "rate:mean"):
            yield shown("load", {"granularity": 1, "aggregation": method, "resample": letter})
    yield ask("case: calendar with a start", "GET", "/v1/resource/generic/case-1/metric/load/measures?granularity=1&resample=M&start=2024-06-01")
