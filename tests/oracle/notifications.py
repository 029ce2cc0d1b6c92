"""Notifications for the oracles: recorded ones, synthetic ones for every packaged definition, endpoint and operator, and
mutations of all of them. The same seed gives the same notifications.

A notification is the map that definitions look into: `ctxt`, `publisher_id`, `event_type`, `payload`, `metadata`.
"""
import copy
import json
import os
import random
import re

import yaml

SEED = 20260721
rand = random.Random(SEED)

HERE = os.path.dirname(os.path.abspath(__file__))
CORPUS = os.path.join(os.path.dirname(HERE), "corpus", "notifications.jsonl")


def corpus():
    """Each recorded notification, with the exchange that it was published to."""
    with open(CORPUS, encoding="utf-8") as lines:
        for line in lines:
            record = json.loads(line)
            message = json.loads(record["body"])
            if "oslo.message" in message:
                message = json.loads(message["oslo.message"])
            yield record["exchange"], {
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
            ("_gb", "_mb", "vcpus", "virtual_free", "capacity", "allocated", "provisioned", "instance_size")):
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


def definitions(meters, events):
    """Event types and content of every definition of two texts."""
    for definition in yaml.safe_load(meters)["metric"] + yaml.safe_load(events):
        yield definition["event_type"], definition


def synthetic(meters, events):
    """For each event type of each definition a notification in which the definition finds something."""
    everything = list(definitions(meters, events))
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


def plain(event_type, payload, **parts):
    """A notification with a context, a publisher and a time of its own."""
    moment = f"2026-07-21 13:{rand.randrange(60):02}:{rand.randrange(60):02}.{rand.randrange(10**6):06}"
    return {
        "ctxt": {"request_id": f"req-{rand.randrange(10**9)}", "user_id": "U", "project_id": "P"},
        "publisher_id": "oracle.host-1", "event_type": event_type, "payload": payload,
        "metadata": {"message_id": f"m-{rand.randrange(10**9)}", "timestamp": moment}, **parts,
    }


def requests():
    """`http.request` and `http.response`, and types that begin like them."""
    for number, event_type in enumerate(("http.request", "http.response", "http.requests", "httpXrequest", "httpXrequest.more")):
        request = {"HTTP_X_USER_ID": f"u{number}", "HTTP_X_PROJECT_ID": "p", "HTTP_X_SERVICE_NAME": "glance", "x": [1]}
        yield plain(event_type, {"request": request, "response": {"status": "200 OK"}})
    yield plain("http.request", {"request": {}})
    yield plain("http.response", {"request": {"HTTP_X_USER_ID": None}, "other": 1.5})


READINGS = [
    "25 (+/- 0) degrees C", "11.831 (+/- 0) Volts", "2340 (+/- 0) RPM", "130 (+/- 0) Watts", "0.40 Amps", "-5 degrees C",
    "1e3 x", "nan C", " 7 C", "1_0 C",
]
KINDS = ("Temperature", "Voltage", "Current", "Fan", "Power")


def sensor(kind, number):
    """What an Ironic conductor writes of one sensor."""
    identity = rand.choice([f"{kind} {number} (0x{number:x})", "Pwr Consumption (0x76)", "Lüfter ÄÖ", f"BB P{number} VR Temp"])
    fields = {
        "Sensor ID": identity, "Sensor Reading": rand.choice(READINGS), "Entity ID": f"7.{number} (System Board)",
        "Sensor Type (Analog)": kind, "Assertions Enabled": "ucr+", "Normal Maximum": "11.000", "Status": "ok",
    }
    fate = rand.randrange(12)
    if fate == 0:
        fields["Sensor Reading"] = "Disabled"
    elif fate == 1:
        fields["Sensor Reading"] = rand.choice(["No Reading", "25", "", "x y"])
    elif fate == 2:
        del fields[rand.choice(["Sensor ID", "Sensor Reading"])]
    elif fate == 3:
        fields["node"] = "overwritten"
    return fields


def sensors(count):
    """Ironic's `hardware.ipmi.*`."""
    for number in range(count):
        kinds = rand.sample(KINDS, rand.randrange(1, 6)) if number else KINDS
        readings = {kind: {f"{kind} {place}": sensor(kind, place) for place in range(rand.randrange(1, 4))} for kind in kinds}
        payload = {
            "message_id": "x", "instance_uuid": "i", "node_uuid": f"node-{number}", "timestamp": "2026-07-21T13:56:12.5",
            "event_type": "hardware.ipmi.metrics.update", "payload": readings,
        }
        if number % 3 == 0:
            payload.update(user_id="u", project_id="p")
        yield plain(rand.choice(["hardware.ipmi.metrics", "hardware.ipmi", "hardware.ipmi.metrics.update"]), payload)


def polled_sample(number):
    """A sample as a polling agent puts it on the bus, without its signature."""
    return {
        "source": rand.choice(["openstack", "other", ""]), "counter_name": f"polled.{rand.choice('abcé')}",
        "counter_type": rand.choice(["gauge", "delta", "cumulative"]), "counter_unit": rand.choice(["ns", "B/s", "%", ""]),
        "counter_volume": rand.choice([0, 1, 2**63, 10**25, 0.1, 1e300, -0.0, 1e-7, float("nan"), float("inf"), True, "7", "1.5"]),
        "user_id": rand.choice([None, "u", 5]), "user_name": rand.choice([None, "név"]),
        "project_id": rand.choice([None, "p"]), "project_name": None, "resource_id": f"r-{rand.randrange(50)}",
        "timestamp": f"2026-07-21T13:56:{number % 60:02}.123456",
        "resource_metadata": rand.choice([{}, None, {"a": None, "b": {"c": [1, 2.0, "é"]}}, {"status": "active", "size": 10**20}]),
        "message_id": f"polled-{number}-{rand.randrange(10**9)}", "monotonic_time": rand.choice([None, 12345.678]),
    }


def polled(count):
    """`telemetry.polling`, with batches of all sizes; some samples come from agents that do not know names."""
    for number in range(count):
        batch = [polled_sample(100 * number + place) for place in range(rand.choice([0, 1, 2, 5, 50]))]
        for sample in batch:
            if rand.randrange(4) == 0:
                del sample["user_name"], sample["project_name"]
        yield plain("telemetry.polling", {"samples": batch}, publisher_id="ceilometer.polling", ctxt={})


def scalar():
    return rand.choice([0, 1, 7, -3, 2**40, 2**70, 0.5, -0.25, 1e22, True, False, "x", "é😀", "7", "", "2026-07-21"])


def operand():
    return rand.choice([1, 2, 7, -3, 0.29, 12.5, 2**33])


def element(number):
    name = rand.choice(["cpu", "mem", "disk.a", "é", f"n{number}"])
    entry = {"k": rand.choice([0, 1, 2, 3, "1", "x", None, True, 1.0]), "v": operand(), "name": name, "flag": rand.choice([True, False])}
    if rand.randrange(3):
        entry["tags"] = rand.sample(["red", "green", "blue"], rand.randrange(4))
    return entry


def operators(count):
    """Notifications with which the files of `operators/` are tried; no operator raises on them upstream."""
    for number in range(count):
        state = rand.choice(["active", "ACTIVE", "error", "Straße", "other", 2, 2.0, True])
        hours = rand.randrange(24)
        yield plain("oracle.operators", {
            "id": f"r-{number}", "name": rand.choice(["alpha", "beta-gamma", "é ü", "x"]), "nothing": None, "b c": scalar(),
            "x.y": scalar(), "a": {"b": scalar(), "c": {"b": scalar(), "d": {"e": scalar()}}},
            "list": [element(place) for place in range(rand.randrange(0, 6))],
            "words": [rand.choice(["b", "a", "cc", "é"]) for _ in range(rand.randrange(1, 6))], "count": rand.randrange(5),
            "numbers": [operand() for _ in range(rand.randrange(1, 5))], "text": rand.choice(["a.b.c#d", "one", "#", "a..b", "x y.z"]),
            "n": operand(), "m": operand(), "state": state, "state_too": rand.choice(["x", 5, None]),
            "begin": "2026-07-20T10:00:00", "end": f"2026-07-21T{hours:02}:30:00.5+02:00",
            "user": {"metering.stack": "s" * rand.choice([1, 300]), "metering.a.b": 1, "other": 2},
            "series": [{"name": f"oracle.series.{place}", "unit": "u", "value": operand()} for place in range(rand.randrange(4))],
        })


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
