"""Reads expositions with Prometheus's own parsers, and makes series of samples with Ceilometer's exporter.

Each line of standard input is a JSON list: ["classic", text], ["openmetrics", text] or ["upstream", sample]. Each gives a
line: a list of [name, type, [[sample name, labels, value], …]], or a text that says what is wrong.
"""

import json
import re
import sys

import prometheus_client
from ceilometer.polling import prom_exporter
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as classic


def shown(families):
    return [
        [family.name, family.type, [[entry.name, entry.labels, repr(float(entry.value))] for entry in family.samples]]
        for family in families
    ]


def upstream(sample):
    prom_exporter.CEILOMETER_REGISTRY = prometheus_client.CollectorRegistry()
    prom_exporter.collect_metrics([sample])
    families = shown(prom_exporter.CEILOMETER_REGISTRY.collect())
    # As the classic format prints names that are none.
    for family in families:
        for entry in family[2]:
            entry[0] = re.sub("[^a-zA-Z0-9_:]", "_", entry[0])
    return families


def answer(what, argument):
    if what == "upstream":
        return upstream(argument)
    families = shown({"classic": classic, "openmetrics": openmetrics}[what](argument))
    # The parsers do not mind: a family may be there once.
    names = re.findall("^# TYPE (\\S+) ", argument, re.MULTILINE)
    helped = re.findall("^# HELP (\\S+) ", argument, re.MULTILINE)
    if len(set(names)) != len(names) or names != helped:
        return f"families are declared more than once, or without help: {names} {helped}"
    return families


for line in sys.stdin:
    try:
        result = answer(*json.loads(line))
    except Exception as error:
        result = f"{type(error).__name__}: {error}"
    print(json.dumps(result), flush=True)
