"""Ceilometer's own publishers against a recording server, a UDP socket and a TCP socket.

Prints one line of JSON for each case: its name, the URL with `HOST` for the server's address, the kind of records, the
records as JSON texts, and what came: requests, datagrams or frames (in base64), or what was raised. Samples and events
are made from a fixed seed.
"""

import base64
import datetime
import http.server
import json
import logging
import os
import random
import socket
import sys
import threading
import time
import warnings

warnings.simplefilter("ignore")
os.environ["TZ"] = "UTC"
time.tzset()
for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
    del os.environ[name]

from ceilometer import publisher  # noqa: E402
from ceilometer import sample  # noqa: E402
from ceilometer import service  # noqa: E402
from ceilometer.event import models  # noqa: E402
from zaqarclient.queues.v2 import client as zaqarclient  # noqa: E402

SECRET = "change this for valid signing"
conf = service.prepare_service(["oracle", "--log-file", os.devnull], [os.devnull])
conf.set_override("host", "oracle-host")
logging.disable(logging.CRITICAL)
generator = random.Random(20261126)


# ---- records ----------------------------------------------------------------------------------------------------------

TEXTS = ["", "x", "é", "日本語", "😀 smile", "a'b", 'a"b', "back\\slash", "line\nend", "tab\t", "\x00\x7f", "r/1", "a b", "None",
         "x" * 300]
INTEGERS = [0, 1, -1, 31, 32, 127, 128, 255, 256, -32, -33, -128, -129, 65535, 65536, -32769, 2**31, 2**32, -2**31 - 1,
            2**63 - 1, -2**63, 2**64 - 1]
FLOATS = [0.0, -0.0, 1.5, 0.1, 1e16, 1e-5, 123456789.123456789, 1e300, 5e-324, 1 / 3]


def value(depth=0):
    kind = generator.randrange(8 if depth < 3 else 6)
    if kind == 0:
        return None
    if kind == 1:
        return generator.random() < 0.5
    if kind == 2:
        return generator.choice(INTEGERS)
    if kind == 3:
        return generator.choice(FLOATS)
    if kind in (4, 5):
        return generator.choice(TEXTS)
    if kind == 6:
        return [value(depth + 1) for _ in range(generator.choice([0, 1, 3, 16]))]
    return {f"{generator.choice(TEXTS)}{number}": value(depth + 1)
            for number in range(generator.choice([0, 1, 3, 16]))}


def some_sample(number, **fields):
    chosen = {
        "name": generator.choice(["cpu", "disk.device.read.bytes", "image.size", "power-state"]),
        "type": generator.choice(["gauge", "delta", "cumulative"]),
        "unit": generator.choice(["B", "ns", "%", "é/s", ""]),
        "volume": generator.choice(INTEGERS + FLOATS),
        "user_id": generator.choice(["u", None, "ü"]),
        "project_id": generator.choice(["p", None, "pröject"]),
        "resource_id": generator.choice(["r1", "r 2", "r:3", "ré4"]) + str(number),
        "timestamp": generator.choice(["2026-07-21T13:56:12.123456", "2026-07-21T13:56:12+00:00", "2026-07-21T15:56:12"]),
        "resource_metadata": {f"k{place}": value() for place in range(generator.randrange(6))},
        "source": "openstack",
        "id": f"00000000-0000-0000-0000-{number:012}",
        "monotonic_time": generator.choice([None, None, 12345.678901234]),
        "user_name": generator.choice([None, "name"]),
        "project_name": None,
    }
    chosen.update(fields)
    return sample.Sample(**chosen)


def some_event(number, **fields):
    when = datetime.datetime(2026, 7, 21, 13, 56, 12, generator.choice([0, 123456]))
    traits = [models.Trait("t", 1, generator.choice(TEXTS)), models.Trait("i", 2, generator.choice(INTEGERS)),
              models.Trait("f", 3, generator.choice(FLOATS)), models.Trait("d", 4, when)]
    chosen = {"message_id": f"m{number}", "event_type": "compute.instance.create.end", "generated": when,
              "traits": generator.sample(traits, generator.randrange(5)),
              "raw": generator.choice([{}, {"payload": value()}, {"payload": {"z": 1}}, {"other": 1}])}
    chosen.update(fields)
    return models.Event(**chosen)


# ---- what is recorded ---------------------------------------------------------------------------------------------------

recorded = []


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        recorded.append({"target": self.path, "content_type": self.headers["Content-type"],
                         "authorization": self.headers["Authorization"],
                         "body": base64.b64encode(body).decode()})
        # Zaqar's client reads JSON; the others look at the status alone.
        answer = b"{}" if self.path.startswith("/v2/queues/") else b""
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *arguments):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()


def read_all(stream, length):
    data = b""
    while len(data) < length:
        part = stream.recv(length - len(data))
        if not part:
            return None
        data += part
    return data


def run(name, url, kind, records):
    """One case: a publisher of its own, one batch."""
    answer = {"case": name, "url": url, "kind": kind}
    answer["records"] = [json.dumps(record.as_dict() if kind == "samples" else record.serialize()) for record in records]
    recorded.clear()
    scheme = url.split(":")[0]
    listening = None
    address = server.server_address
    if scheme in ("udp", "tcp"):
        listening = socket.socket(socket.AF_INET, socket.SOCK_DGRAM if scheme == "udp" else socket.SOCK_STREAM)
        listening.bind(("127.0.0.1", 0))
        listening.settimeout(30)
        if scheme == "tcp":
            listening.listen()
        address = listening.getsockname()
    try:
        purpose = "sample" if kind == "samples" else "event"
        made = publisher.get_publisher(conf, url.replace("HOST", f"127.0.0.1:{address[1]}"),
                                       f"ceilometer.{purpose}.publisher")
        if scheme == "tcp":
            stream, _ = listening.accept()
            reader = threading.Thread(target=follow, args=(stream,))
            reader.start()
        if scheme == "zaqar":
            made._client = zaqarclient.Client(f"http://127.0.0.1:{address[1]}",
                                              conf={"auth_opts": {"backend": "noauth", "options": {}}})
        getattr(made, f"publish_{kind}")(records)
    except Exception as error:
        answer["raised"] = f"{type(error).__name__}: {str(error)[:120]}"
    if scheme == "udp" and "raised" not in answer:
        # The kernel has taken what was sent over loopback: it is there.
        listening.setblocking(False)
        while True:
            try:
                recorded.append({"body": base64.b64encode(listening.recv(1 << 17)).decode()})
            except BlockingIOError:
                break
    if scheme == "tcp" and "reader" in locals():
        made.socket.close()
        reader.join()
        stream.close()
    if listening:
        listening.close()
    answer["requests"] = list(recorded)
    print(json.dumps(answer), flush=True)


def follow(stream):
    while True:
        head = read_all(stream, 8)
        if head is None:
            return
        recorded.append({"body": base64.b64encode(head + read_all(stream, int.from_bytes(head, "little"))).decode()})


# ---- the cases ----------------------------------------------------------------------------------------------------------

def batches(make, sizes=(1, 2, 7, 40)):
    number = 0
    for size in sizes:
        yield [make(number + place) for place in range(size)]
        number += size


HTTP_URLS = [
    "http://HOST", "http://HOST/", "http://HOST/path", "http://HOST/path?q=foo",
    "http://HOST/path?timeout=7&q=foo&max_retries=1&q=bar&batch=True", "http://HOST/a%20b/é?x=é+y&z=%2F&flag&e=",
    "http://user:secret@HOST/p", "http://us%40er:se:cr@et@HOST/p?q=1", "http://HOST/p?batch=False",
    "http://HOST/p?batch=0&verify_ssl=False", "http://HOST/p?ssl=True#part", "http://HOST/%7euser/%2f/100%/[x]",
    "HTTP://HOST/P?Q=R", "http://HOST//double//slash/../x",
]

for url in HTTP_URLS:
    for records in batches(some_sample, (1, 3)):
        run("http", url, "samples", records)
    for records in batches(some_event, (1, 3)):
        run("http", url, "events", records)
for records in batches(some_sample):
    run("http", "http://HOST/samples", "samples", records)
for records in batches(some_event):
    run("http", "http://HOST/events", "events", records)
    run("http", "http://HOST/events?raw_only=True", "events", records)
    run("http", "http://HOST/events?raw_only=True&batch=False", "events", records)
run("http", "http://HOST/samples?raw_only=True", "samples", [some_sample(1)])
run("http", "http://HOST/not-finite", "samples",
    [some_sample(1, volume=float("nan")), some_sample(2, resource_metadata={"x": float("inf")})])
run("http", "http://HOST/huge", "samples", [some_sample(1, volume=10**40)])

LOAD = ["http://HOST/p?timeout=x", "http://HOST/p?timeout=1.5", "http://HOST/p?max_retries=x", "http://HOST/p?batch=perhaps",
        "http://HOST/p?raw_only=perhaps", "http://user@HOST/p", "http:///p", "http://"]
for url in LOAD:
    run("load", url, "samples", [some_sample(1)])
for scheme in ["prometheus", "opentelemetryhttp", "udp", "tcp"]:
    run("load", f"{scheme}://HOST/p", "events", [some_event(1)])
run("load", "nonsense://HOST", "samples", [some_sample(1)])


def of_one_type(number):
    """A sample whose meter always has the same type."""
    types = {"cpu": "cumulative", "disk.device.read.bytes": "delta"}
    made = some_sample(number)
    made.type = types.get(made.name, "gauge")
    return made


for url in ["prometheus://HOST/metrics/job/os", "prometheus://HOST/metrics/job/os/instance/x",
            "prometheus://HOST/metrics/job/os?timeout=3&ssl=False", "prometheus://u:p@HOST/metrics/job/os",
            "prometheus://HOST/elsewhere", "prometheus://HOST"]:
    for records in batches(of_one_type):
        run("prometheus", url, "samples", records)
JOB = "prometheus://HOST/metrics/job/os"
run("prometheus", JOB, "samples", [some_sample(1, resource_id=None), some_sample(2, resource_id=17)])
run("prometheus", JOB, "samples", [some_sample(1, resource_id="", volume="1.5"), some_sample(2, volume=10**40)])
run("prometheus slash", JOB, "samples", [some_sample(1, resource_id="r/1")])
run("prometheus query", JOB + "?q=1", "samples", [some_sample(1)])
GROUP = JOB + "/instance/x"
run("prometheus labels", GROUP, "samples", [some_sample(1, resource_id='a"b\\c\nd')])
run("prometheus name", GROUP, "samples", [some_sample(1, name="per cent %")])
run("prometheus truth", GROUP, "samples", [some_sample(1, volume=True)])
same = some_sample(1, name="m", type="gauge", volume=1)
run("prometheus series", GROUP, "samples", [same, sample.Sample(**{**same.as_dict(), "volume": 2})])
run("prometheus type", GROUP, "samples", [some_sample(1, name="m", type="delta"), some_sample(2, name="m", type="gauge")])

for url in ["opentelemetryhttp://HOST/v1/metrics", "opentelemetryhttp://HOST/v1/metrics?batch=False&x=y"]:
    for records in batches(some_sample, (1, 3, 20)):
        run("opentelemetry", url, "samples", records)
OTLP = "opentelemetryhttp://HOST/v1/metrics"
run("opentelemetry", OTLP, "samples", [some_sample(1, timestamp="2026-07-21T13:56:12+05:30"), some_sample(2, volume=10**40)])
run("opentelemetry unit", OTLP, "samples", [some_sample(1, unit=None)])
run("opentelemetry time", OTLP, "samples", [some_sample(1, timestamp="yesterday"), some_sample(2)])

for scheme in ["udp", "tcp"]:
    for records in batches(some_sample, (1, 3, 20, 40)):
        run(scheme, f"{scheme}://HOST", "samples", records)
    run(scheme, f"{scheme}://HOST/ignored?a=b", "samples", [some_sample(1)])
    run(f"{scheme} huge", f"{scheme}://HOST", "samples", [some_sample(1, volume=2**64), some_sample(2)])
    run(f"{scheme} large", f"{scheme}://HOST", "samples",
        [some_sample(1, resource_metadata={"x": "x" * 70000}), some_sample(2)])

for url in ["zaqar://?queue=a_queue", "zaqar://?queue=first&ttl=60&queue=last&ttl=90"]:
    for records in batches(some_sample, (1, 3)):
        run("zaqar", url, "samples", records)
    for records in batches(some_event, (1, 3)):
        run("zaqar", url, "events", records)
for url in ["zaqar://", "zaqar://?queue=q&ttl=x"]:
    run("load", url, "samples", [some_sample(1)])

print(json.dumps({"case": "end"}), flush=True)
os._exit(0)
