"""What Ceilometer and keystoneauth make of a configuration file: one JSON object a file.

    openstack_oracle.py FILE...

For each of the three groups with credentials, or for one if they are the same: whose endpoint is found, for what the token is, and which headers are sent.
"""

import json
import os
import sys

from ceilometer import keystone_client
from keystoneauth1 import exceptions
from oslo_config import cfg

SERVICES = {
    "service_credentials": ("identity", None),
    "gnocchi": ("metric", "gnocchi"),
    "zaqar": ("messaging", None),
}


def load(path):
    conf = cfg.ConfigOpts()
    keystone_client.register_keystoneauth_opts(conf)
    conf(["--config-file", path], project="ceilometer", default_config_dirs=[])
    keystone_client.post_register_keystoneauth_opts(conf)
    return conf


def examine(conf, group):
    service_type, service_name = SERVICES[group]
    section = group if group == "service_credentials" else conf[group].auth_section
    session = keystone_client.get_session(conf, group=section)
    if session.auth is None:
        raise exceptions.MissingAuthPlugin()
    headers = session.get_auth_headers()
    if headers is None:
        raise exceptions.AuthorizationFailure("no headers")
    try:
        endpoint = session.get_endpoint(
            service_type=service_type,
            service_name=service_name,
            interface=conf[section].interface,
            region_name=conf[section].region_name,
        )
    except (exceptions.EndpointNotFound, exceptions.CatalogException):
        endpoint = None
    return {
        "endpoint": endpoint,
        "project_id": session.get_project_id(),
        "user_id": session.get_user_id(),
        "headers": {name.lower(): value for name, value in headers.items() if value is not None},
    }


def main():
    for path in sys.argv[1:]:
        conf = load(path)
        answers = {}
        with open(path, encoding="utf-8") as file:
            # Where no group has a section of its own, all of them mean the same one.
            groups = SERVICES if "[gnocchi]" in file.read() else ["gnocchi"]
        for group in groups:
            try:
                answers[group] = examine(conf, group)
            except Exception as error:  # whatever it is, it is an answer
                answers[group] = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answers), flush=True)


if __name__ == "__main__":
    # Defaults of the environment are part of the table, not of the machine.
    assert not {"OS_REGION_NAME", "OS_INTERFACE"} & set(os.environ)
    main()
