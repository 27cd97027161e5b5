"""What a committed batch adds to the metrics."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from models.config import HORIZONS
from models.plays.catalogue import UNKNOWN, Catalogue
from streamer.metrics import WorkerMetrics
from streamer.worker.intake import Intake
from streamer.worker.outputs import Outcome

#: A play that seems to have waited for longer was written by a backfill, or stamped by a slow clock.
_MAX_LATENCY_MS: Final = 86_400_000


def count_batch(
    metrics: WorkerMetrics, intakes: Sequence[Intake], outcome: Outcome, now_ms: float, catalogue: Catalogue | None
) -> None:
    """Count a batch that is on Kafka and on disk.

    Args:
        metrics: of the worker.
        intakes: the batch's records.
        outcome: its result.
        now_ms: ms since the epoch.
        catalogue: of the release that answered; None without one.
    """
    batch = outcome.batch
    metrics.batch_plays.observe(len(batch.new))
    metrics.plays.inc(len(batch.new))
    metrics.forgotten.inc(int(outcome.events.forgets.sum()))
    metrics.negative_gaps.inc(batch.num_negative_gaps)
    for intake in intakes:
        for reject in intake.rejects:
            metrics.dead_letters.labels(reject.cause).inc()
    if catalogue is None:
        metrics.plays_unanswered.inc(len(batch.new))
    if outcome.answers is None or catalogue is None:
        return
    metrics.plays_unknown.inc(int(np.count_nonzero(catalogue.rows(batch.plays.track_keys) == UNKNOWN)))
    metrics.rebuilds.inc(batch.num_rebuilt)
    for horizon, published in zip(HORIZONS, outcome.answers.said.published, strict=True):
        metrics.recommendations.labels(horizon).inc(int(published.sum()))
        metrics.lists_unsaid.labels(horizon).inc(int((~published).sum()))
    _count_latencies(metrics, intakes, now_ms)


def _count_latencies(metrics: WorkerMetrics, intakes: Sequence[Intake], now_ms: float) -> None:
    """Count the latency of each play, or that its timestamp does not say it: a producer may write any timestamp."""
    stamps_ms = [
        -1 if (stamp_ms := intake.records[index].timestamp) is None else stamp_ms
        for intake in intakes
        for index in intake.plays.index[~intake.plays.forgets].tolist()
    ]
    latencies_ms = now_ms - np.array(stamps_ms, np.int64)  # what is no time in milliseconds was not within a day
    measured_ms = latencies_ms[(latencies_ms >= 0) & (latencies_ms <= _MAX_LATENCY_MS)]
    metrics.latency_seconds.observe(measured_ms / 1000)
    metrics.latencies_unknown.inc(len(stamps_ms) - len(measured_ms))
