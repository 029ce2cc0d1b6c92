"""The real oslo.messaging as a peer: one JSON command per line on stdin, JSON answers on stdout.

listen  {"url", "exchanges", "topics", "pool"}: declares and consumes as a service does; what arrives is printed as
        {"received": {...}}
stop    stops listening
notify  {"url", "exchange", "topics", "driver", "priority", "publisher_id", "event_type", "payload", "context"}:
        through the public Notifier
send    {"url", "exchange", "topic", "messages": [[id, payload], ...]}: each until the broker has confirmed it, then
        prints {"confirmed": id}

It ends when stdin ends, so that it never outlives the test.
"""

import json
import logging
import os
import sys
import threading
import warnings

warnings.simplefilter("ignore")
from oslo_config import cfg  # noqa: E402
from oslo_context import context as request_context  # noqa: E402
import oslo_messaging  # noqa: E402
import oslo_messaging.transport  # noqa: E402

SAY = threading.Lock()
PRIORITIES = ["audit", "debug", "info", "warn", "error", "critical", "sample"]


def say(answer):
    with SAY:
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def transport(url, exchange="openstack"):
    conf = cfg.ConfigOpts()
    conf([])
    conf.register_opts(oslo_messaging.transport._transport_opts)
    conf.set_override("control_exchange", exchange)
    return oslo_messaging.get_notification_transport(conf, url), conf


class Endpoint:
    """Says everything that it is called with."""


def handler(priority):
    def call(self, ctxt, publisher_id, event_type, payload, metadata):
        say({"received": {"priority": priority, "context": ctxt, "publisher_id": publisher_id,
                          "event_type": event_type, "payload": payload, "metadata": metadata}})
        return oslo_messaging.NotificationResult.HANDLED
    return call


for name in PRIORITIES:
    setattr(Endpoint, name, handler(name))


class Peer:
    def __init__(self):
        self.listener = None
        self.transports = {}

    def cached(self, url, exchange):
        key = (url, exchange)
        if key not in self.transports:
            self.transports[key] = transport(url, exchange)
        return self.transports[key]

    def listen(self, command):
        found, _ = transport(command["url"])
        targets = [oslo_messaging.Target(topic=topic, exchange=exchange)
                   for topic in command["topics"] for exchange in command["exchanges"]]
        self.listener = oslo_messaging.get_notification_listener(
            found, targets, [Endpoint()], executor="threading", pool=command.get("pool"))
        self.listener.start()

    def stop(self, _):
        self.listener.stop()
        self.listener.wait()
        self.listener = None

    def notify(self, command):
        found, _ = self.cached(command["url"], command["exchange"])
        notifier = oslo_messaging.Notifier(
            found, publisher_id=command["publisher_id"], driver=command["driver"], topics=command["topics"])
        # The library sends nothing of a context that is a plain dict, and the harmless part of a real one.
        context = request_context.RequestContext(overwrite=False, **command["context"])
        getattr(notifier, command["priority"])(context, command["event_type"], command["payload"])

    def send(self, command):
        found, _ = self.cached(command["url"], command["exchange"])
        for identity, payload in command["messages"]:
            target = oslo_messaging.Target(topic=command["topic"])
            message = {"message_id": identity, "publisher_id": "peer", "event_type": "test.send",
                       "priority": "INFO", "payload": payload, "timestamp": "2026-11-24 12:00:00.000000"}
            found._send_notification(target, {}, message, version=2.0, retry=-1)
            say({"confirmed": identity})


def main():
    logging.basicConfig(stream=sys.stderr, level=logging.ERROR)
    peer = Peer()
    say({"ready": True})
    for line in sys.stdin:
        command = json.loads(line)
        try:
            getattr(peer, command["do"])(command)
            say({"done": command["do"]})
        except Exception as error:  # the test decides what an error means
            say({"failed": f"{type(error).__name__}: {error}"})
    # Threads of the library may wait for a broker for ever.
    os._exit(0)


main()
