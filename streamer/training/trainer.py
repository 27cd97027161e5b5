"""The trainer, the second process: archives plays, fits weights on them, and releases those that pass the gate.

It also removes the dead letters of forgotten listeners. It runs unattended. Archiving continues while a fit runs in a
thread of its own; failures are retried at growing intervals, and only an error that waiting cannot fix ends the
process. A crash at any point loses nothing: plays and offsets are saved together in the archive, a release is complete
or has no manifest, the alias moves last, and an interrupted fit resumes with the same plays.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Collection, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from models.release import SavedRelease
from streamer.archive.archive import Archive
from streamer.archive.archiver import Archivist
from streamer.kafka.erasure import Eraser
from streamer.metrics import TrainerMetrics
from streamer.runtime.last_words import LastWords, keep_last_words
from streamer.runtime.retry import retry_forever
from streamer.runtime.vitals import show_vitals
from streamer.training.checkpoints import CheckpointFile
from streamer.training.releaser import Releaser, ReleasingConfig
from streamer.training.shards import forgetting, shards_root
from streamer.training.triggers import Trigger

logger = logging.getLogger(__name__)

_REST: Final = 9  # times as long as a pass over the dead letters


@dataclass(frozen=True, slots=True)
class TrainerConfig:
    """How a trainer archives and releases.

    Attributes:
        plays_topic: the topic to archive.
        dead_letter_topic: forgotten listeners are removed from it.
        archive_dir: used by one trainer only.
        archive_days: plays that arrived longer ago are dropped.
        releasing: how releases are made.
        archive_period_s: how often plays are archived; each time costs up to 0.2 s of disk.
        erase_period_s: how often the dead letters of forgotten listeners are removed.
        retry_s: until the first retry after a failure.
    """

    plays_topic: str
    dead_letter_topic: str
    archive_dir: Path
    archive_days: int
    releasing: ReleasingConfig
    archive_period_s: float = 5.0
    erase_period_s: float = 30.0
    retry_s: float = 30.0


async def run_trainer(config: TrainerConfig, metrics: TrainerMetrics, stopping: asyncio.Event) -> None:
    """Archive and release until `stopping` is set.

    Raises:
        ContractError: archive and topic do not match, or another trainer holds the archive.
        SettingsError: the location of the releases can never be used.
    """
    async with _archiving(config, metrics) as (archive, archivist), _introduced(config, metrics) as words:
        releaser = Releaser(config.releasing, metrics, archive)
        await archivist.catch_up(stopping)  # plays that arrived while no trainer ran trigger one fit, not several
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_note_stop(words, stopping), name="last words")
                tasks.create_task(_keep_archiving(config, metrics, archivist, archive, stopping), name="archive")
                tasks.create_task(_keep_releasing(config, metrics, releaser, stopping), name="release")
                tasks.create_task(_keep_erasing(config, metrics, stopping), name="erase")
        except ExceptionGroup as failures:  # the first failure ends the other tasks
            raise failures.exceptions[0] from None
        finally:
            stopping.set()  # a task has failed: a fit in its thread reacts to nothing else


async def train_once(config: TrainerConfig, metrics: TrainerMetrics, stopping: asyncio.Event) -> SavedRelease | None:
    """Archive the plays on the topic, fit once, and release the candidate if it passes the gate.

    Returns:
        The new champion; None if there is none, and the log says why.

    Raises:
        ContractError: archive and topic do not match, or another trainer holds the archive.
        SettingsError: the location of the releases can never be used.
    """
    async with _archiving(config, metrics) as (archive, archivist):
        await archivist.catch_up(stopping)
        return await Releaser(config.releasing, metrics, archive).release(Trigger.ASKED, stopping)


@contextlib.asynccontextmanager
async def _archiving(config: TrainerConfig, metrics: TrainerMetrics) -> AsyncIterator[tuple[Archive, Archivist]]:
    with await asyncio.to_thread(Archive, config.archive_dir) as archive:
        archivist = Archivist(
            config.releasing.connection, config.plays_topic, archive, metrics, partial(_forgetting, config)
        )
        try:
            await archivist.start()
            metrics.show_stage("catch-up")
            metrics.show_archive(archive.num_plays_by_age, archive.num_new)
            metrics.last_fit.set(archive.fitted_at_s)
            logger.info("trainer started archived_plays=%d new_plays=%d", archive.num_plays, archive.num_new)
            yield archive, archivist
        finally:
            await archivist.stop()


@contextlib.asynccontextmanager
async def _introduced(config: TrainerConfig, metrics: TrainerMetrics) -> AsyncIterator[LastWords]:
    """Show what runs and how it ended before; the archive's directory, which this process holds by now, keeps that."""
    with keep_last_words(config.archive_dir) as words:
        show_vitals(metrics, "trainer", config.releasing.device, config.archive_dir, words.past)
        yield words


async def _note_stop(words: LastWords, stopping: asyncio.Event) -> None:
    """Note that the trainer was asked to stop, before a fit that does not end in time is ended with the process."""
    await stopping.wait()
    words.stop()


@contextlib.contextmanager
def _forgetting(config: TrainerConfig, user_ids: Collection[str]) -> Iterator[None]:
    """Remove what fits have copied of listeners, then let the archive forget them."""
    if user_ids:
        CheckpointFile(config.releasing.checkpoint_dir).discard()
    with forgetting(shards_root(config.archive_dir), user_ids):
        yield


async def _keep_archiving(
    config: TrainerConfig, metrics: TrainerMetrics, archivist: Archivist, archive: Archive, stopping: asyncio.Event
) -> None:
    async def archive_on() -> None:
        await archivist.follow(config.archive_period_s, stopping)
        await asyncio.to_thread(archive.tidy, config.archive_days)
        metrics.show_archive(archive.num_plays_by_age, archive.num_new)

    await retry_forever(
        archive_on, stopping, period_s=0, retry_s=config.retry_s, tolerated=OSError,
        note=partial(metrics.note_attempt, "archive"),
    )  # fmt: skip


async def _keep_releasing(
    config: TrainerConfig, metrics: TrainerMetrics, releaser: Releaser, stopping: asyncio.Event
) -> None:
    async def release_if_due() -> None:
        metrics.show_stage("wait")
        if (trigger := await releaser.find_trigger()) is not None:
            try:
                await releaser.release(trigger, stopping)
            finally:
                metrics.show_stage("wait")

    await retry_forever(
        release_if_due, stopping, period_s=config.archive_period_s, retry_s=config.retry_s, tolerated=Exception,
        note=partial(metrics.note_attempt, "release"),
    )  # fmt: skip


async def _keep_erasing(config: TrainerConfig, metrics: TrainerMetrics, stopping: asyncio.Event) -> None:
    """Remove the dead letters of forgotten listeners; however many letters there are, it rests for most of the time."""
    eraser = Eraser(config.releasing.connection, config.dead_letter_topic)
    metrics.erasures_waiting.set_function(lambda: eraser.num_waiting)  # also while passes fail

    async def erase() -> None:
        started_s = time.perf_counter()
        erasure = await eraser.erase()
        metrics.letters_erased.inc(erasure.num_letters)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), _REST * (time.perf_counter() - started_s))

    await retry_forever(
        erase, stopping, period_s=config.erase_period_s, retry_s=config.retry_s, tolerated=Exception,
        note=partial(metrics.note_attempt, "erase"),
    )  # fmt: skip
