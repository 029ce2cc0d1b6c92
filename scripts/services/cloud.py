#!/usr/bin/env python3
"""Real operations on a private Keystone and Glance, as an administrator performs them.

    cloud.py --keystone URL [--glance URL]

As a program it speaks the launchers' protocol: one command a line on stdin, `VERB {"argument": value}`, each
answered by one JSON line. The verbs are the public methods of `Cloud`. Other scripts import `Cloud`.
"""

import argparse
import hashlib
import http.client
import itertools
import json
import os
import urllib.parse

from launcher import Failure, Launcher
from openstack import ADMIN_PASSWORD, ADMIN_USER, REGION

REQUEST_SECONDS = 60
CHUNK_BYTES = 65536


class Cloud:
    """An administrator's session: a token, renewed when Keystone no longer takes it; for the project `admin`, or for that
    with the id `project`.
    """

    def __init__(self, keystone, glance=None, project=None):
        self._keystone = keystone.rstrip("/")
        self._glance = glance.rstrip("/") if glance else None
        self._project = {"id": project} if project else {"name": "admin", "domain": {"id": "default"}}
        self._token = None

    # --- Keystone

    def create_project(self, name, **properties):
        """Creates a project in the default domain; returns its id."""
        return self._create("project", name=name, domain_id="default", **properties)

    def update_project(self, id, **properties):
        self._identity("PATCH", f"/projects/{id}", {"project": properties})

    def delete_project(self, id):
        self._identity("DELETE", f"/projects/{id}")

    def create_user(self, name, password, **properties):
        """Creates a user in the default domain; returns its id."""
        return self._create("user", name=name, password=password, domain_id="default", **properties)

    def update_user(self, id, **properties):
        self._identity("PATCH", f"/users/{id}", {"user": properties})

    def delete_user(self, id):
        self._identity("DELETE", f"/users/{id}")

    def create_group(self, name):
        """Creates a group in the default domain; returns its id."""
        return self._create("group", name=name, domain_id="default")

    def delete_group(self, id):
        self._identity("DELETE", f"/groups/{id}")

    def create_role(self, name):
        """Creates a role; returns its id."""
        return self._create("role", name=name)

    def delete_role(self, id):
        self._identity("DELETE", f"/roles/{id}")

    def assign_role(self, project, user, role):
        """Gives a user a role in a project."""
        self._identity("PUT", f"/projects/{project}/users/{user}/roles/{role}")

    def revoke_role(self, project, user, role):
        self._identity("DELETE", f"/projects/{project}/users/{user}/roles/{role}")

    def authenticate(self, name, password, project=None):
        """Asks for a token with a user's password; returns whether Keystone gave one."""
        scope = {"scope": {"project": {"id": project}}} if project else {}
        status, _, _ = self._call("POST", f"{self._keystone}/auth/tokens", self._credentials(name, password, scope))
        return status == 201

    def register_service(self, name, type, url):
        """Enters a service into the catalogue, with the same URL for everybody; returns its id."""
        id = self._create("service", name=name, type=type)
        for interface in ("public", "internal", "admin"):
            self._create("endpoint", service_id=id, interface=interface, url=url, region_id=REGION)
        return id

    def projects(self):
        """Ids of all projects by name."""
        return {project["name"]: project["id"] for project in self._identity("GET", "/projects")["projects"]}

    # --- Glance

    def create_image(self, name, **properties):
        """Registers an image without data; returns its id."""
        wanted = {"name": name, "disk_format": "raw", "container_format": "bare", **properties}
        return self._image("POST", "/v2/images", wanted)["id"]

    def upload_image(self, id, size_bytes):
        """Uploads that many bytes, the same for the same id; returns their SHA-256."""
        digest = hashlib.sha256()

        def data():
            block = hashlib.sha256(id.encode()).digest() * (CHUNK_BYTES // 32)
            for start in itertools.count(0, CHUNK_BYTES):
                if start >= size_bytes:
                    return
                part = block[: size_bytes - start]
                digest.update(part)
                yield part

        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size_bytes)}
        self._image("PUT", f"/v2/images/{id}/file", data(), headers)
        return digest.hexdigest()

    def download_image(self, id):
        """Downloads an image; returns the SHA-256 of its data."""
        digest = hashlib.sha256()
        self._image("GET", f"/v2/images/{id}/file", sink=digest.update)
        return digest.hexdigest()

    def update_image(self, id, **properties):
        """Replaces or adds properties of an image."""
        changes = [{"op": "add", "path": f"/{name}", "value": value} for name, value in properties.items()]
        self._image(
            "PATCH",
            f"/v2/images/{id}",
            json.dumps(changes).encode(),
            {"Content-Type": "application/openstack-images-v2.1-json-patch"},
        )

    def show_image(self, id):
        return self._image("GET", f"/v2/images/{id}")

    def delete_image(self, id):
        self._image("DELETE", f"/v2/images/{id}")

    # --- transport

    def _create(self, kind, **properties):
        return self._identity("POST", f"/{kind}s", {kind: properties})[kind]["id"]

    def _identity(self, method, path, body=None):
        return self._authorised(method, self._keystone + path, body)

    def _image(self, method, path, body=None, headers=None, sink=None):
        if self._glance is None:
            raise Failure("no Glance was given")
        return self._authorised(method, self._glance + path, body, headers, sink)

    @staticmethod
    def _credentials(name, password, scope):
        user = {"name": name, "password": password, "domain": {"id": "default"}}
        return {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, **scope}}

    def _login(self):
        credentials = self._credentials(ADMIN_USER, ADMIN_PASSWORD, {"scope": {"project": self._project}})
        status, headers, text = self._call("POST", f"{self._keystone}/auth/tokens", credentials)
        if status != 201:
            raise Failure(f"Keystone gave no token: {status} {text[:500]!r}")
        self._token = headers["X-Subject-Token"]

    def _authorised(self, method, url, body=None, headers=None, sink=None):
        if self._token is None:
            self._login()
        for attempt in (1, 2):
            every = {"X-Auth-Token": self._token, **(headers or {})}
            status, _, text = self._call(method, url, body, every, sink)
            # A stream cannot be sent twice; what streams comes right after a call that proved the token.
            if status != 401 or attempt == 2 or hasattr(body, "__next__"):
                break
            self._login()
        if status >= 300:
            raise Failure(f"{method} {url}: {status} {text[:500].decode('utf-8', 'replace')}")
        return json.loads(text) if text else None

    @staticmethod
    def _call(method, url, body=None, headers=None, sink=None):
        """One request on a connection of its own; a `sink` takes a successful answer's data in pieces."""
        headers = dict(headers or {})
        if isinstance(body, dict):
            body = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        parts = urllib.parse.urlsplit(url)
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=REQUEST_SECONDS)
        try:
            connection.request(method, parts.path, body, headers)
            answer = connection.getresponse()
            if sink is None or answer.status >= 300:
                return answer.status, answer.headers, answer.read()
            while part := answer.read(CHUNK_BYTES):
                sink(part)
            return answer.status, answer.headers, b""
        except (OSError, http.client.HTTPException) as error:
            raise Failure(f"{method} {url}: {error!r}") from error
        finally:
            connection.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keystone", required=True, help="URL of Keystone, with its /v3")
    parser.add_argument("--glance", help="URL of Glance")
    options = parser.parse_args()
    cloud = Cloud(options.keystone, options.glance)

    def command(verb):
        def run(text="{}"):
            return {"result": getattr(cloud, verb)(**json.loads(text))}

        return run

    verbs = {verb: command(verb) for verb in dir(cloud) if not verb.startswith("_")}
    Launcher("cloud", keep_user=True).serve(lambda: {"pid": os.getpid()}, verbs)


if __name__ == "__main__":
    main()
