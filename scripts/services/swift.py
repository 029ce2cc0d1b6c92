#!/usr/bin/env python3
"""A private Swift from PyPI: one proxy, account, container and object server, tokens checked by a Keystone.

    swift.py --keystone URL [--listing-limit N] [--reseller-admin-role ROLE]

Objects are kept in memory, so that the file system need not have extended attributes.
"""

import argparse
import json
import os
import pwd
from urllib.parse import quote

import openstack
from cloud import Cloud
from launcher import Launcher, accepts

# One device on one server of each kind; more would show nothing to those who only ask the proxy.
RINGS = """
import sys
from swift.common.ring import RingBuilder
folder, *servers = sys.argv[1:]
for server in servers:
    kind, port = server.split("=")
    builder = RingBuilder(1, 1, 0)
    place = {"ip": "127.0.0.1", "port": int(port)}
    place |= {f"replication_{key}": value for key, value in place.items()}
    builder.add_dev({"id": 0, "region": 1, "zone": 1, "device": "disk", "weight": 1.0, "meta": "", **place})
    builder.rebalance()
    builder.get_ring().save(f"{folder}/{kind}.ring.gz")
"""
# Swift takes policies and limits from /etc/swift before it is told of another folder.
SERVE = """
import importlib, sys
from swift.common import constraints, storage_policy, utils
folder, package = sys.argv[1:3]
del sys.argv[1:3]
utils.set_swift_dir(folder)
constraints.reload_constraints()
storage_policy.reload_storage_policies()
importlib.import_module(f"swift.{package}.server").main()
"""
# Each kind of server: its package, and the name of its application.
KINDS = {"account": ("account", "account"), "container": ("container", "container"), "object": ("obj", "mem_object")}

# What a server leaves undone in its usual time on a busy machine, nobody does later: no updater runs.
PATIENCE = {"conn_timeout": "60", "node_timeout": "60", "container_update_timeout": "60"}


class Swift:
    def __init__(self, launcher, options):
        self.launcher = launcher
        self.options = options
        self.ports = {kind: launcher.ports.take() for kind in (*KINDS, "proxy")}
        self.cloud = Cloud(options.keystone)

    def common(self, kind):
        return {
            "bind_ip": "127.0.0.1",
            "bind_port": str(self.ports[kind]),
            "workers": "0",
            "user": pwd.getpwuid(os.getuid()).pw_name,
            "swift_dir": self.launcher.dir,
            "devices": self.launcher.path("devices"),
            "mount_check": "false",
        }

    def proxy(self):
        return {
            "DEFAULT": self.common("proxy"),
            "pipeline:main": {"pipeline": "catch_errors authtoken keystoneauth proxy-server"},
            "app:proxy-server": {"use": "egg:swift#proxy", "account_autocreate": "true", **PATIENCE},
            "filter:catch_errors": {"use": "egg:swift#catch_errors"},
            "filter:keystoneauth": {
                "use": "egg:swift#keystoneauth",
                "operator_roles": "admin, member",
                "reseller_admin_role": self.options.reseller_admin_role,
            },
            "filter:authtoken": {
                "paste.filter_factory": "keystonemiddleware.auth_token:filter_factory",
                "delay_auth_decision": "true",
                "www_authenticate_uri": self.options.keystone,
                "auth_url": self.options.keystone,
                "auth_type": "password",
                "username": openstack.ADMIN_USER,
                "password": openstack.ADMIN_PASSWORD,
                "project_name": "admin",
                "user_domain_id": "default",
                "project_domain_id": "default",
            },
        }

    def server(self, kind):
        name = f"{kind}-server"
        return {
            "DEFAULT": self.common(kind),
            "pipeline:main": {"pipeline": name},
            f"app:{name}": {"use": f"egg:swift#{KINDS[kind][1]}", **PATIENCE},
        }

    def wait_for(self, kind, child):
        def listens():
            return accepts(self.ports[kind])

        log = self.launcher.path(f"{kind}.log")
        self.launcher.wait_until(f"listening {kind} server", listens, child, log, openstack.START_SECONDS)

    def begin(self):
        os.makedirs(self.launcher.path("devices", "disk"))
        openstack.write_configuration(
            self.launcher,
            "swift.conf",
            {
                "swift-hash": {"swift_hash_path_suffix": "private"},
                "storage-policy:0": {"name": "gold", "default": "yes"},
                "swift-constraints": {"account_listing_limit": str(self.options.listing_limit)},
            },
        )
        servers = [f"{kind}={self.ports[kind]}" for kind in KINDS]
        python = [os.path.join(openstack.venv(), "bin", "python"), "-B", "-P", "-c"]
        self.launcher.run([*python, RINGS, self.launcher.dir, *servers])
        children = {}
        for kind in (*KINDS, "proxy"):
            groups = self.proxy() if kind == "proxy" else self.server(kind)
            config = openstack.write_configuration(self.launcher, f"{kind}-server.conf", groups)
            package, _ = KINDS.get(kind, (kind, kind))
            command = [*python, SERVE, self.launcher.dir, package, config, "--verbose"]
            children[kind] = self.launcher.spawn(command, f"{kind}.log")
        for kind, child in children.items():
            self.wait_for(kind, child)
        port = self.ports["proxy"]
        return {"url": f"http://127.0.0.1:{port}", "port": port, "log": self.launcher.path("proxy.log")}

    def store(self, text):
        """store {"project": id, "container": name, "sizes": [bytes, …]}: makes a container and objects in it."""
        wanted = json.loads(text)
        url = f"http://127.0.0.1:{self.ports['proxy']}/v1/AUTH_{wanted['project']}/{quote(wanted['container'], safe='')}"
        self.put(url)
        for place, size in enumerate(wanted["sizes"]):
            self.put(f"{url}/{place}", b"x" * size)
        # A container tells its account what it holds when it is made, here once more, without waiting for an updater.
        self.put(url)

    def put(self, url, data=None):
        # Its answers are no JSON.
        self.cloud._authorised("PUT", url, data, sink=lambda _part: None)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keystone", required=True, help="the Keystone that checks tokens, with its /v3")
    parser.add_argument("--listing-limit", type=int, default=10000, help="containers that one answer has at most")
    parser.add_argument("--reseller-admin-role", default="admin", help="whose owner may see every account")
    options = parser.parse_args()
    launcher = Launcher("swift", keep_user=True)
    swift = Swift(launcher, options)
    launcher.serve(swift.begin, {"store": swift.store})


if __name__ == "__main__":
    main()
