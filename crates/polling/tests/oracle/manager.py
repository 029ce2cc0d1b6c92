"""What Ceilometer's polling manager makes of scenarios: one JSON object a line in, one a line out.

    manager.py < SCENARIOS

A scenario with `definition` alone asks what comes of a polling.yaml. One with `pollsters` and `discoveries` as well is run for
`cycles` cycles, and answered with the batches that would be sent, cycle by cycle.
"""

import json
import os
import sys
import tempfile

from ceilometer import sample
from ceilometer import service
from ceilometer.polling import manager
from ceilometer.polling import plugin_base

# In the order of the file, so that runs can be compared.
manager.iter_random = iter


class Extension:
    def __init__(self, name, obj):
        self.name, self.obj = name, obj


class Discovery(plugin_base.DiscoveryBase):
    def __init__(self, script):
        self.script, self.runs = script, 0

    def discover(self, manager, param=None):
        self.runs += 1
        if self.script.get("fails"):
            raise RuntimeError("scripted")
        found = list(self.script["finds"])
        return found + [param] if param else found


class Pollster:
    def __init__(self, name, script):
        self.name, self.script = name, script
        self.default_discovery = script.get("discovery")

    def get_samples(self, manager, cache, resources):
        script = self.script
        if script.get("permanent"):
            raise plugin_base.PollsterPermanentError(
                [resource for resource in resources if resource in script["permanent"]]
            )
        for number, resource in enumerate(resources):
            if script.get("fails_after") == number:
                raise RuntimeError("scripted")
            for _ in range(script.get("samples", 1)):
                yield sample.Sample(
                    name=self.name,
                    type=sample.TYPE_GAUGE,
                    unit="u",
                    volume=script.get("volume", 1),
                    user_id=None,
                    project_id="p",
                    resource_id=resource,
                    resource_metadata={},
                )


class Notifier:
    def __init__(self):
        self.batches = []

    def sample(self, ctxt, event_type, payload):
        assert (ctxt, event_type) == ({}, "telemetry.polling")
        samples = payload["samples"]
        # All of a pollster's samples have one time.
        times = {one["timestamp"] for one in samples}
        assert len(times) == 1, times
        self.batches.append(
            [[one["counter_name"], one["resource_id"], one["counter_volume"]] for one in samples]
        )


def read(conf, text):
    with tempfile.NamedTemporaryFile("w", suffix=".yaml", encoding="utf-8", delete=False) as file:
        file.write(text)
    try:
        conf.set_override("cfg_file", file.name, group="polling")
        return manager.PollingManager(conf)
    finally:
        os.unlink(file.name)


def describe(definition, names):
    sources = []
    for source in definition.sources:
        sources.append(
            {
                "name": str(source.name),
                "interval": source.interval,
                "resources": [str(resource) for resource in source.resources],
                "discovery": source.discovery,
                "takes": [name for name in names if source.support_meter(name)],
            }
        )
    return sources


def run(conf, definition, scenario):
    agent = object.__new__(manager.AgentManager)
    agent.conf = conf
    agent.polling_manager = definition
    agent.extensions = [
        Extension(name, Pollster(name, script)) for name, script in scenario["pollsters"].items()
    ]
    agent.discoveries = [
        Extension(name, Discovery(script)) for name, script in scenario["discoveries"].items()
    ]
    agent.hashrings = agent.partition_coordinator = agent._queue = None
    agent.group_prefix = "central"
    agent._keystone, agent._keystone_last_exception = object(), None
    agent.notifier = Notifier()
    conf.set_override("batch_size", scenario.get("batch_size", 50), group="polling")
    tasks = agent.setup_polling_tasks()
    cycles = []
    for _ in range(scenario.get("cycles", 1)):
        for task in tasks.values():
            task.poll_and_notify()
        # The pollsters of a source are a set: their order is arbitrary, within one it is not.
        cycles.append(sorted(agent.notifier.batches, key=lambda batch: batch[0][0]))
        agent.notifier.batches = []
    runs = {extension.name: extension.obj.runs for extension in agent.discoveries}
    return {"intervals": sorted(tasks), "cycles": cycles, "discovered": runs}


def main():
    conf = service.prepare_service(argv=["manager", "--log-file", os.devnull], config_files=[])
    for line in sys.stdin:
        scenario = json.loads(line)
        try:
            definition = read(conf, scenario["definition"])
            answer = {"sources": describe(definition, scenario.get("names", []))}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        else:
            if "pollsters" in scenario:
                answer.update(run(conf, definition, scenario))
        print(json.dumps(answer), flush=True)


main()
