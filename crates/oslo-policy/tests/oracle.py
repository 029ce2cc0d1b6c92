"""The real oslo.policy: for each line of JSON [rules, rule, target, credentials] its decision, or why there is none."""

import json
import logging
import sys

from oslo_config import cfg
from oslo_policy import policy

logging.disable(logging.CRITICAL)

conf = cfg.ConfigOpts()
conf([])

for line in sys.stdin:
    rules, rule, target, credentials = json.loads(line)
    try:
        enforcer = policy.Enforcer(conf, use_conf=False)
        enforcer.set_rules(policy.Rules.from_dict(rules, "default"))
        decision = bool(enforcer.enforce(rule, target, credentials))
    except Exception as error:
        decision = type(error).__name__
    print(json.dumps(decision))
