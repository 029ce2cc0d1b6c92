"""Messages for two notification agents, and what Ceilometer's converters make of each, as one JSON object a line.

Usage: messages.py packaged|operators. Upstream gives a notification on which a sample's converter raises back to the
broker for ever, so such a notification is sent with the priority `error`, of which only events are made.
"""
import copy
import json
import os
import sys

sys.dont_write_bytecode = True

import notifications
from notifications import mutated, plain, rand
from upstream import EVENTS, METERS, Converters, emit, read

# Exchanges of `[notification] notification_control_exchanges`; others are not listened to.
EXCHANGES = ("nova", "glance", "neutron", "cinder", "heat", "keystone", "trove", "zaqar", "swift", "ceilometer", "magnum",
             "dns", "ironic", "aodh")
MUTATIONS_OF_CORPUS = 6
MUTATIONS_OF_SYNTHETIC = 6
MUTATIONS_OF_ENDPOINTS = 4
OPERATORS = 60
QUIET_PRIORITIES = ("audit", "debug", "warn", "critical")


class Unpublishable(Exception):
    """A sample on which upstream's pipeline raises."""


def is_published(sample):
    """Whether upstream's pipeline passes a sample on; what it drops, it drops with a warning."""
    if not isinstance(sample["name"], str):
        raise Unpublishable
    if sample["volume"] is None or isinstance(sample["volume"], (int, float)):
        return sample["volume"] is not None
    try:
        float(sample["volume"])
    except ValueError:
        return False
    except TypeError:
        raise Unpublishable from None
    return True


def samples(converters, notification):
    """The samples that come out of upstream's pipeline, as JSON; None where it raises."""
    made = []
    for answer in converters.samples(notification):
        if "raised" in answer:
            return None
        made += answer["json"]
    try:
        return [text for text in made if is_published(json.loads(text))]
    except Unpublishable:
        return None


class Sender:
    """Writes messages with their numbers as ids."""

    def __init__(self, converters):
        self.converters = converters
        self.number = 0

    def send(self, case, notification, priority="info", exchange=None):
        if not isinstance(notification["event_type"], str):
            return
        self.number += 1
        notification = copy.deepcopy(notification)
        notification["metadata"]["message_id"] = f"message-{self.number}"
        if not isinstance(notification["ctxt"], dict):
            # It is made of keys of the message, so it is always a map.
            notification["ctxt"] = {}
        message = {
            "message_id": f"message-{self.number}", "publisher_id": notification["publisher_id"],
            "event_type": notification["event_type"], "priority": priority.upper(), "payload": notification["payload"],
            "timestamp": notification["metadata"]["timestamp"], "_unique_id": f"{self.number:032x}",
            **{f"_context_{key}": value for key, value in notification["ctxt"].items()},
        }
        # oslo.messaging adds this to what it receives.
        notification["ctxt"]["client_timeout"] = None
        body = json.dumps(message)
        made, event = [], None
        if priority in ("info", "error"):
            event = self.converters.event(copy.deepcopy(notification), priority)
        if priority in ("info", "sample"):
            made = samples(self.converters, notification)
            if made is None:
                self.number -= 1
                self.send(case, json.loads(json.dumps(notification)), "error", exchange)
                return
        emit(
            kind="message", case=case, exchange=exchange if exchange in EXCHANGES else rand.choice(EXCHANGES),
            priority=priority, body=body, samples=made, event=event.get("json") if event else None,
            raised=event.get("raised") if event else None,
        )

    def send_all(self, case, made, mutations, priority="info"):
        for notification in made:
            self.send(case, notification, priority)
            for _ in range(mutations):
                self.send(f"{case} mutated", mutated(notification), priority)


def strange(sender):
    """Messages that each show a documented difference."""
    deep = []
    for _ in range(300):
        deep = [deep]
    sender.send("deep", plain("oracle.deep", {"deep": deep}))
    sender.send("surrogate", plain("image.upload", {"id": "i", "size": 5, "name": "half \ud800"}))
    many = [{"name": f"many.{number}", "unit": "u", "value": number} for number in range(1001)]
    sender.send("many", plain("magnum.bay.metrics.update", {"resource_id": "r", "metrics": many}))
    sender.send("null attachment", plain("volume.resize.end", {"volume_id": "v", "size": 1, "volume_attachment": None}), "error")


def packaged():
    meters, events = read(METERS), read(EVENTS)
    emit(kind="files", meters=meters, events=events)
    sender = Sender(Converters([meters], events, {("event", "store_raw"): ["info"]}))
    for exchange, notification in notifications.corpus():
        sender.send("corpus", notification, exchange=exchange)
        for _ in range(MUTATIONS_OF_CORPUS):
            sender.send("corpus mutated", mutated(notification), rand.choice(["info", "info", "error"]), exchange)
    sender.send_all("synthetic", notifications.synthetic(meters, events), MUTATIONS_OF_SYNTHETIC)
    sender.send_all("requests", notifications.requests(), MUTATIONS_OF_ENDPOINTS)
    sender.send_all("sensors", notifications.sensors(60), MUTATIONS_OF_ENDPOINTS)
    sender.send_all("polled", notifications.polled(60), MUTATIONS_OF_ENDPOINTS, "sample")
    for priority in QUIET_PRIORITIES:
        sender.send("quiet", plain("image.upload", {"id": "i", "size": 5}), priority)
    strange(sender)


def operators():
    folder = os.path.join(notifications.HERE, "operators")
    meters, events = (read(os.path.join(folder, name)) for name in ("meters.yaml", "event_definitions.yaml"))
    emit(kind="files", meters=meters, events=events)
    sender = Sender(Converters([meters], events, {("event", "store_raw"): ["info"]}))
    sender.send_all("operators", notifications.operators(OPERATORS), 0)
    sender.send("intersection", plain("oracle.intersection", {"id": "i", "name": "n"}))


{"packaged": packaged, "operators": operators}[sys.argv[1]]()
emit(kind="end")
