"""A real Gnocchi in this process: its API as a WSGI application, and the processing of measures right after they came.

Time stands still during a request, and new metrics get the ids that ours got.
"""

import datetime
import io
import logging
import os
import sys
import uuid

UTC = datetime.timezone.utc
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=UTC)
HOST = "oracle"


class Clock:
    now = EPOCH


class Gnocchi:
    """Gnocchi with its index in a database of PostgreSQL and its measures in files."""

    def __init__(self, indexer_url, directory, max_limit):
        # Looked for while it is imported.
        os.environ["GNOCCHI_INDEXER_URL"] = indexer_url
        path = os.path.join(directory, "gnocchi.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(
                # Without a coordination_url, the database is it: `/v1/status` tells of no processes then.
                f"[DEFAULT]\nparallel_operations = 1\n"
                f"[indexer]\nurl = {indexer_url}\n"
                f"[storage]\ndriver = file\nfile_basepath = {directory}/data\n"
                f"[incoming]\ndriver = file\nfile_basepath = {directory}/data\n"
                f"[api]\nauth_mode = basic\nmax_limit = {max_limit}\n"
            )
        sys.argv = [sys.argv[0], "--config-file", path]
        import numpy
        from gnocchi import chef, incoming, indexer, storage, utils
        from gnocchi.cli import api, metricd
        from gnocchi.indexer import sqlalchemy_base
        from gnocchi.rest import app
        from sqlalchemy import event

        logging.disable(logging.CRITICAL)
        numpy.seterr(all="ignore")
        utils.utcnow = lambda: Clock.now
        self.new_ids = {}
        event.listen(sqlalchemy_base.Metric, "init", self.name_new)
        conf = api.prepare_service()
        index, store, arriving = indexer.get_driver(conf), storage.get_driver(conf), incoming.get_driver(conf)
        index.upgrade()
        store.upgrade()
        arriving.upgrade(1)
        self.application = app.load_app(conf)
        coordinator = metricd.get_coordinator_and_start(b"oracle", f"file://{directory}/locks")
        self.incoming = arriving
        self.chef = chef.Chef(coordinator, arriving, index, store)

    def name_new(self, _target, _args, values):
        known = self.new_ids.get((str(values.get("resource_id")), values.get("name")))
        if known:
            values["id"] = uuid.UUID(known.pop(0))

    def ask(self, question, new_ids):
        """What it answers: status, headers, body; a status of 0 and the exception where nobody caught it."""
        Clock.now = EPOCH + datetime.timedelta(microseconds=question.now)
        self.new_ids = new_ids
        path, _, query = question.path.partition("?")
        body = (question.body or "").encode()
        from urllib.parse import unquote_to_bytes

        environ = {
            "REQUEST_METHOD": question.method, "SCRIPT_NAME": "", "QUERY_STRING": query, "SERVER_NAME": HOST, "SERVER_PORT": "80",
            "PATH_INFO": unquote_to_bytes(path).decode("latin-1"), "SERVER_PROTOCOL": "HTTP/1.1", "HTTP_HOST": HOST,
            "wsgi.version": (1, 0), "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(body), "wsgi.errors": io.StringIO(),
            "wsgi.multithread": False, "wsgi.multiprocess": False, "wsgi.run_once": False, "CONTENT_LENGTH": str(len(body)),
            "REMOTE_ADDR": "127.0.0.1",
        }  # fmt: skip
        for name, value in question.headers.items():
            key = name.upper().replace("-", "_")
            environ[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
        found = {}

        def start_response(status, headers, _exc_info=None):
            found["status"], found["headers"] = int(status.split()[0]), {name.lower(): value for name, value in headers}

        try:
            parts = self.application(environ, start_response)
            text = b"".join(parts).decode()
        except Exception as error:  # noqa: BLE001
            return 0, {}, f"{type(error).__name__}: {error}"
        if question.brings_measures and found["status"] == 202:
            self.chef.process_new_measures_for_sack(next(self.incoming.iter_sacks()), sync=True)
        if question.method == "DELETE":
            self.chef.expunge_metrics(1000, sync=True)
        return found["status"], found["headers"], text
