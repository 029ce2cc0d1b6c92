"""What Ceilometer's dynamic pollsters make of the cases of dynamic_oracle/cases.yaml.

    dynamic_oracle.py CASES

Serves the cases' answers over HTTP, each case at an address of its own, and runs the original against them. Writes two
lines: the port, and a JSON list with the samples of each case and the name of the exception that ended it. Then it goes on
serving, for whoever wants to compare, until its input ends.
"""

import base64
import email.utils
import hashlib
import hmac
import http.server
import importlib
import json
import secrets
import sys
import threading
import types
import urllib.parse
import urllib.request

import keystoneauth1.noauth
import keystoneauth1.session
import requests
import yaml
from oslo_config import cfg

from ceilometer import sample as ceilometer_sample
from ceilometer.polling.dynamic_pollster import DynamicPollster

with open(sys.argv[1]) as file:
    CASES = yaml.safe_load(file)


class S3Auth(requests.auth.AuthBase):
    """Signature version 2 as the module awsauth makes it, of which there is no package that can be installed without building."""

    def __init__(self, access, secret, host="s3.amazonaws.com"):
        self.access, self.secret, self.host = access, secret, host

    def __call__(self, request):
        if "x-amz-date" not in request.headers and "date" not in request.headers:
            request.headers["date"] = email.utils.formatdate(usegmt=True)
        url = urllib.parse.urlsplit(request.url)
        bucket = url.netloc[: -len(self.host)].removesuffix(".")
        resource = ("/" + bucket if bucket else "") + (url.path or "/")
        signed = [part for part in sorted(url.query.split("&")) if part.split("=")[0] in ("acl", "versionId", "uploads")]
        resource += "?" * bool(signed) + "&".join(map(urllib.parse.unquote, signed))
        text = f"GET\n\n\n{request.headers['date']}\n{resource}"
        digest = hmac.new(self.secret.encode(), text.encode(), "sha1").digest()
        request.headers["Authorization"] = f"AWS {self.access}:{base64.b64encode(digest).decode()}"
        return request


sys.modules["awsauth"] = types.SimpleNamespace(S3Auth=S3Auth)
# The original looks for classes in top-level modules alone, so that a site needs a module of its own to have these.
requests.HTTPBasicAuth = requests.auth.HTTPBasicAuth
requests.HTTPDigestAuth = requests.auth.HTTPDigestAuth

REALM = "a realm, 'of' users"
OPAQUE = "b3BhcXVl=="
HASHES = {"": "md5", "MD5": "md5", "MD5-sess": "md5", "SHA": "sha1", "SHA-256": "sha256", "SHA-512": "sha512"}
NONCES = set()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        host = self.headers["Host"].split(":")[0]
        case = CASES[int(host.split(".")[3]) - 1]
        answer = case["responses"].get(self.path)
        status, body = 200, answer
        if isinstance(answer, dict):
            wanted = answer.get("header")
            status, body = answer.get("status", 200), answer.get("body", "")
            if wanted and self.headers.get(wanted[0]) != wanted[1]:
                status, body = 400, "a header is missing"
            if "signed" in answer and not self.is_signed(answer["signed"]):
                status, body = 403, "the signature is another"
        elif answer is None:
            status, body = 404, "no such path: " + self.path
            if "digest" in answer and not self.answers_challenge(*answer["digest"]):
                return self.challenge(*answer["digest"][2:])
        base = "http://" + self.headers["Host"]
        data = body.replace("@BASE@", base).replace("@DEEP@", "[" * 100_000).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def challenge(self, algorithm, qop):
        nonce = secrets.token_urlsafe()
        NONCES.add(nonce)
        parts = [f'realm="{REALM}"', f'nonce="{nonce}"', f'opaque="{OPAQUE}"']
        parts += [f"algorithm={algorithm}"] * bool(algorithm) + [f'qop="{qop}"'] * bool(qop)
        self.send_response(401)
        self.send_header("WWW-Authenticate", "Digest " + ", ".join(parts))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def answers_challenge(self, user, password, algorithm, qop):
        """Judged by RFC 7616, and RFC 2617 and 2069 where the challenge is theirs; a challenge is good for one answer."""
        scheme, _, text = self.headers.get("Authorization", "").partition(" ")
        if scheme != "Digest":
            return False
        said = urllib.request.parse_keqv_list(urllib.request.parse_http_list(text))

        def digest(*parts):
            return hashlib.new(HASHES[algorithm], ":".join(parts).encode()).hexdigest()

        if said["nonce"] not in NONCES:
            return False
        NONCES.remove(said["nonce"])
        secret, request = digest(user, REALM, password), digest("GET", self.path)
        if algorithm == "MD5-sess":
            secret = digest(secret, said["nonce"], said["cnonce"])
        counted = [said["nc"], said["cnonce"], "auth"] if qop else []
        wanted = {"username": user, "realm": REALM, "uri": self.path, "opaque": OPAQUE}
        wanted["response"] = digest(secret, said["nonce"], *counted, request)
        if qop:
            wanted |= {"qop": "auth", "nc": "00000001"}
        if algorithm:
            wanted["algorithm"] = algorithm
        return wanted.items() <= said.items()

    def is_signed(self, signed):
        """Signs the request as it came by the class itself, and compares."""
        host = self.headers["Host"]
        arguments = [argument.replace("@HOST@", host) for argument in signed[2:]]
        headers = {name: value for name, value in self.headers.items() if name.lower() != "authorization"}
        request = requests.Request("GET", f"http://{host}{self.path}", headers=headers).prepare()
        authentication = getattr(importlib.import_module(signed[0]), signed[1])(*arguments)
        return authentication(request).headers["Authorization"] == self.headers["Authorization"]

    def log_message(self, *args):
        pass


server = http.server.ThreadingHTTPServer(("0.0.0.0", 0), Handler)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
port = server.server_address[1]
print(port, flush=True)

conf = cfg.ConfigOpts()
conf.register_opts(ceilometer_sample.OPTS)
ceilometer_sample.setup(conf)


class Keystone:
    session = keystoneauth1.session.Session(auth=keystoneauth1.noauth.NoAuth(endpoint=None))


class Manager:
    _keystone = Keystone()

    def __init__(self, base):
        self.base = base

    def discover(self, discovery, cache):
        return ["node-1"] if discovery == ["local_node"] else [self.base]


def run(number, case):
    base = f"http://127.0.0.{number + 1}:{port}"
    text = case["definition"].replace("@BASE@", base).replace("@HOST@", base.removeprefix("http://"))
    definition = yaml.safe_load(text)
    samples = []
    error = None
    try:
        pollster = DynamicPollster(definition, conf)
        resource = case.get("resource", base)
        for sample in pollster.get_samples(Manager(base), {}, [resource]):
            samples.append([
                sample.name, sample.type, sample.unit, sample.volume, sample.user_id, sample.project_id,
                sample.resource_id, json.loads(json.dumps(sample.resource_metadata)),
            ])
    except Exception as raised:
        error = type(raised).__name__
    return {"samples": json.loads(json.dumps(samples)), "error": error}


print(json.dumps([run(number, case) for number, case in enumerate(CASES)]), flush=True)
sys.stdin.read()
