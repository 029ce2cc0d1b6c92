#!/usr/bin/env python3
"""A private memcached on its own port.

    memcached.py [--tls]

With --tls it speaks nothing else, and its clients must show a certificate.

Commands on stdin: stop, start (the port is kept, the contents are not).
"""

import argparse
import signal

import certificates
from launcher import Failure, Launcher, accepts

START_SECONDS = 90
PROGRAM = "/usr/bin/memcached"


class Server:
    def __init__(self, launcher, options):
        self.launcher = launcher
        self.options = options
        self.certificates = {}
        self.port = launcher.ports.take()
        self.log = launcher.path("server.log")
        self.server = None

    def begin(self):
        if self.options.tls:
            self.certificates = certificates.make(self.launcher)
        self.launcher.own()
        return {"port": self.port, "log": self.log, "certificates": self.certificates, **self.start()}

    def start(self):
        if self.server is not None and self.server.poll() is None:
            raise Failure("the server runs already")
        command = [PROGRAM, "-l", "127.0.0.1", "-p", str(self.port), "-U", "0", "-m", "16", "-t", "1"]
        if self.options.tls:
            files = self.certificates
            # 2: a client without a certificate is refused.
            command += ["--enable-ssl", "-o", f"ssl_chain_cert={files['server_certificate']},ssl_key={files['server_key']},"
                        f"ssl_ca_cert={files['ca']},ssl_verify_mode=2"]
        try:
            self.server = self.launcher.spawn(command, "server.log")
        except FileNotFoundError as missing:
            raise Failure("memcached is not installed: run scripts/provision test") from missing
        self.launcher.wait_until("open port", lambda: accepts(self.port), self.server, self.log, START_SECONDS)
        return {"pid": self.server.pid}

    def stop(self):
        self.launcher.end_child(self.server, signal.SIGTERM, 10)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tls", action="store_true", help="with certificates on both sides")
    options = parser.parse_args()
    launcher = Launcher("memcached")
    server = Server(launcher, options)
    launcher.serve(server.begin, {"stop": server.stop, "start": server.start})


if __name__ == "__main__":
    main()
