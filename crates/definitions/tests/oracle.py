"""What Ceilometer makes of many notifications and definition files, as one JSON object a line.

Usage: oracle.py CASES OUR_METERS OUR_EVENTS. Notifications are those of `tests/oracle/notifications.py`;
`crates/definitions/tests/oracle.rs` reads them back together with the answers.
"""
import copy
import json
import os
import sys

import yaml

SHARED = os.path.join(os.path.dirname(os.path.abspath(__file__)), *[os.pardir] * 3, "tests", "oracle")
sys.dont_write_bytecode = True
sys.path.insert(0, SHARED)

import notifications  # noqa: E402
from notifications import mutated, rand  # noqa: E402
from upstream import EVENTS, METERS, Converters, conf, emit, raised, read  # noqa: E402

MUTATIONS_OF_CORPUS = 24
MUTATIONS_OF_SYNTHETIC = 12
MUTATIONS_OF_ENDPOINTS = 20
OPERATORS = 60
MUTATIONS_OF_OPERATORS = 6


def answer(converters, case, notification, priority):
    # The endpoints of sensors write into what they are given; in the agent the event is made before.
    fields = {"samples": converters.samples(copy.deepcopy(notification))}
    if converters.events is not None:
        fields["event"] = converters.event(copy.deepcopy(notification), priority)
    emit(kind="notification", case=case, priority=priority, notification=json.dumps(notification), **fields)


def answer_all(converters, case, made, mutations, priorities=("info",)):
    """Answers for each notification, and for mutations of it."""
    for notification in made:
        answer(converters, case, notification, "info")
        for _ in range(mutations):
            answer(converters, f"{case} mutated", mutated(notification), rand.choice(priorities))


def main(cases_path, our_meters, our_events):
    meters_text, events_text = read(METERS), read(EVENTS)
    emit(kind="packaged", meters=meters_text, events=events_text)
    corpus = [notification for _, notification in notifications.corpus()]
    synthetic = list(notifications.synthetic(meters_text, events_text))

    # Upstream's files and ours, both through upstream: the same meaning.
    ours = Converters([read(our_meters)], read(our_events))
    builtin = Converters([meters_text], events_text)
    for notification in corpus + synthetic:
        for priority in ("info", "error"):
            one = [ours.samples(copy.deepcopy(notification)), ours.event(copy.deepcopy(notification), priority)]
            two = [builtin.samples(copy.deepcopy(notification)), builtin.event(copy.deepcopy(notification), priority)]
            if one != two:
                emit(kind="files differ", notification=json.dumps(notification), ours=one, theirs=two)

    raw = Converters([meters_text], events_text, {("event", "store_raw"): ["INFO"]})
    answer_all(raw, "corpus", corpus, MUTATIONS_OF_CORPUS, ("info", "info", "error"))
    answer_all(raw, "synthetic", synthetic, MUTATIONS_OF_SYNTHETIC)
    answer_all(raw, "requests", notifications.requests(), MUTATIONS_OF_ENDPOINTS)
    answer_all(raw, "sensors", notifications.sensors(40), MUTATIONS_OF_ENDPOINTS)
    answer_all(raw, "polled", notifications.polled(20), MUTATIONS_OF_ENDPOINTS)
    conf.clear_override("store_raw", "event")

    # Every operator, by definitions of our own.
    folder = os.path.join(SHARED, "operators")
    texts = [read(os.path.join(folder, name)) for name in ("meters.yaml", "event_definitions.yaml")]
    emit(kind="operators", meters=texts[0], events=texts[1])
    converters = Converters(texts[:1], texts[1])
    answer_all(converters, "operators", notifications.operators(OPERATORS), MUTATIONS_OF_OPERATORS)
    answer(converters, "intersection", notifications.plain("oracle.intersection", {"id": "i", "name": "n"}), "info")

    # Definition files, small and strange.
    for case in yaml.safe_load(read(cases_path)):
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
