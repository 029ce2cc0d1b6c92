"""Owners by tooz's ring: reads {"members": {name: weight}, "keys": [...]} on each line, answers a list of owners."""

import json
import sys

from tooz import hashring

for line in sys.stdin:
    question = json.loads(line)
    ring = hashring.HashRing([])
    by_weight = {}
    for member, weight in question["members"].items():
        by_weight.setdefault(weight, []).append(member)
    # Sorted anew for each weight, not for each member.
    for weight, members in by_weight.items():
        ring.add_nodes(members, weight)
    points = ring._ring
    # What get_nodes does with one replica and nobody to ignore, without its sets of all members for each key.
    owner = lambda key: points[ring._partitions[ring._get_partition(key.encode())]]
    for key in question["keys"][:20]:
        assert ring.get_nodes(key.encode()) == {owner(key)}
    print(json.dumps([owner(key) for key in question["keys"]]), flush=True)
