"""The owner's side of a launcher, for scripts: start one, send it commands, end it."""

import json
import os
import subprocess
import sys

from launcher import Failure

HERE = os.path.dirname(os.path.abspath(__file__))
END_SECONDS = 40


class Fixture:
    """A started launcher. Its report's entries are attributes: `fixture["port"]`."""

    def __init__(self, name, *arguments):
        self.name = name
        # A session of its own: Ctrl-C is for the owner, whose end then ends the launcher through the pipe.
        self._process = subprocess.Popen(
            [sys.executable, "-B", os.path.join(HERE, f"{name}.py"), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._report = None

    @property
    def pid(self):
        """The launcher, whose children the services are."""
        return self._process.pid

    def ready(self):
        """Waits until the service is up; several may start at once and be waited for afterwards."""
        if self._report is None:
            self._report = self._answer()
        return self

    def __getitem__(self, name):
        return self.ready()._report[name]

    def command(self, line):
        """Sends one command and returns its answer."""
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self):
        line = self._process.stdout.readline()
        answer = json.loads(line) if line else {"ok": False, "error": "the launcher has ended"}
        if not answer["ok"]:
            raise Failure(f"{self.name}: {answer['error']}")
        return answer

    def close(self):
        """Begins the end; `wait` awaits it."""
        try:
            self._process.stdin.close()
        except BrokenPipeError:
            pass

    def wait(self):
        """Waits until everything is stopped and removed."""
        self.close()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
