#!/usr/bin/env python3
"""Two private Redis, one a replica of the other, under three sentinels.

    sentinels.py [--password PASSWORD]

Commands on stdin: master (its port, as the sentinels say), kill (the master, with -9; the sentinels make the other one master
within seconds), resume (the one that was killed comes back as a replica), silence N, speak N (the sentinel of that number,
from 0, stops to answer, and answers again).
"""

import argparse
import os
import signal
import socket

from launcher import Failure, Launcher, accepts

# Sentinels look at the replicas every ten seconds.
START_SECONDS = 120
ANSWER_SECONDS = 30
PROGRAM = "/usr/bin/redis-server"
SERVICE = "names"
SENTINELS = 3


def ask(port, *words):
    """The lines of a server's answer."""
    with socket.create_connection(("127.0.0.1", port), ANSWER_SECONDS) as connection:
        connection.sendall((" ".join(words) + "\r\n").encode())
        return connection.recv(65536).decode().split("\r\n")


class Servers:
    def __init__(self, launcher, options):
        self.launcher = launcher
        self.options = options
        self.redis = [launcher.ports.take(), launcher.ports.take()]
        self.sentinels = [launcher.ports.take() for _ in range(SENTINELS)]
        self.processes = {}
        # They write their titles over their environment, by whose mark the launcher would find them.
        launcher.stop_signal = signal.SIGTERM

    def begin(self):
        first, second = self.redis
        password = self.options.password
        for port in self.redis:
            lines = ["bind 127.0.0.1", f"port {port}", f"dir {self.launcher.dir}", 'save ""', "appendonly no",
                     # A replica follows as soon as it can.
                     "repl-diskless-sync yes", "repl-diskless-sync-delay 0"]
            if password:
                lines += [f"requirepass {password}", f"masterauth {password}"]
            if port == second:
                lines.append(f"replicaof 127.0.0.1 {first}")
            self.launcher.write(f"redis-{port}.conf", "\n".join(lines) + "\n")
        for port in self.sentinels:
            lines = ["bind 127.0.0.1", f"port {port}", f"dir {self.launcher.dir}",
                     f"sentinel monitor {SERVICE} 127.0.0.1 {first} 2",
                     f"sentinel down-after-milliseconds {SERVICE} 500", f"sentinel failover-timeout {SERVICE} 3000"]
            if password:
                lines.append(f"sentinel auth-pass {SERVICE} {password}")
            self.launcher.write(f"sentinel-{port}.conf", "\n".join(lines) + "\n")
        self.launcher.own()
        for port in self.redis:
            self.start(port, f"redis-{port}.conf")
        for port in self.sentinels:
            self.start(port, f"sentinel-{port}.conf", "--sentinel")
        knows = lambda port: self.state(port, "num-slaves") == "1" and self.state(port, "num-other-sentinels") == "2"
        last = self.sentinels[-1]
        self.launcher.wait_until("sentinels that know each other", lambda: all(map(knows, self.sentinels)),
                                 self.processes[last], self.launcher.path(f"{last}.log"), START_SECONDS)
        return {"sentinels": self.sentinels, "service": SERVICE}

    def start(self, port, config, *arguments):
        try:
            server = self.launcher.spawn([PROGRAM, self.launcher.path(config), *arguments], f"{port}.log")
        except FileNotFoundError as missing:
            raise Failure("Redis is not installed: run scripts/provision test") from missing
        self.processes[port] = server
        self.launcher.wait_until("open port", lambda: accepts(port), server, self.launcher.path(f"{port}.log"),
                                 START_SECONDS)

    @staticmethod
    def state(sentinel, field):
        """A field of what a sentinel knows of the service."""
        lines = ask(sentinel, "SENTINEL", "master", SERVICE)
        return lines[lines.index(field) + 2] if field in lines else None

    def master(self):
        return {"port": int(self.state(self.sentinels[0], "port"))}

    def kill(self):
        port = self.master()["port"]
        self.launcher.end_child(self.processes[port], signal.SIGKILL, 10)
        self.killed = port
        return {"port": port}

    def resume(self):
        # Told at once whose replica it is: sentinels need from 10 s to more than a minute to find an old master out.
        self.start(self.killed, f"redis-{self.killed}.conf", "--replicaof", "127.0.0.1", str(self.master()["port"]))

    def silence(self, number):
        os.kill(self.processes[self.sentinels[int(number)]].pid, signal.SIGSTOP)

    def speak(self, number):
        os.kill(self.processes[self.sentinels[int(number)]].pid, signal.SIGCONT)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--password", help="what clients must give to Redis, though not to the sentinels")
    options = parser.parse_args()
    launcher = Launcher("sentinels")
    servers = Servers(launcher, options)
    launcher.serve(servers.begin, {"master": servers.master, "kill": servers.kill, "resume": servers.resume,
                                   "silence": servers.silence, "speak": servers.speak})


if __name__ == "__main__":
    main()
