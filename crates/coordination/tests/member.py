"""A member of one group, as ceilometer-polling is one: arguments URL, group, member id.

On each line "look N" it runs the watchers and answers with the numbers below N that are its own; "leave" leaves.
"""

import json
import sys

from tooz import coordination

url, group, member = sys.argv[1:]
coordinator = coordination.get_coordinator(url, member.encode())
coordinator.start(start_heart=True)
ring = coordinator.join_partitioned_group(group)
print("joined", flush=True)
for line in sys.stdin:
    command, *arguments = line.split()
    if command == "leave":
        coordinator.stop()
        print("left", flush=True)
        break
    coordinator.run_watchers()
    own = [number for number in range(int(arguments[0])) if ring.belongs_to_self(f"<Volume: {number}>")]
    print(json.dumps(own), flush=True)
