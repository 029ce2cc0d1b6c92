"""Figures, what is held of them, and their table in docs/benchmarks.md."""

import os
import platform
import re
import subprocess
import time

BEGIN = "<!-- figures: begin (scripts/bench writes what follows) -->"
END = "<!-- figures: end -->"


class Report:
    """Figures as they come: each is printed at once, and kept for the table."""

    def __init__(self):
        self._rows = []
        self.missed = []

    def figure(self, what, value, unit="", digits=0, at_least=None, at_most=None):
        """Adds one figure; with a bound, it is held to it."""
        shown = f"{value:,.{digits}f}".replace(",", " ") + (f" {unit}" if unit else "")
        held, holds = "", ""
        if at_least is not None or at_most is not None:
            fine = value >= at_least if at_least is not None else value <= at_most
            bound = f"≥ {at_least:g}" if at_least is not None else f"≤ {at_most:g}"
            held, holds = bound + (f" {unit}" if unit else ""), "yes" if fine else "**no**"
            if not fine:
                self.missed.append(f"{what}: {shown}, held is {held}")
        self._rows.append((what, shown, held, holds))
        verdict = f"   held {held}: {holds.strip('*')}" if held else ""
        print(f"  {what:<72} {shown:>18}{verdict}", flush=True)

    def table(self):
        head = ["| What | Figure | Held | Holds |", "|---|---:|---:|---|"]
        return "\n".join(head + [f"| {' | '.join(row)} |" for row in self._rows])

    def record(self, path, command, surroundings):
        """Replaces what stands between the markers of the page."""
        with open(path, encoding="utf-8") as page:
            text = page.read()
        before, begin, rest = text.partition(BEGIN)
        _, end, after = rest.partition(END)
        if not begin or not end:
            raise ValueError(f"{path} has no place for figures: write {BEGIN} and {END} into it")
        facts = "\n".join(f"- {name}: {value}" for name, value in surroundings)
        body = f"\n\nCommand: `{command}`\n\n{facts}\n\n{self.table()}\n\n"
        with open(f"{path}.new", "w", encoding="utf-8") as page:
            page.write(before + BEGIN + body + END + after)
        os.replace(f"{path}.new", path)


def surroundings(stage, root, built):
    """What figures depend on, as names and values; `built` by this run from the sources that are here."""
    with open("/proc/cpuinfo", encoding="utf-8") as cpu:
        model = re.search(r"model name\s*: (.*)", cpu.read())
    version = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=root, capture_output=True, text=True)
    rust = subprocess.run(["rustc", "--version"], cwd=root, capture_output=True, text=True)
    with open("/proc/loadavg", encoding="utf-8") as load:
        load = load.read().split()[0]
    yield "date", time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    yield "machine", f"{os.cpu_count()} cores, {model[1] if model else platform.machine()}, {platform.system()} {platform.release()}"
    yield "load average when the run began", load
    if built:
        yield "version", version.stdout.strip() or "unknown"
        yield "built by", f"{rust.stdout.strip()}, profile dist, which packages ship"
    else:
        yield "version", "unknown: programs of an earlier build (--no-build)"
    yield "broker", f"RabbitMQ {stage.evaluate('list_to_binary(rabbit_misc:version()).')}, on the same machine"
    yield "files on", file_system(stage.folder)


def file_system(path):
    """The kind of file system that holds a path: syncs cost nothing on some."""
    best = ("", "unknown")
    with open("/proc/mounts", encoding="utf-8") as mounts:
        for line in mounts:
            _, place, kind, *_ = line.split()
            if (path + "/").startswith(place.rstrip("/") + "/") and len(place) >= len(best[0]):
                best = (place, kind)
    return best[1]
