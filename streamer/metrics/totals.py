"""Totals: what a worker has counted since its start, as far as its figures are made of it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from prometheus_client import Counter, Histogram

from streamer.metrics.worker import WorkerMetrics


@dataclass(frozen=True, slots=True)
class Totals:
    """What was counted since the start.

    Attributes:
        plays: applied to a state.
        answers: lists written, of both horizons.
        dead_letters: of all causes.
        batches: committed.
        step_cpu_s: of the thread that computes.
        latencies: int64 (buckets,), plays by the seconds to their answer, see `LATENCY_SECONDS`.
    """

    plays: float
    answers: float
    dead_letters: float
    batches: float
    step_cpu_s: float
    latencies: NDArray[np.int64]

    @classmethod
    def of(cls, metrics: WorkerMetrics) -> "Totals":
        """Read the counters: 80 us, a tenth of a scrape."""
        return cls(
            plays=_sum(metrics.plays, "_total"),
            answers=_sum(metrics.recommendations, "_total"),
            dead_letters=_sum(metrics.dead_letters, "_total"),
            batches=_sum(metrics.batch_plays, "_count"),
            step_cpu_s=_sum(metrics.step_cpu, "_total"),
            latencies=metrics.latency_seconds.counts,
        )


def _sum(metric: Counter | Histogram, ending: str) -> float:
    """Sum the samples with an ending, over all labels."""
    return sum(sample.value for family in metric.collect() for sample in family.samples if sample.name.endswith(ending))
