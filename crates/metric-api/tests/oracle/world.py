"""Random questions, each chosen knowing what became of those before it."""

import datetime
import json
import uuid

from filters import Filters
from kinds import Kinds
from objects import Objects
from operations import Operations
from question import ask
from series import EPOCH, START, Series



class World(Kinds, Objects, Series):
    TEXTS = ["a", "b", "vm 1", "m%", "é", "project-1", ""]
    NAMES = ["vm_1", "vm_2", "vm_3", "disk é", "net/5".replace("/", "_"), "x"]
    METRICS = ["cpu", "memory", "disk.read", "disk.write", "cpu_util"]
    UUIDS = [str(uuid.UUID(int=number)) for number in (1, 2, 0x5A8DF9A14E23568586FBD4D184A6B844)]
    TIMES = ["2026-01-01", "2025-12-31T12:00:00+01:00", "2030-01-01T00:00:00Z", "2026-01-01 00:05:00.25"]
    # Measures reach the last ones, which takes these ends back.
    ENDS = ["2031-01-01", "2032-01-01T00:00:00+02:00", "2026-01-01T01:00:00", "2026-01-01T03:00:00.25"]

    def __init__(self, random):
        self.random = random
        self.filters, self.operations = Filters(random, self), Operations(random)
        self.now = START
        self.policies, self.rules, self.types = {}, {}, {}
        self.resources, self.metrics = {}, {}
        # Where the measures of each metric have come to, in seconds.
        self.cursors = {}

    def time_text(self, microseconds):
        return (EPOCH + datetime.timedelta(microseconds=microseconds)).isoformat()

    def chance(self, share):
        return self.random.random() < share

    def pick(self, known, unknown, share=0.06):
        """One of those that there are, or now and then one that there is not."""
        known = list(known)
        return self.random.choice(known) if known and not self.chance(share) else unknown

    def user(self):
        return self.random.choices(["admin", "alice", "bob"], [8, 3, 1])[0]

    # All else

    def other(self):
        random = self.random
        path, method = random.choice([
            ("/", "GET"), ("/v1", "GET"), ("/v1/", "GET"), ("/v1/capabilities", "GET"), ("/v1/status", "GET"), ("/v1/status?details=false", "GET"),
            ("/nothing", "GET"), ("/v1/nothing", "GET"), ("/v1/metric", "PUT"), ("/v1/archive_policy", "DELETE"), ("/v1/aggregates", "GET"),
            ("/v1/search/resource/generic", "GET"), ("/v1/resource/generic//", "GET"), ("/v1//archive_policy//", "GET"),
            ("/v1/search/metric", "GET"), ("/v1/batch/metrics/measures", "GET"), ("/v1/aggregation/metric", "GET"), ("/v1/resource_type", "PUT"),
            ("/v1/metric/x/measures", "GET"), ("/v1/archive_policy/x/y", "GET"), ("/v1/resource/generic/x/y", "GET"),
        ])  # fmt: skip
        return ask("other", method, path, accept=self.accept(), user=self.random.choice(["admin", "admin", "alice", None]))

    def broken(self):
        random = self.random
        path = random.choice(["/v1/metric", "/v1/resource/generic", "/v1/archive_policy", "/v1/aggregates", "/v1/batch/metrics/measures", "/v1/search/resource/generic"])
        text = random.choice(["", "{", "nonsense", '{"a": }', "[1, 2", "\0"])
        headers = {"Content-Type": random.choice(["application/json", "application/json; charset=utf-8", "text/plain", None])}
        return ask("broken body", "POST", path, text=text, headers=headers, accept=self.accept())

    CHOICES = {
        "create_policy": 4, "wrong_policy": 4, "get_policy": 2, "change_policy": 3, "delete_policy": 1, "rule": 5, "create_type": 4, "get_type": 2,
        "change_type": 5, "delete_type": 1, "create_resource": 8, "wrong_resource": 3, "get_resource": 8, "change_resource": 7, "delete_resource": 2,
        "history": 4, "list_resources": 10, "list_history": 3, "search": 18, "create_metric": 5, "get_metric": 6, "list_metrics": 7, "add_metrics": 3,
        "delete_metric": 1, "post_measures": 12, "wrong_measures": 2, "batch": 6, "get_measures": 26, "value_search": 9, "aggregates": 26,
        "aggregates_by_search": 14, "legacy": 10, "other": 4, "broken": 2,
    }  # fmt: skip
    BEGINNING = ["create_policy", "create_type", "create_resource", "create_metric", "post_measures", "batch"]

    def next(self, number):
        self.now += self.random.randrange(1, 20_000_000)
        names, weights = zip(*self.CHOICES.items())
        chosen = self.random.choice(self.BEGINNING) if number < 60 else self.random.choices(names, weights)[0]
        question = getattr(self, chosen)()
        question.now = self.now
        return question

    def learn(self, question, status, headers, body, metrics):
        """What there is now; `metrics` as our server lists them, if they may have changed."""
        if metrics is not None:
            measured = set(self.measured_metrics())
            # Ids are made by chance: the order must not depend on them.
            new = sorted(metrics.keys() - self.metrics.keys(), key=lambda key: (str(metrics[key]["resource_id"]), str(metrics[key]["name"])))
            metrics = {key: metrics[key] for key in [*(key for key in self.metrics if key in metrics), *new]}
            self.metrics = {
                key: {"policy": metric["archive_policy"]["name"], "creator": metric["creator"], "name": metric["name"],
                      "resource_id": metric["resource_id"], "measured": key in measured}
                for key, metric in metrics.items()
            }  # fmt: skip
            for resource in self.resources.values():
                resource["metrics"] = {m["name"]: key for key, m in self.metrics.items() if m["resource_id"] == resource["id"]}
        if status >= 300:
            return
        self.learn_measures(question)
        self.learn_objects(question, status, headers, body)

    def learn_measures(self, question):
        if not question.brings_measures:
            return
        for key, metric in self.metrics.items():
            by_name = metric["resource_id"] and (metric["resource_id"] in question.path or metric["resource_id"] in (question.body or ""))
            named = by_name and (f"/{metric['name']}/" in question.path or f'"{metric["name"]}"' in (question.body or ""))
            if (key in question.path or key in (question.body or "") or named) and "timestamp" in question.body:
                metric["measured"] = True

    def learn_objects(self, question, status, headers, body):
        parts = question.path.partition("?")[0].strip("/").split("/")[1:]
        kind, name = (parts + [""])[0], parts[1] if len(parts) > 1 else ""
        found = json.loads(body) if body and headers.get("content-type") == "application/json" else None
        match kind, question.method, len(parts):
            case "archive_policy", "POST" | "PATCH", _:
                for item in found["definition"]:
                    item["seconds"] = seconds(item["granularity"])
                self.policies[found["name"]] = found
            case "archive_policy", "DELETE", _:
                self.policies.pop(name, None)
            case "archive_policy_rule", "POST" | "PATCH", _:
                if question.method == "PATCH":
                    self.rules.pop(name, None)
                self.rules[found["name"]] = found
            case "archive_policy_rule", "DELETE", _:
                self.rules.pop(name, None)
            case "resource_type", "POST" | "PATCH", _:
                self.types[found["name"]] = found["attributes"]
            case "resource_type", "DELETE", _:
                self.types.pop(name, None)
            case "resource", "POST" | "PATCH", 2 | 3:
                self.resources[found["id"]] = {"id": found["id"], "type": found["type"], "metrics": found["metrics"], "etag": headers.get("etag", '"z"')}
            case "resource", "DELETE", 3:
                self.resources.pop(parts[2], None)
                for key, resource in list(self.resources.items()):
                    if key == resource_uuid(parts[2], question):
                        del self.resources[key]
            case "resource", "DELETE", 2:
                self.resources = {key: value for key, value in self.resources.items() if key != resource_uuid("x", question)}


NAMESPACE = uuid.UUID("0a7a15ff-aa13-4ac2-897c-9bdf30ce175b")


def resource_uuid(text, question):
    import base64
    from urllib.parse import unquote

    creator = base64.b64decode(question.headers["Authorization"].split()[1]).decode()[:-1]
    return str(uuid.uuid5(NAMESPACE, unquote(text) + "\0" + creator))


def seconds(text):
    days, _, rest = text.rpartition(", ") if "day" in text else ("", "", text)
    hours, minutes, last = rest.split(":")
    total = int(hours) * 3600 + int(minutes) * 60 + float(last) + (int(days.split()[0]) * 86400 if days else 0)
    return int(total) if total == int(total) else total
