"""Takes every message out of a queue and prints how many samples of each meter they held, as JSON:
`count_samples.py HOST:PORT QUEUE`, for the Python that has the library amqp.
"""

import collections
import json
import sys

import amqp

SECONDS = 30


def samples(message):
    notification = json.loads(json.loads(message.body)["oslo.message"])
    return notification["payload"]["samples"]


def main():
    place, queue = sys.argv[1:]
    counts = collections.Counter()
    with amqp.Connection(place, connect_timeout=SECONDS, read_timeout=SECONDS) as connection:
        channel = connection.channel()
        while (message := channel.basic_get(queue, no_ack=True)) is not None:
            counts.update(sample["counter_name"] for sample in samples(message))
    print(json.dumps(counts))


if __name__ == "__main__":
    main()
