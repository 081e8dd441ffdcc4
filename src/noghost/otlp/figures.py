"""The numbers of the closed list as OpenTelemetry's data. In the exporter.

Covered: names, units, labels and their values are those of metrics.py; of the resource, the name and version of noghost
are told and nothing else; a histogram has no sum, least or most. The data is made here, and not by the SDK's meters:
these add a resource's attributes from the environment, and sums.
Not covered: that times of pushes tell when the service runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from noghost import __version__
from noghost.metrics import FIRST, Family

RESOURCE = {"service.name": "noghost", "service.version": __version__}
CUMULATIVE = AggregationTemporality.CUMULATIVE
UNKNOWN: Any = None  # not sent; the SDK's types do not know that a histogram may be without


def data_of(numbers: Sequence[int], start_ns: int, now_ns: int) -> MetricsData:
    """All of it, as counted from `start_ns` to `now_ns` (Unix time)."""
    metrics = [
        Metric(family.name, family.help, "", part_of(family, numbers[at : at + family.size], start_ns, now_ns))
        for family, at in FIRST.items()
    ]
    scope = ScopeMetrics(InstrumentationScope("noghost", __version__), metrics, "")
    return MetricsData([ResourceMetrics(Resource(RESOURCE), [scope], "")])


def part_of(family: Family, numbers: Sequence[int], start_ns: int, now_ns: int) -> Sum | Gauge | Histogram:
    """One metric."""
    if family.kind == "histogram":
        point = HistogramDataPoint(
            attributes={},
            start_time_unix_nano=start_ns,
            time_unix_nano=now_ns,
            count=sum(numbers),
            sum=UNKNOWN,
            bucket_counts=list(numbers),
            explicit_bounds=family.bounds,
            min=UNKNOWN,
            max=UNKNOWN,
        )
        return Histogram([point], CUMULATIVE)
    points = list(points_of(family, numbers, start_ns, now_ns))
    return Gauge(points) if family.kind == "gauge" else Sum(points, CUMULATIVE, is_monotonic=True)


def points_of(family: Family, numbers: Sequence[int], start_ns: int, now_ns: int) -> Iterator[NumberDataPoint]:
    """Of a counter or a gauge: one for each value of its label."""
    for value, number in zip(family.values, numbers, strict=True):
        labels = {family.label: value} if family.label else {}
        yield NumberDataPoint(labels, start_ns, now_ns, number)
