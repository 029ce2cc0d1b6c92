#!/usr/bin/env python3
"""A private Nephoscope: `nephoscope run` on a configuration of its own, writing samples and events to its store and to files.

    agent.py --binary PATH --transport-url URL [--libvirt-uri URI]

With a hypervisor's URI it polls the instances there every few seconds. Commands on stdin: stop (in order; answers with the exit status).
"""

import argparse
import http.client
import os
import signal

import openstack
from launcher import Failure, Launcher

START_SECONDS = 120
STOP_SECONDS = 40
# Files are rotated, so that a demonstration may run for days.
FILE_OPTIONS = "json&max_bytes=8000000&backup_count=1"

# What a reader can follow of each instance: processor, memory, disk and network.
POLLING = """\
sources:
  - name: instances
    interval: {interval}
    meters:
      - cpu
      - memory
      - memory.resident
      - disk.device.read.bytes
      - disk.device.write.bytes
      - network.incoming.bytes
      - network.outgoing.bytes
"""
POLLING_SECONDS = 5

PIPELINE = """\
sources:
  - name: everything
    {what}: ["*"]
    sinks: [both]
sinks:
  - name: both
    publishers: ["gnocchi://", "file://{path}?{options}"]
"""


class Agent:
    def __init__(self, launcher, options):
        self.launcher = launcher
        self.options = options
        self.port = launcher.ports.take()
        self.metric_port = launcher.ports.take()
        self.log = launcher.path("agent.log")
        self.agent = None

    def begin(self):
        at = self.launcher.path
        if not os.access(self.options.binary, os.X_OK):
            raise Failure(f"{self.options.binary} is missing: run cargo build --release")
        files = {"samples": at("samples.json"), "events": at("events.json")}
        self.launcher.write("pipeline.yaml", self.pipeline("meters", files["samples"]))
        self.launcher.write("event_pipeline.yaml", self.pipeline("events", files["events"]))
        os.mkdir(at("state"), 0o700)
        settings = {
            "DEFAULT": {
                "transport_url": self.options.transport_url,
                "pipeline_cfg_file": at("pipeline.yaml"),
                "event_pipeline_cfg_file": at("event_pipeline.yaml"),
            },
            "nephoscope": {
                "state_dir": at("state"),
                "run_listen_address": f"127.0.0.1:{self.port}",
                "run_metric_address": f"127.0.0.1:{self.metric_port}",
            },
        }
        if self.options.libvirt_uri:
            polling = self.launcher.write("polling.yaml", POLLING.format(interval=POLLING_SECONDS))
            settings["DEFAULT"]["libvirt_uri"] = self.options.libvirt_uri
            settings["polling"] = {"cfg_file": polling}
            settings["compute"] = {"instance_discovery_method": "libvirt_metadata"}
        config = openstack.write_configuration(self.launcher, "ceilometer.conf", settings)
        command = [os.path.abspath(self.options.binary), "run", "--config-file", config]
        self.agent = self.launcher.spawn(command, "agent.log")
        self.launcher.wait_until("ready agent", self.ready, self.agent, self.log, START_SECONDS)
        ports = {"port": self.port, "metric_port": self.metric_port}
        return {"pid": self.agent.pid, "log": self.log, "config": config, **ports, **files}

    @staticmethod
    def pipeline(what, path):
        return PIPELINE.format(what=what, path=path, options=FILE_OPTIONS)

    def ready(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def stop(self):
        """Asks the agent to drain and end, as a service manager does; its files can be read afterwards."""
        self.launcher.end_child(self.agent, signal.SIGTERM, STOP_SECONDS)
        return {"status": self.agent.returncode}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", required=True, help="the nephoscope binary")
    parser.add_argument("--transport-url", required=True, help="the broker to consume from")
    parser.add_argument("--libvirt-uri", help="the hypervisor whose instances are polled")
    options = parser.parse_args()
    launcher = Launcher("agent", keep_user=True)
    agent = Agent(launcher, options)
    launcher.serve(agent.begin, {"stop": agent.stop})


if __name__ == "__main__":
    main()
