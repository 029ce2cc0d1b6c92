#!/usr/bin/env python3
"""A private Nova API from PyPI: SQLite, own port and directory, tokens checked by a Keystone.

    nova.py --transport-url URL --keystone URL [--set GROUP.NAME=VALUE]...

Only the API runs. What compute, conductor and scheduler would write is written by commands on stdin through Nova's own
objects, `VERB {"argument": value}`, as `nova_app/nephoscope_nova.py` has them: create_flavor, delete_flavor,
create_server, update_server, delete_server.
"""

import argparse
import http.client
import json
import os
import shutil

import openstack
from launcher import Failure, Launcher

# One request may ask this very process for what Neutron knows.
THREADS = 8
REQUEST_SECONDS = 60
VERBS = ("create_flavor", "delete_flavor", "create_server", "update_server", "delete_server")


class Nova:
    def __init__(self, launcher, options):
        self.launcher = launcher
        self.options = options
        self.port = launcher.ports.take()

    def configuration(self, state, extra=None):
        return {
            "DEFAULT": {
                "use_stderr": "true",
                "host": "controller",
                "my_ip": "127.0.0.1",
                "state_path": self.launcher.path("nova"),
                **(extra or {}).pop("DEFAULT", {}),
            },
            "api_database": {"connection": f"sqlite:///{state}/api.db", "sqlite_synchronous": "false"},
            "database": {"connection": f"sqlite:///{state}/cell0.db", "sqlite_synchronous": "false"},
            "nephoscope": {"cell1": f"sqlite:///{state}/cell1.db"},
            "oslo_concurrency": {"lock_path": self.launcher.path("locks")},
            **(extra or {}),
        }

    def make_template(self, folder):
        """Empty databases of the API and of two cells, made by nova-manage."""
        config = openstack.write_configuration(self.launcher, "template.conf", self.configuration(folder))
        manage = [os.path.join(openstack.venv(), "bin", "nova-manage"), "--config-file", config]
        self.launcher.run([*manage, "api_db", "sync"])
        self.launcher.run([*manage, "db", "sync", "--local_cell"])
        shutil.copy(os.path.join(folder, "cell0.db"), os.path.join(folder, "cell1.db"))

    def begin(self):
        state = openstack.from_template(self.launcher, "nova", self.make_template)
        url = f"http://127.0.0.1:{self.port}"
        extra = openstack.notifications(self.options)
        extra["keystone_authtoken"] = {
            "www_authenticate_uri": self.options.keystone,
            "auth_url": self.options.keystone,
            "auth_type": "password",
            "username": openstack.ADMIN_USER,
            "password": openstack.ADMIN_PASSWORD,
            "project_name": "admin",
            "user_domain_id": "default",
            "project_domain_id": "default",
        }
        # Nova asks Neutron for the security groups of the servers that it lists.
        extra["neutron"] = {"endpoint_override": f"{url}/-/neutron"}
        os.mkdir(self.launcher.path("etc"), 0o700)
        shutil.copy(
            os.path.join(openstack.venv(), "etc", "nova", "api-paste.ini"), self.launcher.path("etc")
        )
        openstack.write_configuration(
            self.launcher, "etc/nova.conf", self.configuration(state, extra), self.options.set
        )
        requests = self.launcher.path("requests.log")
        here = os.path.dirname(os.path.abspath(__file__))
        env = {
            "OS_NOVA_CONFIG_DIR": self.launcher.path("etc"),
            "NEPHOSCOPE_REQUEST_LOG": requests,
            "PYTHONPATH": os.path.join(here, "nova_app"),
        }
        server, log = openstack.serve(self.launcher, "nephoscope_nova", self.port, THREADS, env)
        return {
            "url": f"{url}/v2.1", "port": self.port, "pid": server.pid, "log": log, "requests": requests,
        }  # fmt: skip

    def command(self, verb):
        def run(text="{}"):
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=REQUEST_SECONDS)
            try:
                connection.request("POST", f"/-/fixture/{verb}", text.encode())
                answer = connection.getresponse()
                body = answer.read().decode("utf-8", "replace")
            finally:
                connection.close()
            if answer.status != 200:
                raise Failure(f"{verb}: {body}")
            return {"result": json.loads(body)}

        return run


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    openstack.add_options(parser)
    parser.add_argument("--keystone", required=True, help="the Keystone that checks tokens, with its /v3")
    options = parser.parse_args()
    launcher = Launcher("nova", keep_user=True)
    nova = Nova(launcher, options)
    launcher.serve(nova.begin, {verb: nova.command(verb) for verb in VERBS})


if __name__ == "__main__":
    main()
