#!/usr/bin/env python3
"""A private RabbitMQ: own ports, directory, node name, cookie and port mapper; several run side by side.

    rabbitmq.py [--tls] [--plugin NAME]... [--setting 'key = value']...

Commands on stdin: stop, start, restart, kill (data and ports are kept), ctl ARGUMENT...
"""

import argparse
import os
import secrets
import signal
import socket
import struct

import certificates
from launcher import Failure, Launcher, accepts

SCRIPTS = "/usr/lib/rabbitmq/bin"
START_SECONDS = 90
STOP_SECONDS = 60
HERE = os.path.dirname(os.path.abspath(__file__))


class Broker:
    def __init__(self, launcher, options):
        self.launcher = launcher
        self.options = options
        self.node = f"rabbit-{secrets.token_hex(4)}@localhost"
        self.port, self.tls_port, self.epmd_port, self.dist_port = (launcher.ports.take() for _ in range(4))
        self.control = launcher.path("control")
        self.log = launcher.path("server.log")
        self.server = None
        self.certificates = {}

    def environment(self):
        at = self.launcher.path
        return {
            "ERL_EPMD_PORT": str(self.epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_CRASH_DUMP_BYTES": "0",
            "RABBITMQ_NODENAME": self.node,
            "RABBITMQ_USE_LONGNAME": "false",
            "RABBITMQ_CONF_ENV_FILE": at("no-environment-file"),
            "RABBITMQ_CONFIG_FILE": at("rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": at("advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": at("enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": at("data"),
            "RABBITMQ_GENERATED_CONFIG_DIR": at("generated"),
            "RABBITMQ_LOG_BASE": at("log"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_DIST_PORT": str(self.dist_port),
            # The command line tools' own listening port: any free one, as many run at once.
            "RABBITMQ_CTL_DIST_PORT_MIN": "0",
            "RABBITMQ_CTL_DIST_PORT_MAX": "0",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"-eval file:eval(\"{at('control.erl')}\")",
            # Makes the start script become the virtual machine instead of minding it.
            "detached": "true",
        }

    def configure(self):
        launcher = self.launcher
        lines = [
            f"listeners.tcp.1 = 127.0.0.1:{self.port}",
            "num_acceptors.tcp = 2",
            "log.console = true",
            "log.console.level = info",
            # The default preallocates half a gigabyte for each quorum queue log.
            "raft.wal_max_size_bytes = 33554432",
            "disk_free_limit.absolute = 20MB",
        ]
        plugins = list(self.options.plugin)
        if self.options.tls:
            self.certificates = certificates.make(launcher)
            plugins.append("rabbitmq_auth_mechanism_ssl")
            lines += [
                f"listeners.ssl.1 = 127.0.0.1:{self.tls_port}",
                "num_acceptors.ssl = 2",
                f"ssl_options.cacertfile = {self.certificates['ca']}",
                f"ssl_options.certfile = {self.certificates['server_certificate']}",
                f"ssl_options.keyfile = {self.certificates['server_key']}",
                "ssl_options.verify = verify_peer",
                f"ssl_options.fail_if_no_peer_cert = {'true' if self.options.require_client else 'false'}",
                "auth_mechanisms.1 = PLAIN",
                "auth_mechanisms.2 = AMQPLAIN",
                "auth_mechanisms.3 = EXTERNAL",
                "ssl_cert_login_from = common_name",
            ]
        launcher.write("rabbitmq.conf", "\n".join(lines + self.options.setting) + "\n")
        launcher.write("advanced.config", "[].\n")
        launcher.write("enabled_plugins", f"[{','.join(plugins)}].\n")
        launcher.write(".erlang.cookie", secrets.token_hex(16), 0o400)
        with open(os.path.join(HERE, "control.erl"), encoding="utf-8") as source:
            launcher.write("control.erl", f'Path = "{self.control}".\n' + source.read())
        for folder in ("data", "log", "generated"):
            os.mkdir(launcher.path(folder), 0o700)
        launcher.own()

    def begin(self):
        if not os.access(f"{SCRIPTS}/rabbitmq-server", os.X_OK):
            raise Failure("rabbitmq-server is not installed: run scripts/provision test")
        self.configure()
        epmd = next(
            (
                path
                for folder in sorted(os.listdir("/usr/lib/erlang"))
                if os.access(path := f"/usr/lib/erlang/{folder}/bin/epmd", os.X_OK)
            ),
            "/usr/bin/epmd",
        )
        mapper = self.launcher.spawn(
            [epmd, "-port", str(self.epmd_port), "-address", "127.0.0.1"], "epmd.log", self.environment()
        )
        self.launcher.wait_until(
            "port mapper", lambda: accepts(self.epmd_port), mapper, self.launcher.path("epmd.log"), START_SECONDS
        )
        self.start()
        return {
            "port": self.port,
            "tls_port": self.tls_port if self.options.tls else None,
            "control": self.control,
            "node": self.node,
            "epmd_port": self.epmd_port,
            "dist_port": self.dist_port,
            "pid": self.server.pid,
            "log": self.log,
            "environment": self.launcher.environment(self.environment()),
            "certificates": self.certificates,
        }

    def start(self):
        if self.server is not None and self.server.poll() is None:
            raise Failure("the broker runs already")
        if os.path.exists(self.control):
            os.unlink(self.control)
        self.server = self.launcher.spawn([f"{SCRIPTS}/rabbitmq-server"], "server.log", self.environment())
        self.launcher.wait_until("ready broker", self.ready, self.server, self.log, START_SECONDS)
        return {"pid": self.server.pid}

    def ready(self):
        try:
            return self.evaluate("rabbit:is_running().") == "true" and accepts(self.port)
        except (OSError, Failure):
            # Nobody listens yet, or parts of the virtual machine do not answer yet.
            return False

    def evaluate(self, expressions):
        """Asks the control socket inside the broker (control.erl)."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as control:
            control.settimeout(30)
            control.connect(self.control)
            data = expressions.encode()
            control.sendall(struct.pack(">I", len(data)) + data)
            answer = b""
            while len(answer) < 4 or len(answer) < 4 + struct.unpack(">I", answer[:4])[0]:
                part = control.recv(65536)
                if not part:
                    raise OSError("the broker closed its control socket")
                answer += part
        status, _, text = answer[4:].decode("utf-8", "replace").partition(" ")
        if status != "ok":
            raise Failure(text)
        return text

    def stop(self):
        """An orderly stop: the broker writes everything and leaves."""
        if self.server.poll() is None:
            self.evaluate("spawn(fun() -> init:stop() end).")
            try:
                self.server.wait(STOP_SECONDS)
            except Exception as late:
                raise Failure(f"the broker did not stop within {STOP_SECONDS} s") from late
        self.launcher.end_child(self.server, signal.SIGKILL, 10)

    def kill(self):
        """kill -9: what the broker had not synced is lost, as in a power cut of the process."""
        self.launcher.end_child(self.server, signal.SIGKILL, 10)

    def restart(self):
        self.stop()
        return self.start()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tls", action="store_true", help="adds a TLS listener with its own authority")
    parser.add_argument("--require-client", action="store_true", help="TLS clients must show a certificate")
    parser.add_argument("--plugin", action="append", default=[], help="a plugin to enable")
    parser.add_argument("--setting", action="append", default=[], help="a line for rabbitmq.conf")
    options = parser.parse_args()
    launcher = Launcher("rabbitmq")
    broker = Broker(launcher, options)
    launcher.serve(
        broker.begin,
        {"stop": broker.stop, "start": broker.start, "restart": broker.restart, "kill": broker.kill},
    )


if __name__ == "__main__":
    main()
