"""Ceilometer's Gnocchi publisher at work: gnocchi/oracle.py URL STEPS.

STEPS is a file with a JSON list of steps, each `{"samples": [...]}` or `{"events": [...]}` in Ceilometer's own forms; one
is published after the other, as one batch.
"""
import datetime
import json
import os
import sys
import tempfile
from urllib import parse

from ceilometer import service
from ceilometer.event import models
from ceilometer.publisher import gnocchi
from ceilometer.sample import Sample

url, steps = sys.argv[1:3]
with tempfile.NamedTemporaryFile("w", suffix=".conf") as config:
    credentials = f"auth_type = gnocchi-basic\nuser = admin\nendpoint = {url}\n"
    config.write(f"[service_credentials]\n{credentials}[gnocchi]\n{credentials}")
    config.flush()
    conf = service.prepare_service(["oracle", "--log-file", os.devnull], [config.name])
    publisher = gnocchi.GnocchiPublisher(conf, parse.urlparse("gnocchi://?enable_filter_project=false&timeout=60"))
    with open(steps, encoding="utf-8") as file:
        for step in json.load(file):
            try:
                if "samples" in step:
                    publisher.publish_samples([Sample(**sample) for sample in step["samples"]])
                for event in step.get("events", []):
                    traits = [models.Trait(*trait) for trait in event["traits"]]
                    made = models.Event("m", event["event_type"], datetime.datetime(2026, 7, 21), traits, {})
                    publisher.publish_events([made])
            except Exception as error:
                # The agent logs it, and the rest of the batch is lost.
                print(f"{type(error).__name__}: {error}")
