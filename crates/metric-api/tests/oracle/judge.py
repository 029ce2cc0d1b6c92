"""Holds two answers against each other, and differences against those that are expected."""

import json
import math
import pathlib
import re
from urllib.parse import parse_qsl

HERE = pathlib.Path(__file__).parent
SHOWN, OF_A_KIND, DETAIL = 80, 2, 700
HEADERS = ("content-type", "location", "link", "etag", "last-modified", "allow")
# Which of these comes first is not defined.
SETS = ("aggregation_methods", "references")
REVISION = re.compile(r"%40[0-9]+")
RANDOM = re.compile(r"rt_[0-9a-f]{32}")


def normalised(question, value, key=None):
    """Without the order of what has none."""
    if isinstance(value, dict):
        # Metrics by name have no order, nor has what a revision says of itself.
        is_set = key == "metrics" or "revision_end" in value or question.path.startswith("/v1/aggregates")
        names = sorted(value) if is_set else value
        return {name: normalised(question, value[name], name) for name in names}
    if isinstance(value, list):
        items = [normalised(question, item) for item in value]
        return sorted(items, key=json.dumps) if key in SETS else items
    return value


def body_of(question, headers, text):
    if headers.get("content-type") != "application/json" or not text:
        return RANDOM.sub("rt_", text)
    value = normalised(question, json.loads(text))
    path = re.sub("/+", "/", question.path)
    is_set = path.startswith("/v1/archive_policy") and isinstance(value, list) and "rule" not in path
    is_set |= question.label == "metrics of a resource" and question.method == "POST" and isinstance(value, list)
    # Gnocchi fetches them again, in any order.
    is_set |= "details=" in question.path and "/resource/" in question.path and isinstance(value, list)
    return sorted(value, key=json.dumps) if is_set else value


def headers_of(headers, text):
    """Those that clients go by. What an empty body would be of is of no interest."""
    kept = {name: headers.get(name) for name in HEADERS if name != "content-type" or text}
    # Revisions are numbered, and PostgreSQL leaves out the numbers of what was undone.
    kept["link"] = kept["link"] and REVISION.sub("%40", kept["link"])
    return kept


def without_body(question, link):
    """The address of a next page, without what Gnocchi takes from the request's body."""
    address, _, query = link.partition(">")[0].partition("?")
    asked = {name for name, _ in parse_qsl(question.path.partition("?")[2], keep_blank_values=True)}
    kept = [part for part in parse_qsl(query, keep_blank_values=True) if part[0] in asked | {"limit", "marker", "sort"}]
    return address, kept


class Judge:
    def __init__(self):
        self.rules = json.loads((HERE / "expected_differences.json").read_text(encoding="utf-8"))
        documented = (HERE.parents[3] / "docs/differences.md").read_text(encoding="utf-8").splitlines()
        for name, rule in self.rules.items():
            if len(rule["reason"]) <= 20:
                raise SystemExit(f"{name}: no reason")
            rows = sum(1 for line in documented if line.startswith("| " + rule["see"]))
            if "see" in rule and rows != 1:
                raise SystemExit(f"{name}: {rows} rows of docs/differences.md begin with {rule['see']!r}")
        self.used, self.unexpected, self.kinds, self.compared = {}, [], {}, 0

    def use(self, name):
        if name not in self.rules:
            raise SystemExit(f"{name} is no expected difference")
        self.used[name] = self.used.get(name, 0) + 1
        return True

    def same(self, question, ours, theirs):
        """Whether two parts of bodies are equal, apart from what is expected."""
        if isinstance(ours, float) and isinstance(theirs, float):
            return self.same_number(question, ours, theirs)
        if isinstance(ours, float) and type(theirs) is int and question.method in ("PATCH", "POST"):
            return ours == theirs and self.use("number_as_given")
        if isinstance(ours, dict) and isinstance(theirs, dict):
            return list(ours) == list(theirs) and all(self.same(question, ours[name], theirs[name]) for name in ours)
        if isinstance(ours, list) and isinstance(theirs, list):
            return len(ours) == len(theirs) and all(map(lambda pair: self.same(question, *pair), zip(ours, theirs)))
        return type(ours) is type(theirs) and ours == theirs

    def same_number(self, question, ours, theirs):
        if math.isnan(ours) or math.isnan(theirs):
            return math.isnan(ours) and math.isnan(theirs)
        if ours == theirs:
            # Zeros of either sign: which one a sort leaves first is not defined.
            return True
        asked = question.path + (question.body or "")
        close = math.isclose(ours, theirs, rel_tol=1e-9, abs_tol=1e-9) or abs(ours - theirs) < 1e-9 * 1e300
        return "pct" in asked and close and self.use("percentile_positions")

    def headers_differ(self, question, ours, theirs):
        for name in HEADERS:
            if ours.get(name) == theirs.get(name):
                continue
            # Which of them comes last is not defined there either.
            if name == "link" and "details=" in question.path and "/resource/" in question.path and ours.get(name) and theirs.get(name):
                continue
            if name == "link" and question.method == "POST" and ours.get(name) and theirs.get(name):
                if without_body(question, ours[name]) == without_body(question, theirs[name]) and self.use("link_of_search"):
                    continue
            return name
        return None

    def compare(self, question, ours, theirs):
        self.compared += 1
        (status, headers, text), (their_status, their_headers, their_text) = ours, theirs
        problem = None
        if status != their_status:
            problem = "status"
        elif name := self.headers_differ(question, headers_of(headers, text), headers_of(their_headers, their_text)):
            problem = name
        elif not self.same(question, body_of(question, headers, text), body_of(question, their_headers, their_text)):
            problem = "body"
        if problem is None:
            return
        said = [f"{status} {text}", f"{their_status} {their_text}"]
        if problem not in ("status", "body"):
            said = [f"{status} {problem}={headers.get(problem)}", f"{their_status} {problem}={their_headers.get(problem)}"]
        for name, rule in self.rules.items():
            if "label" in rule and re.fullmatch(rule["label"], question.label) and re.search(rule.get("asked", ""), f"{question.path} {question.body}"):
                if re.match(rule["ours"], said[0], re.S) and re.match(rule["upstream"], said[1], re.S):
                    self.use(name)
                    return
        asked = f"{question.method} {question.path} {(question.body or '')[:DETAIL]} {question.headers}"
        if problem in ("body", "status"):
            said = [around(said[0], said[1]), around(said[1], said[0])]
        kind = f"{question.label}: {problem}, {said[0][:3]} for {said[1][:45] if their_status == 0 else said[1][:3]}"
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        if self.kinds[kind] > OF_A_KIND:
            return
        self.unexpected.append(f"{question.label}: {problem}: {asked}\n  ours    {said[0][:DETAIL]}\n  gnocchi {said[1][:DETAIL]}")

    def finish(self, at_least, any_seed):
        print(f"{self.compared} answers compared; expected differences: {json.dumps(self.used, sort_keys=True)}")
        if self.unexpected:
            print(f"{sum(self.kinds.values())} answers differ, by kind:", *(f"  {count:4} {kind}" for kind, count in self.kinds.items()), sep="\n")
            print("the first of each kind:", *self.unexpected[:SHOWN], sep="\n")
            return 1
        by_chance = {name for name, rule in self.rules.items() if rule.get("by_chance")}
        unused = sorted(set(self.rules) - set(self.used) - by_chance)
        if unused and not any_seed:
            print("expected differences that do not occur (any more):", *unused)
            return 1
        if self.compared < at_least:
            print(f"only {self.compared} answers")
            return 1
        return 0


def around(text, other):
    """The part of a long text that differs from the other."""
    first = next((index for index, pair in enumerate(zip(text, other)) if pair[0] != pair[1]), 0)
    return text if first < 300 else f"{text[:100]} … {text[first - 150:]}"
