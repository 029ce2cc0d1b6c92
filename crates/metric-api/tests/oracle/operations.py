"""Random operations of /v1/aggregates, as lists and as text."""

BINARY = ["=", "==", "eq", "!=", "ne", "≠", "<", "lt", ">", "gt", "<=", "≤", "le", ">=", "≥", "ge", "+", "add", "-", "sub", "*", "×",
          "mul", "/", "÷", "div", "%", "mod"]  # fmt: skip
UNARY = ["abs", "absolute", "neg", "negative", "floor", "ceil", "rateofchange", "rateofchangesec"]
AGGREGATIONS = ["mean", "median", "std", "min", "max", "sum", "var"]
RESAMPLINGS = ["mean", "median", "std", "min", "max", "sum", "count"]


class Operations:
    def __init__(self, random):
        self.random = random

    def metric(self, references):
        random = self.random
        chosen = random.sample(references, min(len(references), random.choice([1, 1, 2, 3])))
        if len(chosen) == 1:
            return ["metric", *chosen[0]]
        return ["metric", *map(list, chosen)]

    def number(self):
        return self.random.choice([0, 1, 2, -1, 0.5, 100, 3])

    def series(self, references, depth=0):
        """An operation whose result keeps the timestamps of its metrics."""
        random = self.random
        draw = random.random()
        if depth > 2 or draw < 0.3:
            return self.metric(references)
        if draw < 0.5:
            prefix = random.choice(["", "", "", "rate:"])
            return ["aggregate", prefix + random.choice(AGGREGATIONS), self.series(references, depth + 1)]
        if draw < 0.58:
            prefix = random.choice(["", "", "", "rate:"])
            window = random.choice([1, 2, 2, 3])
            return ["rolling", prefix + random.choice(AGGREGATIONS), window, self.series(references, depth + 1)]
        if draw < 0.66:
            span = random.choice([60, 120, 300, 3600, "1h", "1d"])
            return ["resample", random.choice(RESAMPLINGS), span, self.series(references, depth + 1)]
        if draw < 0.82:
            inner = self.series(references, depth + 1)
            operands = [inner, self.number()]
            if random.random() < 0.3:
                operands.reverse()
            return [random.choice(BINARY), *operands]
        if draw < 0.88:
            inner = self.series(references, depth + 1)
            return ["clip", inner, 0, random.choice([5, 50])] if draw < 0.85 else ["clip_min", inner, 1]
        if draw < 0.94:
            reference = random.choice(references)
            other = random.choice(references)
            return [random.choice(["+", "-", "*", "/", "max", "<", "eq"]), ["metric", *reference], ["metric", *other]]
        return [random.choice(UNARY), self.series(references, depth + 1)]

    def text(self, node):
        if isinstance(node, list):
            return "(" + " ".join(self.text(part) for part in node) + ")"
        text = str(node)
        return f'"{text}"' if " " in text else text

    def wrong(self):
        return self.random.choice([
            [], "", "foo", "(", "()", "(foo)", "(metric)", ["metric"], ["metric", "a"], ["foo", 1],
            ["aggregate"], ["aggregate", "mean"], ["aggregate", "foo", ["metric", "a", "mean"]], ["+", 1, 2], ["+", 1], ["abs"], 5, {"a": 1},
            ["rolling", "mean", 0, ["metric", "a", "mean"]], ["rolling", "mean", "x", ["metric", "a", "mean"]],
            ["resample", "mean", "x", ["metric", "a", "mean"]], ["resample", "mean", -5, ["metric", "a", "mean"]], ["abs", []],
            ["aggregate", "last", ["metric", "a", "mean"]], "(aggregate mean (metric a mean)", ["min", ["metric", "a", "mean"], 1],
            ["abs", {"a": 1}], ["+", ["metric", "a", "mean"], {"a": 1}],
        ])  # fmt: skip
