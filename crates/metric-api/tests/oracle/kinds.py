"""Questions about archive policies, rules and resource types."""

from question import ask

METHODS = ["mean", "sum", "min", "max", "count", "std", "median", "first", "last", "95pct", "1pct", "rate:mean", "rate:sum", "rate:last", "rate:95pct"]
# Those that have a point for each group.
STEADY = ["mean", "sum", "min", "max", "count", "median", "first", "last", "95pct", "1pct"]
KINDS = ["string", "uuid", "number", "bool", "datetime"]


class Kinds:
    """A part of the world."""

    # Archive policies

    def definition(self):
        random = self.random
        granularities = random.choice([[60], [60, 3600], [1, 60], [5, 60, 300], [86400], [0.5, 10], [7, 60], [60, 300], [60, 300], [300]])
        items = []
        for granularity in granularities:
            item = {"granularity": granularity}
            draw = random.random()
            if draw < 0.3:
                item["points"] = random.choice([3, 10, 100, 1000])
            elif draw < 0.5:
                item["timespan"] = f"{random.choice([1, 3, 24])} hour"
            elif draw < 0.55:
                item = {"timespan": granularity * 24, "points": 24}
            items.append(item)
        return items

    def policy_body(self):
        random = self.random
        body = {"name": f"policy{random.randrange(14)}", "definition": self.definition()}
        if self.chance(0.6):
            body["back_window"] = random.choice([0, 0, 1, 3, 20])
        is_limited = any("points" in item or "timespan" in item for item in body["definition"])
        if is_limited:
            # Of series that end at different times, Gnocchi keeps what a set's order has it keep.
            body["aggregation_methods"] = list(dict.fromkeys(["mean", *random.sample(STEADY, 3)]))
        elif self.chance(0.7):
            chosen = random.sample(METHODS, random.randrange(1, 7))
            draw = random.random()
            if draw < 0.6:
                chosen = list(dict.fromkeys(["mean", *chosen]))
            elif draw < 0.7:
                chosen = ["-" + method for method in ("std", "sum")[: random.randrange(1, 3)]] + ["+last"]
            body["aggregation_methods"] = chosen
        return body

    def create_policy(self):
        return ask("policy", "POST", "/v1/archive_policy", self.policy_body(), user=self.user() if self.chance(0.2) else "admin")

    def wrong_policy(self):
        random = self.random
        body = self.policy_body()
        body["name"] = "wrong"
        change = random.choice([
            {"definition": []}, {"definition": {}}, {"definition": [{}]}, {"definition": [{"granularity": "x"}]}, {"name": 5},
            {"definition": [{"granularity": 60, "points": 10, "timespan": 5}]}, {"definition": [{"granularity": 60}, {"granularity": "1 min"}]},
            {"definition": [{"points": 5}]}, {"definition": [{"granularity": 60, "timespan": 5}]}, {"definition": [{"granularity": 0}]},
            {"definition": [{"granularity": -60}]}, {"definition": [{"granularity": 60, "points": 0}]}, {"back_window": -1},
            {"definition": [{"granularity": 60, "points": "x"}]}, {"back_window": "x"}, {"aggregation_methods": ["foo"]}, {"foo": 1},
            {"aggregation_methods": "mean"}, {"aggregation_methods": ["rate:foo"]}, {"definition": [{"granularity": None}]},
            {"aggregation_methods": [1]}, {"aggregation_methods": ["mean", "100pct"]}, {"definition": [{"foo": 1}]}, {"definition": [1]},
        ])  # fmt: skip
        body.update(change)
        if self.chance(0.1):
            del body["definition"]
        return ask("wrong policy", "POST", "/v1/archive_policy", body)

    def get_policy(self):
        if self.chance(0.3):
            return ask("policies", "GET", "/v1/archive_policy")
        return ask("policy", "GET", f"/v1/archive_policy/{self.pick(self.policies, 'none')}", user=self.user())

    def change_policy(self):
        random = self.random
        steady = [name for name, policy in self.policies.items() if set(policy["aggregation_methods"]) <= set(STEADY)]
        name = self.pick(steady, "none", 0.1)
        known = self.policies.get(name, {"definition": []})["definition"]
        # Never more points than before: what was too old may still lie on disk, with either.
        points = [min(random.choice([5, 50, 500]), item["points"] or 500) for item in known]
        body = {"definition": [{"granularity": item["granularity"], "points": most} for item, most in zip(known, points)]}
        if self.chance(0.2):
            body["definition"] = [{"granularity": 77}]
        if self.chance(0.3):
            body["back_window"] = random.choice([0, 2, 5])
        if self.chance(0.05):
            body["name"] = "other"
        return ask("change policy", "PATCH", f"/v1/archive_policy/{name}", body)

    def delete_policy(self):
        return ask("delete policy", "DELETE", f"/v1/archive_policy/{self.pick(self.policies, 'none', 0.2)}", user=self.user())

    # Rules

    def rule(self):
        random = self.random
        draw = random.random()
        name = f"rule{random.randrange(6)}"
        if draw < 0.4:
            pattern = random.choice(["*", "cpu*", "disk.*", "disk.re[a-c]d", "c?u", "[!c]*", "memory"])
            body = {"name": name, "metric_pattern": pattern, "archive_policy_name": self.pick(self.policies, "none")}
            if self.chance(0.1):
                body.update(random.choice([{"foo": 1}, {"name": 5}, {"metric_pattern": None}, {"archive_policy_name": 1}]))
            return ask("rule", "POST", "/v1/archive_policy_rule", body)
        if draw < 0.55:
            return ask("rules", "GET", "/v1/archive_policy_rule", user=self.user())
        if draw < 0.7:
            return ask("rule", "GET", f"/v1/archive_policy_rule/{self.pick(self.rules, 'none')}")
        if draw < 0.85:
            return ask("rule", "PATCH", f"/v1/archive_policy_rule/{self.pick(self.rules, 'none')}", {"name": name}, user=self.user())
        return ask("rule", "DELETE", f"/v1/archive_policy_rule/{self.pick(self.rules, 'none')}")

    # Resource types

    def attribute(self):
        random = self.random
        attribute = {"type": random.choice(KINDS)}
        if self.chance(0.7):
            attribute["required"] = self.chance(0.15)
        if attribute["type"] == "string" and self.chance(0.5):
            attribute.update(random.choice([{"min_length": 0}, {"max_length": 5}, {"min_length": 1, "max_length": 10}, {"max_length": 300}]))
        if attribute["type"] == "number" and self.chance(0.5):
            attribute.update(random.choice([{"min": 0}, {"max": 5.5}, {"min": -10, "max": 100}, {"min": 5, "max": 2}]))
        return attribute

    def create_type(self):
        random = self.random
        names = random.sample(["flavor", "size", "image", "alive", "born", "host"], random.randrange(0, 5))
        attributes = {name: self.attribute() for name in names}
        for attribute in attributes.values():
            attribute.setdefault("required", False)
        body = {"name": f"type{random.randrange(5)}", "attributes": attributes}
        if self.chance(0.15):
            body = random.choice([
                {"name": "t", "attributes": {"id": {"type": "string"}}}, {"name": "t", "attributes": {"a": {"type": "foo"}}}, {"name": 5},
                {"name": "t", "attributes": {"_a": {"type": "string"}}}, {"attributes": {}}, {"name": "t", "foo": 1}, {"name": "generic"},
                {"name": "t", "attributes": {"a": {}}}, {"name": "t", "attributes": []}, {"name": "t", "attributes": {"a": 1}},
                {"name": "t", "attributes": {"a": {"type": "number", "max_length": 5}}}, {"name": "t", "attributes": {"x" * 64: {"type": "bool"}}},
            ])  # fmt: skip
        return ask("type", "POST", "/v1/resource_type", body, user=self.user() if self.chance(0.1) else "admin")

    def get_type(self):
        if self.chance(0.3):
            return ask("types", "GET", self.random.choice(["/v1/resource_type", "/v1/resource_type/", "/v1/resource"]))
        return ask("type", "GET", f"/v1/resource_type/{self.pick(['generic', *self.types], 'none')}")

    def change_type(self):
        random = self.random
        name = self.pick(self.types, "none", 0.1)
        known = list(self.types.get(name, {}))
        changes = []
        for _ in range(random.randrange(0, 3)):
            attribute = random.choice(["flavor", "size", "image", "alive", "born", "host", "more"])
            if self.chance(0.4):
                changes.append({"op": "remove", "path": f"/attributes/{self.pick(known, attribute)}"})
            else:
                added = self.attribute()
                if added.get("required", True) or self.chance(0.3):
                    fill = {"string": "abc", "uuid": self.UUIDS[0], "number": 4, "bool": True, "datetime": self.TIMES[0]}[added["type"]]
                    added["options"] = {"fill": fill if self.chance(0.9) else [1]}
                changes.append({"op": "add", "path": f"/attributes/{attribute}", "value": added})
        if self.chance(0.1):
            changes = random.choice([{}, [{"op": "add"}], [{"op": "move", "path": "/attributes/a"}], [{"op": "remove", "path": "/name"}], [1]])
        return ask(
            "change type", "PATCH", f"/v1/resource_type/{name}", changes,
            headers={"Content-Type": "application/json-patch+json" if self.chance(0.95) else "application/json"})  # fmt: skip

    def delete_type(self):
        return ask("delete type", "DELETE", f"/v1/resource_type/{self.pick(['generic', *self.types], 'none')}", user=self.user())
