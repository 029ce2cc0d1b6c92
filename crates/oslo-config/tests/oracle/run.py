#!/usr/bin/env python3
"""Runs every case of cases.json through the real oslo.config and prints the results as JSON.

usage: run.py CASES DIRECTORY

DIRECTORY holds one directory for each case, named by its number, with the case's files in it. The result of a
case is {"values": {"group.option": value}, "deprecated": [...], "found": {...}} or {"failed": [options]}; the
list is empty where loading itself failed. A float is written {"float": repr}, since JSON knows no infinity.
"""

import json
import os
import sys

from oslo_config import cfg, types

TYPES = {
    "str": lambda spec: types.String(choices=spec.get("choices"), ignore_case=spec.get("ignore_case", False)),
    "bool": lambda spec: types.Boolean(),
    "int": lambda spec: types.Integer(min=spec.get("min"), max=spec.get("max")),
    "float": lambda spec: types.Float(min=spec.get("min"), max=spec.get("max")),
    "list": lambda spec: types.List(),
    "host": lambda spec: types.HostAddress(),
    "port": lambda spec: types.Port(),
    "uri": lambda spec: types.URI(),
}


def option(spec):
    arguments = {
        "default": spec.get("default"),
        "deprecated_opts": [cfg.DeprecatedOpt(name, group=group) for group, name in spec.get("deprecated", [])],
    }
    if spec["type"] == "multi":
        return cfg.MultiStrOpt(spec["name"], **arguments)
    if spec["type"] == "bool":
        return cfg.BoolOpt(spec["name"], **arguments)
    return cfg.Opt(spec["name"], type=TYPES[spec["type"]](spec), **arguments)


def plain(value):
    return {"float": repr(value)} if isinstance(value, float) else value


def arguments_of(case):
    sources = []
    for kind, path in case.get("sources", []):
        sources += ["--config-file" if kind == "file" else "--config-dir", path]
    given = []
    for name, value in case.get("cli", {}).items():
        flag = name.split(".", 1)[1] if name.startswith("DEFAULT.") else name.replace(".", "-")
        if isinstance(value, bool):
            given.append("--" + flag if value else "--no" + flag)
        else:
            given += ["--" + flag, value]
    return given + sources if case.get("cli_first") else sources + given


def run(case):
    conf = cfg.ConfigOpts()
    deprecated = set()

    def report(format_string, values):
        if "dep_option" in values:
            deprecated.add(f'{values["dep_group"]}.{values["dep_option"]}')

    cfg._report_deprecation = report
    names = []
    for spec in case["options"]:
        group = spec.get("group", "DEFAULT")
        register = conf.register_cli_opt if f'{group}.{spec["name"]}' in case.get("cli", {}) else conf.register_opt
        register(option(spec), None if group == "DEFAULT" else group)
        names.append((group, spec["name"]))
    try:
        conf(arguments_of(case), project="telescope", prog=case.get("program", "eyepiece"))
    except (cfg.Error, ValueError, SystemExit, OSError):
        return {"failed": []}
    values, failed = {}, []
    for group, name in names:
        try:
            values[f"{group}.{name}"] = plain(conf._get(name, None if group == "DEFAULT" else group))
        except (cfg.Error, ValueError, AttributeError, KeyError, RecursionError):
            failed.append(f"{group}.{name}")
    if failed:
        return {"failed": failed}
    found = {}
    for name in case.get("find", []):
        path = conf.find_file(name)
        found[name] = path and os.path.relpath(path, os.getcwd())
    return {"values": values, "deprecated": sorted(deprecated), "found": found}


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        cases = json.load(file)
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("OS_", "SNAP"))}
    results = []
    sys.stderr = open(os.devnull, "w", encoding="utf-8")
    for number, case in enumerate(cases):
        directory = os.path.join(sys.argv[2], str(number))
        os.chdir(directory)
        os.environ.clear()
        os.environ.update(clean, HOME=os.path.join(directory, "home"))
        for name, value in case.get("env", {}).items():
            os.environ[name] = value.replace("@", directory)
        results.append(run(case))
    json.dump(results, sys.stdout)


main()
