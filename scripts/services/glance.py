#!/usr/bin/env python3
"""A private Glance from PyPI: SQLite, file store, own port and directory, tokens checked by a Keystone.

    glance.py --transport-url URL --keystone URL [--set GROUP.NAME=VALUE]...
"""

import argparse
import os

import openstack
from launcher import Launcher

STORES = {"file": "images", "os_glance_staging_store": "staging", "os_glance_tasks_store": "tasks"}


class Glance:
    def __init__(self, launcher, options):
        self.launcher = launcher
        self.options = options
        self.port = launcher.ports.take()

    def configuration(self, state, extra=None):
        return {
            "DEFAULT": {
                "use_stderr": "true",
                "enabled_backends": "file:file",
                "worker_self_reference_url": f"http://127.0.0.1:{self.port}",
                **(extra or {}).pop("DEFAULT", {}),
            },
            "database": {"connection": f"sqlite:///{state}/glance.db", "sqlite_synchronous": "false"},
            "glance_store": {"default_backend": "file"},
            **{
                group: {"filesystem_store_datadir": self.launcher.path(folder)}
                for group, folder in STORES.items()
            },
            "paste_deploy": {
                "flavor": "keystone",
                "config_file": os.path.join(openstack.venv(), "etc", "glance", "glance-api-paste.ini"),
            },
            "oslo_concurrency": {"lock_path": self.launcher.path("locks")},
            **(extra or {}),
        }

    def make_template(self, folder):
        config = openstack.write_configuration(self.launcher, "template.conf", self.configuration(folder))
        manage = os.path.join(openstack.venv(), "bin", "glance-manage")
        self.launcher.run([manage, "--config-file", config, "db_sync"])

    def begin(self):
        for folder in STORES.values():
            os.mkdir(self.launcher.path(folder), 0o700)
        state = openstack.from_template(self.launcher, "glance", self.make_template)
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
        os.mkdir(self.launcher.path("etc"), 0o700)
        openstack.write_configuration(
            self.launcher, "etc/glance-api.conf", self.configuration(state, extra), self.options.set
        )
        server, log = openstack.serve(
            self.launcher, "glance.wsgi.api", self.port, 4, {"OS_GLANCE_CONFIG_DIR": self.launcher.path("etc")}
        )
        return {"url": f"http://127.0.0.1:{self.port}", "port": self.port, "pid": server.pid, "log": log}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    openstack.add_options(parser)
    parser.add_argument("--keystone", required=True, help="the Keystone that checks tokens, with its /v3")
    options = parser.parse_args()
    launcher = Launcher("glance", keep_user=True)
    launcher.serve(Glance(launcher, options).begin, {})


if __name__ == "__main__":
    main()
