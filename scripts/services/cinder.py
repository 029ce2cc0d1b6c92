#!/usr/bin/env python3
"""A private Cinder from PyPI: API, scheduler, and one back-end that keeps nothing; SQLite, tokens checked by a Keystone.

    cinder.py --transport-url URL --keystone URL [--set GROUP.NAME=VALUE]...

The three talk to each other through the broker, which must be a real one. Needs `scripts/provision cinder`.
"""

import argparse
import json
import os
import shutil
import time

import openstack
from cloud import Cloud
from launcher import Failure, Launcher, log_tail

THREADS = 4
# As long as anything takes that the scheduler and the back-end do.
WORK_SECONDS = 60
BACKEND = "private"
DRIVER = "nephoscope_volumes.Volumes"
RUN = "import nephoscope_sqlite, sys; from cinder.cmd.{0} import main; sys.argv[0] = 'cinder-{0}'; main()"


def folder():
    """Cinder's own packages, which stand in front of those of the test environment."""
    path = os.path.join(openstack.venv(), "cinder")
    if not os.path.isdir(os.path.join(path, "cinder")):
        raise Failure(f"{path} is missing: run scripts/provision cinder")
    return path


class Cinder:
    def __init__(self, launcher, options):
        self.launcher = launcher
        self.options = options
        self.port = launcher.ports.take()
        self.url = f"http://127.0.0.1:{self.port}"
        self.cloud = Cloud(options.keystone)
        driver = os.path.join(os.path.dirname(os.path.abspath(__file__)), "cinder_driver")
        self.env = {"PYTHONPATH": os.pathsep.join([folder(), driver])}

    def configuration(self, state, extra):
        return {
            "DEFAULT": {
                "use_stderr": "true",
                "host": "node-1",
                "my_ip": "127.0.0.1",
                "auth_strategy": "keystone",
                "api_paste_config": self.launcher.path("etc", "api-paste.ini"),
                "state_path": self.launcher.path("cinder"),
                "enabled_backends": BACKEND,
                "rpc_response_timeout": "10",
                "service_down_time": "600",
                "periodic_interval": "5",
                "periodic_fuzzy_delay": "0",
                **extra.pop("DEFAULT", {}),
            },
            # Three processes share the file: see nephoscope_sqlite.py.
            "database": {"connection": f"sqlite:///{state}/cinder.db?timeout=60", "sqlite_synchronous": "false"},
            BACKEND: {"volume_driver": DRIVER, "volume_backend_name": BACKEND},
            "oslo_concurrency": {"lock_path": self.launcher.path("locks")},
            "coordination": {"backend_url": f"file://{self.launcher.path('locks')}"},
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
        """An empty database, made by cinder-manage."""
        config = openstack.write_configuration(self.launcher, "template.conf", self.configuration(folder, {}))
        self.launcher.run(self.command("manage", "--config-file", config, "db", "sync"), self.env)

    @staticmethod
    def command(name, *arguments):
        return [os.path.join(openstack.venv(), "bin", "python"), "-B", "-P", "-c", RUN.format(name), *arguments]

    def begin(self):
        os.mkdir(self.launcher.path("locks"), 0o700)
        state = openstack.from_template(self.launcher, "cinder", self.make_template)
        os.mkdir(self.launcher.path("etc"), 0o700)
        shutil.copy(os.path.join(folder(), "etc", "cinder", "api-paste.ini"), self.launcher.path("etc"))
        configuration = self.configuration(state, openstack.notifications(self.options))
        config = openstack.write_configuration(self.launcher, "etc/cinder.conf", configuration, self.options.set)
        config = ["--config-file", config]
        for name in ("scheduler", "volume"):
            self.launcher.spawn(self.command(name, *config), f"{name}.log", self.env)
        requests = self.launcher.path("requests.log")
        env = {**self.env, "NEPHOSCOPE_REQUEST_LOG": requests}
        server, log = openstack.serve(self.launcher, "nephoscope_cinder_api", self.port, THREADS, env, config)
        volume_log = self.launcher.path("volume.log")
        self.launcher.wait_until("pools", self.has_pools, server, volume_log, openstack.START_SECONDS)
        return {"url": self.url, "port": self.port, "pid": server.pid, "log": log, "requests": requests}

    def has_pools(self):
        """Whether the back-end has told the scheduler what it holds."""
        project = self.cloud.projects()["admin"]
        try:
            return len(self.ask(self.cloud, project, "GET", "scheduler-stats/get_pools")["pools"]) > 1
        except Failure:
            # The scheduler does not answer yet.
            return False

    def ask(self, cloud, project, method, path, body=None):
        try:
            return cloud._authorised(method, f"{self.url}/v3/{project}/{path}", body)
        except Failure as failure:
            raise Failure(f"{failure}\n{log_tail(self.launcher.path('server.log'))}") from failure

    def volumes(self, text):
        """volumes {"project": id, "sizes": [GiB, …]}: makes volumes of a project, and a snapshot of the first."""
        wanted = json.loads(text)
        project = wanted["project"]
        cloud = self.member(project)
        made = [
            self.make(cloud, project, "volume", {"size": size, "name": f"volume {place} é"})
            for place, size in enumerate(wanted["sizes"])
        ]
        snapshot = self.make(cloud, project, "snapshot", {"volume_id": made[0], "name": "daily"})
        return {"result": [*made, snapshot]}

    def make(self, cloud, project, kind, properties):
        id = self.ask(cloud, project, "POST", f"{kind}s", {kind: properties})[kind]["id"]
        deadline = time.monotonic() + WORK_SECONDS
        while (status := self.ask(cloud, project, "GET", f"{kind}s/{id}")[kind]["status"]) != "available":
            if status.startswith("error") or time.monotonic() > deadline:
                raise Failure(f"the {kind} {id} is {status}: see {self.launcher.path('scheduler.log')} and volume.log")
            time.sleep(0.1)
        return id

    def member(self, project):
        """The administrator, with a role in the project, and a token for it."""

        def named(kind, name):
            [found] = [one["id"] for one in self.cloud._identity("GET", f"/{kind}s")[f"{kind}s"] if one["name"] == name]
            return found

        self.cloud.assign_role(project, named("user", openstack.ADMIN_USER), named("role", "admin"))
        return Cloud(self.options.keystone, project=project)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    openstack.add_options(parser)
    parser.add_argument("--keystone", required=True, help="the Keystone that checks tokens, with its /v3")
    options = parser.parse_args()
    launcher = Launcher("cinder", keep_user=True)
    cinder = Cinder(launcher, options)
    launcher.serve(cinder.begin, {"volumes": cinder.volumes})


if __name__ == "__main__":
    main()
