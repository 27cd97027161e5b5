"""Progress of a fit, stage by stage: a bar on a terminal, lines in the log elsewhere.

A fit also ends early here: the callback raises once the trainer should stop.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TextIO

from models.training.loop import Progress, ReportProgress
from streamer.metrics import TrainerMetrics
from streamer.runtime.progress import bar

logger = logging.getLogger(__name__)

IsStopping = Callable[[Progress], bool]

_WITHOUT_EPOCHS: Final = {"second stage": "gathering candidates", "map": "placing tracks"}


class FitStopped(Exception):  # noqa: N818 - not an error: a stop request, on its way out of a fit
    """Raised in a fit when the trainer should stop; the plays stay, and the next start resumes the fit."""


@contextmanager
def report_progress(is_stopping: IsStopping, output: TextIO | None = None) -> Iterator[ReportProgress]:
    """Yield the callback that a fit calls after every batch.

    Args:
        is_stopping: called after every batch, from the thread that fits.
        output: shows a bar if it is a terminal; None: stderr.
    """
    with bar("fit", output) as draw:
        if draw is None:
            yield stopping(_EpochLog(), is_stopping)
            return

        def show(progress: Progress) -> None:
            done = max(progress.epoch - 1, 0) * progress.num_batches + progress.batch
            total = (progress.num_epochs if progress.epoch else 1) * progress.num_batches
            draw(done, total, f"{progress.stage}, {_where(progress)}")

        yield stopping(show, is_stopping)


def _where(progress: Progress) -> str:
    if progress.epoch:
        return f"epoch {progress.epoch} of {progress.num_epochs}, loss {progress.loss:.3f}"
    return _WITHOUT_EPOCHS.get(progress.stage, "learning item vectors")


class _EpochLog:
    """Logs the start of each stage and the end of each of its epochs."""

    def __init__(self) -> None:
        self._stage = ""

    def __call__(self, progress: Progress) -> None:
        if progress.stage != self._stage:
            self._stage = progress.stage
            logger.info("stage of a fit begins stage=%s", progress.stage)
        if progress.epoch and progress.batch == progress.num_batches:
            epochs = progress.epoch, progress.num_epochs
            logger.info(
                "epoch of a fit ended epoch=%d of=%d loss=%.3f stage=%s", *epochs, progress.loss, progress.stage
            )


def show_progress(metrics: TrainerMetrics, report: ReportProgress) -> ReportProgress:
    """Show each stage and epoch of a fit in the metrics when it starts, and report every batch as before."""
    shown: tuple[str, int] | None = None

    def show_and_report(progress: Progress) -> None:
        nonlocal shown
        metrics.num_reports += 1
        stage = _stage(progress)
        if shown != (stage, progress.epoch):
            shown = stage, progress.epoch
            metrics.show_stage(stage, progress.epoch, progress.num_epochs if progress.epoch else 0)
        report(progress)

    return show_and_report


def _stage(progress: Progress) -> str:
    """Name the stage as `refrain_trainer_stage` does."""
    if progress.stage == "map":
        return "map"
    if progress.stage == "second stage":
        return "second-stage" if progress.epoch else "candidates"
    return "network" if progress.epoch else "items"


def stopping(report: ReportProgress, is_stopping: IsStopping) -> ReportProgress:
    """Wrap a report so that it ends the fit once `is_stopping` says so, checked after every batch."""

    def report_or_stop(progress: Progress) -> None:
        if is_stopping(progress):
            raise FitStopped
        report(progress)

    return report_or_stop
