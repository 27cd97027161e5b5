"""The run: fit, and save what came of it; SIGTERM and SIGINT end it between two batches."""

import dataclasses
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

import fsspec
from rich.console import Console

from models.config import NetworkConfig
from models.histories import Histories
from models.recipes import Recipe
from models.recommender import Recommender
from models.release import DataWindow, SavedRelease, save_release
from models.training import fit, occurring_contexts
from streamer.checkpoints import CheckpointFile
from streamer.engine import pick_device
from streamer.fit_progress import report_progress
from streamer.settings import Settings
from streamer.train.lesson import Lesson, TrainError

_CONSOLE: Final = Console(stderr=True)


def train(
    lesson: Lesson,
    recipe: Recipe,
    settings: Settings,
    checkpoint: CheckpointFile,
    heard: list[int],
    *,
    start: Recommender | None = None,
) -> SavedRelease:
    """Fit a recipe and save what came of it.

    Args:
        lesson: what is learned from.
        recipe: what is fitted.
        settings: say where releases go, and which device computes.
        checkpoint: where the fit goes on from; forgotten once the release is saved.
        heard: the signals that asked it to stop, so far.
        start: what the fit starts from, whose network decides over the recipe's; None: afresh.

    Raises:
        CheckpointError: the checkpoint is damaged, or of another fit.
        FitStopped: it was asked to stop; the checkpoint is up to date.
        TrainError: there is nothing to learn from.
    """
    device = pick_device(settings.device)
    try:
        with report_progress(_CONSOLE, lambda: bool(heard)) as report:
            network = fit(
                lesson.histories,
                lesson.catalogue,
                recipe.training,
                network_config=_network_config(recipe, lesson) if start is None else None,
                start=start,
                sessions=lesson.sessions,
                device=device,
                progress=report,
                checkpoint=checkpoint,
            )
    except ValueError as exc:
        raise TrainError(f"no release can be trained: {exc}") from exc
    saved = _save(Recommender(network, lesson.catalogue), lesson.histories, recipe, settings.releases_url)
    checkpoint.remove()
    return saved


def _network_config(recipe: Recipe, lesson: Lesson) -> NetworkConfig:
    return dataclasses.replace(recipe.network, contexts=occurring_contexts(lesson.histories))


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


def _save(recommender: Recommender, histories: Histories, recipe: Recipe, releases_url: str) -> SavedRelease:
    files, directory = fsspec.core.url_to_fs(releases_url)
    return save_release(
        files.unstrip_protocol(directory),  # an address that holds wherever the reader stands
        recommender,
        training=recipe.training,
        metrics={"recipe": recipe.name},
        data_window=DataWindow.of(histories),
        created_at_ms=time.time_ns() // 1_000_000,
    )
