"""Runs cases through jsonpath-rw-ext, fnmatch and re, the originals of this crate.

Standard input is one JSON object with lists of cases; standard output is one with lists of results. Values
travel as JSON text inside JSON, so that both sides compare the very text (1, 1.0 and true differ).
"""

import contextlib
import fnmatch
import functools
import io
import json
import re
import sys
import warnings

warnings.simplefilter("ignore")

import ply.yacc

# The parser builds its tables anew for every path, which takes most of the time.
_yacc = ply.yacc.yacc
_cache = {}


def cached_yacc(**arguments):
    if "parser" not in _cache:
        _cache["parser"] = _yacc(**arguments)
    return _cache["parser"]


ply.yacc.yacc = cached_yacc

import jsonpath_rw.jsonpath as base
from jsonpath_rw_ext import _arithmetic, _filter, _iterable, _string
from jsonpath_rw_ext.parser import ExtentedJsonPathParser

# When set, a step that raises has no match, and evaluation goes on.
tolerant = False


def wrap(cls):
    original = cls.find

    def find(self, datum):
        if not tolerant:
            return original(self, datum)
        try:
            return original(self, datum)
        except RecursionError:
            raise
        except Exception:
            return []

    cls.find = find


def wrap_tolerantly(cls, find_tolerantly):
    """For steps that hand on what others found: one that found no list has no match."""
    wrap(cls)
    wrapped = cls.find
    cls.find = lambda self, datum: (find_tolerantly if tolerant else wrapped)(self, datum)


def listed(found):
    return found if isinstance(found, list) else []


def child(self, datum):
    return [found for one in listed(self.left.find(datum)) for found in listed(self.right.find(one))]


def union(self, datum):
    return listed(self.left.find(datum)) + listed(self.right.find(datum))


wrap_tolerantly(base.Child, child)
wrap_tolerantly(base.Union, union)
for module, names in (
    (base, "Root This Parent Where Descendants Intersect Fields Index Slice"),
    (_arithmetic, "Operation"),
    (_filter, "Filter Expression"),
    (_iterable, "SortedThis Len"),
    (_string, "Sub Split"),
):
    for name in names.split():
        wrap(getattr(module, name))


def full_path(match):
    if match.context is None:
        return []
    return full_path(match.context) + [str(match.path)]


def found(matches):
    return [[".".join(full_path(match)), json.dumps(match.value)] for match in matches]


@functools.lru_cache(maxsize=None)
def compiled_path(path):
    try:
        # A substitution prints itself when it is compiled.
        with contextlib.redirect_stdout(io.StringIO()):
            return PARSER.parse(path)
    except Exception as error:
        return error


# No path changes its datum.
datum_of = functools.lru_cache(maxsize=8)(json.loads)


def jsonpath(case):
    global tolerant
    path, datum = case
    tolerant = False
    compiled = compiled_path(path)
    if isinstance(compiled, Exception):
        return {"invalid": str(compiled)}
    try:
        return {"found": found(compiled.find(datum_of(datum)))}
    except Exception as error:
        raised = type(error).__name__
    tolerant = True
    try:
        matches = compiled.find(datum_of(datum))
        if isinstance(matches, list):
            return {"raised": raised, "tolerant": found([match for match in matches if match is not None])}
    except Exception:
        pass
    return {"raised": raised}


def packaged(case):
    """Every text in the YAML files that Ceilometer installs."""
    import pathlib

    import ceilometer
    import yaml

    texts = set()

    def walk(node):
        if isinstance(node, dict):
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)
        elif isinstance(node, str):
            texts.add(node)

    for path in pathlib.Path(ceilometer.__file__).parent.rglob("*.yaml"):
        walk(yaml.safe_load(path.read_text()))
    return sorted(texts)


def corpus(case):
    """The first item is a datum, the others are paths."""
    return [jsonpath((path, case[0])) for path in case[1:]]


def match(case):
    pattern, text = case
    try:
        compiled = re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        return {"invalid": str(error)}
    return {"match": compiled.match(text) is not None}


def sub(case):
    pattern, replacement, text = case
    try:
        compiled = re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        return {"invalid": str(error)}
    try:
        return {"result": compiled.sub(replacement, text)}
    except (re.error, IndexError) as error:
        return {"raised": str(error)}


def glob(case):
    return fnmatch.fnmatch(case[1], case[0])


PARSER = ExtentedJsonPathParser()
functions = {"jsonpath": jsonpath, "match": match, "sub": sub, "glob": glob, "packaged": packaged, "corpus": corpus}
cases = json.load(sys.stdin)
json.dump({kind: [functions[kind.split("-")[0]](case) for case in cases[kind]] for kind in cases}, sys.stdout)
