#!/usr/bin/env python3
"""A private Keystone from PyPI: SQLite, own port and directory, notifications to the given broker.

    keystone.py --transport-url URL [--format cadf|basic] [--set GROUP.NAME=VALUE]...
"""

import argparse
import os

import openstack
from launcher import Launcher


class Keystone:
    def __init__(self, launcher, options):
        self.launcher = launcher
        self.options = options
        self.port = launcher.ports.take()
        self.url = f"http://127.0.0.1:{self.port}"

    def configuration(self, state, extra=None):
        return {
            "DEFAULT": {"use_stderr": "true", "public_endpoint": self.url, **(extra or {}).pop("DEFAULT", {})},
            "database": {"connection": f"sqlite:///{state}/keystone.db", "sqlite_synchronous": "false"},
            "fernet_tokens": {"key_repository": f"{state}/fernet"},
            # Its default is /etc/keystone, whatever the tokens' repository is.
            "fernet_receipts": {"key_repository": f"{state}/receipts"},
            "credential": {"key_repository": f"{state}/credential"},
            # The cheapest permitted hash: a test does not need to resist an attacker for years.
            "identity": {"password_hash_algorithm": "bcrypt", "password_hash_rounds": "4"},
            **(extra or {}),
        }

    def make_template(self, folder):
        """Schema, keys and the administrator, made by keystone-manage without notifying anybody."""
        for name in ("fernet", "receipts", "credential"):
            os.mkdir(os.path.join(folder, name), 0o700)
        config = openstack.write_configuration(self.launcher, "template.conf", self.configuration(folder))
        account = [f"--keystone-user={os.getuid()}", f"--keystone-group={os.getgid()}"]
        manage = [os.path.join(openstack.venv(), "bin", "keystone-manage"), "--config-file", config]
        self.launcher.run([*manage, "db_sync"])
        self.launcher.run([*manage, "fernet_setup", *account])
        self.launcher.run([*manage, "credential_setup", *account])
        self.launcher.run(
            [
                *manage,
                "bootstrap",
                f"--bootstrap-username={openstack.ADMIN_USER}",
                f"--bootstrap-password={openstack.ADMIN_PASSWORD}",
                "--bootstrap-service-name=keystone",
                # The port differs for each fixture, so the catalogue refers to the option that holds it.
                *(f"--bootstrap-{face}-url=$(public_endpoint)s/v3" for face in ("public", "internal", "admin")),
                f"--bootstrap-region-id={openstack.REGION}",
            ]
        )

    def begin(self):
        state = openstack.from_template(self.launcher, "keystone", self.make_template)
        extra = openstack.notifications(self.options)
        extra["DEFAULT"]["notification_format"] = self.options.format
        config = openstack.write_configuration(
            self.launcher, "keystone.conf", self.configuration(state, extra), self.options.set
        )
        server, log = openstack.serve(
            self.launcher, "keystone.wsgi.api", self.port, 2, {"OS_KEYSTONE_CONFIG_FILES": config}
        )
        return {
            "url": f"{self.url}/v3",
            "port": self.port,
            "pid": server.pid,
            "log": log,
            "user": openstack.ADMIN_USER,
            "password": openstack.ADMIN_PASSWORD,
            "region": openstack.REGION,
        }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    openstack.add_options(parser)
    parser.add_argument("--format", choices=("cadf", "basic"), default="cadf", help="notification format")
    options = parser.parse_args()
    launcher = Launcher("keystone", keep_user=True)
    launcher.serve(Keystone(launcher, options).begin, {})


if __name__ == "__main__":
    main()
