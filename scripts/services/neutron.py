#!/usr/bin/env python3
"""A private Neutron API from PyPI: ML2 without drivers and routers, SQLite, own port, tokens checked by a Keystone.

    neutron.py --transport-url URL --keystone URL [--set GROUP.NAME=VALUE]...

Only the API runs: no agent makes anything of what it is told.
"""

import argparse
import json
import os
import shutil

import openstack
from cloud import Cloud
from launcher import Launcher

THREADS = 4
# Its migrations are not for SQLite.
TABLES = """
import sys
import sqlalchemy
from neutron.db.migration.models import head
from neutron_lib.db import model_base
model_base.BASEV2.metadata.create_all(sqlalchemy.create_engine(sys.argv[1]))
"""
PHYSICAL_NETWORK = "public"


class Neutron:
    def __init__(self, launcher, options):
        self.launcher = launcher
        self.options = options
        self.port = launcher.ports.take()
        self.url = f"http://127.0.0.1:{self.port}"
        self.cloud = Cloud(options.keystone)
        self.network = None

    def configuration(self, state, extra):
        return {
            "DEFAULT": {
                "use_stderr": "true",
                "core_plugin": "ml2",
                "service_plugins": "router",
                "api_paste_config": self.launcher.path("etc", "api-paste.ini"),
                "state_path": self.launcher.path("neutron"),
                "api_workers": "1",
                "rpc_workers": "0",
                "notify_nova_on_port_status_changes": "false",
                "notify_nova_on_port_data_changes": "false",
                **extra.pop("DEFAULT", {}),
            },
            "database": {"connection": f"sqlite:///{state}/neutron.db", "sqlite_synchronous": "false"},
            "ml2": {"type_drivers": "flat,local", "tenant_network_types": "local", "mechanism_drivers": ""},
            "ml2_type_flat": {"flat_networks": PHYSICAL_NETWORK},
            "oslo_concurrency": {"lock_path": self.launcher.path("locks")},
            "keystone_authtoken": {
                "www_authenticate_uri": self.options.keystone,
                "auth_url": self.options.keystone,
                "auth_type": "password",
                "username": openstack.ADMIN_USER,
                "password": openstack.ADMIN_PASSWORD,
                "project_name": "admin",
                "user_domain_id": "default",
                "project_domain_id": "default",
            },
            **extra,
        }

    def make_template(self, folder):
        python = os.path.join(openstack.venv(), "bin", "python")
        self.launcher.run([python, "-B", "-P", "-c", TABLES, f"sqlite:///{folder}/neutron.db"])

    def begin(self):
        state = openstack.from_template(self.launcher, "neutron", self.make_template)
        etc = self.launcher.path("etc")
        os.mkdir(etc, 0o700)
        shutil.copy(os.path.join(openstack.venv(), "etc", "neutron", "api-paste.ini"), etc)
        configuration = self.configuration(state, openstack.notifications(self.options))
        openstack.write_configuration(self.launcher, "etc/neutron.conf", configuration, self.options.set)
        requests = self.launcher.path("requests.log")
        env = {
            "OS_NEUTRON_CONFIG_DIR": etc,
            "OS_NEUTRON_CONFIG_FILES": "neutron.conf",
            "NEPHOSCOPE_REQUEST_LOG": requests,
        }
        server, log = openstack.serve(self.launcher, "neutron.wsgi.api", self.port, THREADS, env)
        return {"url": self.url, "port": self.port, "pid": server.pid, "log": log, "requests": requests}

    def floating_ips(self, text):
        """floating_ips {"project": id, "count": n}: gives a project floating IPs of one external network."""
        wanted = json.loads(text)
        if self.network is None:
            network = {
                "name": "public",
                "router:external": True,
                "provider:network_type": "flat",
                "provider:physical_network": PHYSICAL_NETWORK,
            }
            self.network = self.create("network", network)
            subnet = {
                "network_id": self.network, "ip_version": 4, "cidr": "172.24.4.0/24", "enable_dhcp": False,
            }  # fmt: skip
            self.create("subnet", subnet)
        address = {"floating_network_id": self.network, "project_id": wanted["project"]}
        return {"result": [self.create("floatingip", address) for _ in range(wanted["count"])]}

    def create(self, kind, properties):
        answer = self.cloud._authorised("POST", f"{self.url}/v2.0/{kind}s", {kind: properties})
        return answer[kind]["id"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    openstack.add_options(parser)
    parser.add_argument("--keystone", required=True, help="the Keystone that checks tokens, with its /v3")
    options = parser.parse_args()
    launcher = Launcher("neutron", keep_user=True)
    neutron = Neutron(launcher, options)
    launcher.serve(neutron.begin, {"floating_ips": neutron.floating_ips})


if __name__ == "__main__":
    main()
