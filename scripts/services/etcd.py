#!/usr/bin/env python3
"""A private etcd of one member, on its own ports and directory.

    etcd.py [--tls] [--accounts]

With --tls it speaks nothing else to clients, and they must show a certificate. With --accounts it answers those alone who
have one: `agents` with the password `a:pass@word` may read and write below tooz/groups/, `root` with `root` everything.

Commands on stdin: stop, start, kill (data and port are kept), put {"key": HEX, "value": HEX}.
"""

import argparse
import base64
import json
import signal
import ssl
import urllib.error
import urllib.request

import certificates
from launcher import Failure, Launcher

START_SECONDS = 120
CALL_SECONDS = 60
PROGRAM = "/usr/bin/etcd"
# Its gateway is a client of it, with the server's certificate.
USAGE = "serverAuth,clientAuth"


class Server:
    def __init__(self, launcher, options):
        self.launcher = launcher
        self.options = options
        self.port = launcher.ports.take()
        self.peer_port = launcher.ports.take()
        self.log = launcher.path("server.log")
        self.server = None
        self.certificates = {}
        self.tls = None

    def begin(self):
        if self.options.tls:
            files = self.certificates = certificates.make(self.launcher, USAGE)
            self.tls = ssl.create_default_context(cafile=files["ca"])
            self.tls.load_cert_chain(files["client_certificate"], files["client_key"])
        self.launcher.own()
        started = self.start()
        if self.options.accounts:
            self.make_accounts()
        return {"port": self.port, "log": self.log, "certificates": self.certificates, **started}

    def make_accounts(self):
        for role, start, end in [("root", None, None), ("agents", b"tooz/groups/", b"tooz/groups0")]:
            self.call("auth/role/add", {"name": role})
            if start:
                pair = {"key": base64.b64encode(start).decode(), "range_end": base64.b64encode(end).decode()}
                self.call("auth/role/grant", {"name": role, "perm": {"permType": "READWRITE", **pair}})
        for user, password in [("root", "root"), ("agents", "a:pass@word")]:
            self.call("auth/user/add", {"name": user, "password": password})
            self.call("auth/user/grant", {"user": user, "role": user})
        self.call("auth/enable", {})

    @property
    def address(self):
        return f"{'https' if self.options.tls else 'http'}://127.0.0.1:{self.port}"

    def start(self):
        if self.server is not None and self.server.poll() is None:
            raise Failure("the server runs already")
        peer = f"http://127.0.0.1:{self.peer_port}"
        files = self.certificates
        tls = [
            "--cert-file", files["server_certificate"], "--key-file", files["server_key"],
            "--trusted-ca-file", files["ca"], "--client-cert-auth",
        ] if files else []  # fmt: skip
        command = [
            PROGRAM, "--name", "one", "--data-dir", self.launcher.path("data"),
            "--listen-client-urls", self.address, "--advertise-client-urls", self.address,
            "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", f"one={peer}",
            # Leases are not shorter than one and a half elections.
            "--heartbeat-interval", "50", "--election-timeout", "500", *tls,
        ]  # fmt: skip
        try:
            self.server = self.launcher.spawn(command, "server.log")
        except FileNotFoundError as missing:
            raise Failure("etcd is not installed: run scripts/provision test") from missing
        self.launcher.wait_until("health", self.is_healthy, self.server, self.log, START_SECONDS)
        return {"pid": self.server.pid}

    def is_healthy(self):
        try:
            return json.loads(self.get("/health")).get("health") == "true"
        except (OSError, ValueError):
            return False

    def get(self, path, body=None):
        request = urllib.request.Request(self.address + path, data=body)
        # Never by the environment's proxy.
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=self.tls)
        )
        with opener.open(request, timeout=CALL_SECONDS) as response:
            return response.read()

    def put(self, argument):
        """Writes a pair of any bytes."""
        pair = {name: base64.b64encode(bytes.fromhex(text)).decode() for name, text in json.loads(argument).items()}
        self.call("kv/put", pair)

    def call(self, name, request):
        try:
            self.get(f"/v3/{name}", json.dumps(request).encode())
        except urllib.error.HTTPError as error:
            raise Failure(f"{name}: {error}: {error.read()!r}") from error

    def stop(self):
        self.launcher.end_child(self.server, signal.SIGTERM, 20)

    def kill(self):
        self.launcher.end_child(self.server, signal.SIGKILL, 10)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tls", action="store_true", help="with certificates on both sides")
    parser.add_argument("--accounts", action="store_true", help="with users, passwords and roles")
    options = parser.parse_args()
    launcher = Launcher("etcd")
    server = Server(launcher, options)
    launcher.serve(
        server.begin, {"stop": server.stop, "start": server.start, "kill": server.kill, "put": server.put}
    )


if __name__ == "__main__":
    main()
