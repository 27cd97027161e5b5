"""A histogram of latencies that takes a whole batch at once: one call per play would cost more than decoding it."""

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry
from prometheus_client.core import HistogramMetricFamily

#: Edges of the buckets of a step.
STEP_SECONDS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
#: Edges of the buckets of a latency; one more bucket holds what is above the last.
LATENCY_SECONDS: Final = (*STEP_SECONDS, 60, 300)


class Latencies:
    """A histogram of seconds.

    Args:
        name: of the metric.
        documentation: its meaning.
        registry: where it is shown.
    """

    def __init__(self, name: str, documentation: str, registry: CollectorRegistry) -> None:
        self._name, self._documentation = name, documentation
        self._counts = np.zeros(len(LATENCY_SECONDS) + 1, np.int64)
        self._sum_s = 0.0
        registry.register(self)

    def observe(self, latencies_s: NDArray[np.float64]) -> None:
        """Count the latencies of a batch."""
        self._counts += np.bincount(np.searchsorted(LATENCY_SECONDS, latencies_s), minlength=len(self._counts))
        self._sum_s += float(latencies_s.sum())

    @property
    def counts(self) -> NDArray[np.int64]:
        """Return how many latencies each bucket holds, int64 (buckets,): a copy."""
        return self._counts.copy()

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """Yield the histogram, for prometheus-client."""
        edges = [*(f"{edge:g}" for edge in LATENCY_SECONDS), "+Inf"]
        buckets = list(zip(edges, np.cumsum(self._counts).tolist(), strict=True))
        yield HistogramMetricFamily(self._name, self._documentation, buckets=buckets, sum_value=self._sum_s)
