"""What Ceilometer's discovery of instances by Nova finds, and what its samples say of them.

    nova.py < COMMANDS

The first line is a JSON object: the options of each section of ceilometer.conf. Each further line asks for a discovery:
`discover` is one more of the same discovery object, which reads all pages of a list; `first page` one of a new object, which does
as the original does. The answer is the resource metadata of the samples of disk.root.size, by instance, with their volumes and
owners.
"""

import json
import os
import sys
import tempfile

from ceilometer import service
from ceilometer.compute import discovery
from ceilometer.compute.pollsters import disk


def configuration(sections):
    lines = []
    for section, options in sections.items():
        lines.append(f"[{section}]")
        lines.extend(f"{name} = {value}" for name, value in options.items())
    with tempfile.NamedTemporaryFile("w", suffix=".conf", encoding="utf-8", delete=False) as file:
        file.write("\n".join(lines))
    try:
        return service.prepare_service(argv=["nova", "--log-file", os.devnull], config_files=[file.name])
    finally:
        os.unlink(file.name)


def read_every_page(servers):
    """Nova's client reads on when it is asked for -1 servers."""
    first = servers.list
    servers.list = lambda **arguments: first(limit=-1, **arguments)


def describe(pollster, instances):
    return {
        sample.resource_id: {
            "metadata": sample.resource_metadata,
            "volume": sample.volume,
            "user_id": sample.user_id,
            "project_id": sample.project_id,
        }
        for sample in pollster.get_samples(None, {}, instances)
    }


def main():
    conf = configuration(json.loads(sys.stdin.readline()))
    kept = discovery.InstanceDiscovery(conf)
    read_every_page(kept.nova_cli.nova_client.servers)
    pollster = disk.RootSizePollster(conf)
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        found = kept if line.strip() == "discover" else discovery.InstanceDiscovery(conf)
        samples = describe(pollster, list(found.discover(None)))
        print(json.dumps({"samples": samples, "group": found.group_id}), flush=True)


main()
