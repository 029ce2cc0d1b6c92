"""Serves a WSGI application on a loopback port: serve_wsgi.py MODULE PORT THREADS [ARGUMENT]... (run by the test
environment).

The module must define `application`, as the services' own WSGI modules do. They read their configuration
from the environment, or from the arguments that stand behind ours, so that ours are taken away first.
"""

import importlib
import sys

import waitress

module, port, threads = sys.argv[1:4]
del sys.argv[1:4]
# One process, plain threads: nothing outlives the launcher's kill.
application = importlib.import_module(module).application
waitress.serve(
    application,
    host="127.0.0.1",
    port=int(port),
    threads=int(threads),
    ident=None,
    max_request_body_size=1 << 32,
)
