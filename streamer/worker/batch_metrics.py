"""What a committed batch adds to the metrics."""

from collections.abc import Sequence

import numpy as np

from models.config import HORIZONS
from streamer.metrics import WorkerMetrics
from streamer.worker.intake import Intake
from streamer.worker.outputs import Outcome


def count_batch(metrics: WorkerMetrics, intakes: Sequence[Intake], outcome: Outcome, now_ms: float) -> None:
    """Count a batch that is on Kafka and on disk.

    Args:
        metrics: of the worker.
        intakes: the batch's records.
        outcome: its result.
        now_ms: ms since the epoch.
    """
    batch = outcome.batch
    metrics.batch_plays.observe(len(batch.new))
    metrics.plays.inc(len(batch.new))
    metrics.forgotten.inc(int(outcome.events.forgets.sum()))
    metrics.negative_gaps.inc(batch.num_negative_gaps)
    for intake in intakes:
        for reject in intake.rejects:
            metrics.dead_letters.labels(reject.cause).inc()
    if outcome.answers is None:
        return
    metrics.rebuilds.inc(batch.num_rebuilt)
    for horizon in HORIZONS:
        metrics.recommendations.labels(horizon).inc(len(outcome.answers.answered))
    received_ms = np.array([record.timestamp for intake in intakes for record in intake.records])
    metrics.latency_seconds.observe((now_ms - received_ms) / 1000)
