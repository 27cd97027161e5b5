"""The trainer, the second process: archive plays, fit weights on them, release what passes the gate.

Archiving goes on while a fit runs in a thread of its own. A crash at any point loses nothing: plays and offsets stand
together in the archive, a release is complete or has no manifest, and the alias moves last; a fit that was cut off
begins again.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console

from models.config import TrainingConfig
from models.release import SavedRelease
from streamer.alias import find_release, move_alias
from streamer.archive import Archive
from streamer.archiving import Archivist
from streamer.events import ReleaseNotice
from streamer.fit_progress import FitStopped, report_progress
from streamer.fitting import Candidate, NothingToLearnError, fit_candidate, save_candidate
from streamer.metrics import TrainerMetrics

logger = logging.getLogger(__name__)

_CONSOLE: Final = Console(stderr=True)


@dataclass(frozen=True, slots=True)
class TrainerConfig:
    """What a trainer needs to know.

    Attributes:
        bootstrap_servers: where Kafka answers.
        plays_topic: what is archived.
        releases_topic: where the alias is moved.
        releases_url: fsspec URL under which releases are saved.
        archive_dir: one trainer's own.
        min_plays: new plays that call for a fit.
        window_plays: the newest plays a fit sees; bounds its memory.
        training: how weights are fitted.
        device: where.
        archive_period_s: how often plays are archived; each time costs up to 0.2 s of disk.
    """

    bootstrap_servers: str
    plays_topic: str
    releases_topic: str
    releases_url: str
    archive_dir: Path
    min_plays: int
    window_plays: int
    training: TrainingConfig
    device: str = "cpu"
    archive_period_s: float = 5.0


async def run_trainer(config: TrainerConfig, metrics: TrainerMetrics, stopping: asyncio.Event) -> None:
    """Archive and release, until the wish to stop.

    Raises:
        ContractError: archive and topic do not fit together, or another trainer holds the archive.
    """
    async with _archiving(config, metrics) as (archive, archivist):
        await archivist.catch_up(stopping)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_keep_archiving(config, archivist, stopping), name="archive")
                tasks.create_task(_keep_releasing(config, metrics, archive, stopping), name="release")
        finally:
            stopping.set()  # one has failed: a fit in its thread hears only this


async def train_once(config: TrainerConfig, metrics: TrainerMetrics, stopping: asyncio.Event) -> SavedRelease | None:
    """Archive what there is, fit once, and release it if it passes the gate.

    Returns:
        What became champion; None if nothing did, and the log says why.

    Raises:
        ContractError: archive and topic do not fit together, or another trainer holds the archive.
    """
    async with _archiving(config, metrics) as (archive, archivist):
        await archivist.catch_up(stopping)
        return await _fit_and_release(config, metrics, archive, stopping)


@contextlib.asynccontextmanager
async def _archiving(config: TrainerConfig, metrics: TrainerMetrics) -> AsyncIterator[tuple[Archive, Archivist]]:
    with await asyncio.to_thread(Archive, config.archive_dir) as archive:
        archivist = Archivist(config.bootstrap_servers, config.plays_topic, archive, metrics)
        try:
            await archivist.start()
            logger.info("trainer started archived_plays=%d new_plays=%d", archive.num_plays, archive.num_new)
            yield archive, archivist
        finally:
            await archivist.stop()


async def _keep_archiving(config: TrainerConfig, archivist: Archivist, stopping: asyncio.Event) -> None:
    while not stopping.is_set():
        await archivist.follow(config.archive_period_s, stopping)


async def _keep_releasing(
    config: TrainerConfig, metrics: TrainerMetrics, archive: Archive, stopping: asyncio.Event
) -> None:
    while not stopping.is_set():
        if archive.num_new >= config.min_plays:
            await _fit_and_release(config, metrics, archive, stopping)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), config.archive_period_s)


async def _fit_and_release(
    config: TrainerConfig, metrics: TrainerMetrics, archive: Archive, stopping: asyncio.Event
) -> SavedRelease | None:
    """Fit on the newest plays and publish; whatever comes of it, the next fit waits for new plays."""
    await asyncio.to_thread(archive.begin_fit)
    try:
        candidate = await _fit(config, metrics, archive, stopping)
    except FitStopped:
        logger.info("fit stopped; it begins again at the next start")
        await asyncio.to_thread(archive.abandon_fit)
        return None
    except NothingToLearnError as exc:
        logger.warning("no fit: %s", exc)
        saved = None
    else:
        saved = await _publish(config, metrics, candidate)
    await asyncio.to_thread(archive.end_fit)
    metrics.plays_new.set(archive.num_new)
    return saved


async def _fit(config: TrainerConfig, metrics: TrainerMetrics, archive: Archive, stopping: asyncio.Event) -> Candidate:
    champion = await find_release(config.bootstrap_servers, config.releases_topic)
    plays = await asyncio.to_thread(archive.read_newest, config.window_plays)
    logger.info("fit begins plays=%d listeners=%d tracks=%d", len(plays), len(plays.user_ids), len(plays.track_ids))
    begun_s = time.perf_counter()
    with report_progress(_CONSOLE, stopping.is_set) as report:
        candidate = await asyncio.to_thread(
            fit_candidate, plays, champion, training=config.training, device=config.device, progress=report
        )
    metrics.fit_seconds.observe(time.perf_counter() - begun_s)
    return candidate


async def _publish(config: TrainerConfig, metrics: TrainerMetrics, candidate: Candidate) -> SavedRelease | None:
    if candidate.refusal:
        metrics.releases_refused.inc()
        logger.warning("release refused: %s", candidate.refusal)
        return None
    created_at_ms = time.time_ns() // 1_000_000
    saved = await asyncio.to_thread(save_candidate, candidate, config.releases_url, config.training, created_at_ms)
    notice = ReleaseNotice(saved.release_id, saved.location, saved.manifest_sha256)
    await move_alias(config.bootstrap_servers, config.releases_topic, notice)
    metrics.releases_published.inc()
    logger.info("release published id=%s location=%s", saved.release_id, saved.location)
    return saved
