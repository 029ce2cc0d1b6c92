"""What Ceilometer's compute pollsters make of scenarios: one JSON object a line in, one a line out.

    compute_oracle.py < SCENARIOS

A scenario has the options and, for each cycle, the monotonic time, the domains that libvirt has and the instances that were
discovered. The answer has, for each cycle and meter, the samples as JSON texts without id and time, by instance, and the
name of the exception that ended the pollster. Ceilometer's own inspector asks a module `libvirt` that is made here.
"""

import importlib.metadata
import json
import os
import sys
import types


class LibvirtError(Exception):
    def get_error_code(self):
        return 42

    def get_error_domain(self):
        return 10


class Domain:
    def __init__(self, given):
        self.given = given

    def UUIDString(self):
        return self.given["uuid"]

    def name(self):
        return self.given["name"]

    def XMLDesc(self, flags=0):
        return self.given["xml"]

    def info(self):
        return self.given["info"]

    def state(self):
        return [self.given["info"][0], 0]

    def memoryStats(self):
        return self.given["memory"]

    def _device(self, kind, device):
        found = self.given[kind].get(device)
        if found is None:
            raise LibvirtError("invalid argument")
        return found

    def interfaceStats(self, device):
        return self._device("interfaces", device)

    def blockStats(self, device):
        return self._device("block_stats", device)

    def blockStatsFlags(self, device, flags):
        return self._device("block_flags", device)

    def blockInfo(self, device):
        return self._device("block_info", device)


class Connection:
    domains = {}

    def isAlive(self):
        return True

    def lookupByUUIDString(self, uuid):
        if uuid not in self.domains:
            raise LibvirtError("no domain")
        return self.domains[uuid]

    def domainListGetStats(self, domains, groups):
        return [(domain, domain.given["stats"]) for domain in domains]


libvirt = types.ModuleType("libvirt")
libvirt.libvirtError = LibvirtError
libvirt.openReadOnly = lambda uri: Connection()
libvirt.VIR_DOMAIN_SHUTOFF = 5
libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_ERR_SYSTEM_ERROR = 1, 38
libvirt.VIR_FROM_RPC, libvirt.VIR_FROM_REMOTE = 7, 13
sys.modules["libvirt"] = libvirt

from ceilometer import service  # noqa: E402
from ceilometer.compute import discovery  # noqa: E402
from ceilometer.compute import pollsters  # noqa: E402
from ceilometer.polling import plugin_base  # noqa: E402


def entry_points():
    found = importlib.metadata.entry_points(group="ceilometer.poll.compute")
    return {point.name: point.load() for point in found}


def make(conf, classes):
    # The inspector belongs to the class, and remembers counters.
    if hasattr(pollsters.GenericComputePollster, "_inspector"):
        del pollsters.GenericComputePollster._inspector
    made = {}
    for name, kind in classes.items():
        made[name] = kind(conf)
        made[name].setup_environment()
    return made


def run(pollster, cache, instances):
    by_instance = {}
    try:
        # One instance after the other, so that it is known whose samples they are. What is shared is in the cache.
        for instance in instances:
            texts = by_instance.setdefault(instance.id, [])
            for sample in pollster.get_samples(None, cache, [instance]):
                fields = sample.as_dict()
                fields["id"], fields["timestamp"] = "", None
                texts.append(json.dumps(fields))
    except plugin_base.PollsterPermanentError:
        return {"samples": by_instance, "error": "PollsterPermanentError"}
    return {"samples": by_instance, "error": None}


def answer(conf, classes, scenario):
    options = scenario["options"]
    conf.set_override("report_stopped_instance_metrics", options["report_stopped"], group="compute")
    conf.set_override("reserved_metadata_namespace", options["namespaces"])
    conf.set_override("reserved_metadata_keys", options["keys"])
    conf.set_override("reserved_metadata_length", options["length"])
    made = make(conf, classes)
    cycles = []
    for cycle in scenario["cycles"]:
        Connection.domains = {domain["uuid"]: Domain(domain) for domain in cycle["domains"]}
        pollsters.now = lambda: cycle["seconds"]
        instances = [discovery.NovaLikeServer(**attributes) for attributes in cycle["instances"]]
        cache = {}
        cycles.append({name: run(pollster, cache, instances) for name, pollster in made.items()})
    return {"cycles": cycles}


def main():
    conf = service.prepare_service(argv=["compute_oracle", "--log-file", os.devnull], config_files=[])
    classes = entry_points()
    for line in sys.stdin:
        print(json.dumps(answer(conf, classes, json.loads(line))), flush=True)


main()
