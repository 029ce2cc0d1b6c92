"""Ceilometer's own converters, run as in its notification agent, but without transport and pipeline."""
import json
import logging
import os
import re
import sys
import tempfile
from unittest import mock

import ceilometer
import yaml
from ceilometer import middleware
from ceilometer import service
from ceilometer.event import converter
from ceilometer.ipmi.notifications import ironic
from ceilometer.meter import notifications as meters
from ceilometer.sample import Sample
from ceilometer.telemetry import notifications as telemetry
from stevedore import extension

PACKAGE = os.path.dirname(ceilometer.__file__)
METERS = os.path.join(PACKAGE, "data", "meters.d", "meters.yaml")
EVENTS = os.path.join(PACKAGE, "pipeline", "data", "event_definitions.yaml")


# Compiling a path with `sub` prints, so the answers keep the real standard output for themselves.
answers_out = sys.stdout
sys.stdout = sys.stderr


def emit(**fields):
    """Writes one line of the answer."""
    answers_out.write(json.dumps(fields) + "\n")


def raised(error):
    # Python 3.13 renamed this one.
    name = "error" if isinstance(error, re.error) else type(error).__name__
    return f"{name}: {str(error)[:200]}"


# ---- the converters -------------------------------------------------------------------------------------------------

conf = service.prepare_service(["oracle", "--log-file", os.devnull], [os.devnull])
logging.disable(logging.CRITICAL)


class Converters:
    """The endpoints of one configuration."""

    def __init__(self, meter_files, events_text, options=()):
        options = dict(options)
        for (group, name), value in options.items():
            conf.set_override(name, value, group)
        with tempfile.TemporaryDirectory() as root:
            directories = []
            for number, text in enumerate(meter_files):
                directory = os.path.join(root, str(number))
                os.mkdir(directory)
                with open(os.path.join(directory, "meters.yaml"), "w", encoding="utf-8") as out:
                    out.write(text)
                directories.append(directory)
            conf.set_override("meter_definitions_dirs", directories, "meter")
            self.meters = meters.ProcessMeterNotifications(conf, mock.Mock())
        self.endpoints = [endpoint(conf, mock.Mock()) for endpoint in (
            middleware.HTTPRequest, middleware.HTTPResponse, ironic.TemperatureSensorNotification,
            ironic.VoltageSensorNotification, ironic.CurrentSensorNotification, ironic.FanSensorNotification,
            telemetry.TelemetryIpc)]
        self.events = None
        if events_text is not None:
            self.events = converter.NotificationEventsConverter(
                conf, yaml.safe_load(events_text), extension.ExtensionManager("ceilometer.event.trait_plugin"))

    def samples(self, notification):
        """Per converter: its samples, or what it raised. The definitions answer one by one."""
        sources = [
            lambda endpoint=endpoint: endpoint.build_sample(notification) for endpoint in self.endpoints
            if endpoint.filter_rule.match({}, None, notification["event_type"], {}, {})
        ]
        sources += [
            lambda definition=definition: (Sample.from_notification(**sample)
                                           for sample in definition.to_samples(notification))
            for definition in self.meters.definitions
            if isinstance(notification["event_type"], str) and definition.match_type(notification["event_type"])
        ]
        answers = []
        for source in sources:
            try:
                made = list(source())
            except Exception as error:
                answers.append({"raised": raised(error)})
                continue
            for sample in made:
                sample.id = "ID"
            answers.append({"json": [json.dumps(sample.as_dict()) for sample in made],
                            "plain": [str(sample.as_dict()) for sample in made]})
        return answers

    def event(self, notification, priority):
        try:
            event = self.events.to_event(priority, notification)
        except Exception as error:
            return {"raised": raised(error)}
        if event is None:
            return None
        return {"json": json.dumps(event.as_dict(), default=str), "plain": str(event.as_dict()),
                "serialized": json.dumps(event.serialize())}


def read(path):
    with open(path, encoding="utf-8") as text:
        return text.read()
