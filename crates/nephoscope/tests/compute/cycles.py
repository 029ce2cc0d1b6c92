"""Ceilometer's polling manager, a cycle at a time: `cycles.py ORACLE CONFIGURATION`

ORACLE is the folder tests/oracle, CONFIGURATION a ceilometer.conf with polling.yaml beside it. Each line on
stdin is a JSON object of options, {"group.name": value}, that hold from then on, and asks for one cycle of every task, run by
the real manager with its real pollsters and discoveries. The samples that it would send are one line of JSON, a list of
lists: each notification with its samples. The log goes to stderr.
"""

import json
import os
import sys

sys.path.insert(0, sys.argv[1])

import ceilometer_compute  # noqa: F401, E402
import libvirt  # noqa: E402
from ceilometer import service  # noqa: E402
from ceilometer.cmd import polling  # noqa: E402
from ceilometer.compute import pollsters  # noqa: E402
from ceilometer.polling import manager  # noqa: E402
from oslo_config import cfg  # noqa: E402


class Notifier:
    def __init__(self):
        self.notifications = []

    def sample(self, ctxt, event_type, payload):
        assert (ctxt, event_type) == ({}, "telemetry.polling")
        self.notifications.append(payload["samples"])


def main():
    # What the libraries print is log.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    libvirt.registerErrorHandler(lambda *_: None, None)
    conf = cfg.ConfigOpts()
    conf.register_cli_opts(polling.CLI_OPTS)
    service.prepare_service(["ceilometer-polling"], config_files=[sys.argv[2]], conf=conf)
    agent = manager.AgentManager(0, conf, ["compute"])
    agent.notifier = Notifier()
    agent.polling_manager = manager.PollingManager(conf)
    tasks = agent.setup_polling_tasks()
    for line in sys.stdin:
        for place, value in json.loads(line).items():
            group, option = place.split(".")
            conf.set_override(option, value, group=None if group == "DEFAULT" else group)
            # Another hypervisor is connected to, and nothing is remembered of the former one's devices.
            for user in [pollsters.GenericComputePollster._inspector, *(one.obj for one in agent.discoveries)]:
                user._libvirt_connection = None
            pollsters.GenericComputePollster._inspector.cache = {}
        for task in tasks.values():
            agent.interval_task(task)
        print(json.dumps(agent.notifier.notifications), file=answers, flush=True)
        agent.notifier.notifications = []


main()
