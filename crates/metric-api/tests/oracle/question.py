"""A request, and when it is made."""

import base64
import json
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode


@dataclass
class Question:
    """`label` says which kind it is; differences are expected by it."""

    label: str
    method: str
    path: str
    body: str | None = None
    headers: dict = field(default_factory=dict)
    brings_measures: bool = False
    now: int = 0


def ask(label, method, path, body=None, *, parameters=(), user="admin", accept="application/json", headers=(), text=None, measures=False):
    """A request with `body` as JSON, or `text` as it is; no header that is None."""
    path = quote(path, safe="/?=&%,:@+")
    if isinstance(parameters, dict):
        parameters = list(parameters.items())
    parameters = [(name, value) for name, value in parameters if value is not None]
    if parameters:
        path += "?" + urlencode(parameters)
    sent = {}
    if user is not None:
        sent["Authorization"] = "basic " + base64.b64encode(f"{user}:".encode()).decode()
    if accept is not None:
        sent["Accept"] = accept
    if body is not None:
        text = json.dumps(body)
    if text is not None:
        sent["Content-Type"] = "application/json"
    sent.update(headers)
    sent = {name: value for name, value in sent.items() if value is not None}
    return Question(label, method, path, text, sent, measures)
