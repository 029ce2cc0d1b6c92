"""Asks our server and a real Gnocchi the same: first a table of what is of interest one by one, then at random.

    compare.py --ours ADDRESS --indexer URL --directory EMPTY --seed N [--any-seed] [--questions N]

With --any-seed an expected difference need not occur. Prints how much was compared, and what differs.
"""

import argparse
import random
import sys
import time

import cases
from judge import Judge
from ours import Server
from theirs import Gnocchi
from world import World

QUESTIONS = 1_840
# Those, and those of the table; a world of so many questions that compares fewer has lost some.
AT_LEAST = 2_000
# Our server in the test has pages of so many.
MAX_LIMIT = 50


def new_ids(before, after):
    """Ids of metrics that were not there, by resource and name, in any order."""
    found = {}
    for key, metric in after.items():
        if key not in before:
            found.setdefault((str(metric["resource_id"]), metric["name"]), []).append(key)
    return found


def may_make_metrics(question):
    return question.method in ("POST", "PATCH", "DELETE") and question.path.startswith(("/v1/metric", "/v1/resource/", "/v1/batch/resources", "/v1/influxdb"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ours", required=True)
    parser.add_argument("--indexer", required=True)
    parser.add_argument("--directory", required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--questions", type=int, default=QUESTIONS)
    parser.add_argument("--any-seed", action="store_true")
    given = parser.parse_args()
    begin = time.monotonic()
    gnocchi, server, judge = Gnocchi(given.indexer, given.directory, MAX_LIMIT), Server(given.ours), Judge()
    world = World(random.Random(given.seed))
    known, seconds = {}, [0.0, 0.0]
    started = time.monotonic() - begin

    def both(question):
        nonlocal known
        start = time.monotonic()
        ours = server.ask(question)
        listed = server.metrics(question.now) if may_make_metrics(question) else None
        middle = time.monotonic()
        theirs = gnocchi.ask(question, new_ids(known, listed or known))
        seconds[0] += middle - start
        seconds[1] += time.monotonic() - middle
        judge.compare(question, ours, theirs)
        known = listed if listed is not None else known
        world.learn(question, *ours, listed)

    for number in range(given.questions):
        both(world.next(number))
    for question in cases.questions(world):
        both(question)
    print(f"seed {given.seed}: started in {started:.1f} s, ours {seconds[0]:.1f} s, gnocchi {seconds[1]:.1f} s")
    sys.exit(judge.finish(AT_LEAST if given.questions >= QUESTIONS else given.questions, given.any_seed))


if __name__ == "__main__":
    main()
