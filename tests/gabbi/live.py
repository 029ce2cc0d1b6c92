#!/usr/bin/env python3
"""Runs Gnocchi's own gabbi files against a server of ours.

    live.py [--postgresql] [--only RE] [--json FILE] [-v] COMMAND…

The files are those of the installed package `gnocchi` (gnocchi/tests/functional/gabbits). Each of them wants an empty
server; so for each, the command is started and stopped afterwards. In its words `{directory}` stands for an empty
directory, `{port}` for the port that it must listen on, `{file}` for a name that no other file has, and `{index}` for nothing,
or with --postgresql for the URL of an empty database of a private PostgreSQL.

Prints a line for each file, the names of the tests that failed (with -v: why), and last `N passed, N failed`. An
expected failure passes, an unexpected success fails. The files want requests without an Accept header; gabbi 4 sends one, so
it is made empty, which means the same.
"""
import argparse
import importlib.util
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import types
import unittest

import yaml
from gabbi import fixture, handlers, suitemaker

START_SECONDS = 60


class AnyNan(yaml.YAMLObject):
    """The tag !AssertNAN: equal to every NaN."""

    def __eq__(self, other):
        return isinstance(other, float) and other != other

    def __repr__(self):
        return "NaN"


yaml.add_constructor("!AssertNAN", lambda loader, node: AnyNan(), Loader=yaml.FullLoader)


class ConfigFixture(fixture.GabbiFixture):
    """What the files ask for; the server is empty already."""

    def start_fixture(self):
        pass

    def stop_fixture(self):
        pass


def listens(process, port):
    """Whether this very process listens on the port: another one may have taken it since it was found free."""
    rows = [line.split() for line in pathlib.Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]]
    sockets = {f"socket:[{row[9]}]" for row in rows if row[3] == "0A" and row[1].endswith(f":{port:04X}")}
    try:
        files = pathlib.Path(f"/proc/{process}/fd").iterdir()
        return any(os.readlink(file) in sockets for file in files)
    except OSError:
        return False


class PostgreSql:
    """A private PostgreSQL, and one database after the other."""

    def __init__(self):
        launcher = pathlib.Path(__file__).parents[2] / "scripts" / "services" / "postgresql.py"
        self.process = subprocess.Popen([sys.executable, "-B", launcher], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.report = self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        answer = json.loads(line or '{"ok": false, "error": "the launcher ended"}')
        if not answer["ok"]:
            raise SystemExit(f"PostgreSQL: {answer['error']}")
        return answer

    def database(self, name):
        self.process.stdin.write(f"psql CREATE DATABASE {name}\n")
        self.process.stdin.flush()
        self.answer()
        return "postgresql://{user}:{password}@127.0.0.1:{port}/".format(**self.report) + name

    def stop(self):
        self.process.stdin.close()
        self.process.wait()


class Server:
    """A server on an empty directory."""

    def __init__(self, command, name, postgresql):
        self.directory = tempfile.TemporaryDirectory(prefix="gabbi-")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        words = {"directory": self.directory.name, "port": str(self.port), "file": re.sub(r"\W", "_", name)}
        words["index"] = postgresql.database("gabbi_" + words["file"]) if postgresql else ""
        arguments = [re.sub(r"\{(directory|port|file|index)\}", lambda found: words[found[1]], word) for word in command]
        self.process = subprocess.Popen(arguments)
        deadline = time.monotonic() + START_SECONDS
        while True:
            if listens(self.process.pid, self.port):
                return
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise SystemExit(f"the server did not start for {name}")
            time.sleep(0.02)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.directory.cleanup()


class Outcome(unittest.TestResult):
    """The last outcome of each test: one that others build on runs for each of them."""

    def __init__(self):
        super().__init__()
        self.outcomes = {}

    def note(self, test, passed, why=""):
        name = getattr(test, "test_data", {}).get("name", str(test))
        self.outcomes[id(test)] = (name, passed, why)

    def addSuccess(self, test):
        self.note(test, True)

    def addExpectedFailure(self, test, err):
        self.note(test, True)

    def addUnexpectedSuccess(self, test):
        self.note(test, False, "it passed, though a failure is expected")

    def addFailure(self, test, err):
        self.note(test, False, self._exc_info_to_string(err, test))

    def addError(self, test, err):
        self.note(test, False, self._exc_info_to_string(err, test))

    def addSkip(self, test, reason):
        self.note(test, False, f"skipped: {reason}")


def gabbits():
    package = importlib.util.find_spec("gnocchi")
    if package is None:
        raise SystemExit("gnocchi is not installed; scripts/provision test installs it")
    return pathlib.Path(package.origin).parent / "tests" / "functional" / "gabbits"


def run(path, port):
    with open(path, encoding="utf-8") as file:
        described = yaml.load(file, Loader=yaml.FullLoader)
    described.setdefault("defaults", {}).setdefault("request_headers", {}).setdefault("accept", "")
    fixtures = types.ModuleType("fixtures")
    fixtures.ConfigFixture = ConfigFixture
    suite = suitemaker.test_suite_from_dict(
        unittest.TestLoader(), path.stem, described, str(path.parent), "127.0.0.1", port, fixtures, None,
        prefix="/gnocchi", handlers=[handler() for handler in handlers.RESPONSE_HANDLERS])
    outcome = Outcome()
    suite.run(outcome)
    return list(outcome.outcomes.values())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--postgresql", action="store_true", help="start one for {index}")
    parser.add_argument("--only", help="regular expression of file names")
    parser.add_argument("--json", help="file for every outcome")
    parser.add_argument("-v", "--verbose", action="store_true", help="say why a test failed")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    given = parser.parse_args()
    all_outcomes, passed, failed = {}, 0, 0
    postgresql = PostgreSql() if given.postgresql else None
    for path in sorted(gabbits().glob("*.yaml")):
        if given.only and not re.search(given.only, path.stem):
            continue
        server = Server(given.command, path.stem, postgresql)
        try:
            outcomes = run(path, server.port)
        finally:
            server.stop()
        good = sum(1 for _, is_good, _ in outcomes if is_good)
        passed, failed = passed + good, failed + len(outcomes) - good
        all_outcomes[path.stem] = outcomes
        print(f"{path.stem:32} {good:3} passed, {len(outcomes) - good:3} failed", flush=True)
        for name, is_good, why in outcomes:
            if not is_good:
                print(f"    {name}")
                if given.verbose:
                    print("        " + "\n        ".join(why.strip().splitlines()[-12:]))
    if postgresql:
        postgresql.stop()
    if given.json:
        pathlib.Path(given.json).write_text(json.dumps(all_outcomes, indent=1), encoding="utf-8")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
