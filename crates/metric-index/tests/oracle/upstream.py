"""Gnocchi's indexer, driven line by line: one operation in, one answer out.

The first line names the database; every other one is an operation of tests/oracle/perform.rs.
"""

import datetime
import json
import logging
import os
import sys
import types as python_types
import uuid

# Gnocchi looks for it when it is imported.
os.environ["GNOCCHI_INDEXER_URL"] = json.loads(sys.stdin.readline())["url"]

import numpy  # noqa: E402
from gnocchi import archive_policy, indexer, resource_type, service, utils  # noqa: E402
from gnocchi.indexer import sqlalchemy as driver  # noqa: E402

UTC = datetime.timezone.utc
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = datetime.timedelta(microseconds=1)
COMMON = ("id", "type", "creator", "started_at", "revision_start", "ended_at", "user_id", "project_id",
          "original_resource_id", "revision", "revision_end")  # fmt: skip

logging.disable(logging.CRITICAL)


class Clock:
    """Time stands still during an operation."""

    now = EPOCH


utils.utcnow = lambda: Clock.now

# New metrics get the ids that the operation names; tables of types get random ones as ever.
names_of_new = []


def uuid4():
    return uuid.UUID(names_of_new.pop(0)) if names_of_new else uuid.uuid4()


driver.uuid = python_types.SimpleNamespace(UUID=uuid.UUID, uuid4=uuid4)


def to_time(microseconds):
    return None if microseconds is None else EPOCH + datetime.timedelta(microseconds=microseconds)


def microseconds(time):
    if time is None:
        return None
    if time.tzinfo is None:
        time = time.replace(tzinfo=UTC)
    return (time - EPOCH) // MICROSECOND


def plain(value):
    if isinstance(value, datetime.datetime):
        return {"time": microseconds(value)}
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    return float(value)


def policy_answer(policy):
    def nanoseconds(span):
        return None if span is None else int(span / numpy.timedelta64(1, "ns"))

    return {
        "name": policy.name,
        "back_window": policy.back_window,
        "definition": [[nanoseconds(item.granularity), item.points, nanoseconds(item.timespan)] for item in policy.definition],
        "methods": sorted(policy.aggregation_methods),
    }


def rule_answer(rule):
    return [rule.name, rule.archive_policy_name, rule.metric_pattern]


def type_answer(kind):
    return {"name": kind.name, "state": kind.state, "attributes": [[a.name, a.jsonify()] for a in kind.attributes]}


def resource_answer(resource):
    values = dict(resource)
    answer = {key: values.get(key) for key in COMMON}
    for key in ("started_at", "revision_start", "ended_at", "revision_end"):
        answer[key] = microseconds(answer[key])
    answer["id"] = str(answer["id"])
    answer["revision"] = resource.revision
    answer["attributes"] = {key: plain(value) for key, value in values.items() if key not in (*COMMON, "metrics")}
    metrics = [[metric.name, str(metric.id)] for metric in resource.metrics]
    answer["metrics"] = sorted(metrics, key=lambda metric: (metric[0] is not None, metric[0] or "", metric[1]))
    return answer


def metric_answer(metric, details=False):
    answer = {
        "id": str(metric.id),
        "creator": metric.creator,
        "name": metric.name,
        "unit": metric.unit,
        "resource_id": None if metric.resource_id is None else str(metric.resource_id),
        "archive_policy": metric.archive_policy_name,
        "status": metric.status,
        "truncate": metric.needs_raw_data_truncation,
    }
    if details:
        answer["resource"] = None if metric.resource is None else str(metric.resource.id)
    return answer


def sources(metrics):
    found = {}
    names_of_new.clear()
    for name, source in metrics:
        if isinstance(source, str):
            found[name] = uuid.UUID(source)
        else:
            names_of_new.append(source["id"])
            found[name] = {"archive_policy_name": source["policy"], "unit": source["unit"]}
    return found


def attribute_values(values):
    def value(raw):
        if isinstance(raw, dict):
            return to_time(raw["time"])
        return raw

    return {name: value(raw) for name, raw in values.items()}


class Driver:
    def __init__(self):
        self.index = driver.SQLAlchemyIndexer(service.prepare_service([], default_config_files=[]))
        self.index.upgrade()
        self.kinds = self.index.get_resource_type_schema()

    def attributes(self, definitions):
        return self.kinds.attributes_from_dict(dict(definitions))

    def create_policy(self, name, back_window, definition, methods):
        def span(nanoseconds):
            return None if nanoseconds is None else numpy.timedelta64(nanoseconds, "ns")

        items = [
            archive_policy.ArchivePolicyItem(granularity=span(granularity), points=points, timespan=span(timespan))
            for granularity, points, timespan in definition
        ]
        policy = archive_policy.ArchivePolicy(name, back_window, items, methods)
        self.index.create_archive_policy(policy)

    def update_policy(self, name, definition, back_window):
        items = [
            archive_policy.ArchivePolicyItem(granularity=numpy.timedelta64(granularity, "ns"), points=points)
            for granularity, points, _ in definition
        ]
        return policy_answer(self.index.update_archive_policy(name, items, back_window=back_window))

    def get_policy(self, name):
        policy = self.index.get_archive_policy(name)
        return None if policy is None else policy_answer(policy)

    def list_policies(self):
        return sorted((policy_answer(policy) for policy in self.index.list_archive_policies()), key=lambda p: p["name"])

    def delete_policy(self, name):
        self.index.delete_archive_policy(name)

    def create_rule(self, name, pattern, policy):
        self.index.create_archive_policy_rule(name, pattern, policy)

    def get_rule(self, name):
        rule = self.index.get_archive_policy_rule(name)
        return None if rule is None else rule_answer(rule)

    def list_rules(self):
        return [rule_answer(rule) for rule in self.index.list_archive_policy_rules()]

    def rename_rule(self, name, new):
        return rule_answer(self.index.update_archive_policy_rule(name, new))

    def delete_rule(self, name):
        self.index.delete_archive_policy_rule(name)

    def policy_for_metric(self, name):
        return self.index.get_archive_policy_for_metric(name).name

    def create_type(self, name, attributes):
        kind = resource_type.ResourceType(name, self.attributes(attributes), "creating")
        return type_answer(self.index.create_resource_type(kind))

    def get_type(self, name):
        return type_answer(self.index.get_resource_type(name))

    def list_types(self):
        return [type_answer(kind) for kind in self.index.list_resource_types()]

    def update_type(self, name, add, delete, update):
        before = {a.name: a for a in self.index.get_resource_type(name).attributes}
        added = self.attributes(add)
        updated = [(new, before[new.name]) for new in self.attributes(update)]
        self.index.update_resource_type(name, added, delete, updated)
        return type_answer(self.index.get_resource_type(name))

    def delete_type(self, name):
        self.index.delete_resource_type(name)

    def create_resource(self, type, id, creator, user_id, project_id, started_at, ended_at, original, attributes, metrics):
        found = self.index.create_resource(
            type, uuid.UUID(id), creator, user_id, project_id, to_time(started_at), to_time(ended_at),
            sources(metrics), original, **attribute_values(attributes))  # fmt: skip
        return resource_answer(found)

    def update_resource(self, type, id, change, attributes, metrics, append):
        """As PATCH of the API does it."""
        body = attribute_values(attributes)
        for key in ("user_id", "project_id"):
            if key in change:
                body[key] = change[key]
        for key in ("started_at", "ended_at"):
            if key in change:
                body[key] = to_time(change[key])
        if metrics is not None:
            body["metrics"] = sources(metrics)
        resource = self.index.get_resource(type, uuid.UUID(id), with_metrics=True)
        if resource is None:
            raise indexer.NoSuchResource(uuid.UUID(id))
        revised = not append and utils.is_resource_revision_needed(resource, body)
        if revised or "metrics" in body:
            resource = self.index.update_resource(
                type, uuid.UUID(id), create_revision=revised, append_metrics=append, **body)  # fmt: skip
        return {"resource": resource_answer(resource), "revised": revised}

    def get_resource(self, type, id):
        found = self.index.get_resource(type, uuid.UUID(id), with_metrics=True)
        return None if found is None else resource_answer(found)

    def delete_resource(self, id):
        self.index.delete_resource(uuid.UUID(id))

    def delete_resources(self, type, filter):
        return self.index.delete_resources(type, filter)

    def list_resources(self, type, filter, details, history, limit, marker, sorts):
        found = self.index.list_resources(type, filter, details, history, limit, marker, sorts)
        return [resource_answer(resource) for resource in found]

    def page_resources(self, type, filter, history, limit, sorts):
        """The ids of all pages, each begun where the one before ended."""
        ids, marker = [], None
        for _ in range(100):
            found = self.index.list_resources(type, filter, False, history, limit, marker, sorts)
            if not found:
                return ids
            ids.extend([str(resource.id), resource.revision == -1] for resource in found)
            last = found[-1]
            marker = f"{last.id}@{last.revision}" if history else str(last.id)
        return "endless"

    def create_metric(self, id, creator, policy, name, unit, resource):
        found = self.index.create_metric(
            uuid.UUID(id), creator, policy, name, unit, None if resource is None else uuid.UUID(resource))  # fmt: skip
        return str(found.id)

    def list_metrics(self, filter, policy_filter, resource_policy_filter, details, status, limit, marker, sorts):
        found = self.index.list_metrics(
            details=details, status=status, limit=limit, marker=marker, sorts=sorts, policy_filter=policy_filter,
            resource_policy_filter=resource_policy_filter, attribute_filter=filter)  # fmt: skip
        return [metric_answer(metric, details) for metric in found]

    def page_metrics(self, filter, limit, sorts):
        ids, marker = [], None
        for _ in range(100):
            found = self.index.list_metrics(limit=limit, marker=marker, sorts=sorts, attribute_filter=filter)
            if not found:
                return ids
            ids.extend(str(metric.id) for metric in found)
            marker = str(found[-1].id)
        return "endless"

    def delete_metric(self, id):
        self.index.delete_metric(uuid.UUID(id))

    def expunge_metric(self, id):
        self.index.expunge_metric(uuid.UUID(id))

    def truncate(self, id, value):
        self.index.update_needs_raw_data_truncation(uuid.UUID(id), value)

    def back_window_changed(self, policy):
        self.index.update_backwindow_changed_for_metrics_archive_policy(policy)

    def resource_id(self, text, creator):
        return str(utils.ResourceUUID(text, creator))

    def timespan(self, value):
        return int(utils.to_timespan(value) / numpy.timedelta64(1, "ns"))

    def timestamp(self, value):
        return microseconds(utils.to_datetime(value))


def main():
    answering = Driver()
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        question = json.loads(line)
        Clock.now = to_time(question.pop("now"))
        operation = getattr(answering, question.pop("op"))
        try:
            answer = {"ok": operation(**question)}
        except (indexer.IndexerException, ValueError) as error:
            answer = {"error": str(error)}
        except Exception as error:  # noqa: BLE001
            answer = {"crash": type(error).__name__}
        print(json.dumps(answer), flush=True)


main()
