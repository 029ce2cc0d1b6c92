"""Our server, asked over its socket."""

import http.client
import json

from theirs import HOST


class Server:
    def __init__(self, address):
        host, port = address.rsplit(":", 1)
        self.connection = http.client.HTTPConnection(host, int(port), timeout=120)

    def exchange(self, method, path, headers, body, now):
        self.connection.request(
            method, path, None if body is None else body.encode(), {"Host": HOST, "X-Oracle-Now": str(now), **headers})  # fmt: skip
        answer = self.connection.getresponse()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return answer.status, headers, answer.read().decode()

    def ask(self, question):
        return self.exchange(question.method, question.path, question.headers, question.body, question.now)

    def metrics(self, now):
        """All metrics by id."""
        found, path = {}, "/v1/metric?sort=id"
        while path:
            _, headers, body = self.exchange("GET", path, {"Authorization": "basic YWRtaW46"}, None, now)
            page = json.loads(body)
            found.update((metric["id"], metric) for metric in page)
            path = "Link" and headers.get("link", "").partition(">")[0].removeprefix(f"<http://{HOST}")
        return found
