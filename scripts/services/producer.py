"""Publishes messages with publisher confirms, fast, through outages; run by the test environment.

    producer.py AMQP-URL

Reads one JSON object a line from stdin: `id`, `exchange`, `routing_key`, `body` (text). Writes lines to
stdout: `confirmed ID ID …` when the broker has taken responsibility, `unroutable ID` when no queue was bound,
`connected` and `lost REASON` as it comes and goes. A message that was not confirmed when a connection was
lost is published again on the next one. A broker that has just come back may be without a binding for a moment: on
any connection but the first, a message that no queue is bound for is published again for UNROUTABLE_SECONDS. Ends at
once when stdin ends: what is unconfirmed then stays so.
"""

import collections
import json
import os
import queue
import sys
import threading
import time
import urllib.parse

import amqp

# Unconfirmed messages at most; also the messages read ahead.
WINDOW = 1000
BURST = 100
RETRY_SECONDS = 0.2
CONNECT_SECONDS = 10
WRITE_SECONDS = 30
UNROUTABLE_SECONDS = 20
TRANSIENT = (OSError, amqp.exceptions.AMQPError)


def say(text):
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def read_ahead(items):
    for line in sys.stdin:
        items.put(json.loads(line))
    os._exit(0)


class Producer:
    def __init__(self, url):
        self._url = urllib.parse.urlsplit(url)
        self._items = queue.Queue(WINDOW)
        # Sent on this connection and not confirmed: delivery tag to item, in order.
        self._sent = collections.OrderedDict()
        self._tag = 0
        self._confirmed = []
        # Answered by the broker, and to be sent again.
        self._unrouted = []
        self._returned = set()
        self._connections = 0
        self._patient_until = 0.0
        threading.Thread(target=read_ahead, args=(self._items,), daemon=True).start()

    def run(self):
        again = []
        while True:
            connection = None
            try:
                connection = self._connect()
                say("connected")
                self._connections += 1
                if self._connections > 1:
                    self._patient_until = time.monotonic() + UNROUTABLE_SECONDS
                self._work(connection, again)
            except TRANSIENT as error:
                self._report()
                self._returned.clear()
                say(f"lost {error!r}"[:500].replace("\n", " "))
                # Those that were sent come first, then those that were still to be sent again.
                again[:0] = [*self._unrouted, *self._sent.values()]
                self._unrouted.clear()
                self._sent.clear()
                if connection is not None:
                    connection.collect()
                time.sleep(RETRY_SECONDS)

    def _connect(self):
        url = self._url
        connection = amqp.Connection(
            host=f"{url.hostname}:{url.port or 5672}",
            userid=urllib.parse.unquote(url.username or "guest"),
            password=urllib.parse.unquote(url.password or "guest"),
            virtual_host=urllib.parse.unquote(url.path[1:]) or "/",
            connect_timeout=CONNECT_SECONDS,
            write_timeout=WRITE_SECONDS,
        )
        connection.connect()
        self._channel = connection.channel()
        self._channel.confirm_select()
        self._channel.events["basic_ack"].add(self._on_ack)
        self._channel.events["basic_return"].add(self._on_return)
        self._tag = 0
        return connection

    def _work(self, connection, again):
        while True:
            for _ in range(BURST):
                if len(self._sent) >= WINDOW:
                    break
                if again:
                    # Taken off only once it is among the sent ones, so that no failure loses it.
                    self._publish(again[0])
                    again.pop(0)
                    continue
                try:
                    # With nothing in flight there is nothing to hear: wait for work.
                    item = self._items.get(timeout=None if not self._sent else 0.001)
                except queue.Empty:
                    break
                self._publish(item)
            try:
                # A full window can only wait; otherwise take what has come and go on.
                connection.drain_events(timeout=1 if len(self._sent) >= WINDOW or self._items.empty() else 0.0001)
            except TimeoutError:
                pass
            self._report()
            if self._unrouted:
                time.sleep(RETRY_SECONDS)
                again.extend(self._unrouted)
                self._unrouted.clear()

    def _publish(self, item):
        message = amqp.Message(
            item["body"],
            content_type="application/json",
            content_encoding="utf-8",
            delivery_mode=2,
            priority=0,
            message_id=item["id"],
        )
        self._tag += 1
        # Noted before it is sent: a failure in the middle of sending must not forget it.
        self._sent[self._tag] = item
        self._channel.basic_publish(
            message, exchange=item["exchange"], routing_key=item["routing_key"], mandatory=True
        )

    def _on_ack(self, tag, multiple):
        while self._sent:
            first = next(iter(self._sent)) if multiple else tag
            if first > tag or first not in self._sent:
                return
            item = self._sent.pop(first)
            if item["id"] in self._returned:
                # The broker confirms what it could not route as well.
                self._returned.discard(item["id"])
                if time.monotonic() < self._patient_until:
                    self._unrouted.append(item)
                else:
                    say(f"unroutable {item['id']}")
            else:
                self._confirmed.append(item["id"])
            if not multiple:
                return

    def _on_return(self, _exception, _exchange, _routing_key, message):
        self._returned.add(message.properties["message_id"])

    def _report(self):
        if self._confirmed:
            say("confirmed " + " ".join(self._confirmed))
            self._confirmed.clear()


Producer(sys.argv[1]).run()
