"""A receiver of OTLP metrics: a gRPC server of grpcio and an HTTP server, both strict, both misbehaving on command.

Prints {"grpc": PORT, "http": PORT}, then answers each line of standard input with one:

  {"answers": [ANSWER…]}  how the next requests are answered, one each; those after them are accepted
  {"rule": ANSWER}        how every request is answered whose body has ANSWER["contains"] in it; {} ends it
  {"take": true}          the requests since the last time, and what is wrong with them
  {"count": true}         the number of requests and points since the last time (with --count nothing else is kept)

An ANSWER for gRPC has "code", "message", "retry_seconds", "details" (text, as it is in grpc-status-details-bin), "raw" (the
message in base64); for HTTP "status", "headers", "body" (base64), "cut" (bytes of the body before the connection ends);
for both "sleep" (seconds), "rejected" and "text" (of a partial success).

With --tls CERT KEY [CA] both speak TLS and, with CA, want a certificate of the client.
"""

import argparse
import base64
import gzip
import json
import ssl
import sys
import threading
import time
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
from google.rpc import error_details_pb2, status_pb2
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2

SERVICE = "opentelemetry.proto.collector.metrics.v1.MetricsService"


class Book:
    """Requests as they came, and how to answer."""

    def __init__(self, only_count):
        self._lock = threading.Lock()
        self._only_count = only_count
        self._requests, self._answers, self._rule = [], [], {}
        self._counts = [0, 0]

    def enter(self, carrier, body, facts):
        """Writes a request down; returns its answer."""
        if self._only_count:
            request = metrics_service_pb2.ExportMetricsServiceRequest.FromString(body)
            taken = sum(len(points(metric)) for _, _, metric in metrics(request))
            with self._lock:
                self._counts = [self._counts[0] + 1, self._counts[1] + taken]
            return {}
        entry = {"carrier": carrier, "bytes": len(body), **facts, **read(body)}
        with self._lock:
            self._requests.append(entry)
            if self._rule and self._rule["contains"].encode() in body:
                return self._rule
            return self._answers.pop(0) if self._answers else {}

    def command(self, command):
        with self._lock:
            if "answers" in command:
                self._answers = command["answers"]
            if "rule" in command:
                self._rule = command["rule"]
            if "take" in command:
                taken, self._requests = self._requests, []
                return taken
            if "count" in command:
                counts, self._counts = self._counts, [0, 0]
                return counts
        return None


def metrics(request):
    for of_resource in request.resource_metrics:
        for of_scope in of_resource.scope_metrics:
            for metric in of_scope.metrics:
                yield of_resource.resource, of_scope.scope, metric


def points(metric):
    kind = metric.WhichOneof("data")
    return getattr(metric, kind).data_points if kind in ("sum", "gauge") else []


def read(body):
    """What a request holds, and everything that a strict reader finds wrong with it."""
    request = metrics_service_pb2.ExportMetricsServiceRequest()
    try:
        request.ParseFromString(body)
    except Exception as error:  # noqa: BLE001: whatever the library raises is the finding
        return {"points": [], "problems": [f"not parsed: {error}"]}
    problems = []
    size = request.ByteSize()
    request.DiscardUnknownFields()
    if request.ByteSize() != size:
        problems.append("unknown fields")
    if size != len(body):
        problems.append(f"{len(body)} bytes, of which Google's library would make {size}")
    found, names = [], []
    for resource, scope, metric in metrics(request):
        kind = metric.WhichOneof("data")
        if kind not in ("sum", "gauge"):
            problems.append(f"{metric.name} is a {kind}")
            continue
        names.append((metric.name, metric.unit, kind, getattr(getattr(metric, kind), "aggregation_temporality", 0)))
        if not metric.name or not points(metric):
            problems.append("a metric without name or points")
        if kind == "sum" and metric.sum.aggregation_temporality == 0:
            problems.append("a sum without temporality")
        for point in points(metric):
            value = point.WhichOneof("value")
            attributes = {a.key: a.value.string_value for a in point.attributes}
            if value is None or not point.time_unix_nano or point.start_time_unix_nano > point.time_unix_nano:
                problems.append(f"no proper point: {point}")
            if len(attributes) != len(point.attributes) or any(
                a.value.WhichOneof("value") != "string_value" for a in point.attributes
            ):
                problems.append(f"no proper attributes: {point}")
            found.append({
                "resource": {a.key: a.value.string_value for a in resource.attributes},
                "scope": [scope.name, scope.version],
                "name": metric.name, "unit": metric.unit, "description": metric.description, "kind": kind,
                "monotonic": getattr(getattr(metric, kind), "is_monotonic", None),
                "temporality": getattr(getattr(metric, kind), "aggregation_temporality", None),
                "attributes": attributes,
                "start": point.start_time_unix_nano, "time": point.time_unix_nano, "flags": point.flags,
                "type": value, "value": repr(getattr(point, value)) if value else None,
            })
    if len(set(names)) != len(names):
        problems.append(f"a metric comes twice: {names}")
    return {"points": found, "problems": problems, "metrics": len(names)}


def response(answer):
    if "raw" in answer:
        return base64.b64decode(answer["raw"])
    message = metrics_service_pb2.ExportMetricsServiceResponse()
    if "rejected" in answer or "text" in answer:
        message.partial_success.rejected_data_points = answer.get("rejected", 0)
        message.partial_success.error_message = answer.get("text", "")
    return message.SerializeToString()


def status(answer, code):
    """google.rpc.Status with RetryInfo, if the answer has it."""
    message = status_pb2.Status(code=code, message=answer.get("message", ""))
    # Something that is to be passed over.
    message.details.add().Pack(error_details_pb2.DebugInfo(detail="debug"))
    if "retry_seconds" in answer:
        info = error_details_pb2.RetryInfo()
        info.retry_delay.FromMilliseconds(round(answer["retry_seconds"] * 1000))
        message.details.add().Pack(info)
    return message.SerializeToString()


def grpc_server(book, tls, max_bytes):
    codes = {code.value[0]: code for code in grpc.StatusCode}

    def export(body, context):
        metadata = {key: value for key, value in context.invocation_metadata() if isinstance(value, str)}
        answer = book.enter("grpc", body, {"headers": metadata, "remaining": context.time_remaining()})
        time.sleep(answer.get("sleep", 0))
        code = answer.get("code", 0)
        if code:
            if "details" in answer:
                context.set_trailing_metadata((("grpc-status-details-bin", answer["details"].encode()),))
            elif "retry_seconds" in answer:
                context.set_trailing_metadata((("grpc-status-details-bin", status(answer, code)),))
            context.abort(codes[code], answer.get("message", ""))
        if "gzip" in answer:
            context.set_compression(grpc.Compression.Gzip)
        return response(answer)

    server = grpc.server(
        futures.ThreadPoolExecutor(8), options=[("grpc.max_receive_message_length", max_bytes)]
    )
    handler = grpc.unary_unary_rpc_method_handler(export)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {"Export": handler}),))
    if tls:
        certificate, key, *authorities = (open(path, "rb").read() for path in tls)
        credentials = grpc.ssl_server_credentials(
            [(key, certificate)], authorities[0] if authorities else None, bool(authorities)
        )
        port = server.add_secure_port("127.0.0.1:0", credentials)
    else:
        port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port


def http_server(book, tls):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):  # noqa: N802: the library's name
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            if headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            answer = book.enter("http", body, {"headers": headers, "target": self.path})
            time.sleep(answer.get("sleep", 0))
            code = answer.get("status", 200)
            if "body" in answer:
                content = base64.b64decode(answer["body"])
            else:
                content = response(answer) if code < 300 else status(answer, answer.get("code", 0))
            self.send_response(code)
            fields = {"Content-Type": "application/x-protobuf", "Content-Length": str(len(content))}
            for name, value in {**fields, **answer.get("headers", {})}.items():
                self.send_header(name, value)
            self.end_headers()
            if "cut" in answer:
                self.wfile.write(content[: answer["cut"]])
                self.close_connection = True
            else:
                self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls[:2])
        if tls[2:]:
            context.load_verify_locations(tls[2])
            context.verify_mode = ssl.CERT_REQUIRED
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tls", nargs="+")
    parser.add_argument("--max-bytes", type=int, default=4 << 20)
    parser.add_argument("--count", action="store_true")
    options = parser.parse_args()
    book = Book(options.count)
    server, grpc_port = grpc_server(book, options.tls, options.max_bytes)
    print(json.dumps({"grpc": grpc_port, "http": http_server(book, options.tls)}), flush=True)
    for line in sys.stdin:
        print(json.dumps(book.command(json.loads(line))), flush=True)
    server.stop(0)


if __name__ == "__main__":
    main()
