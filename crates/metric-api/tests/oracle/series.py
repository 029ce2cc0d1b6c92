"""Measures, and questions that compute with them."""

import datetime
import math
import uuid

from question import ask

START = 1_767_225_600_000_000
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


class Series:
    """A part of the world."""

    # Measures

    def measures_of(self, key):
        random = self.random
        cursor = self.cursors.get(key, START // 1_000_000)
        step = random.choice([0.25, 1, 7, 20, 60, 60, 300])
        count = random.choice([1, 1, 3, 10, 30, 80])
        times = []
        for _ in range(count):
            cursor += step * (1 if self.chance(0.8) else random.choice([0, 0.5, 3]))
            times.append(cursor)
        draw = random.random()
        if draw < 0.12:
            back = random.choice([10, 90, 500, 4000])
            times = [time - back for time in times]
        elif draw < 0.3:
            random.shuffle(times)
        elif draw < 0.34:
            times = [times[0] + 7200 * index for index in range(len(times))]
            cursor = max(times)
        if self.chance(0.2):
            times += random.sample(times, min(3, len(times)))
        self.cursors[key] = max(cursor, self.cursors.get(key, 0))
        style = random.choices(["whole", "decimals", "counter", "constant", "anything"], [4, 4, 2, 2, 2])[0]
        return [{"timestamp": self.timestamp(time), "value": self.measured(style, index)} for index, time in enumerate(times)]

    def timestamp(self, seconds):
        return (EPOCH + datetime.timedelta(seconds=seconds)).replace(tzinfo=None).isoformat()

    def measured(self, style, index):
        random = self.random
        match style:
            case "whole":
                return random.randrange(-5, 20)
            case "decimals":
                return random.randrange(-10_000, 10_000) / 100
            case "counter":
                return 1e9 + index * 12_345.678
            case "constant":
                return 42
        return random.choice([math.nan, math.inf, -math.inf, 1e300, -1e308, 1e-310, 0.0, -0.0, "12.5", True, 3, 0.1])

    def post_measures(self):
        random = self.random
        if not self.metrics:
            return self.create_metric()
        key = random.choice([*self.metrics])
        path = f"/v1/metric/{key}/measures"
        metric = self.metrics[key]
        if metric["resource_id"] and metric["name"] and self.chance(0.3):
            path = f"/v1/resource/generic/{metric['resource_id']}/metric/{metric['name']}/measures"
        user = metric["creator"] if self.chance(0.9) else self.user()
        return ask("measures", "POST", path, self.measures_of(key), user=user, measures=True)

    def wrong_measures(self):
        """None of them is empty: that Gnocchi accepts, and then fails at processing what it accepted."""
        body = self.random.choice([
            5, "x", [1], [{"timestamp": 1}], [{"timestamp": "soon", "value": 1}], [{"timestamp": 1, "value": "x"}], [{"timestamp": None, "value": 1}],
            [{"timestamp": -5, "value": 1}], [{"timestamp": 1, "value": None}], [{"timestamp": 1, "value": []}], [{"timestamp": "3000-01-01", "value": 1}],
            {"a": 1}, [[1, 2]], [{"timestamp": "1969-01-01", "value": 1}],
        ])  # fmt: skip
        metric = self.pick(self.metrics, str(uuid.UUID(int=9)))
        return ask("wrong measures", "POST", f"/v1/metric/{metric}/measures", body, accept=self.accept(), measures=True)

    def batch(self):
        random = self.random
        if self.chance(0.4) and self.metrics:
            keys = random.sample([*self.metrics], min(len(self.metrics), random.randrange(1, 4)))
            body = {key: self.measures_of(key) for key in keys}
            if self.chance(0.1):
                body[random.choice(["x", str(uuid.UUID(int=9))])] = [{"timestamp": 1, "value": 1}]
            if self.chance(0.05):
                body[keys[0]] = random.choice([5, [{"timestamp": "soon", "value": 1}], [{"timestamp": 1, "value": "x"}]])
            return ask("batch of metrics", "POST", "/v1/batch/metrics/measures", body, measures=True)
        body = {}
        # An unknown one alone: with others it depends on their order what is made before it is met.
        known = [*self.resources.values()] if self.chance(0.9) else []
        for found in random.sample(known, min(len(known), random.randrange(1, 3))) or [{"id": "unknown é"}]:
            metrics = {}
            for name in random.sample(self.METRICS, random.randrange(1, 3)):
                measures = self.measures_of((found["id"], name))
                metrics[name] = measures if self.chance(0.4) else {"measures": measures}
                if self.policies and (isinstance(metrics[name], dict) or name not in found.get("metrics", {})):
                    metrics[name] = {"measures": measures, "archive_policy_name": random.choice([*self.policies])}
            body[found["id"]] = metrics
        create = len(self.metrics) < 40 and self.chance(0.7)
        parameters = {"create_metrics": random.choice(["true", "True", "1"])} if create else {}
        return ask("batch of resources", "POST", "/v1/batch/resources/metrics/measures", body, parameters=parameters, measures=True)

    def window(self, share=0.4):
        random = self.random
        parameters = []
        top = max((value for value in self.cursors.values()), default=START // 1_000_000)
        for name in ("start", "stop"):
            if self.chance(share):
                seconds = random.randrange(START // 1_000_000 - 500, int(top) + 500)
                parameters.append((name, random.choice([self.timestamp(seconds), str(seconds), f"{seconds}.5"])))
        if self.chance(0.02):
            parameters.append((random.choice(["start", "stop"]), random.choice(["x", "-1 day"])))
        return list(dict(parameters).items())

    def granularities(self, metric):
        policy = self.policies.get(metric["policy"]) if metric else None
        return [item["seconds"] for item in policy["definition"]] if policy else [60]

    def methods(self, metric):
        policy = self.policies.get(metric["policy"]) if metric else None
        return policy["aggregation_methods"] if policy else ["mean"]

    def get_measures(self):
        random = self.random
        key = self.pick(self.metrics, str(uuid.UUID(int=9)), 0.03)
        metric = self.metrics.get(key)
        path = f"/v1/metric/{key}/measures"
        if metric and metric["resource_id"] and metric["name"] and self.chance(0.3):
            path = f"/v1/resource/generic/{metric['resource_id']}/metric/{metric['name']}/measures"
        parameters = self.window()
        if self.chance(0.85):
            parameters.append(("aggregation", self.pick(self.methods(metric), random.choice(["last", "foo", "rate:mean"]), 0.1)))
        if self.chance(0.5):
            parameters.append(("granularity", self.pick(self.granularities(metric), random.choice([42, "x", 0]))))
            if self.chance(0.4) and not any(name == "start" for name, _ in parameters):
                parameters.append(("resample", random.choice([60, 120, 600, 3600, "1 day", "1 hour", "Y", "H", "Q", "M", "W", "x", -1])))
        elif self.chance(0.04):
            parameters.append(("resample", 60))
        if self.chance(0.1):
            parameters.append(("refresh", random.choice(["true", "false", "1"])))
        return ask("get measures", "GET", path, parameters=parameters, user="admin" if self.chance(0.9) else self.user())

    # Searches of values, aggregates

    PREDICATES = ["=", "<", ">", "<=", ">=", "!=", "eq", "ge", "≥", "≠"]

    def predicate(self, depth=0):
        random = self.random
        draw = random.random()
        if depth < 2 and draw < 0.3:
            return {random.choice(["and", "or", "∧", "∨"]): [self.predicate(depth + 1) for _ in range(random.randrange(1, 3))]}
        if draw < 0.5:
            inner = {random.choice(["%", "+", "-", "*", "/", "mod", "mul", "÷"]): random.choice([2, 3, 10])}
            return {random.choice(self.PREDICATES): [inner, random.choice([0, 1, 5])]}
        return {random.choice(self.PREDICATES): random.choice([0, 1, 5, 42, 10.5, -3])}

    def value_search(self):
        random = self.random
        if not self.metrics:
            return self.create_metric()
        one = random.choice([*self.metrics])
        policy = self.metrics[one]["policy"]
        alike = [key for key, metric in self.metrics.items() if metric["policy"] == policy and key in self.measured_metrics()]
        keys = random.sample(alike, min(len(alike), random.randrange(1, 4))) or [one]
        parameters = [("metric_id", key) for key in keys] + self.window(0.3)
        parameters.append(("aggregation", self.pick(self.methods(self.metrics[one]), "mean", 0)))
        if self.chance(0.4):
            parameters.append(("granularity", self.pick(self.granularities(self.metrics[one]), 41)))
        body = self.predicate()
        if self.chance(0.08):
            body = random.choice([{"foo": 1}, {"=": "x"}, {}, {"not": [{"=": 1}]}, {"=": [1, 2, 3]}])
        return ask("search of values", "POST", "/v1/search/metric", body, parameters=parameters)

    def measured_metrics(self):
        return [key for key, metric in self.metrics.items() if metric["measured"]]

    def references(self):
        """Metrics of one policy, mostly such that have measures, with methods of it."""
        random = self.random
        keys = self.measured_metrics() if self.chance(0.9) else [*self.metrics]
        if not keys:
            return None, []
        policy = self.metrics[random.choice(keys)]["policy"]
        alike = [key for key in keys if self.metrics[key]["policy"] == policy] if self.chance(0.85) else keys
        chosen = random.sample(alike, min(len(alike), random.randrange(1, 4)))
        methods = self.methods(self.metrics[chosen[0]])
        common = random.choice(methods)
        return chosen, [(key, common if self.chance(0.8) else random.choice(methods)) for key in chosen]

    def aggregate_parameters(self, metric):
        random = self.random
        parameters = self.window(0.25)
        if self.chance(0.6):
            parameters.append(("granularity", self.pick(self.granularities(metric), 43, 0.04)))
        draw = random.random()
        if draw < 0.3:
            fill = ["0", "-1.5", "null", "dropna", "nan", "inf", "ffill", "bfill", "full_ffill", "full_bfill", "foo"]
            parameters.append(("fill", random.choice(fill)))
        elif draw < 0.5:
            parameters.append(("needed_overlap", random.choice(["0", "10", "50", "100", "x"])))
        if self.chance(0.15):
            parameters.append(("details", "true"))
        return parameters

    def written(self, operation):
        return operation if self.chance(0.6) else self.operations.text(operation)

    def aggregates(self):
        chosen, references = self.references()
        if not chosen:
            return self.create_metric()
        operation = self.operations.series(references) if not self.chance(0.06) else self.operations.wrong()
        body = {"operations": operation if not isinstance(operation, list) else self.written(operation)}
        if self.chance(0.02):
            body = self.random.choice([[], {"operations": operation, "foo": 1}, {"operations": ["metric", str(uuid.UUID(int=9)), "mean"]}])
        if self.chance(0.02):
            body = {"operations": ["metric", "x", "mean"]}
        return ask("aggregates", "POST", "/v1/aggregates", body, parameters=self.aggregate_parameters(self.metrics[chosen[0]]), user="admin" if self.chance(0.9) else self.user())

    def aggregates_by_search(self):
        random = self.random
        named = sorted({metric["name"] for metric in self.metrics.values() if metric["resource_id"] and metric["name"]})
        if not named:
            return self.create_resource()
        name = random.choice(named)
        metric = next(metric for metric in self.metrics.values() if metric["resource_id"] and metric["name"] == name)
        pattern = random.choice([name, name, name, name[:3] + "*", "*", "nothing"])
        method = random.choice(self.methods(metric))
        operation = self.operations.series([(pattern, method)])
        kind = self.resource_kind()
        parameters = self.aggregate_parameters(metric)
        if self.chance(0.4):
            groups = random.sample(["project_id", "user_id", "type", "original_resource_id", "id", "creator"], random.randrange(1, 3))
            parameters += [("groupby", group) for group in groups]
            if self.chance(0.25):
                parameters.append(("use_history", "true"))
                operation = ["aggregate", random.choice(["mean", "sum", "max"]), ["metric", pattern, method]]
            elif self.chance(0.05):
                parameters.append(("groupby", "nothing"))
        is_history = any(name == "use_history" for name, _ in parameters)
        tree = {} if self.chance(0.4) else self.filters.tree("generic" if is_history else kind)
        search = self.filters.text(tree) if tree and self.chance(0.4) else tree
        body = {"operations": self.written(operation), "resource_type": kind, "search": search}
        return ask("aggregates by search", "POST", "/v1/aggregates", body, parameters=parameters)

    def legacy(self):
        random = self.random
        chosen, _ = self.references()
        if not chosen:
            return self.create_metric()
        metric = self.metrics[chosen[0]]
        methods = self.methods(metric)
        parameters = [part for part in self.aggregate_parameters(metric) if part[0] != "details" and part[1] not in ("foo", "x")]
        aggregation = random.choice(methods)
        parameters.append(("aggregation", aggregation))
        # One that is no reaggregation fails there only where there is something to aggregate.
        if self.chance(0.9) or aggregation not in ("mean", "sum", "min", "max", "median", "std"):
            parameters.append(("reaggregation", random.choice(["mean", "sum", "min", "max", "median", "std"])))
        draw = random.random()
        if draw < 0.35:
            return ask("older aggregation", "GET", "/v1/aggregation/metric", parameters=[*(("metric", key) for key in chosen), *parameters])
        if draw < 0.6:
            body = chosen if self.chance(0.9) else random.choice([[], ["x"], [str(uuid.UUID(int=9))], {}])
            return ask("older aggregation", "POST", "/v1/aggregation/metric", body, parameters=parameters)
        name = metric["name"] if metric["resource_id"] and metric["name"] else random.choice(self.METRICS)
        if self.chance(0.4):
            parameters.append(("groupby", random.choice(["project_id", "user_id", "type"])))
        kind = self.resource_kind()
        tree = self.filters.tree(kind)
        return ask("older aggregation by search", "POST", f"/v1/aggregation/resource/{kind}/metric/{name}", tree, parameters=parameters)
