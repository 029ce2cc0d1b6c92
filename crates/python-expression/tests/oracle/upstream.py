"""Evaluates expressions as Python does.

Standard input: a JSON object with "variables" (a JSON text) and "cases" (texts). Standard output: a list with a result for each: the
value's text, the name of the exception, or that it is no expression.
"""

import json
import sys
import warnings

warnings.simplefilter("ignore")
data = json.load(sys.stdin)


def text(value):
    """The value's repr; what has none that means anything is any object."""
    if isinstance(value, (type(None), bool, int, float, str, range, type)):
        return repr(value)
    if isinstance(value, list):
        return "[" + ", ".join(map(text, value)) + "]"
    if isinstance(value, tuple):
        return "(" + ", ".join(map(text, value)) + (",)" if len(value) == 1 else ")")
    if isinstance(value, dict):
        return "{" + ", ".join(text(k) + ": " + text(v) for k, v in value.items()) + "}"
    if isinstance(value, (set, type({}.keys()), type({}.values()), type({}.items()))):
        return repr(value)
    return "<object>"


def run(case):
    variables = json.loads(data["variables"])
    try:
        code = compile(case.strip(), "<case>", "eval")
    except (SyntaxError, ValueError, OverflowError, MemoryError) as error:
        return {"syntax": str(error)}
    try:
        return {"value": text(eval(code, variables))}
    except NameError as error:
        return {"syntax": str(error)}
    except Exception as error:
        return {"raises": type(error).__name__, "message": str(error)}


json.dump([run(case) for case in data["cases"]], sys.stdout)
