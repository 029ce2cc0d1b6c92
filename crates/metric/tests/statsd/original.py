"""Asks gnocchi.statsd what it makes of datagrams: a list of them in hexadecimal digits a line, one answer a line."""
import json
import logging
import struct
import sys

from gnocchi import statsd

logging.disable(logging.CRITICAL)

for line in sys.stdin:
    stats = object.__new__(statsd.Stats)
    stats.gauges, stats.counters, stats.times = {}, {}, {}
    server = statsd.StatsdServer(stats)
    failed = 0
    for datagram in json.loads(line):
        try:
            server.datagram_received(bytes.fromhex(datagram), None)
        except Exception:
            # The event loop logs it and goes on.
            failed += 1
    measures = {}
    for kind in (stats.gauges, stats.counters, stats.times):
        for name, measure in kind.items():
            value = float(measure.value)
            measures[name] = "nan" if value != value else struct.pack(">d", value).hex()
    print(json.dumps({"measures": measures, "failed": failed}), flush=True)
