"""Reads requests (one JSON text a line) as OTLP, by the protobuf JSON mapping, and prints what they hold.

Prints a list of points for each: metric, unit, description, kind, attributes, times, value. Unknown names are an error.
"""

import json
import sys

from google.protobuf import json_format
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2

for line in sys.stdin:
    request = json_format.Parse(line, metrics_service_pb2.ExportMetricsServiceRequest())
    points = []
    for of_resource in request.resource_metrics:
        for of_scope in of_resource.scope_metrics:
            for metric in of_scope.metrics:
                kind = metric.WhichOneof("data")
                data = getattr(metric, kind)
                for point in data.data_points:
                    points.append({
                        "scope": of_scope.scope.name, "name": metric.name, "unit": metric.unit,
                        "description": metric.description, "kind": kind,
                        "monotonic": getattr(data, "is_monotonic", None),
                        "temporality": getattr(data, "aggregation_temporality", None),
                        "attributes": {a.key: a.value.string_value for a in point.attributes},
                        "start": point.start_time_unix_nano, "time": point.time_unix_nano,
                        "value": repr(point.as_double)})
    print(json.dumps(points), flush=True)
