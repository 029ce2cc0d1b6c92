"""Ceilometer's notifier publisher and its check of signatures, for the notifier suite.

publish URL     reads {"url", "kind", "records"} from standard input, as JSON, and publishes the records with Ceilometer's
                publisher on the transport URL
verify          reads one message (the payload of a notification) a line and prints for each whether every signature in
                it is right
listen URL TOPIC N   consumes N notifications with the real oslo.messaging, priority sample, and prints each as JSON
"""

import datetime
import json
import logging
import os
import sys
import tempfile
import warnings

warnings.simplefilter("ignore")

import oslo_messaging  # noqa: E402
from ceilometer import messaging  # noqa: E402
from ceilometer import publisher  # noqa: E402
from ceilometer import sample  # noqa: E402
from ceilometer import service  # noqa: E402
from ceilometer.event import models  # noqa: E402
from ceilometer.publisher import utils  # noqa: E402

SECRET = "change this for valid signing"


def configured(url):
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
        file.write(f"[DEFAULT]\ntransport_url = {url}\nhost = host-1\n")
        file.flush()
        conf = service.prepare_service(["oracle", "--log-file", os.devnull], [file.name])
    logging.disable(logging.CRITICAL)
    return conf


def to_sample(fields):
    fields["resource_metadata"] = fields["resource_metadata"] or {}
    return sample.Sample(**fields)


def to_event(fields):
    def when(text):
        return datetime.datetime.fromisoformat(text)
    traits = [models.Trait(name, dtype, when(value) if dtype == 4 else value) for name, dtype, value in fields["traits"]]
    return models.Event(fields["message_id"], fields["event_type"], when(fields["generated"]), traits, fields["raw"])


def publish(url):
    conf = configured(url)
    for line in sys.stdin:
        asked = json.loads(line)
        kind = asked["kind"]
        made = publisher.get_publisher(conf, asked["url"], f"ceilometer.{kind[:-1]}.publisher")
        make = to_sample if kind == "samples" else to_event
        getattr(made, f"publish_{kind}")([make(json.loads(record)) for record in asked["records"]])
    print("done", flush=True)
    os._exit(0)


def verify():
    for line in sys.stdin:
        payload = json.loads(line)
        print(json.dumps(all(utils.verify_signature(message, SECRET) and message["message_signature"]
                             for message in payload) and bool(payload)), flush=True)


def listen(url, topic, count):
    conf = configured(url)
    left = [int(count)]

    class Endpoint:
        def sample(self, ctxt, publisher_id, event_type, payload, metadata):
            print(json.dumps({"publisher_id": publisher_id, "event_type": event_type, "payload": payload,
                              "context": ctxt, "metadata": metadata}), flush=True)
            left[0] -= 1
            if left[0] == 0:
                os._exit(0)

    listener = oslo_messaging.get_notification_listener(
        messaging.get_transport(conf), [oslo_messaging.Target(topic=topic, exchange="ceilometer")], [Endpoint()],
        executor="threading")
    listener.start()
    listener.wait()


{"publish": publish, "verify": verify, "listen": listen}[sys.argv[1]](*sys.argv[2:])
