"""Ceilometer's polling manager, a cycle at a time: `cycles.py ORACLE CONFIGURATION`

ORACLE is the folder tests/oracle, CONFIGURATION a ceilometer.conf with polling.yaml beside it. For each line on stdin
one cycle of every task is run by the real manager with its real pollsters and discoveries; the samples that it would send
are one line of JSON, a list of lists: each notification with its samples. The log goes to stderr.
"""

import json
import os
import sys

sys.path.insert(0, sys.argv[1])

import ceilometer_compute  # noqa: F401, E402
import libvirt  # noqa: E402
from ceilometer import service  # noqa: E402
from ceilometer.cmd import polling  # noqa: E402
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
    for _ in sys.stdin:
        for task in tasks.values():
            agent.interval_task(task)
        print(json.dumps(agent.notifier.notifications), file=answers, flush=True)
        agent.notifier.notifications = []


main()
