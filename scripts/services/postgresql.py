#!/usr/bin/env python3
"""A private PostgreSQL: own port, socket and directory, one account with a random password.

    postgresql.py [--tls] [--setting 'name = value']...

With --tls it speaks TLS, but also without.

Commands on stdin: stop, start, restart, kill (data and port are kept), psql STATEMENT.
"""

import argparse
import glob
import os
import secrets
import signal

import certificates
from launcher import Failure, Launcher

START_SECONDS = 90
STOP_SECONDS = 30
USER = "nephoscope"
DATABASE = "nephoscope"


class Server:
    def __init__(self, launcher, options):
        self.launcher = launcher
        self.options = options
        self.port = launcher.ports.take()
        self.password = secrets.token_hex(12)
        self.log = launcher.path("server.log")
        self.server = None
        # Killed with -9 it would leave its shared memory segment behind; an immediate stop does not.
        launcher.stop_signal = signal.SIGQUIT

    @staticmethod
    def program(name):
        found = sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"), key=lambda path: int(path.split("/")[4]))
        if not found:
            raise Failure("PostgreSQL is not installed: run scripts/provision test")
        return found[-1]

    def begin(self):
        launcher = self.launcher
        files = certificates.make(launcher) if self.options.tls else {}
        launcher.write("password", self.password + "\n")
        os.mkdir(launcher.path("socket"), 0o700)
        launcher.own()
        launcher.run(
            [self.program("initdb"), "--pgdata", launcher.path("data"), "--username", USER, "--encoding", "UTF8",
             "--locale", "C.UTF-8", "--auth", "scram-sha-256", "--pwfile", launcher.path("password"), "--no-sync"]
        )  # fmt: skip
        settings = [
            f"port = {self.port}",
            "listen_addresses = '127.0.0.1'",
            f"unix_socket_directories = '{launcher.path('socket')}'",
            "shared_buffers = 16MB",
            "max_connections = 60",
            # No file under /dev/shm, which a kill would leave behind.
            "dynamic_shared_memory_type = mmap",
            # A killed server loses nothing without fsync; only a machine that loses power would.
            "fsync = off",
            "jit = off",
            "timezone = 'UTC'",
            "log_timezone = 'UTC'",
            *self.options.setting,
        ]
        if files:
            settings += [
                "ssl = on",
                f"ssl_cert_file = '{files['server_certificate']}'",
                f"ssl_key_file = '{files['server_key']}'",
            ]
        with open(launcher.path("data", "postgresql.conf"), "a", encoding="utf-8") as file:
            file.write("\n".join(settings) + "\n")
        started = self.start()
        self.psql(f"CREATE DATABASE {DATABASE}", database="postgres")
        return {
            "port": self.port,
            "user": USER,
            "password": self.password,
            "database": DATABASE,
            "socket_dir": launcher.path("socket"),
            "log": self.log,
            "certificates": files,
            **started,
        }

    def start(self):
        if self.server is not None and self.server.poll() is None:
            raise Failure("the server runs already")
        self.server = self.launcher.spawn(
            [self.program("postgres"), "-D", self.launcher.path("data")], "server.log"
        )
        self.launcher.wait_until("ready server", self.ready, self.server, self.log, START_SECONDS)
        return {"pid": self.server.pid}

    def ready(self):
        try:
            self.psql("SELECT 1", database="postgres")
        except Failure:
            return False
        return True

    def psql(self, statement, database=DATABASE):
        """Runs SQL and returns the rows, unaligned, one a line."""
        command = [
            self.program("psql"), "--no-psqlrc", "--quiet", "--tuples-only", "--no-align",
            "--set", "ON_ERROR_STOP=1", "--host", "127.0.0.1", "--port", str(self.port), "--username", USER,
            "--dbname", database, "--command", statement,
        ]  # fmt: skip
        environment = {"PGPASSWORD": self.password, "PGCONNECT_TIMEOUT": "10"}
        return {"rows": self.launcher.run(command, environment).splitlines()}

    def stop(self):
        """A fast stop: sessions are ended, everything is written."""
        if self.server.poll() is None:
            self.server.send_signal(signal.SIGINT)
            try:
                self.server.wait(STOP_SECONDS)
            except Exception as late:
                raise Failure(f"the server did not stop within {STOP_SECONDS} s") from late
        self.launcher.end_child(self.server, signal.SIGKILL, 10)

    def kill(self):
        """An immediate stop: sessions are cut and the next start recovers from the log."""
        self.launcher.end_child(self.server, signal.SIGQUIT, 20)

    def restart(self):
        self.stop()
        return self.start()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--setting", action="append", default=[], help="a line for postgresql.conf")
    parser.add_argument("--tls", action="store_true", help="with a certificate")
    options = parser.parse_args()
    launcher = Launcher("postgresql")
    server = Server(launcher, options)
    launcher.serve(
        server.begin,
        {
            "stop": server.stop,
            "start": server.start,
            "restart": server.restart,
            "kill": server.kill,
            "psql": server.psql,
        },
    )


if __name__ == "__main__":
    main()
