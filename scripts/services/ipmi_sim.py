#!/usr/bin/env python3
"""A private management controller (OpenIPMI's ipmi_sim) with sensors of our own, and an ipmitool that talks to it.

    ipmi_sim.py --sensors JSON

The report's `ipmitool` is a script that runs the real ipmitool against the controller, over the network instead of
/dev/ipmi0, whatever arguments it is given. JSON is a list of sensors, each an object with

    name            as the controller spells it, Latin-1
    type            code of the sensor's type: 1 temperature, 2 voltage, 3 current, 4 fan, …
    unit            code of its unit: 1 degrees C, 4 Volts, 5 Amps, 6 Watts, 18 RPM, …
    raw             the byte that is read
    m, b, exponent  the value is (m × raw + b) × 10^exponent; 1, 0, 0 unless given
    signed          raw is in two's complement
    normal_maximum  a byte, where the record is to have one
    record          full (unless given), compact, or event-only
    percent         the value is a percentage
    discrete        no thresholds: states (and a value, if it is a full record)
    state           ok (unless given); disabled: not scanned; absent: the controller refuses to read it

Commands on stdin: set {"number": N, "raw": N}, scan {"number": N, "on": true}, hang (the controller is stopped, so that
ipmitool waits), resume, stop, start. Sensors are numbered from 1 in their order.
"""

import argparse
import json
import os
import signal
import socket

from launcher import Failure, Launcher

START_SECONDS = 90
CONSOLE_SECONDS = 60
PROGRAM = "/usr/bin/ipmi_sim"
IPMITOOL = "/usr/bin/ipmitool"
BMC = 0x20
USER, PASSWORD = "nephoscope", "fixture"

CONFIGURATION = """\
name "fixture"
set_working_mc 0x20
  startlan 1
    addr 127.0.0.1 {port}
    priv_limit admin
    allowed_auths_callback none md2 md5 straight
    allowed_auths_user none md2 md5 straight
    allowed_auths_operator none md2 md5 straight
    allowed_auths_admin none md2 md5 straight
    guid a123456789abcdefa123456789abcdef
  endlan
  user 2 true "{user}" "{password}" admin 10 none md2 md5 straight
console 127.0.0.1 {console}
"""

# A device identification, and a record that is no sensor: the locator of the controller itself.
HEAD = """\
mc_setbmc 0x20
mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02
sel_enable 0x20 1000 0x0a
main_sdr_add 0x20 0x00 0x00 0x51 0x12 0x0e 0x20 0x00 0x00 0xbf 0x00 0x00 0x00 0x07 0x01 0x00 0xc3 'B 'M 'C
"""

WRAPPER = """\
#!/bin/sh
exec {program} -I lanplus -H 127.0.0.1 -p {port} -U {user} -P {password} -C 3 -R 1 -N 5 "$@"
"""


def name_bytes(sensor):
    name = sensor["name"].encode("latin-1")
    if not 0 < len(name) <= 16:
        raise Failure(f"a sensor's name has 1 to 16 characters: {sensor['name']}")
    return bytes([0xC0 | len(name)]) + name


def split_factor(number):
    """Ten bits in two's complement, as a byte and the two high bits of another."""
    number &= 0x3FF
    return number & 0xFF, number >> 2 & 0xC0


def record(number, sensor):
    """The sensor's data record (IPMI 2.0, section 43), without its id."""
    kind = sensor.get("record", "full")
    discrete = sensor.get("discrete", False)
    # Owner, channel, number, entity (system board), initialization, capabilities.
    keys = bytes([BMC, 0x00, number])
    if kind == "event-only":
        body = keys + bytes([7, 1, sensor["type"], 0x6F, 0x00, 0x00, 0x00, 0x00]) + name_bytes(sensor)
        return bytes([0x51, 3, len(body)]) + body
    event_type = 0x6F if discrete else 0x01
    capabilities = 0x43 if discrete else 0x54
    common = keys + bytes([7, 1, 0x7F, capabilities, sensor["type"], event_type])
    masks = bytes([0xFF, 0x0F, 0xFF, 0x0F, 0x00, 0x00])
    analog = 2 if sensor.get("signed") else 0
    unit = bytes([analog << 6 | (1 if sensor.get("percent") else 0), sensor.get("unit", 0), 0])
    if kind == "compact":
        body = common + masks + bytes([unit[0] | 0xC0, unit[1], 0, 0, 0, 0, 0, 0, 0, 0, 0]) + name_bytes(sensor)
        return bytes([0x51, 2, len(body)]) + body
    m, m_high = split_factor(sensor.get("m", 1))
    b, b_high = split_factor(sensor.get("b", 0))
    exponents = (sensor.get("exponent", 0) & 0x0F) << 4
    maximum = sensor.get("normal_maximum")
    flags = 0 if maximum is None else 0x02
    body = (
        common + masks + unit
        + bytes([0, m, m_high | 0x01, b, b_high, 0, exponents])
        # Which of nominal reading and normal range there are, and they; the range of the sensor.
        + bytes([flags, 0, maximum or 0, 0, 0xFF, 0x00])
        # Thresholds, hysteresis, reserved, OEM.
        + bytes([0xF0, 0xE0, 0xD0, 0x00, 0x01, 0x02, 0x01, 0x01, 0, 0, 0])
        + name_bytes(sensor)
    )
    return bytes([0x51, 1, len(body)]) + body


def commands(sensors):
    lines = [HEAD]
    for number, sensor in enumerate(sensors, 1):
        data = " ".join(f"0x{byte:02x}" for byte in b"\0\0" + record(number, sensor))
        lines.append(f"main_sdr_add 0x20 {data}\n")
        state = sensor.get("state", "ok")
        if state == "absent" or sensor.get("record") == "event-only":
            continue
        event_type = 0x6F if sensor.get("discrete") else 0x01
        lines.append(f"sensor_add 0x20 0 {number} {sensor['type']} {event_type:#x}\n")
        lines.append(f"sensor_set_value 0x20 0 {number} {sensor.get('raw', 0)} 0\n")
        lines.append(scanning(number, state != "disabled"))
    lines.append("mc_enable 0x20\n")
    return "".join(lines)


def scanning(number, on):
    nothing = " ".join(["000000000000000"] * 4)
    return f"sensor_set_event_support 0x20 0 {number} enable {'scanning' if on else 'no-scanning'} per-state {nothing}\n"


class Server:
    def __init__(self, launcher, options):
        self.launcher = launcher
        self.sensors = json.loads(options.sensors)
        self.port = launcher.ports.take()
        self.console = launcher.ports.take()
        self.log = launcher.path("server.log")
        self.server = None

    def begin(self):
        for program in (PROGRAM, IPMITOOL):
            if not os.path.exists(program):
                raise Failure(f"{program} is not installed: run scripts/provision test")
        places = {"port": self.port, "console": self.console, "user": USER, "password": PASSWORD, "program": IPMITOOL}
        self.launcher.write("lan.conf", CONFIGURATION.format(**places))
        self.launcher.write("sensors.emu", commands(self.sensors))
        os.mkdir(self.launcher.path("state"), 0o700)
        self.launcher.own()
        # Others run it than the server's account.
        os.chmod(self.launcher.dir, 0o755)
        wrapper = self.launcher.write("ipmitool", WRAPPER.format(**places), 0o755)
        return {"ipmitool": wrapper, "log": self.log, **self.start()}

    def start(self):
        if self.server is not None and self.server.poll() is None:
            raise Failure("the server runs already")
        path = self.launcher.path
        self.server = self.launcher.spawn(
            [PROGRAM, "-c", path("lan.conf"), "-f", path("sensors.emu"), "-s", path("state"), "-n"], "server.log"
        )
        self.launcher.wait_until("answer", self.answers, self.server, self.log, START_SECONDS)
        return {"pid": self.server.pid}

    def answers(self):
        try:
            self.launcher.run([self.launcher.path("ipmitool"), "mc", "info"], timeout=30, privileged=True)
        except Failure:
            return False
        return True

    def tell(self, line):
        """A command for the running controller. It has been done when the prompt is there again."""
        with socket.create_connection(("127.0.0.1", self.console), CONSOLE_SECONDS) as console:
            self.until_prompt(console)
            console.sendall(line.encode())
            text = self.until_prompt(console)
        if "**" in text:
            raise Failure(f"{line.strip()}: {text}")

    @staticmethod
    def until_prompt(console):
        text = b""
        while not text.endswith(b"> "):
            part = console.recv(4096)
            if not part:
                raise Failure(f"the console has ended: {text!r}")
            text += part
        return text.decode("utf-8", "replace")

    def set(self, argument):
        wanted = json.loads(argument)
        self.tell(f"sensor_set_value 0x20 0 {wanted['number']} {wanted['raw']} 0\n")

    def scan(self, argument):
        wanted = json.loads(argument)
        self.tell(scanning(wanted["number"], wanted["on"]))

    def hang(self):
        os.kill(self.server.pid, signal.SIGSTOP)

    def resume(self):
        os.kill(self.server.pid, signal.SIGCONT)

    def stop(self):
        self.launcher.end_child(self.server, signal.SIGKILL, 10)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sensors", required=True, help="a JSON list of objects, see above")
    launcher = Launcher("ipmi")
    server = Server(launcher, parser.parse_args())
    launcher.serve(server.begin, {
        "set": server.set, "scan": server.scan, "hang": server.hang, "resume": server.resume, "stop": server.stop,
        "start": server.start,
    })


if __name__ == "__main__":
    main()
