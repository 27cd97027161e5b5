"""The run: fit, and save what came of it; SIGTERM and SIGINT end it between two batches."""

import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import FrameType
from typing import Final

from rich.console import Console
from torch import distributed

from models.recipes import Recipe
from models.release import Release, SavedRelease
from models.training.context import FitContext
from models.training.loop import Progress, ReportProgress
from models.training.ranks import ALONE, Ranks
from models.training.recipes import fit_recipe
from streamer.releases.loading import save_under
from streamer.runtime.device import pick_device
from streamer.settings import Settings
from streamer.training.checkpoints import CheckpointFile
from streamer.training.dataset import Dataset, TrainingError
from streamer.training.progress import report_progress, stopping

logger = logging.getLogger(__name__)

_CONSOLE: Final = Console(stderr=True)
_PATIENCE: Final = timedelta(hours=12)  # the other ranks wait while the first learns item vectors


def train(
    lesson: Dataset,
    recipe: Recipe,
    settings: Settings,
    checkpoint: CheckpointFile,
    heard: list[int],
    *,
    start: Release | None = None,
    ranks: Ranks = ALONE,
) -> SavedRelease | None:
    """Fit a recipe and save what came of it.

    Args:
        lesson: what is learned from.
        recipe: what is fitted.
        settings: say where releases go, and which device computes.
        checkpoint: where the fit goes on from; forgotten once the release is saved.
        heard: the signals that asked it to stop, so far.
        start: what the fit starts from, whose network decides over the recipe's; None: afresh.
        ranks: with whom; the first alone tells, and writes checkpoint and release.

    Returns:
        Where the release is; None on every rank but the first.

    Raises:
        CheckpointError: the checkpoint is damaged, or of another fit.
        FitStopped: it was asked to stop; the checkpoint is up to date.
        TrainingError: there is nothing to learn from.
    """
    device = pick_device(settings.device)
    try:
        with _report(ranks, heard) as report:
            recommender = fit_recipe(
                recipe,
                lesson.shards,
                lesson.catalogue,
                playlists=lesson.playlists,
                start=start,
                context=FitContext(device, report, checkpoint, ranks),
            )
    except ValueError as exc:
        raise TrainingError(f"no release can be trained: {exc}") from exc
    if ranks.rank:
        return None
    if recipe.second_stage is not None and recommender.reranker is None:
        logger.warning("no second stage: too few plays came since the release it starts from, which has none either")
    saved = save_under(
        settings.releases_url,
        recommender,
        training=recipe.training,
        metrics={"recipe": recipe.name},
        data_window=lesson.data_window,
    )
    checkpoint.remove()
    return saved


@contextmanager
def _report(ranks: Ranks, heard: list[int]) -> Iterator[ReportProgress]:
    """Yield what tells of a fit on the first rank, and ends it on all of them at the same batch.

    The second stage is the first rank's own: the others are through, and no longer to be asked.
    """

    def is_stopping(progress: Progress) -> bool:
        return bool(heard) if progress.stage == "second stage" else ranks.any(bool(heard))

    if ranks.rank:
        yield stopping(lambda _: None, is_stopping)
        return
    with report_progress(_CONSOLE, is_stopping) as report:
        yield report


@contextmanager
def join_ranks() -> Iterator[Ranks]:
    """Meet the other processes that torchrun has started; alone where it has not."""
    if not distributed.is_torchelastic_launched():
        yield ALONE
        return
    distributed.init_process_group("gloo", timeout=_PATIENCE)
    try:
        yield Ranks(distributed.get_rank(), distributed.get_world_size())
    finally:
        distributed.destroy_process_group()


@contextmanager
def hear_signals() -> Iterator[list[int]]:
    """Take note of SIGTERM and SIGINT instead of ending."""
    heard: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        heard.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield heard
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
