"""What Ceilometer's discovery of instances by Nova finds, and what its samples say of them.

    nova.py < COMMANDS

The first line is a JSON object: the options of each section of ceilometer.conf, and `pages`: whether all pages of a list shall
be read (the original reads the first one). Each further line asks for one discovery, which is answered with the resource
metadata of the samples of disk.root.size, by instance, and their volumes and owners.
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


def main():
    start = json.loads(sys.stdin.readline())
    conf = configuration(start["sections"])
    found = discovery.InstanceDiscovery(conf)
    if start["pages"]:
        read_every_page(found.nova_cli.nova_client.servers)
    pollster = disk.RootSizePollster(conf)
    print(json.dumps("ready"), flush=True)
    for _ in sys.stdin:
        instances = list(found.discover(None))
        samples = {
            sample.resource_id: {
                "metadata": sample.resource_metadata,
                "volume": sample.volume,
                "user_id": sample.user_id,
                "project_id": sample.project_id,
            }
            for sample in pollster.get_samples(None, {}, instances)
        }
        print(json.dumps({"samples": samples, "group": found.group_id}), flush=True)


main()
