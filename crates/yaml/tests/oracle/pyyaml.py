"""Reads a JSON list of YAML texts from standard input and writes what PyYAML's safe loader makes of each.

A result is {"value": encoded} or {"error": {...}}; values are encoded with their Python type, so that
nothing is lost on the way through JSON.
"""

import datetime
import json
import sys

import yaml


def encode(value):
    if value is None:
        return ["null"]
    if isinstance(value, bool):
        return ["bool", value]
    if isinstance(value, int):
        return ["int", str(value)]
    if isinstance(value, float):
        return ["float", repr(value)]
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return ["lone surrogates", ascii(value)]
        return ["str", value]
    if isinstance(value, bytes):
        return ["bytes", value.hex()]
    if isinstance(value, datetime.date):
        return ["time", str(value)]
    if isinstance(value, dict):
        return ["map", [[encode(key), encode(item)] for key, item in value.items()]]
    if isinstance(value, set):
        return ["set", sorted((encode(item) for item in value), key=json.dumps)]
    if isinstance(value, list):
        if value and all(isinstance(item, tuple) for item in value):
            return ["pairs", [[encode(key), encode(item)] for key, item in value]]
        return ["seq", [encode(item) for item in value]]
    raise TypeError(type(value))


def place(mark):
    return [mark.line + 1, mark.column + 1] if mark else None


def load(text):
    try:
        return {"value": encode(yaml.safe_load(text))}
    except yaml.MarkedYAMLError as error:
        return {
            "error": {
                "kind": type(error).__name__,
                "problem": error.problem,
                "place": place(error.problem_mark),
                "context": error.context,
                "context_place": place(error.context_mark),
            }
        }
    except RecursionError:
        return {"error": {"problem": "RecursionError"}}
    except Exception as error:  # what a constructor raises for a value that it cannot convert
        return {"error": {"problem": type(error).__name__}}


json.dump({"version": yaml.__version__, "results": [load(text) for text in json.load(sys.stdin)]}, sys.stdout)
