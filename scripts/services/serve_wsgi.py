"""Serves a WSGI application on a loopback port: serve_wsgi.py MODULE PORT THREADS [ARGUMENT]... (run by the test
environment). With NEPHOSCOPE_REQUEST_LOG, each request adds a line to that file: method, path with query, status.

The module must define `application`, as the services' own WSGI modules do. They read their configuration
from the environment, or from the arguments that stand behind ours, so that ours are taken away first.
"""

import importlib
import os
import sys

import waitress

module, port, threads = sys.argv[1:4]
del sys.argv[1:4]
# One process, plain threads: nothing outlives the launcher's kill.
application = importlib.import_module(module).application


def logged(application, path):
    """The same application, with its requests in a file."""
    log = open(path, "a", buffering=1, encoding="utf-8")

    def serve(environ, start_response):
        query = environ.get("QUERY_STRING")
        place = environ.get("PATH_INFO", "") + (f"?{query}" if query else "")

        def start(status, headers, *more):
            log.write(f"{environ['REQUEST_METHOD']} {place} {status.split(' ')[0]}\n")
            return start_response(status, headers, *more)

        return application(environ, start)

    return serve


if request_log := os.environ.get("NEPHOSCOPE_REQUEST_LOG"):
    application = logged(application, request_log)
waitress.serve(
    application,
    host="127.0.0.1",
    port=int(port),
    threads=int(threads),
    ident=None,
    max_request_body_size=1 << 32,
)
