#!/usr/bin/env python3
"""A private Prometheus that takes remote write and scrapes what it is told to.

    prometheus.py [--scrape TARGET_URL …] [--interval 1s] [--out-of-order 1h] [--remote-write URL]

Commands on stdin: kill, stop, start (port and data are kept).
"""

import argparse
import http.client
import os
import signal
import urllib.parse

from launcher import Failure, Launcher

START_SECONDS = 120
PROGRAM = "/usr/bin/prometheus"

GLOBAL = """\
global:
  scrape_interval: {interval}
  scrape_timeout: {interval}
"""
STORAGE = """\
storage:
  tsdb:
    out_of_order_time_window: {window}
"""
WRITE = """\
remote_write:
  - url: {url}
    basic_auth: {{username: admin, password: any}}
    queue_config: {{batch_send_deadline: 500ms}}
"""
JOB = """\
  - job_name: job{number}
    scheme: {scheme}
    metrics_path: {path}
    tls_config:
      insecure_skip_verify: true
    static_configs:
      - targets: ["{target}"]
"""


class Server:
    def __init__(self, launcher, options):
        self.launcher = launcher
        self.options = options
        self.port = launcher.ports.take()
        self.log = launcher.path("server.log")
        self.server = None

    def begin(self):
        text = GLOBAL.format(interval=self.options.interval)
        if self.options.out_of_order:
            text += STORAGE.format(window=self.options.out_of_order)
        if self.options.remote_write:
            text += WRITE.format(url=self.options.remote_write)
        if self.options.scrape:
            text += "scrape_configs:\n"
        for number, url in enumerate(self.options.scrape):
            parts = urllib.parse.urlsplit(url)
            text += JOB.format(number=number, scheme=parts.scheme, path=parts.path or "/metrics", target=parts.netloc)
        self.launcher.write("prometheus.yml", text)
        os.mkdir(self.launcher.path("data"), 0o700)
        self.launcher.own()
        return {"port": self.port, "log": self.log, **self.start()}

    def start(self):
        if self.server is not None and self.server.poll() is None:
            raise Failure("the server runs already")
        command = [
            PROGRAM,
            f"--config.file={self.launcher.path('prometheus.yml')}",
            f"--storage.tsdb.path={self.launcher.path('data')}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--web.enable-remote-write-receiver",
        ]
        try:
            self.server = self.launcher.spawn(command, "server.log")
        except FileNotFoundError as missing:
            raise Failure("Prometheus is not installed: run scripts/provision test") from missing
        self.launcher.wait_until("readiness", self.is_ready, self.server, self.log, START_SECONDS)
        return {"pid": self.server.pid}

    def is_ready(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/-/ready")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def stop(self):
        self.launcher.end_child(self.server, signal.SIGTERM, 20)

    def kill(self):
        self.launcher.end_child(self.server, signal.SIGKILL, 10)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scrape", action="append", default=[], help="URL of something to scrape")
    parser.add_argument("--interval", default="1s", help="how often, and how long an answer may take (%(default)s)")
    parser.add_argument("--out-of-order", help="how old samples may be that come late, for example 1h")
    parser.add_argument("--remote-write", help="URL that everything is written to, as the user admin")
    launcher = Launcher("prometheus")
    server = Server(launcher, parser.parse_args())
    launcher.serve(server.begin, {"stop": server.stop, "kill": server.kill, "start": server.start})


if __name__ == "__main__":
    main()
