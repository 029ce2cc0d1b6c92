"""What Ceilometer makes of many notifications and definition files, as one JSON object a line.

Usage: oracle.py CORPUS CASES OUR_METERS OUR_EVENTS. Notifications are those of the corpus, synthetic ones for every
packaged definition, and mutations of both from a fixed seed; `crates/definitions/tests/oracle.rs` reads them back
together with the answers. The converters run as in the agent, but without transport and pipeline.
"""
import copy
import json
import logging
import os
import random
import re
import sys
import tempfile
from unittest import mock

import yaml
from ceilometer import middleware
from ceilometer import service
from ceilometer.event import converter
from ceilometer.meter import notifications as meters
from ceilometer.sample import Sample
from ceilometer.telemetry import notifications as telemetry
from stevedore import extension
import ceilometer

SEED = 20260721
MUTATIONS_OF_CORPUS = 24
MUTATIONS_OF_SYNTHETIC = 12
rand = random.Random(SEED)

PACKAGE = os.path.dirname(ceilometer.__file__)
METERS = os.path.join(PACKAGE, "data", "meters.d", "meters.yaml")
EVENTS = os.path.join(PACKAGE, "pipeline", "data", "event_definitions.yaml")


# Compiling a path with `sub` prints, so the answers keep the real standard output for themselves.
answers_out = sys.stdout
sys.stdout = sys.stderr


def emit(**fields):
    answers_out.write(json.dumps(fields) + "\n")


def raised(error):
    # Python 3.13 renamed this one.
    name = "error" if isinstance(error, re.error) else type(error).__name__
    return f"{name}: {str(error)[:200]}"


# ---- the converters -------------------------------------------------------------------------------------------------

conf = service.prepare_service(["oracle", "--log-file", os.devnull], [os.devnull])
logging.disable(logging.CRITICAL)


class Converters:
    """The endpoints of one configuration."""

    def __init__(self, meter_files, events_text, options):
        for (group, name), value in options.items():
            conf.set_override(name, value, group)
        with tempfile.TemporaryDirectory() as root:
            directories = []
            for number, text in enumerate(meter_files):
                directory = os.path.join(root, str(number))
                os.mkdir(directory)
                with open(os.path.join(directory, "meters.yaml"), "w", encoding="utf-8") as out:
                    out.write(text)
                directories.append(directory)
            conf.set_override("meter_definitions_dirs", directories, "meter")
            self.meters = meters.ProcessMeterNotifications(conf, mock.Mock())
        self.endpoints = [middleware.HTTPRequest(conf, mock.Mock()), middleware.HTTPResponse(conf, mock.Mock()),
                          telemetry.TelemetryIpc(conf, mock.Mock())]
        self.events = None
        if events_text is not None:
            self.events = converter.NotificationEventsConverter(
                conf, yaml.safe_load(events_text), extension.ExtensionManager("ceilometer.event.trait_plugin"))

    def samples(self, notification):
        """Per converter: its samples, or what it raised. The definitions answer one by one."""
        sources = [
            lambda endpoint=endpoint: endpoint.build_sample(notification) for endpoint in self.endpoints
            if endpoint.filter_rule.match({}, None, notification["event_type"], {}, {})
        ]
        sources += [
            lambda definition=definition: (Sample.from_notification(**sample)
                                           for sample in definition.to_samples(notification))
            for definition in self.meters.definitions
            if isinstance(notification["event_type"], str) and definition.match_type(notification["event_type"])
        ]
        answers = []
        for source in sources:
            try:
                made = list(source())
            except Exception as error:
                answers.append({"raised": raised(error)})
                continue
            for sample in made:
                sample.id = "ID"
            answers.append({"json": [json.dumps(sample.as_dict()) for sample in made],
                            "plain": [str(sample.as_dict()) for sample in made]})
        return answers

    def event(self, notification, priority):
        try:
            event = self.events.to_event(priority, notification)
        except Exception as error:
            return {"raised": raised(error)}
        if event is None:
            return None
        return {"json": json.dumps(event.as_dict(), default=str), "plain": str(event.as_dict()),
                "serialized": json.dumps(event.serialize())}


def answer(converters, case, notification, priority):
    asked = copy.deepcopy(notification)
    fields = {"samples": converters.samples(asked)}
    if converters.events is not None:
        fields["event"] = converters.event(asked, priority)
    emit(kind="notification", case=case, priority=priority, notification=json.dumps(notification), **fields)


# ---- notifications --------------------------------------------------------------------------------------------------

def corpus(path):
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            record = json.loads(line)
            message = json.loads(record["body"])
            if "oslo.message" in message:
                message = json.loads(message["oslo.message"])
            yield {
                "ctxt": {key[9:]: value for key, value in message.items() if key.startswith("_context_")},
                "publisher_id": message.get("publisher_id"), "event_type": message.get("event_type"),
                "payload": message.get("payload"),
                "metadata": {"message_id": message.get("message_id"), "timestamp": message.get("timestamp")},
            }


PATHS = re.compile(r"(?:payload|ctxt)(?:\.(?:[A-Za-z_]\w*|'[^']+')|\.?\[\*\]|\[\d+\]|\[\?[^\]]+\])+")


def plausible(name, depth=0):
    """A value that a field of that name may have."""
    if name.endswith(("_at", "eventTime", "timestamp", "beginning", "ending")):
        moment = f"2026-07-21{rand.choice(' T')}1{rand.randrange(10)}:5{rand.randrange(10)}:12"
        return moment + rand.choice(["", ".123456", "Z", "+00:00", "+02:00", ".5"])
    if name in ("size", "volume_size", "value", "result", "bytes", "bytes_sent", "total", "free") or name.endswith(
            ("_gb", "_mb", "vcpus", "capacity", "allocated", "provisioned", "instance_size")):
        return rand.choice([0, 1, 512, 2**40, 0.29, 12.5, "7"])
    if name == "metadata":
        return rand.choice([{}, [], {"metering.stack": "s", "other": 1}])
    if name == "name_to_id":
        return "host@backend#pool"
    return rand.choice(["x", "é ü", "a.b", f"id-{rand.randrange(1000)}", name])


def grow(root, path):
    """Puts a plausible value where `path` looks."""
    steps = re.findall(r"\[\*\]|\[\d+\]|\[\?[^\]]+\]|'[^']+'|[A-Za-z_]\w*", path)
    here = root
    for place, step in enumerate(steps):
        last = place + 1 == len(steps)
        following = steps[place + 1] if not last else ""
        if step.startswith("["):
            condition = re.match(r"\[\?\(?(?:@\.)?(\w+)=+'?([^')\]]+)", step)
            if condition:
                entry = next((e for e in here if e.get(condition[1]) == condition[2]), None)
                if entry is None:
                    entry = {condition[1]: condition[2]}
                    here.append(entry)
                here = entry
            else:
                while len(here) < 2:
                    here.append({})
                # Every element gets the field, so that lookups find as many values of each.
                if not last:
                    for other in here[1:]:
                        grow(other, ".".join(steps[place + 1:]))
                here = here[0]
            continue
        name = step.strip("'")
        if last:
            here.setdefault(name, plausible(name))
        else:
            child = here.setdefault(name, [] if following.startswith("[") else {})
            if not isinstance(child, (dict, list)) or isinstance(child, list) != following.startswith("["):
                return
            here = child


def event_type_of(pattern):
    """A type that a regular expression or glob matches."""
    return pattern.replace("(?!create.start|update)", "delete").lstrip("*").replace(".*", ".end").replace("*", "end")


def definitions():
    with open(METERS, encoding="utf-8") as text:
        for definition in yaml.safe_load(text)["metric"]:
            yield definition["event_type"], definition
    with open(EVENTS, encoding="utf-8") as text:
        for definition in yaml.safe_load(text):
            yield definition["event_type"], definition


def synthetic():
    everything = list(definitions())
    for types, _ in everything:
        for pattern in [types] if isinstance(types, str) else types:
            event_type = event_type_of(pattern)
            root = {"ctxt": {"request_id": "req-1", "user_id": "U", "project_id": "P"}, "payload": {}}
            # The fields of all definitions that begin alike, so that neighbours see full payloads as well.
            for other, definition in everything:
                others = [other] if isinstance(other, str) else other
                if any(event_type.split(".")[0] == o.lstrip("*").split(".")[0] for o in others):
                    for path in PATHS.findall(json.dumps(definition, ensure_ascii=False)):
                        grow(root, path)
            yield {
                "ctxt": root["ctxt"], "publisher_id": "compute.host-1.example", "event_type": event_type,
                "payload": root["payload"],
                "metadata": {"message_id": f"m-{rand.randrange(10**9)}", "timestamp": "2026-07-21 13:56:12.123456"},
            }
    measurement = {"metric": [{"name": "storage.objects.outgoing.bytes", "unit": "B"}], "result": 28}
    other = {"metric": [{"name": "storage.objects.incoming.bytes", "unit": "B"}], "result": 0.5}
    yield {
        "ctxt": {}, "publisher_id": "swift.proxy", "event_type": "objectstore.http.request",
        "payload": {"measurements": [measurement, other], "target": {"id": "t"}, "initiator": {"id": "i", "project_id": "p"}},
        "metadata": {"message_id": "m", "timestamp": "2026-07-21T13:56:12"},
    }
    user_metadata = {"metering.stack": "s", "metering.a.b": "x" * 300, "metering.host": 5, "other": 1}
    yield {
        "ctxt": {}, "publisher_id": "compute.h", "event_type": "compute.instance.exists",
        "payload": {"metadata": user_metadata, "host": "h", "instance_id": "i", "memory_mb": 1},
        "metadata": {"message_id": "m", "timestamp": "2026-07-21T13:56:12"},
    }
    request = {"HTTP_X_USER_ID": "u", "HTTP_X_PROJECT_ID": "p", "HTTP_X_SERVICE_NAME": "glance", "x": [1]}
    for event_type in ("http.request", "http.response", "http.requests", "httpXrequest"):
        yield {
            "ctxt": {}, "publisher_id": "p", "event_type": event_type, "payload": {"request": request, "response": {}},
            "metadata": {"message_id": "m", "timestamp": "2026-07-21T13:56:12"},
        }
    polled = {
        "counter_name": "cpu", "counter_type": "cumulative", "counter_unit": "ns", "counter_volume": 1.5, "user_id": "u",
        "project_id": "p", "resource_id": "r", "timestamp": "2026-07-21T13:56:12", "resource_metadata": {"a": None},
        "source": "openstack", "message_id": "i", "user_name": "n", "monotonic_time": 1.5,
    }
    for count in (0, 1, 3):
        yield {
            "ctxt": {}, "publisher_id": "p", "event_type": "telemetry.polling", "payload": {"samples": [polled] * count},
            "metadata": {"message_id": "m", "timestamp": "2026-07-21T13:56:12"},
        }


JUNK = [
    None, True, False, 0, 1, -1, 2**63, 10**30, 1.5, -0.0, 1e300, float("nan"), float("inf"), "", "x", " 7 ", "7.5", "1_0", "٤",
    "é😀\n'\"", "x" * 300, "é" * 300, "2026-07-21T13:56:12", "2026-07-21", "not a time", "0001-01-01T00:00:00+05:00", [], {},
    [None], [[]], [1, 2], [{}], {"a": 1}, {"name": "x", "value": 1}, [{"name": "n", "unit": "u", "value": 2}], "gauge",
    {"metering.x": "y"}, {"user": "w", "tenant_id": "v"},
]


def nodes(tree, path=()):
    yield path
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        yield from nodes(value, path + (key,))


def mutated(notification):
    tree = copy.deepcopy(notification)
    for _ in range(rand.choice([1, 1, 1, 2, 3])):
        # The root's own keys are always there in the agent.
        places = [path for path in nodes(tree) if path]
        path = rand.choice(places)
        parent = tree
        for key in path[:-1]:
            parent = parent[key]
        key = path[-1]
        fixed = len(path) == 1 or path == ("metadata", "message_id") or path == ("metadata", "timestamp")
        action = rand.randrange(8)
        if path == ("metadata",):
            continue
        if action == 0 and not fixed:
            del parent[key]
        elif action == 1:
            parent[key] = [parent[key]]
        elif action == 2:
            parent[key] = {"value": parent[key]}
        elif action == 3 and isinstance(parent, dict) and len(path) > 1 and path[0] != "metadata":
            parent[key + rand.choice([".x", "x", "é", "'"])] = rand.choice(JUNK)
        elif action == 4 and isinstance(parent, list):
            parent.insert(rand.randrange(len(parent) + 1), rand.choice(JUNK))
        else:
            parent[key] = copy.deepcopy(rand.choice(JUNK))
    return tree


def main(corpus_path, cases_path, our_meters, our_events):
    with open(METERS, encoding="utf-8") as text:
        meters_text = text.read()
    with open(EVENTS, encoding="utf-8") as text:
        events_text = text.read()
    emit(kind="packaged", meters=meters_text, events=events_text)

    # Upstream's files and ours, both through upstream: the same meaning.
    with open(our_meters, encoding="utf-8") as text:
        ours = Converters([text.read()], open(our_events, encoding="utf-8").read(), {})
    builtin = Converters([meters_text], events_text, {})
    for notification in list(corpus(corpus_path)) + list(synthetic()):
        for priority in ("info", "error"):
            one = [ours.samples(copy.deepcopy(notification)), ours.event(copy.deepcopy(notification), priority)]
            two = [builtin.samples(copy.deepcopy(notification)), builtin.event(copy.deepcopy(notification), priority)]
            if one != two:
                emit(kind="files differ", notification=json.dumps(notification), ours=one, theirs=two)

    raw = Converters([meters_text], events_text, {("event", "store_raw"): ["INFO"]})
    for notification in corpus(corpus_path):
        answer(raw, "corpus", notification, "info")
        for _ in range(MUTATIONS_OF_CORPUS):
            answer(raw, "corpus mutated", mutated(notification), rand.choice(["info", "info", "error"]))
    for notification in synthetic():
        answer(raw, "synthetic", notification, "info")
        for _ in range(MUTATIONS_OF_SYNTHETIC):
            answer(raw, "synthetic mutated", mutated(notification), "info")
    conf.clear_override("store_raw", "event")

    # Definition files of our own, small and strange.
    with open(cases_path, encoding="utf-8") as text:
        cases = yaml.safe_load(text)
    for case in cases:
        options = {tuple(name.rsplit(".", 1)) if "." in name else (None, name): value
                   for name, value in case.get("options", {}).items()}
        try:
            converters = Converters(case.get("meters", ["metric: []"]), case.get("events"), options)
        except Exception as error:
            emit(kind="load", case=case["name"], raised=raised(error))
        else:
            emit(kind="load", case=case["name"], loaded=[str(d.cfg["name"]) for d in converters.meters.definitions])
            for notification in case.get("notifications", []):
                base = {
                    "ctxt": {}, "publisher_id": "svc.host", "event_type": "a.b", "payload": {},
                    "metadata": {"message_id": "m", "timestamp": "2026-07-21T13:56:12"},
                }
                answer(converters, case["name"], {**base, **notification}, "info")
        for group, name in options:
            conf.clear_override(name, group)
    emit(kind="end")


if __name__ == "__main__":
    main(*sys.argv[1:])
