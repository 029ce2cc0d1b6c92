"""The real keystonemiddleware: for each line of JSON {options, headers, method, path} its status and what it tells the service."""

import json
import logging
import sys

import webob
from keystonemiddleware import auth_token

logging.disable(logging.CRITICAL)

TOLD = ("X-User-Id", "X-Project-Id", "X-Domain-Id", "X-Roles", "X-Is-Admin-Project", "X-Identity-Status")


@webob.dec.wsgify
def service(request):
    told = {name: request.headers.get(name) or "" for name in TOLD}
    told["X-Roles"] = ",".join(sorted(told["X-Roles"].split(",")))
    return webob.Response(json.dumps(told), charset="utf-8")


made = {}
for line in sys.stdin:
    asked = json.loads(line)
    key = json.dumps(asked["options"], sort_keys=True)
    if key not in made:
        made[key] = auth_token.AuthProtocol(service, asked["options"])
    request = webob.Request.blank(asked["path"], method=asked["method"], headers=asked["headers"])
    answer = request.get_response(made[key])
    told = json.loads(answer.text) if answer.status_int == 200 else None
    print(json.dumps({"status": answer.status_int, "authenticate": answer.headers.get("WWW-Authenticate"), "told": told}))
