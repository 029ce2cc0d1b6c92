"""Reads transport URLs, one JSON string per line, as the real oslo.messaging and kombu do; one JSON answer per line."""

import json
import sys
import warnings

warnings.simplefilter("ignore")
from kombu import Connection  # noqa: E402
from oslo_config import cfg  # noqa: E402
from oslo_messaging import transport  # noqa: E402
from oslo_messaging._drivers import impl_rabbit  # noqa: E402


def read(text):
    conf = cfg.ConfigOpts()
    conf([])
    url = transport.TransportURL.parse(conf, text)
    hosts = [[host.hostname, host.port, host.username, host.password] for host in url.hosts]
    driver = impl_rabbit.Connection.__new__(impl_rabbit.Connection)
    connects = []
    for host in url.hosts or [transport.TransportHost("")]:
        defaults = {} if url.hosts else {"default_username": "guest", "default_password": "guest",
                                         "default_hostname": "localhost"}
        kombu = Connection(driver._transform_transport_url(url, host, **defaults))
        chosen = kombu.transport.default_connection_params
        connects.append([kombu.hostname or chosen["hostname"], kombu.port or chosen["port"],
                         kombu.userid or chosen["userid"], kombu.password or chosen["password"],
                         kombu.virtual_host])
    return {"hosts": hosts, "virtual_host": url.virtual_host, "query": url.query, "connects": connects}


def main():
    for line in sys.stdin:
        try:
            answer = read(json.loads(line))
        except Exception as error:
            answer = {"refused": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


main()
