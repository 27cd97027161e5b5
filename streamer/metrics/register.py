"""The register of a process's metrics, from which docs/metrics.md is written and against which alerts are checked.

What has not been measured yet is NaN, not 0; what is counted by a label is 0 from the start, for each of its values.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from streamer.metrics.latencies import Latencies

Collector = TypeVar("Collector", Counter, Gauge, Histogram)

#: What the samples of a metric are called, behind its name.
_ENDINGS: Final = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_count", "_sum")}


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric as it is declared.

    Attributes:
        name: without the ending of its samples, e.g. `_total`.
        kind: `counter`, `gauge` or `histogram`.
        unit: of its value; of a histogram, of what it observes.
        meaning: a sentence.
        action: what an operator does when it moves, or what it shows.
        labels: names.
    """

    name: str
    kind: str
    unit: str
    meaning: str
    action: str
    labels: Sequence[str] = ()

    @property
    def exposed(self) -> str:
        """The name under which it is found, without the endings of a histogram."""
        return f"{self.name}_total" if self.kind == "counter" else self.name

    @property
    def samples(self) -> Sequence[str]:
        """The names of its samples."""
        return [self.name + ending for ending in _ENDINGS[self.kind]]


class Register:
    """Declares metrics, in a registry of its own: two workers in one process count separately.

    Attributes:
        registry: what /metrics serves.
        metrics: what was declared, in that order.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.metrics: list[Metric] = []

    def counter(self, name: str, unit: str, meaning: str, action: str, **labels: Sequence[str]) -> Counter:
        """Declare a counter, 0 for each known value of its label."""
        counter = Counter(name, meaning, list(labels), registry=self.registry)
        return self._note(Metric(name, "counter", unit, meaning, action, tuple(labels)), counter, labels)

    def gauge(self, name: str, unit: str, meaning: str, action: str, **labels: Sequence[str]) -> Gauge:
        """Declare a gauge that is 0 until it is set, for each known value of its label."""
        gauge = Gauge(name, meaning, list(labels), registry=self.registry)
        return self._note(Metric(name, "gauge", unit, meaning, action, tuple(labels)), gauge, labels)

    def unknown_gauge(self, name: str, unit: str, meaning: str, action: str) -> Gauge:
        """Declare a gauge that is NaN until it is measured."""
        gauge = self.gauge(name, unit, meaning, action)
        gauge.set(math.nan)
        return gauge

    def histogram(
        self, name: str, unit: str, meaning: str, action: str, buckets: Sequence[float], **labels: Sequence[str]
    ) -> Histogram:
        """Declare a histogram, empty for each known value of its label."""
        histogram = Histogram(name, meaning, list(labels), buckets=buckets, registry=self.registry)
        return self._note(Metric(name, "histogram", unit, meaning, action, tuple(labels)), histogram, labels)

    def latencies(self, name: str, meaning: str, action: str) -> Latencies:
        """Declare a histogram of seconds that takes a whole batch at once."""
        self.metrics.append(Metric(name, "histogram", "seconds", meaning, action))
        return Latencies(name, meaning, self.registry)

    def process(self) -> None:
        """Add what prometheus-client says of every process: its CPU time, memory, files, start and Python."""
        for collector in (ProcessCollector(registry=self.registry), PlatformCollector(registry=self.registry)):
            self.metrics += _foreign(collector)

    def _note(self, metric: Metric, collector: Collector, labels: Mapping[str, Sequence[str]]) -> Collector:
        self.metrics.append(metric)
        for values in labels.values():
            for value in values:
                collector.labels(value)
        return collector


def _foreign(collector: ProcessCollector | PlatformCollector) -> Iterator[Metric]:
    for family in collector.collect():
        labels = tuple(name for sample in family.samples for name in sample.labels)
        unit = next((unit for unit in ("seconds", "bytes") if unit in family.name), "")
        yield Metric(family.name, family.type, unit, family.documentation, "Of prometheus-client.", labels)
