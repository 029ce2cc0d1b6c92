"""Random searches, as JSON and as the text of a filter."""

import json

COMPARISONS = ["=", "eq", "<", "lt", ">", "gt", "<=", "le", ">=", "ge", "!=", "ne", "≤", "≥", "≠"]
TEXT_OPERATORS = {"==": "=", "≤": "<=", "≥": ">=", "≠": "!="}


class Filters:
    """Values are mostly such that a search finds something."""

    def __init__(self, random, world):
        self.random, self.world = random, world

    def value(self, kind):
        random = self.random
        match kind:
            case "number":
                return random.choice([0, 1, 2, 2.5, -3])
            case "bool":
                return random.choice([True, False])
            case "uuid":
                return random.choice(self.world.UUIDS)
            case "datetime":
                return random.choice(self.world.TIMES)
            case _:
                return random.choice(self.world.TEXTS)

    def attributes(self, kind, is_history):
        fixed = {
            "user_id": "string", "project_id": "string", "creator": "creator", "original_resource_id": "original", "type": "type",
            "id": "id", "started_at": "now", "revision_start": "now", "ended_at": "datetime",
        }  # fmt: skip
        if is_history:
            return fixed | {"revision_end": "now"}
        own = self.world.types.get(kind, {})
        return fixed | {name: attribute["type"] for name, attribute in own.items()}

    def scalar(self, kind):
        random, world = self.random, self.world
        match kind:
            case "creator":
                return random.choice(["admin", "alice", "bob"])
            case "original":
                return random.choice(world.NAMES)
            case "type":
                return random.choice(["generic", *world.types])
            case "id":
                return random.choice([*world.NAMES, *world.UUIDS])
            case "now":
                return world.time_text(world.now - random.randrange(2_000_000_000))
        return self.value(kind)

    def leaf(self, kind, is_history):
        random = self.random
        attributes = self.attributes(kind, is_history)
        name = random.choice(list(attributes))
        of = attributes[name]
        draw = random.random()
        if draw < 0.08:
            return {random.choice(["=", "!=", "eq", "ne"]): {name: None}}
        if draw < 0.16 and not is_history:
            return {random.choice(["<", ">", "<=", ">="]): {"lifespan": random.choice(["1 day", "30 minutes", 86400])}}
        if draw < 0.22:
            return {"=": {"created_by_user_id" if draw < 0.19 else "created_by_project_id": random.choice(["alice", "admin"])}}
        if draw < 0.34 and of not in ("bool",):
            values = [self.scalar(of) for _ in range(random.randrange(1, 4))]
            return {"in": {name: values}}
        if draw < 0.46 and of in ("string", "original", "type", "creator"):
            return {"like": {name: random.choice(["%", "a%", "%m%", "_", "vm_%", "project-_", "%\\%%"])}}
        operators = ["=", "!=", "eq", "ne"] if of in ("bool", "uuid", "id") else COMPARISONS
        return {random.choice(operators): {name: self.scalar(of)}}

    def tree(self, kind, is_history=False, depth=0):
        random = self.random
        draw = random.random()
        if depth > 2 or draw < 0.5:
            return self.leaf(kind, is_history)
        if draw < 0.6 and not is_history:
            return {"not": self.tree(kind, is_history, depth + 1)}
        head = random.choice(["and", "or", "∧", "∨"] if not is_history else ["and"])
        return {head: [self.tree(kind, is_history, depth + 1) for _ in range(random.randrange(1, 4))]}

    def text(self, tree):
        """The same in the language of `filter`, or nothing where it cannot say so."""
        [(head, inner)] = tree.items()
        if head == "not":
            return f"not ({self.text(inner)})"
        if isinstance(inner, list):
            return "(" + f" {head} ".join(self.text(part) for part in inner) + ")"
        [(name, value)] = inner.items()
        return f"{name} {TEXT_OPERATORS.get(head, head)} {self.term(value)}"

    def term(self, value):
        if isinstance(value, list):
            return "[" + ", ".join(self.term(item) for item in value) + "]"
        if isinstance(value, str):
            quote = self.random.choice("'\"")
            return f"{quote}{value}{quote}"
        if isinstance(value, bool):
            return self.random.choice(["True", "true"] if value else ["False", "false"])
        if value is None:
            return self.random.choice(["None", "none", "null"])
        return json.dumps(value)

    def wrong(self, kind):
        """What is no search."""
        return self.random.choice([
            {"=": {"nothing": 1}}, {"=": {"metrics": 1}}, {"~": {"id": 1}}, {"=": {}}, {"=": {"id": 1, "type": 2}}, {"and": []},
            {"and": {}}, {"or": [1]}, {"not": []}, {"in": {"type": []}}, {"in": {"type": "x"}}, {"like": {"id": "x"}}, [], 1, "x",
            {"=": {"started_at": "soon"}}, {"=": 1}, {"=": {"user_id": "a"}, "!=": {"user_id": "b"}},
            {"in": {"started_at": ["2020-01-01", "soon"]}}, {"=": {"type": ["a"]}}, {"=": {"type": {"a": 1}}},
            {">": {"created_by_user_id": "x"}}, {"=": {"id": 5}}, {"=": {"id": "a/b"}},
        ])  # fmt: skip

    def wrong_text(self):
        return self.random.choice([
            "id", "id =", "= 5", "a = 1 and", "(type = 'x'", "type = x y", "foo = 1", "type LIKE 'x'", "type in []", "started_at = soon",
            "type = 'x' or or type = 'y'", "not", "a.b = 1", "1a = 1",
        ])  # fmt: skip
