"""What Gnocchi's client library is answered: one question a line, `{"endpoint", "method", "arguments", "options"}`."""

import json
import sys

from gnocchiclient import auth
from gnocchiclient.v1.client import Client

clients = {}


def client(endpoint):
    if endpoint not in clients:
        plugin = auth.GnocchiBasicPlugin(user="admin", endpoint=endpoint)
        clients[endpoint] = Client(session_options={"auth": plugin})
    return clients[endpoint]


for line in sys.stdin:
    question = json.loads(line)
    target = client(question["endpoint"])
    for name in question["method"].split("."):
        target = getattr(target, name)
    answer = target(*question["arguments"], **question["options"])
    print(json.dumps(answer, default=lambda value: value.isoformat()), flush=True)
