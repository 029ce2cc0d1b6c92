#!/usr/bin/env python3
"""A private Redis on its own port, without a file on disk.

    redis.py [--password PASSWORD] [--tls]

With --tls it speaks nothing else, and its clients must show a certificate.

Commands on stdin: stop, start (the port is kept, the contents are not).
"""

import argparse
import signal

import certificates
from launcher import Failure, Launcher, accepts

START_SECONDS = 90
PROGRAM = "/usr/bin/redis-server"


class Server:
    def __init__(self, launcher, options):
        self.launcher = launcher
        self.options = options
        self.port = launcher.ports.take()
        self.log = launcher.path("server.log")
        self.server = None
        self.certificates = {}
        # It writes its title over its environment, by whose mark the launcher would find it.
        launcher.stop_signal = signal.SIGTERM

    def begin(self):
        ports = [f"port {self.port}"]
        if self.options.tls:
            files = self.certificates = certificates.make(self.launcher)
            ports = [
                "port 0",
                f"tls-port {self.port}",
                f"tls-cert-file {files['server_certificate']}",
                f"tls-key-file {files['server_key']}",
                f"tls-ca-cert-file {files['ca']}",
                "tls-auth-clients yes",
            ]
        lines = [
            "bind 127.0.0.1",
            *ports,
            f"dir {self.launcher.dir}",
            'save ""',
            "appendonly no",
            "daemonize no",
            *([f"requirepass {self.options.password}"] if self.options.password else []),
        ]
        self.launcher.write("redis.conf", "\n".join(lines) + "\n")
        self.launcher.own()
        return {"port": self.port, "log": self.log, "certificates": self.certificates, **self.start()}

    def start(self):
        if self.server is not None and self.server.poll() is None:
            raise Failure("the server runs already")
        try:
            self.server = self.launcher.spawn([PROGRAM, self.launcher.path("redis.conf")], "server.log")
        except FileNotFoundError as missing:
            raise Failure("Redis is not installed: run scripts/provision test") from missing
        self.launcher.wait_until("open port", lambda: accepts(self.port), self.server, self.log, START_SECONDS)
        return {"pid": self.server.pid}

    def stop(self):
        self.launcher.end_child(self.server, signal.SIGTERM, 10)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--password", help="what clients must give")
    parser.add_argument("--tls", action="store_true", help="with certificates on both sides")
    options = parser.parse_args()
    launcher = Launcher("redis")
    server = Server(launcher, options)
    launcher.serve(server.begin, {"stop": server.stop, "start": server.start})


if __name__ == "__main__":
    main()
