"""What Ceilometer's own central pollsters and discoveries make of a cloud: one JSON object a line in, one a line out.

    oracle.py < QUESTIONS

A question has `config` (the text of a ceilometer.conf), `pollsters` (names of entry points) and `discoveries` (as in
polling.yaml). The answer has for each pollster its samples and how it ended, and for each discovery the ids that it found;
for each of `texts`, which are discoveries too, what agents share by: the text of each resource.
Every pollster has a discovery of its own, and all share the cycle's cache.
"""

import importlib.metadata
import json
import logging
import sys
import tempfile
import traceback

import openstack.connection
from ceilometer import cinder_client
from ceilometer import keystone_client
from ceilometer import service


class Connection(openstack.connection.Connection):
    """Cinder's: with `oslo_conf` openstacksdk takes the service for one that the configuration switches off."""

    def __init__(self, *arguments, oslo_conf=None, **named):
        super().__init__(*arguments, **named)


cinder_client.connection = type("module", (), {"Connection": Connection})


class Manager:
    """As much of the polling manager as pollsters ask of it."""

    def __init__(self, conf):
        self.conf, self.client = conf, None

    @property
    def keystone(self):
        if self.client is None:
            self.client = keystone_client.get_client(self.conf)
        return self.client

    # What the discovery of secrets asks for.
    _keystone = keystone


def loaded(group, name, conf):
    (entry,) = importlib.metadata.entry_points(group=group, name=name)
    return entry.load()(conf)


def discover(manager, url):
    name, _, parameter = url.partition(":")
    discovery = loaded("ceilometer.discover.central", name, manager.conf)
    return list(discovery.discover(manager, parameter or None))


def identity(resource):
    return resource if isinstance(resource, str) else resource.id


def shown(sample):
    return {
        "name": sample.name,
        "type": sample.type,
        "unit": sample.unit,
        "volume": sample.volume,
        "user_id": sample.user_id,
        "project_id": sample.project_id,
        "resource_id": sample.resource_id,
        "metadata": sample.resource_metadata or {},
        "keys": list(sample.resource_metadata or {}),
    }


def poll(manager, cache, name):
    samples = []
    try:
        pollster = loaded("ceilometer.poll.central", name, manager.conf)
        resources = discover(manager, pollster.default_discovery)
        if resources:
            for sample in pollster.get_samples(manager, cache, resources):
                samples.append(shown(sample))
    except Exception:
        return {"samples": samples, "error": traceback.format_exc(limit=-3)}
    return {"samples": samples, "error": None}


def answer(question):
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as config:
        config.write(question["config"])
        config.flush()
        conf = service.prepare_service([], [config.name])
    # What is logged is not what is asked for.
    logging.disable(logging.CRITICAL)
    manager, cache = Manager(conf), {}
    return {
        "pollsters": {name: poll(manager, cache, name) for name in question["pollsters"]},
        "discoveries": {
            url: [identity(resource) for resource in discover(manager, url)] for url in question["discoveries"]
        },
        "texts": {url: [str(resource) for resource in discover(manager, url)] for url in question.get("texts", ())},
    }


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line)), default=str), flush=True)
