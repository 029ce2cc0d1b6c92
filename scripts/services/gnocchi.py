#!/usr/bin/env python3
"""A private Gnocchi from PyPI: its index in the PostgreSQL of the given URL, its measures in files, own port and directory.

    gnocchi.py --indexer-url URL [--set GROUP.NAME=VALUE]...

The API takes everybody for who they say they are (`auth_mode = basic`), unless set otherwise; `admin` may do everything.

Commands on stdin: kill, start (data and port are kept), and between the two auth JSON: {"mode": "basic"},
{"mode": "noauth"} (headers are believed, as behind a proxy that sets them), or {"mode": "keystone", "url": …, "user": …,
"password": …}.
"""

import argparse
import json
import os
import signal

import openstack
from launcher import Launcher

THREADS = 8
# Gnocchi with the headers of auth_mode = keystone, and without the filter that validates tokens.
NOAUTH = """\
[composite:gnocchi+keystone]
use = egg:Paste#urlmap
/ = versions
/v1 = v1

[app:versions]
paste.app_factory = gnocchi.rest.app:app_factory
root = gnocchi.rest.api.VersionsController

[app:v1]
paste.app_factory = gnocchi.rest.app:app_factory
root = gnocchi.rest.api.V1Controller
"""


class Gnocchi:
    def __init__(self, launcher, options):
        self.launcher = launcher
        self.options = options
        self.port = launcher.ports.take()
        self.config = None
        self.api = None
        self.metricd = None

    def program(self, name):
        return os.path.join(openstack.venv(), "bin", name)

    def groups(self):
        return {
            # One process works off the incoming measures, at once.
            "DEFAULT": {"parallel_operations": "1"},
            "indexer": {"url": self.options.indexer_url},
            "storage": {"driver": "file", "file_basepath": self.launcher.path("data")},
            "incoming": {"driver": "file", "file_basepath": self.launcher.path("data")},
            "api": {"auth_mode": "basic", "operation_timeout": "120"},
            "metricd": {"workers": "1", "metric_processing_delay": "1", "metric_cleanup_delay": "3600"},
        }

    def begin(self):
        self.config = openstack.write_configuration(self.launcher, "gnocchi.conf", self.groups(), self.options.set)
        self.launcher.run(
            [self.program("gnocchi-upgrade"), "--config-file", self.config, "--sacks-number", "4",
             "--skip-archive-policies-creation"]
        )  # fmt: skip
        return {"url": f"http://127.0.0.1:{self.port}", "port": self.port, **self.start()}

    def start(self):
        self.metricd = self.launcher.spawn(
            [self.program("gnocchi-metricd"), "--config-file", self.config], "metricd.log"
        )
        # The module parses what stands on its command line.
        requests = self.launcher.path("requests.log")
        self.api, log = openstack.serve(
            self.launcher, "gnocchi.rest.wsgi", self.port, THREADS,
            env={"NEPHOSCOPE_REQUEST_LOG": requests}, arguments=["--config-file", self.config],
        )  # fmt: skip
        return {"pid": self.api.pid, "log": log, "requests": requests}

    def auth(self, text):
        """How the next start asks who is there."""
        how, groups = json.loads(text), self.groups()
        if how["mode"] == "noauth":
            # Not under the default name, by which it would be found beside the configuration ever after.
            paste = self.launcher.path("noauth-paste.ini")
            with open(paste, "w", encoding="utf-8") as file:
                file.write(NOAUTH)
            groups["api"].update(auth_mode="keystone", paste_config=paste)
        elif how["mode"] == "keystone":
            groups["api"]["auth_mode"] = "keystone"
            groups["keystone_authtoken"] = {
                "auth_type": "password", "auth_url": how["url"], "www_authenticate_uri": how["url"],
                "username": how["user"], "password": how["password"], "project_name": how["user"],
                "user_domain_id": "default", "project_domain_id": "default", "interface": "public",
            }  # fmt: skip
        self.config = openstack.write_configuration(self.launcher, "gnocchi.conf", groups, self.options.set)

    def kill(self):
        """Ends the API at once, whatever it was doing. What it had accepted lies on disk."""
        self.launcher.end_child(self.metricd, signal.SIGKILL, 10)
        self.launcher.end_child(self.api, signal.SIGKILL, 10)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--indexer-url", required=True, help="postgresql:// URL of an empty database")
    parser.add_argument(
        "--set", action="append", default=[], metavar="GROUP.NAME=VALUE", help="any other option of gnocchi.conf"
    )
    options = parser.parse_args()
    launcher = Launcher("gnocchi", keep_user=True)
    gnocchi = Gnocchi(launcher, options)
    launcher.serve(gnocchi.begin, {"auth": gnocchi.auth, "kill": gnocchi.kill, "start": gnocchi.start})


if __name__ == "__main__":
    main()
