"""Answers questions with Gnocchi's own modules: a line of JSON for each line of JSON.

Columns travel as hexadecimal texts of little-endian 64-bit numbers, so that every bit of a double arrives.
"""

import json
import sys
import warnings

warnings.simplefilter("ignore")

import numpy

from gnocchi import archive_policy
from gnocchi import calendar
from gnocchi import carbonara
from gnocchi import indexer
from gnocchi import storage
from gnocchi import utils

numpy.seterr(all="ignore")
utils.parallel_map.MAX_WORKERS = 1


def column(text, dtype):
    return numpy.frombuffer(bytes.fromhex(text), dtype=dtype)


def timestamps(text):
    return column(text, "<i8").astype("datetime64[ns]")


def moment(nanoseconds):
    return None if nanoseconds is None else numpy.datetime64(nanoseconds, "ns")


def span(nanoseconds):
    return None if nanoseconds is None else numpy.timedelta64(nanoseconds, "ns")


def hexadecimal(times, values):
    times = numpy.asarray(times, dtype="datetime64[ns]").astype("<i8")
    return [times.tobytes().hex(), numpy.asarray(values, dtype="<f8").tobytes().hex()]


def shown(series):
    return hexadecimal(series["timestamps"], series["values"])


def grouped(question):
    """Every method on the groups of some points."""
    series = carbonara.TimeSerie.from_data(timestamps(question["timestamps"]), column(question["values"], "<f8"))
    granularity = span(question["granularity"])
    groups = series.group_serie(granularity, moment(question["start"]))
    return [
        shown(carbonara.AggregatedTimeSerie.from_grouped_serie(
            groups, carbonara.Aggregation(method, granularity, None)).ts)
        for method in question["methods"]
    ]


def starts(question):
    """The starts of the groups that hold some timestamps."""
    times = timestamps(question["timestamps"])
    if "letter" in question:
        groups = calendar.GROUPINGS[question["letter"]](times)
    else:
        groups = carbonara.round_timestamp(times, span(question["granularity"]))
    return hexadecimal(groups, [])[0]


class Memory(storage.StorageDriver):
    """Gnocchi's storage without files."""

    WRITE_FULL = True
    MAP_METHOD = staticmethod(utils.sequencial_map)

    def __init__(self):
        super().__init__(None)
        self.raw = {}
        self.splits = {}

    def _of(self, metric, aggregation):
        return self.splits.setdefault((metric.id, aggregation.method, int(aggregation.granularity.astype("i8"))), {})

    def _get_splits_unbatched(self, metric, key, aggregation, version=3):
        return self._of(metric, aggregation).get(key)

    def _get_or_create_unaggregated_timeseries_unbatched(self, metric, version=3):
        return self.raw.get(metric.id)

    def _store_unaggregated_timeseries_unbatched(self, metric, data, version=3):
        self.raw[metric.id] = data

    def _store_metric_splits_unbatched(self, metric, key, aggregation, data, offset, version):
        self._of(metric, aggregation)[key] = data

    def _list_split_keys_unbatched(self, metric, aggregations, version=3):
        return {aggregation: set(self._of(metric, aggregation)) for aggregation in aggregations}

    def _delete_metric_splits_unbatched(self, metric, key, aggregation, version=3):
        del self._of(metric, aggregation)[key]


class NoIndexer:
    @staticmethod
    def update_last_measure_timestamp(metric):
        pass


def policy_of(question):
    definition = [
        archive_policy.ArchivePolicyItem(granularity=span(granularity), points=points)
        for granularity, points in question["definition"]
    ]
    return archive_policy.ArchivePolicy("p", question["back_window"], definition, question["methods"])


def metric(question):
    """Batches of measures through Gnocchi's storage, then everything that is kept."""
    policy = policy_of(question)
    owner = indexer.Metric("m", policy)
    driver = Memory()
    for batch in question["batches"]:
        measures = carbonara.make_timeseries(timestamps(batch[0]), column(batch[1], "<f8"))
        driver.add_measures_to_metrics({owner: measures}, NoIndexer)
    raw = carbonara.BoundTimeSerie.unserialize(driver.raw["m"], policy.max_block_size, policy.back_window)
    answers = {"raw": shown(raw.ts), "series": []}
    for method, granularity in question["reads"]:
        aggregation = policy.get_aggregation(method, span(granularity))
        series = driver.get_aggregated_measures({owner: [aggregation]})[owner][aggregation]
        start, stop = moment(question["start"]), moment(question["stop"])
        resampled = series.resample(span(question["resample"]))
        answers["series"].append([
            shown(series.ts), shown(series.fetch(start, stop).ts), shown(resampled.fetch(start, stop).ts)])
        if question["letter"] and not method.startswith("rate:"):
            answers["series"][-1].append(shown(series.resample(question["letter"]).ts))
    return answers


class Reference:
    """What Gnocchi's processor looks at of a metric."""

    resource = None

    def __init__(self, name, aggregation):
        self.name = name
        self.aggregation = aggregation
        self.lookup_key = [name, aggregation]


def aggregates(question):
    """An operation over series of one granularity."""
    from gnocchi.rest.aggregates import api, exceptions, processor
    granularity = span(question["granularity"])
    operations = api.OperationsSchema(question["operations"])
    columns = []
    for name, method, times, values in question["series"]:
        series = carbonara.AggregatedTimeSerie.from_data(
            carbonara.Aggregation(method, granularity, None), timestamps(times), column(values, "<f8"))
        columns.append((Reference(name, method), series))
    fill = question["fill"]
    if isinstance(fill, str) and fill not in ("null", "dropna", "ffill", "bfill", "full_ffill", "full_bfill"):
        fill = float(fill)
    try:
        result = processor.aggregated(
            columns, operations, moment(question["start"]), moment(question["stop"]), question["needed_overlap"], fill)
    except exceptions.UnAggregableTimeseries as error:
        return {"error": error.reason}

    def measures(points):
        points = list(points)
        times = [point[0] for point in points]
        granularities = {int(point[1].astype("timedelta64[ns]").astype("i8")) for point in points}
        return hexadecimal(times, [float(point[2]) for point in points]) + sorted(granularities)

    if "aggregated" in result:
        return {"aggregated": measures(result["aggregated"])}
    return {"columns": [measures(result[name][method]) for name, method, _, _ in question["series"]]}


def operations(question):
    """Whether a tree or a text is an operation."""
    import voluptuous
    from gnocchi.rest.aggregates import api
    try:
        return {"valid": repr(api.OperationsSchema(question["operations"]))}
    except voluptuous.MultipleInvalid as error:
        return {"invalid": str(error)}
    except Exception as error:
        return {"text": error.detail["detail"]}


def definition(question):
    """The numbers of one definition of a policy."""
    given = {"granularity": span(question["granularity"]), "timespan": span(question["timespan"])}
    try:
        item = archive_policy.ArchivePolicyItem(points=question["points"], **given)
    except ValueError as error:
        return {"error": str(error)}
    number = lambda time: None if time is None else int(time.astype("timedelta64[ns]").astype("i8"))
    return [number(item.granularity), item.points, number(item.timespan)]


def methods(question):
    """The methods that a list means."""
    archive_policy.ArchivePolicy.DEFAULT_AGGREGATION_METHODS = set(question["defaults"])
    try:
        policy = archive_policy.ArchivePolicy("p", 0, [(1, 1)], question["entries"])
        return sorted(policy.aggregation_methods)
    except ValueError as error:
        return {"error": str(error)}


def timespan(question):
    """A text as a timespan."""
    try:
        return int(utils.to_timespan(question["text"], question["signed"]).astype("i8"))
    except (ValueError, OverflowError) as error:
        return {"error": str(error)}


KINDS = {
    kind.__name__: kind
    for kind in (grouped, starts, metric, aggregates, operations, definition, methods, timespan)
}

for line in sys.stdin:
    asked = json.loads(line)
    try:
        answer = KINDS[asked["kind"]](asked)
    except Exception as error:
        # Gnocchi would answer with an internal error.
        answer = {"crash": "%s: %s" % (type(error).__name__, error)}
    print(json.dumps(answer))
