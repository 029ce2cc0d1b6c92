#!/usr/bin/env python3
"""Prints every option of the real libraries as JSON: what Ceilometer's agents and commands register.

Each is {"group", "name", "type", "default", "min", "max", "choices", "ignore_case", "deprecated", "secret"};
defaults as in force after Ceilometer's own start-up has changed them.

With the name of a file: prints {"group.name": value} of every option, as an agent reads them from that file.
"""

import itertools
import json
import multiprocessing
import os
import socket
import sys
import warnings

warnings.simplefilter("ignore")
# Neither defaults nor values may come from the environment of whoever runs this.
for variable in [name for name in os.environ if name.startswith("OS_")]:
    del os.environ[variable]

import ceilometer.opts
import ceilometer.privsep
import cotyledon.oslo_config_glue
import oslo_cache._opts
import oslo_concurrency.opts
import oslo_log._options
import oslo_log.log
import oslo_messaging.opts
import oslo_reports.opts
from ceilometer import keystone_client, messaging
from keystoneauth1 import loading
from oslo_config import cfg, types

# Plugins from packages that Ceilometer needs; others depend on what else is installed.
PLUGINS = [
    "password", "v2password", "v3password", "token", "v2token", "v3token", "v3applicationcredential", "none",
    "http_basic", "admin_token", "v3totp", "v3multifactor", "gnocchi-basic", "gnocchi-noauth",
    "v3oidcpassword", "v3oidcclientcredentials", "v3oidcauthcode", "v3oidcaccesstoken", "v3oidcdeviceauthz",
    "v3oauth2clientcredential", "v3oauth2mtlsclientcredential", "v3tokenlessauth", "v3adfspassword", "v3websso",
]

KINDS = [
    (types.Boolean, "bool"),
    (types.Float, "float"),
    (types.Integer, "int"),
    (types.HostAddress, "host"),
    (types.List, "list"),
    (types.MultiString, "multi"),
    (types.String, "str"),
]


def kind(option):
    if option.type in (str, int, float):
        return option.type.__name__
    return next(name for cls, name in KINDS if isinstance(option.type, cls))


# Defaults that depend on the machine, by option, with the words that stand for them.
OF_THE_MACHINE = {
    "host": (socket.gethostname(), "<host name>"),
    "hostname": (socket.gethostname(), "<host name>"),
    "processname": (os.path.basename(sys.argv[0]), "<program name>"),
    "thread_pool_size": (multiprocessing.cpu_count(), "<number of processors>"),
}
PACKAGED_METERS = os.path.join(os.path.dirname(ceilometer.opts.__file__), "data/meters.d")


def plain(name, value):
    if name in OF_THE_MACHINE and value == OF_THE_MACHINE[name][0]:
        return OF_THE_MACHINE[name][1]
    if isinstance(value, (list, tuple)):
        return ["builtin:meters.d" if item == PACKAGED_METERS else str(item) for item in value]
    return value


def describe(group, option, default=None):
    choices = getattr(option.type, "choices", None)
    default = option.default if default is None else default
    if kind(option) == "float" and default is not None:
        default = float(default)
    return {
        "group": group or "DEFAULT",
        "name": option.dest,
        "type": kind(option),
        "default": plain(option.dest, default),
        "min": getattr(option.type, "min", None),
        "max": getattr(option.type, "max", None),
        "choices": [choice for choice in choices if choice is not None] if choices else [],
        "ignore_case": getattr(option.type, "ignore_case", False),
        "deprecated": [[old.group or group or "DEFAULT", old.name or option.dest] for old in option.deprecated_opts],
        "secret": option.secret,
    }


def credentials():
    """Options of session and plugins; those of one name with the former names of all of them."""
    plugins = (loading.get_auth_plugin_conf_options(name) for name in PLUGINS)
    merged = {}
    for option in itertools.chain(loading.get_session_conf_options(), loading.get_auth_common_conf_options(),
                                  keystone_client.CLI_OPTS, *plugins):
        known = merged.setdefault(option.dest, option)
        known.deprecated_opts += [old for old in option.deprecated_opts if old not in known.deprecated_opts]
        known.secret |= option.secret
    return list(merged.values())


def libraries():
    oslo_log.log.set_defaults(
        default_log_levels=oslo_log.log.get_default_log_levels() + ["futurist=INFO", "openstack=INFO"])
    messaging.setup()
    return [
        ceilometer.opts.list_opts(), oslo_messaging.opts.list_opts(), oslo_cache._opts.list_opts(),
        oslo_log._options.list_opts(), oslo_concurrency.opts.list_opts(), oslo_reports.opts.list_opts(),
        cotyledon.oslo_config_glue.list_opts(),
    ]


def read(path):
    """What an agent gets from a file; Ceilometer's own functions set up the credentials."""
    conf = cfg.ConfigOpts()
    for group, options in itertools.chain.from_iterable(libraries()):
        conf.register_opts(list(options), group=None if group == "DEFAULT" else group)
    keystone_client.register_keystoneauth_opts(conf)
    conf(["--config-file", path], project="ceilometer", default_config_dirs=[])
    keystone_client.post_register_keystoneauth_opts(conf)
    for group in ["service_credentials", *keystone_client.OVERRIDABLE_GROUPS]:
        conf.register_opts(loading.get_auth_plugin_conf_options("password"), group=group)
    out = {}
    for info, group in conf._all_opt_infos():
        option, section = info["opt"], group.name if group else "DEFAULT"
        value = conf._get(option.dest, group)
        out[f"{section}.{option.dest}"] = {"float": repr(value)} if isinstance(value, float) else plain(option.dest, value)
    return out


def describe_all():
    everything = libraries() + [[(None, [cfg.ConfigOpts._config_source_opt])]]
    out = [describe(group, option) for library in everything for group, options in library for option in options]
    for group in ["service_credentials", *keystone_client.OVERRIDABLE_GROUPS]:
        for option in credentials():
            changed = option.dest == "auth_section" and group != "service_credentials"
            out.append(describe(group, option, keystone_client.DEFAULT_GROUP if changed else None))
    section = "ceilometer_sys_admin"
    for info in cfg.CONF._get_group(section)._opts.values():
        out.append(describe(section, info["opt"], info.get("default")))
    return out


json.dump(read(sys.argv[1]) if len(sys.argv) > 1 else describe_all(), sys.stdout)
