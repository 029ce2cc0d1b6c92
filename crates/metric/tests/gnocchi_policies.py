"""The policies of the real Gnocchi, as a list of names and rules."""

import json
import sys

from gnocchi.rest import policies

for _line in sys.stdin:
    print(json.dumps([[rule.name, rule.check_str, rule.scope_types] for rule in policies.list_rules()]))
