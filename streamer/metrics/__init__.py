"""What /metrics serves: each metric declared once, with unit, meaning and what an operator does about it."""

from streamer.metrics.trainer import TRAINER_STAGES, TrainerMetrics
from streamer.metrics.worker import STEPS, WorkerMetrics

__all__ = ["STEPS", "TRAINER_STAGES", "TrainerMetrics", "WorkerMetrics"]
