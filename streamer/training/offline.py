"""Training offline: fit a recipe once and save the release; SIGTERM and SIGINT end it between two batches."""

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Final

from torch import distributed

from models.recipes import Recipe
from models.release import Release, SavedRelease
from models.serving.recommender import Recommender
from models.training.context import FitContext
from models.training.loop import Progress, ReportProgress
from models.training.ranks import ALONE, Ranks
from models.training.recipe_fitting import fit_recipe
from models.training.track_lists import index_if_above
from streamer.recordings.playlists import read_playlists
from streamer.recordings.plays import RecordedPlays
from streamer.releases.loading import save_under
from streamer.releases.store import Store, check_place
from streamer.runtime.device import pick_device
from streamer.runtime.stop import after_grace
from streamer.settings import Settings
from streamer.training.checkpoints import CheckpointFile
from streamer.training.dataset import Dataset, TrainingError, dataset_of, read_archive, read_start, split_recording
from streamer.training.held_out import champion_in, judge_offline
from streamer.training.mapping import map_if_possible
from streamer.training.progress import FitStopped, report_progress, stopping
from streamer.training.shards import ShardFolder, shards_directory

logger = logging.getLogger(__name__)

_RANK_TIMEOUT: Final = timedelta(hours=12)  # the other ranks wait while the first learns item vectors


class TrainingStopped(Exception):  # noqa: N818 - not an error: the signal that ended a fit, on its way out
    """Raised when a signal ended a fit; its checkpoint is up to date."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by signal {number}")
        self.number = number


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """What to train, and from what.

    Attributes:
        recipe: what is fitted.
        read_plays: reads the recorded plays to learn from; None: the archive.
        playlists: file of playlists to learn from too.
        start: location of the release the fit starts from; None: afresh.
        checkpoint: directory of the fit's checkpoint.
        epochs: passes over the plays; None: as many as the recipe says.
    """

    recipe: Recipe
    read_plays: Callable[[], RecordedPlays] | None
    playlists: Path | None
    start: str | None
    checkpoint: Path
    epochs: int | None

    def recipe_from(self, start: Release | None) -> Recipe:
        """Adapt the recipe's passes to a start and to the requested number."""
        training = self.recipe.training if start is None else self.recipe.training.refreshed()
        return replace(self.recipe, training=replace(training, epochs=self.epochs or training.epochs))


def train_offline(plan: TrainingPlan, settings: Settings) -> SavedRelease | None:
    """Carry out a plan, together with the other ranks if torchrun has started some.

    Returns:
        Where the release is; None on every rank but the first.

    Raises:
        CheckpointError: the checkpoint is damaged, or belongs to another fit.
        InUseError: another process uses its directory.
        SettingsError: a directory or the device cannot be used.
        TrainingError: there is nothing to learn from.
        TrainingStopped: a signal ended the fit.
    """
    start = read_start(plan.start)
    recipe = plan.recipe_from(start)
    checkpoint = CheckpointFile(
        plan.checkpoint, shards_directory=shards_directory(settings.archive_dir, plan.checkpoint)
    )
    with (
        catch_signals() as signals,
        join_ranks() as ranks,
        checkpoint.held() if ranks.rank == 0 else nullcontext(),
    ):
        pick_device(settings.device)
        if ranks.rank == 0:
            check_place(settings.releases_url)
        try:
            dataset = _read_dataset(plan, settings.archive_dir, checkpoint, signals, ranks)
            return train(dataset, recipe, settings, checkpoint, signals, start=start, ranks=ranks)
        except FitStopped as exc:  # without a signal here, another rank received it
            raise TrainingStopped((signals or [signal.SIGTERM])[0]) from exc


def _read_dataset(
    plan: TrainingPlan, archive_dir: Path, checkpoint: CheckpointFile, signals: list[int], ranks: Ranks
) -> Dataset:
    """Read what the plan learns from; of the archive, the first rank writes the shards that all of them read."""
    if plan.read_plays is not None:
        dataset = split_recording(plan.read_plays())
    elif ranks.rank == 0:
        dataset = read_archive(archive_dir, checkpoint, signals=signals)
        ranks.any(is_so=False)  # the shards are there
    else:
        ranks.any(is_so=False)
        dataset = dataset_of(ShardFolder(checkpoint.shards_directory))
    return dataset if plan.playlists is None else replace(dataset, playlists=read_playlists(plan.playlists))


def train(
    dataset: Dataset,
    recipe: Recipe,
    settings: Settings,
    checkpoint: CheckpointFile,
    signals: list[int],
    *,
    start: Release | None = None,
    ranks: Ranks = ALONE,
) -> SavedRelease | None:
    """Fit a recipe, judge the weights as the trainer's gate does, and save the release with the verdict.

    Args:
        dataset: what to learn from.
        recipe: what is fitted.
        settings: where releases go, and which device computes.
        checkpoint: where the fit resumes from; removed once the release is saved.
        signals: those received so far; any of them ends the fit.
        start: what the fit starts from, whose network overrides the recipe's; None: afresh.
        ranks: the processes that train together; only the first reports, and writes checkpoint and release.

    Returns:
        Where the release is; None on every rank but the first.

    Raises:
        CheckpointError: the checkpoint is damaged, or belongs to another fit.
        FitStopped: a signal arrived; the checkpoint is up to date.
        TrainingError: there is nothing to learn from.
    """
    device = pick_device(settings.device)
    try:
        with _report(ranks, signals) as report:
            recommender = fit_recipe(
                recipe,
                dataset.shards,
                dataset.catalogue,
                playlists=dataset.playlists,
                start=start,
                context=FitContext(device, report, checkpoint, ranks),
            )
    except ValueError as exc:
        raise TrainingError(f"no release can be trained: {exc}") from exc
    if ranks.rank:
        return None
    recommender = index_if_above(settings.index_above, recommender)
    if recipe.second_stage is not None and recommender.reranker is None:
        logger.warning("no second stage: too few plays since the release it starts from, which has none either")
    with _report(ranks, signals) as report:
        saved = _save(dataset, recipe, recommender, settings, report)
    checkpoint.remove()
    return saved


def _save(
    dataset: Dataset, recipe: Recipe, recommender: Recommender, settings: Settings, report: ReportProgress
) -> SavedRelease:
    """Judge the weights on the plays held out, against the champion if the store has one, map the tracks, and save."""
    store = Store(settings.releases_url)
    champion = champion_in(store)
    metrics = judge_offline(dataset.hold_out(), recommender, champion, settings.train_fresh_after_s)
    return save_under(
        store,
        recommender,
        training=recipe.training,
        metrics={"recipe": recipe.name, **metrics},
        data_window=dataset.data_window,
        track_map=map_if_possible(recommender, dataset.shards, champion, report),
    )


@contextmanager
def _report(ranks: Ranks, signals: list[int]) -> Iterator[ReportProgress]:
    """Yield a report that shows progress on the first rank, and ends the fit on all ranks at the same batch.

    Only the first rank fits the second stage and maps tracks: the others have finished and no longer answer.
    """

    def is_stopping(progress: Progress) -> bool:
        return bool(signals) if progress.stage in {"second stage", "map"} else ranks.any(bool(signals))

    if ranks.rank:
        yield stopping(lambda _: None, is_stopping)
        return
    with report_progress(is_stopping) as report:
        yield report


@contextmanager
def join_ranks() -> Iterator[Ranks]:
    """Join the other processes if torchrun has started some."""
    if not distributed.is_torchelastic_launched():
        yield ALONE
        return
    distributed.init_process_group("gloo", timeout=_RANK_TIMEOUT)
    try:
        yield Ranks(distributed.get_rank(), distributed.get_world_size())
    finally:
        distributed.destroy_process_group()


@contextmanager
def catch_signals() -> Iterator[list[int]]:
    """Record SIGTERM and SIGINT instead of ending; yield the list of those received.

    A process that does not look at the list in time ends all the same, and resumes from its latest checkpoint.
    """
    signals: list[int] = []
    timers: list[threading.Timer] = []

    def record(number: int, _: FrameType | None) -> None:
        signals.append(number)
        timers.append(after_grace(lambda: os._exit(128 + number)))

    handlers = {number: signal.signal(number, record) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield signals
    finally:
        for timer in timers:
            timer.cancel()
        for number, handler in handlers.items():
            signal.signal(number, handler)
