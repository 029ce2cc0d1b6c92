"""What Ceilometer's Gnocchi publisher says to Gnocchi of many samples and events, as one JSON object a line.

Usage: resources_oracle.py CASES OUR_RESOURCES. Samples and events are those that Ceilometer's own converters make
of the corpus, synthetic ones for every packaged resource definition, and mutations from a fixed seed;
`crates/definitions/tests/resources.rs` reads them back together with the answers. The publisher is the real one but for
its client, which writes down what would be sent.
"""
import copy
import datetime
import json
import os
import random
import sys
import tempfile

import yaml
from ceilometer.event import models
from ceilometer.publisher import gnocchi
from ceilometer.sample import Sample
from gnocchiclient import exceptions

SHARED = os.path.join(os.path.dirname(os.path.abspath(__file__)), *[os.pardir] * 3, "tests", "oracle")
sys.dont_write_bytecode = True
sys.path.insert(0, SHARED)

import notifications  # noqa: E402
from notifications import JUNK  # noqa: E402
from upstream import EVENTS, METERS, PACKAGE, Converters, conf, emit, raised, read  # noqa: E402

SEED = 20260722
MUTATIONS_OF_SAMPLE = 6
MUTATIONS_OF_EVENT = 8
rand = random.Random(SEED)

RESOURCES = os.path.join(PACKAGE, "publisher", "data", "gnocchi_resources.yaml")


class Recorder:
    """Gnocchi's client: its resources and metrics at once. Bodies must be JSON, as for the real one."""

    def __init__(self):
        self.resource = self.metric = self
        self.calls = {}

    def batch_resources_metrics_measures(self, measures, create_metrics):
        first = "measures" not in self.calls
        self.calls["measures"] = json.dumps(measures)
        if first and measures:
            # So that the publisher tells how it would create the resource.
            detail = [{"original_resource_id": name} for name in measures]
            raise exceptions.BadRequest(400, {"cause": "Unknown resources", "detail": detail})

    def create(self, resource_type, resource):
        self.keep("create", lambda: [resource_type, json.dumps(resource)])

    def update(self, resource_type, resource_id, resource):
        self.keep("update", lambda: [resource_type + "/" + resource_id, json.dumps(resource)])

    def search(self, resource_type, query):
        self.calls.setdefault("search", []).append([resource_type, json.dumps(query)])
        return []

    def keep(self, name, call):
        try:
            self.calls[name] = call()
        except Exception as error:
            # The publisher logs it and goes on.
            self.calls["failed"] = raised(error)
            raise


class Publisher:
    """The real publisher with the definitions of a file."""

    def __init__(self, path, override=None):
        self.real = gnocchi.GnocchiPublisher.__new__(gnocchi.GnocchiPublisher)
        definitions, policies = self.real._load_definitions(conf, override, path)
        self.real.resources_definition, self.real.archive_policies_definition = definitions, policies
        self.real.metric_map = {metric: rd for rd in definitions for metric in rd.metrics}
        self.real.enable_filter_project = False
        self.real.filter_project = None
        self.real.cache = None
        self.real._already_logged_event_types = set()
        self.real._already_logged_metric_names = set()
        self.real._already_configured_archive_policies = True

    def answer(self, publish, records):
        self.real._gnocchi = Recorder()
        try:
            publish(records)
        except Exception as error:
            return {"raised": raised(error)}
        return self.real._gnocchi.calls

    def sample(self, sample):
        return self.answer(self.real.publish_samples, [copy.deepcopy(sample)])

    def event(self, event):
        found = self.real._get_resource_definition_from_event(event.event_type)
        answer = self.answer(self.real.publish_events, [copy.deepcopy(event)])
        if found is not None and "raised" not in answer:
            answer["operation"] = found[1]
            if found[1] == gnocchi.EVENT_DELETE and "update" in answer:
                # The time of the call; what it says otherwise is compared.
                body = json.loads(answer["update"][1])
                answer["update"][1] = json.dumps({**body, "ended_at": "now"})
        return answer


def ask(publisher, case, sample=None, event=None):
    if sample is not None:
        emit(kind="sample", case=case, sample=json.dumps(sample.as_dict()), answer=publisher.sample(sample))
    else:
        emit(kind="event", case=case, event=json.dumps(event.serialize()), answer=publisher.event(event))


# ---- samples and events ---------------------------------------------------------------------------------------------

def converted():
    """What Ceilometer itself makes of notifications."""
    meters, events = read(METERS), read(EVENTS)
    converters = Converters([meters], events)
    recorded = [notification for _, notification in notifications.corpus()]
    for notification in recorded + list(notifications.synthetic(meters, events)):
        for definition in converters.meters.definitions:
            if definition.match_type(notification["event_type"]):
                try:
                    for sample in definition.to_samples(copy.deepcopy(notification)):
                        yield Sample.from_notification(**sample), None
                except Exception:
                    pass  # The other oracle compares what cannot be converted.
        try:
            event = converters.events.to_event("info", copy.deepcopy(notification))
        except Exception:
            continue
        yield None, event


def plausible_metadata(definition):
    """Metadata in which every attribute of a definition finds something."""
    root = {}
    for path in definition.get("attributes", {}).values():
        steps = path.replace("(", "").replace(")", "").split(".", 1)[1]
        for choice in steps.split("|"):
            here = root
            names = choice.split(".")
            for name in names[:-1]:
                here = here.setdefault(name, {})
            here[names[-1]] = rand.choice(["x", "é ü", 7, True, "2026-07-21T13:56:12", None])
    return root


def synthetic_samples(definitions):
    for definition in definitions:
        for metric in definition["metrics"]:
            yield Sample(
                name=metric, type="gauge", unit=rand.choice(["B", "ns", None]), volume=rand.choice([1, 0.5, "7", True]),
                user_id=rand.choice(["u", None]), project_id=rand.choice(["p", None]), id="ID",
                resource_id=rand.choice(["r", "a/b/c", "é", "d5a0ca1e-3c8a-4d0f-9a5e-5b5c0b7f7a01"]),
                timestamp="2026-07-21T13:56:12.123456", resource_metadata=plausible_metadata(definition))


TRAIT_VALUES = [
    (1, "x"), (1, ""), (1, "a/b"), (1, "%s"), (1, 'a"b'), (1, "a\\b"), (1, "é😀\n'"), (1, "x" * 255), (2, 5), (2, 2**70), (3, 1.5),
    (3, float("nan")), (4, datetime.datetime(2026, 7, 21, 13, 56, 10)),
]


def synthetic_events(definitions):
    for definition in definitions:
        for key in ("event_create", "event_update", "event_delete"):
            types = definition.get(key, [])
            for event_type in [types] if isinstance(types, str) else types:
                traits = [models.Trait(name, 1, f"{name}-value") for name in definition["event_attributes"].values()]
                traits.append(models.Trait("other", 1, "x"))
                yield models.Event("m", event_type.replace("*", "end"), datetime.datetime(2026, 7, 21, 13, 56, 12), traits, {})


def mutated_sample(sample):
    sample = copy.deepcopy(sample)
    for _ in range(rand.choice([1, 1, 2])):
        if rand.randrange(3) == 0:
            name = rand.choice(["resource_id", "user_id", "project_id", "unit", "volume", "timestamp", "resource_metadata"])
            setattr(sample, name, copy.deepcopy(rand.choice(JUNK)))
        elif isinstance(sample.resource_metadata, dict) and sample.resource_metadata:
            key = rand.choice(list(sample.resource_metadata))
            if rand.randrange(3) == 0:
                del sample.resource_metadata[key]
            else:
                sample.resource_metadata[key] = copy.deepcopy(rand.choice(JUNK))
        else:
            sample.resource_id = rand.choice(["x" * 255, "x" * 256, "é" * 255, "/", ""])
    return sample


def mutated_event(event):
    event = copy.deepcopy(event)
    for _ in range(rand.choice([1, 1, 2])):
        place = rand.randrange(len(event.traits)) if event.traits else None
        dtype, value = rand.choice(TRAIT_VALUES)
        if place is None:
            event.traits.append(models.Trait("resource_id", dtype, value))
        elif rand.randrange(4) == 0:
            del event.traits[place]
        else:
            event.traits[place] = models.Trait(event.traits[place].name, dtype, value)
    return event


def described(publisher):
    """Everything that the publisher keeps of its definitions, by resource type."""
    keys = ("event_create", "event_update", "event_delete")
    described = {}
    for definition in publisher.real.resources_definition:
        cfg = definition.cfg
        described[cfg["resource_type"]] = [
            definition.metrics, {name: made.cfg for name, made in definition._attributes.items()},
            [sorted(definition._ensure_list(cfg.get(key, []))) for key in keys],
            cfg.get("event_attributes", {}), cfg.get("event_associated_resources", {}),
        ]
    return described, publisher.real.archive_policies_definition


def main(cases_path, ours_path):
    with open(RESOURCES, encoding="utf-8") as text:
        packaged = text.read()
    emit(kind="packaged", resources=packaged)
    upstream = Publisher(RESOURCES)
    # Upstream's file and ours, both through upstream: the same meaning, with and without the URL's policy.
    for override in (None, "high"):
        one, two = described(Publisher(ours_path, override)), described(Publisher(RESOURCES, override))
        if one != two:
            emit(kind="files differ", ours=one, theirs=two)

    definitions = yaml.safe_load(packaged)["resources"]
    for sample, event in converted():
        ask(upstream, "corpus", sample, event)
        if sample is not None and sample.name in upstream.real.metric_map:
            ask(upstream, "corpus mutated", sample=mutated_sample(sample))
        if event is not None and upstream.real._get_resource_definition_from_event(event.event_type):
            for _ in range(MUTATIONS_OF_EVENT):
                ask(upstream, "corpus mutated", event=mutated_event(event))
    for sample in synthetic_samples(definitions):
        ask(upstream, "synthetic", sample)
        for _ in range(MUTATIONS_OF_SAMPLE):
            ask(upstream, "synthetic mutated", mutated_sample(sample))
    for event in synthetic_events(definitions):
        ask(upstream, "synthetic", event=event)
        for _ in range(MUTATIONS_OF_EVENT):
            ask(upstream, "synthetic mutated", event=mutated_event(event))

    # Definition files of our own, small and strange.
    with open(cases_path, encoding="utf-8") as text:
        cases = yaml.safe_load(text)
    for case in cases:
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(case["resources"])
            file.flush()
            try:
                publisher = Publisher(file.name, case.get("archive_policy"))
            except Exception as error:
                emit(kind="load", case=case["name"], raised=raised(error))
                continue
        loaded = [definition.cfg["resource_type"] for definition in publisher.real.resources_definition]
        emit(kind="load", case=case["name"], loaded=loaded)
        for given in case.get("samples", []):
            plain = {
                "name": "m", "type": "gauge", "unit": "u", "volume": 1, "user_id": "U", "project_id": "P", "resource_id": "r",
                "timestamp": "2026-07-21T13:56:12", "resource_metadata": {}, "id": "ID",
            }
            ask(publisher, case["name"], Sample(**{**plain, **given}))
        for given in case.get("events", []):
            traits = [models.Trait(name, 2 if isinstance(value, int) else 1, value) for name, value in given["traits"].items()]
            ask(publisher, case["name"],
                event=models.Event("m", given["event_type"], datetime.datetime(2026, 7, 21, 13, 56, 12), traits, {}))
    emit(kind="end")


main(*sys.argv[1:])
