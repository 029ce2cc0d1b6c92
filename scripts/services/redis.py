#!/usr/bin/env python3
"""A private Redis on its own port, without a file on disk.

    redis.py [--password PASSWORD]

Commands on stdin: stop, start (the port is kept, the contents are not).
"""

import argparse
import signal

from launcher import Failure, Launcher, accepts

START_SECONDS = 30
PROGRAM = "/usr/bin/redis-server"


class Server:
    def __init__(self, launcher, options):
        self.launcher = launcher
        self.options = options
        self.port = launcher.ports.take()
        self.log = launcher.path("server.log")
        self.server = None
        # It writes its title over its environment, by whose mark the launcher would find it.
        launcher.stop_signal = signal.SIGTERM

    def begin(self):
        lines = [
            "bind 127.0.0.1",
            f"port {self.port}",
            f"dir {self.launcher.dir}",
            'save ""',
            "appendonly no",
            "daemonize no",
            *([f"requirepass {self.options.password}"] if self.options.password else []),
        ]
        self.launcher.write("redis.conf", "\n".join(lines) + "\n")
        self.launcher.own()
        return {"port": self.port, "log": self.log, **self.start()}

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
    options = parser.parse_args()
    launcher = Launcher("redis")
    server = Server(launcher, options)
    launcher.serve(server.begin, {"stop": server.stop, "start": server.start})


if __name__ == "__main__":
    main()
