"""Questions about resources and metrics: made, shown, changed, listed and searched."""

import uuid

from question import ask


class Objects:
    """A part of the world."""

    # Resources

    def attribute_value(self, attribute):
        random = self.random
        match attribute["type"]:
            case "string":
                low, high = attribute.get("min_length", 0), attribute.get("max_length", 255)
                text = random.choice(["a", "b", "vm 1", "abc"])
                return text if low <= len(text) <= high and self.chance(0.95) else "x" * (low + 1)
            case "number":
                return random.choice([1, 2.5, 4, 0, -3])
            case kind:
                return self.filters.value(kind)

    def resource_body(self, kind):
        random = self.random
        body = {}
        for name in ("user_id", "project_id"):
            if self.chance(0.5):
                body[name] = random.choice(["alice", "project-1", "p2", None])
        if self.chance(0.3):
            body["started_at"] = random.choice(["2025-06-01", "2025-06-01T10:00:00.5", 1_760_000_000, "-2 days", self.TIMES[1]])
        if self.chance(0.25):
            body["ended_at"] = random.choice(self.ENDS)
        for name, attribute in self.types.get(kind, {}).items():
            if attribute["required"] or self.chance(0.5):
                body[name] = self.attribute_value(attribute)
        if self.chance(0.03):
            body["foo"] = 1
        return body

    def new_metrics(self):
        random = self.random
        metrics = {}
        for name in random.sample(self.METRICS, random.randrange(1, 3)):
            if self.metrics and self.chance(0.1):
                metrics[name] = random.choice([*self.metrics])
                continue
            metric = {}
            if self.policies and self.chance(0.9):
                metric["archive_policy_name"] = self.pick(self.policies, "none", 0.03)
            if self.chance(0.3):
                metric["unit"] = random.choice(["B", "ns", "%"])
            metrics[name] = metric
        if len(set(map(str, metrics.values()))) < len(metrics) and any(isinstance(value, str) for value in metrics.values()):
            return {}
        return metrics

    def resource_kind(self):
        return self.pick(["generic", *self.types, *self.types], "none", 0.03)

    def create_resource(self):
        random = self.random
        kind = self.resource_kind()
        body = {"id": random.choice([*self.NAMES, *self.NAMES, *self.UUIDS]), **self.resource_body(kind)}
        if len(self.metrics) < 40 and self.chance(0.5):
            body["metrics"] = self.new_metrics()
        return ask("resource", "POST", f"/v1/resource/{kind}", body, user=self.user())

    def wrong_resource(self):
        body = self.random.choice([
            {}, [], {"id": "a/b"}, {"id": "x" * 290}, {"id": "n", "user_id": 5}, {"id": "n", "started_at": "soon"}, {"id": "n", "foo": "x"},
            {"id": "n", "started_at": "2026-01-02", "ended_at": "2026-01-01"}, {"id": "n", "metrics": []}, {"id": "n", "metrics": {"a": 5}},
            {"id": "n", "metrics": {"a": {"foo": 1}}}, {"id": "n", "metrics": {"a": str(uuid.UUID(int=99))}}, {"id": "n", "metrics": {"a/b": {}}},
            {"id": "n", "metrics": {"a": {"archive_policy_name": "none"}}}, {"id": "n", "metrics": {"a": {"unit": "u" * 40}}}, {"id": 5},
        ])  # fmt: skip
        return ask("wrong resource", "POST", "/v1/resource/generic", body, accept=self.accept())

    def accept(self):
        return self.random.choices(["application/json", None, "*/*", "text/html", "text/plain"], [8, 3, 1, 1, 1])[0]

    def resource(self, share=0.08):
        """The path of a resource, and what is known of it."""
        random = self.random
        if self.resources and not self.chance(share):
            found = random.choice([*self.resources.values()])
            kind = found["type"] if self.chance(0.75) else "generic"
            return f"/v1/resource/{kind}/{found['id']}", found
        kind = random.choice(["generic", "none", *self.types])
        return f"/v1/resource/{kind}/{random.choice(['nothing', str(uuid.UUID(int=77)), *self.NAMES])}", None

    def get_resource(self):
        path, found = self.resource()
        headers = {}
        if found and self.chance(0.3):
            tag = self.random.choice(['"x"', "*", found.get("etag", '"y"')])
            headers[self.random.choice(["If-Match", "If-None-Match"])] = tag
        elif self.chance(0.15):
            date = self.random.choice(["Thu, 01 Jan 2026 00:10:00 GMT", "Fri, 01 Jan 2021 00:00:00 GMT", "Tue, 01 Jan 2030 00:00:00 GMT", "soon"])
            headers[self.random.choice(["If-Modified-Since", "If-Unmodified-Since"])] = date
        return ask("resource", "GET", path, headers=headers, user=self.user(), accept=self.accept() if self.chance(0.1) else "application/json")

    def change_resource(self):
        path, found = self.resource()
        if found is None:
            return ask("change resource", "PATCH", path, {"user_id": "z"})
        path = f"/v1/resource/{found['type']}/{found['id']}"
        body = self.resource_body(found["type"])
        body.pop("started_at", None)
        if self.chance(0.15):
            body["metrics"] = self.new_metrics()
        if self.chance(0.1):
            body = {}
        headers = {"If-Match": self.random.choice(['"x"', found.get("etag", '"y"')])} if self.chance(0.1) else {}
        return ask("change resource", "PATCH", path, body, headers=headers, user="admin" if self.chance(0.7) else self.user())

    def delete_resource(self):
        if self.chance(0.2):
            text = self.random.choice([None, {}, {"=": {"original_resource_id": "x"}}, {"=": {"nothing": 1}}, {"=": {"user_id": "nobody"}}])
            return ask("delete resources", "DELETE", "/v1/resource/generic", text)
        path, _ = self.resource(0.2)
        return ask("delete resource", "DELETE", path, user="admin" if self.chance(0.7) else self.user())

    def history(self):
        path, _ = self.resource()
        parameters = {}
        if self.chance(0.4):
            parameters["limit"] = self.random.choice([1, 2, 5])
        if self.chance(0.3):
            parameters["details"] = "true"
        if self.chance(0.3):
            parameters["sort"] = self.random.choice(["revision_start:desc", "revision_end:asc", "id", "started_at:desc"])
        return ask("history", "GET", path + "/history", parameters=parameters, user=self.user())

    # Listings and searches

    def paging(self, keys, wrong=True):
        random = self.random
        parameters = []
        if self.chance(0.4):
            parameters.append(("limit", random.choice([1, 2, 3, 5, 20, 1000])))
        for _ in range(random.choice([0, 0, 1, 2])):
            suffix = random.choice(["", ":asc", ":desc"])
            parameters.append(("sort", random.choice(keys) + suffix))
        if wrong and not parameters and self.chance(0.15):
            parameters.append(random.choice([
                ("limit", 0), ("limit", "x"), ("limit", -5), ("limit", ""), ("sort", "nothing"), ("sort", "id:up"), ("marker", str(uuid.UUID(int=55))),
                ("limit", "5.5"),
            ]))  # fmt: skip
        return parameters

    RESOURCE_KEYS = ["id", "started_at", "revision_start", "original_resource_id", "type", "creator"]

    def list_resources(self):
        kind = self.resource_kind()
        # One mistake at a time.
        parameters = self.paging(self.RESOURCE_KEYS, wrong=kind != "none")
        resources = [found for found in self.resources.values() if kind in ("generic", found["type"])]
        if resources and not any(name == "marker" for name, _ in parameters) and self.chance(0.3):
            parameters.append(("marker", self.random.choice(resources)["id"]))
        if self.chance(0.2):
            parameters.append(("details", self.random.choice(["true", "1", "false"])))
        if self.chance(0.15):
            parameters += [("attrs", name) for name in self.random.sample(["id", "user_id", "metrics", "nothing"], 2)]
        return ask("resources", "GET", f"/v1/resource/{kind}", parameters=parameters, accept=self.accept() if self.chance(0.1) else "application/json")

    def list_history(self):
        parameters = [("history", "true"), *self.paging(["id", "revision_start", "started_at", "revision_end"], wrong=False)]
        return ask("resources with history", "GET", "/v1/resource/generic", parameters=parameters)

    def search(self):
        random = self.random
        kind = self.resource_kind()
        # One mistake at a time.
        parameters = self.paging(self.RESOURCE_KEYS, wrong=kind != "none")
        is_history = self.chance(0.1)
        if is_history:
            kind = "generic"
            parameters.append(("history", "true"))
        elif self.chance(0.2):
            parameters.append(("details", "true"))
        if self.chance(0.1):
            parameters += [("attrs", "id"), ("attrs", "project_id")]
        draw = random.random()
        if draw < 0.14 and kind == "none":
            kind = "generic"
        if draw < 0.08:
            return ask("wrong search", "POST", f"/v1/search/resource/{kind}", self.filters.wrong(kind), accept=self.accept())
        if draw < 0.14:
            return ask("wrong filter", "POST", f"/v1/search/resource/{kind}", parameters=[("filter", self.filters.wrong_text())])
        tree = self.filters.tree(kind if not is_history else "generic", is_history)
        if draw < 0.5:
            parameters.append(("filter", self.filters.text(tree)))
            return ask("search by text", "POST", f"/v1/search/resource/{kind}", parameters=parameters)
        return ask("search", "POST", f"/v1/search/resource/{kind}", tree, parameters=parameters, user=self.user())

    # Metrics

    def create_metric(self):
        random = self.random
        body = {}
        if self.policies and self.chance(0.85):
            body["archive_policy_name"] = self.pick(self.policies, "none", 0.04)
        user = self.user()
        if self.chance(0.7):
            body["name"] = random.choice([*self.METRICS, *self.METRICS, "a/b", "é"])
        if self.chance(0.3):
            body["unit"] = random.choice(["B", "x" * 31, "x" * 32, 5])
        if self.resources and self.chance(0.3):
            found = random.choice([*self.resources.values()])
            body["resource_id"] = found["id"]
        if self.chance(0.04):
            body.update(random.choice([{"foo": 1}, {"name": 5}, {"archive_policy_name": 5}, {"resource_id": 5}, {"resource_id": "a/b"}]))
        return ask("metric", "POST", random.choice(["/v1/metric", "/v1/metric/"]), body, user=user)

    def get_metric(self):
        random = self.random
        draw = random.random()
        if draw < 0.5:
            return ask("metric", "GET", f"/v1/metric/{self.pick(self.metrics, random.choice(['x', str(uuid.UUID(int=9))]))}", user=self.user())
        path, found = self.resource()
        if draw < 0.75 and found and found["metrics"]:
            return ask("metric by name", "GET", f"{path}/metric/{random.choice([*found['metrics'], 'nothing'])}", user=self.user())
        return ask("metrics of a resource", "GET", f"{path}/metric", user=self.user())

    def list_metrics(self):
        random = self.random
        # One mistake at a time.
        parameters = self.paging(["id", "archive_policy_name", "creator"], wrong=False)
        if self.metrics and self.chance(0.3) and not any(name == "marker" for name, _ in parameters):
            parameters.append(("marker", random.choice([*self.metrics])))
        for _ in range(random.choice([0, 0, 1, 2])):
            parameters.append(random.choice([
                ("name", random.choice(self.METRICS)), ("unit", "B"), ("creator", "admin"), ("status", "active"), ("status", "delete"), ("status", "x"),
                ("archive_policy_name", self.pick(self.policies, "none")), ("user_id", "alice"), ("project_id", "p"), ("foo", "bar"),
            ]))  # fmt: skip
        return ask("metrics", "GET", "/v1/metric", parameters=list(dict(parameters).items()) if self.chance(0.9) else parameters)

    def add_metrics(self):
        path, _ = self.resource()
        body = self.new_metrics() if self.chance(0.85) else self.random.choice([{}, [], {"a": 1}, {"a": {"foo": 1}}, {"a/b": {}}])
        return ask("metrics of a resource", "POST", f"{path}/metric", body, user="admin" if self.chance(0.7) else self.user())

    def delete_metric(self):
        return ask("delete metric", "DELETE", f"/v1/metric/{self.pick(self.metrics, str(uuid.UUID(int=9)), 0.2)}", user="admin" if self.chance(0.6) else self.user())
