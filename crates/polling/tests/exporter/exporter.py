"""Ceilometer's exporter and Prometheus's Python client: one JSON list a line in, one JSON value a line out.

["sample", sample]       what is shown of one sample alone
["cycle", runs, is_new]  what is shown after these runs, each of a pollster and its batches; is_new: of an agent just started
["read", format, text]   names and types of the families that the client's parser finds
["accept", header]       the media type that the client chooses
"""

import json
import logging
import re
import sys

import prometheus_client
from ceilometer.polling import prom_exporter
from prometheus_client import exposition
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_classic

logging.disable(logging.CRITICAL)


def begin():
    prom_exporter.CEILOMETER_REGISTRY = prometheus_client.CollectorRegistry()


def collect(samples):
    try:
        prom_exporter.collect_metrics(samples)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def shown(raised):
    registry = prom_exporter.CEILOMETER_REGISTRY
    return {
        "classic": exposition.generate_latest(registry).decode(),
        "openmetrics": openmetrics.generate_latest(registry).decode(),
        "raised": raised,
    }


def sample(one):
    begin()
    return shown(collect([one]))


def cycle(runs, is_new):
    if is_new:
        begin()
    raised = ""
    for pollster, batches in runs:
        prom_exporter.purge_stale_metrics(pollster)
        for batch in batches:
            raised = collect(batch) or raised
            if raised:
                # The pollster is given up for this cycle.
                break
    return shown(raised)


def read(form, text):
    families = list((read_openmetrics if form == "openmetrics" else read_classic)(text))
    declared = re.findall("^# TYPE (\\S+) ", text, re.MULTILINE)
    # The parsers do not mind: a family is there once.
    assert len(declared) == len(set(declared)), declared
    return [[family.name, family.type] for family in families]


def accept(header):
    return exposition.choose_encoder(header)[1]


for line in sys.stdin:
    what, *arguments = json.loads(line)
    print(json.dumps(globals()[what](*arguments)), flush=True)
