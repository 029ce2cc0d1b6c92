"""Lets some of the random requests name things that exist: SCHEMATHESIS_HOOKS names this file.

NEPHOSCOPE_KNOWN_THINGS is a JSON object: `metrics` and `resources` are lists of ids, `types`, `policies`, `rules` and
`names` lists of names.
"""

import json
import os
import zlib

import schemathesis

KNOWN = json.loads(os.environ["NEPHOSCOPE_KNOWN_THINGS"])
# Of four placeholders one keeps what was made up.
KEPT_OF = 4


def family(path, placeholder):
    """Of what kind a placeholder is."""
    if placeholder == "type":
        return "types"
    if placeholder == "id":
        return "metrics" if path.startswith("/v1/metric/") else "resources"
    for begin, kind in (("/v1/archive_policy_rule", "rules"), ("/v1/archive_policy", "policies"),
                        ("/v1/resource_type", "types")):
        if path.startswith(begin):
            return kind
    return "names"


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    """The choice depends on what was made up alone, so that a run can be repeated."""
    if not path_parameters:
        return path_parameters
    chosen = {}
    for name, value in path_parameters.items():
        known = KNOWN[family(context.operation.path, name)]
        number = zlib.crc32(repr(value).encode("utf-8", "surrogatepass"))
        chosen[name] = value if number % KEPT_OF == 0 or not known else known[number // KEPT_OF % len(known)]
    return chosen


@schemathesis.hook
def before_call(context, case, kwargs):
    """An empty name, which Gnocchi allows and links take from listings, makes an address of another operation."""
    if case.path_parameters:
        case.path_parameters = {name: "-" if value == "" else value for name, value in case.path_parameters.items()}


@schemathesis.serializer("application/x-protobuf")
def protobuf(context, value):
    """Bytes as they were made up: none of them is a message."""
    return value.encode() if isinstance(value, str) else bytes(getattr(value, "data", b""))
