"""What Ceilometer's IPMI pollsters make of what ipmitool prints: one JSON object a line in, one a line out.

    oracle.py < REQUESTS

`{"parse": TEXT}`: what its parser makes of one output (TEXT has a character for each byte): as `whole` the sensors, or the
exception; as `blocks` the sensors that it finds in each block by itself, where it is not thrown out by another.

`{"outputs": {"sdr -v type Fan": [STATUS, TEXT], …}, "cycles": N}`: the samples of all pollsters, of which each gets the output of
its command. `{"path": DIRECTORY}`: the same with the ipmitool that is found there. `{"recorded": true}`: the same with what
Ceilometer's own tests have of a real machine, together with those outputs.
"""

import json
import os
import shlex
import sys

from oslo_concurrency import processutils

import ceilometer.privsep.ipmitool
from ceilometer import service
from ceilometer.ipmi.notifications import ironic
from ceilometer.ipmi.platform import ipmi_sensor
from ceilometer.ipmi.platform import ipmitool
from ceilometer.ipmi.pollsters import sensor as pollsters
from ceilometer.polling import plugin_base
from ceilometer.tests.unit.ipmi.platform import ipmitool_test_data

CLASSES = {
    "hardware.ipmi.current": pollsters.CurrentSensorPollster,
    "hardware.ipmi.fan": pollsters.FanSensorPollster,
    "hardware.ipmi.power": pollsters.PowerSensorPollster,
    "hardware.ipmi.temperature": pollsters.TemperatureSensorPollster,
    "hardware.ipmi.voltage": pollsters.VoltageSensorPollster,
}


def printed(text):
    """The output as oslo.concurrency gives it."""
    return os.fsdecode(text.encode("latin-1"))


def readable(text):
    """Lone surrogates, which stand for bytes that are no UTF-8, as the characters that they are in Latin-1."""
    return "".join(chr(ord(c) - 0xDC00) if 0xDC80 <= ord(c) <= 0xDCFF else c for c in text)


def sensors(found):
    """Class, id, reading, greatest normal value; then value and unit, or nothing."""
    rows = []
    for kind, of_kind in found.items():
        for sensor_id, fields in of_kind.items():
            reading = fields["Sensor Reading"]
            value = None
            if ironic.validate_reading(reading):
                try:
                    volume, unit = ironic.parse_reading(reading)
                    value = [repr(volume), readable(unit)]
                except ironic.InvalidSensorData:
                    pass
            maximum = fields.get("Normal Maximum")
            row = [kind, sensor_id, reading, maximum]
            rows.append([None if text is None else readable(text) for text in row] + [value])
    return rows


def described(error):
    return f"{type(error).__name__}: {error}"


def parse(text):
    text = printed(text)
    try:
        whole = {"sensors": sensors(ipmitool._translate_output(text) if text else {})}
    except Exception as error:
        whole = {"error": described(error)}
    merged = {}
    for block in text.split("\n\n"):
        try:
            for kind, of_kind in ipmitool._translate_output(block).items():
                merged.setdefault(kind, {}).update(of_kind)
        except Exception:
            continue
    return {"whole": whole, "blocks": sensors(merged)}


class Command:
    """In the place of the daemon with privileges, which does no more than to run the command."""

    def __init__(self, request):
        self.request = request

    def __call__(self, *words):
        if "path" in self.request:
            program = os.path.join(self.request["path"], words[0])
            return processutils.execute(program, *words[1:])
        status, text = self.request["outputs"].get(shlex.join(words[1:]), [0, ""])
        if status:
            raise processutils.ProcessExecutionError(exit_code=status)
        return printed(text), ""


def samples(conf, request):
    ceilometer.privsep.ipmitool.ipmi = Command(request)
    # One for all, which looks for the controller once.
    ipmi_sensor.IPMISensor._instance, ipmi_sensor.IPMISensor._inited = None, False
    answer = {}
    for name, make in CLASSES.items():
        try:
            pollster = make(conf)
        except plugin_base.ExtensionLoadError as error:
            answer[name] = [{"error": described(error)}]
            continue
        cycles = []
        for _ in range(request.get("cycles", 1)):
            try:
                # As the agent puts it on the message bus.
                cycles.append({"samples": [
                    {"name": s.name, "type": s.type, "unit": readable(s.unit), "volume": repr(s.volume), "user_id": s.user_id,
                     "project_id": s.project_id, "resource_id": readable(s.resource_id),
                     "resource_metadata": s.resource_metadata}
                    for s in pollster.get_samples(None, {}, ["node"])
                ]})
                if pollster.polling_failures:
                    cycles[-1] = {"error": f"failure {pollster.polling_failures}"}
            except plugin_base.PollsterPermanentError as error:
                cycles.append({"error": f"permanent {error.fail_res_list}"})
            except Exception as error:
                cycles.append({"error": described(error)})
        answer[name] = cycles
    return answer


def recorded():
    """What Ceilometer's tests have of an Intel server."""
    data = ipmitool_test_data
    outputs = {
        "sdr -v type Temperature": data.sensor_temperature_data,
        "sdr -v type Voltage": data.sensor_voltage_data,
        "sdr -v type Current": data.sensor_current_data,
        "sdr -v type Fan": data.sensor_fan_data,
    }
    power = [block for block in data.sensor_current_data.split("\n\n") if "Pwr Consumption" in block]
    outputs["sensor get 'Pwr Consumption'"] = power[0]
    return {command: [0, text] for command, text in outputs.items()}


def main():
    conf = service.prepare_service(argv=["pollsters", "--log-file", os.devnull], config_files=[])
    conf.set_override("host", "Node-1")
    for line in sys.stdin:
        request = json.loads(line)
        if request.get("recorded"):
            request["outputs"] = recorded()
        answer = parse(request["parse"]) if "parse" in request else samples(conf, request)
        if request.get("recorded"):
            answer["outputs"] = request["outputs"]
        print(json.dumps(answer), flush=True)


main()
