"""From a trigger to a champion: fit, judge, publish, and tidy the registry.

Each step may fail and be repeated: a fit starts over on the newest plays; a candidate that passed the gate is kept
until it is published. The log and the registry record every decision.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from models.config import TrainingConfig
from models.release import Release, SavedRelease
from models.training.loop import ReportProgress
from models.training.reranker_fitting import report_counted
from models.training.shards import Shards
from streamer.archive.archive import Archive
from streamer.archive.plays import ArchivedPlays
from streamer.kafka.connection import Connection
from streamer.metrics import TrainerMetrics
from streamer.releases.registry import Registry
from streamer.releases.signing import Signer
from streamer.releases.store import Store, check_driver
from streamer.runtime.threads import call_unjoined
from streamer.training.archive_copy import copy_trusted
from streamer.training.candidate import (
    BotTrafficError,
    Candidate,
    NothingToLearnError,
    Plan,
    fit_candidate,
    leave_out_scripts,
    load_champion,
)
from streamer.training.checkpoints import CheckpointFile
from streamer.training.comparison import Terms
from streamer.training.drift import DriftWatch
from streamer.training.first_release import FirstRelease
from streamer.training.progress import FitStopped, report_progress, show_progress
from streamer.training.publication import Publisher
from streamer.training.shards import shards_directory
from streamer.training.triggers import Thresholds, Trigger
from streamer.training.withdrawn import WithdrawnTracks

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ReleasingConfig:
    """How releases are made.

    Attributes:
        connection: to Kafka.
        releases_topic: where the alias is moved.
        catalogue_topic: says which tracks are withdrawn.
        releases_url: fsspec URL under which releases are saved.
        checkpoint_dir: where a fit records its progress; used by one trainer only.
        window_plays: how many of the newest plays a network learns from; bounds the memory of a fit. The second stage
            counts all archived plays.
        training: how weights are fitted.
        thresholds: of the triggers.
        fresh_after_s: age from which any candidate that is not worse replaces a champion.
        num_kept: releases that stay in the registry, besides the champion and the one before.
        index_above: number of tracks above which a release has an index.
        device: where weights are fitted.
        signer: signs releases; None: nobody.
    """

    connection: Connection
    releases_topic: str
    catalogue_topic: str
    releases_url: str
    checkpoint_dir: Path
    window_plays: int
    training: TrainingConfig
    thresholds: Thresholds
    fresh_after_s: float
    num_kept: int
    index_above: int
    device: str = "cpu"
    signer: Signer | None = None


class Releaser:
    """Makes releases out of an archive.

    Args:
        config: how releases are made.
        metrics: the trainer's.
        archive: of the plays.
        clock: seconds since the epoch.

    Raises:
        SettingsError: the location of the releases can never be used.
    """

    def __init__(
        self, config: ReleasingConfig, metrics: TrainerMetrics, archive: Archive, clock: Callable[[], float] = time.time
    ) -> None:
        self._config = config
        self._metrics = metrics
        self._archive = archive
        self._clock = clock
        check_driver(config.releases_url)
        self._store = Store(config.releases_url)
        self._publisher = Publisher(
            Registry(self._store),
            config.connection,
            config.releases_topic,
            metrics,
            clock,
            signer=config.signer,
        )
        self._drift = DriftWatch(config.thresholds, archive, metrics)
        self._first = FirstRelease(config.thresholds, archive, metrics, self._publisher.find_champion)
        self._checkpoint = CheckpointFile(
            config.checkpoint_dir, shards_directory=shards_directory(archive.directory, config.checkpoint_dir)
        )
        self._withdrawn = WithdrawnTracks(config.connection, config.catalogue_topic)
        self._champion: Release | None = None
        self._passed: Candidate | None = None
        self._refused_from: object = None  # a candidate from this release was refused: the next fit starts afresh

    async def find_trigger(self) -> Trigger | None:
        """Find the trigger of a fit, if there is one now; measures the champion if that is due.

        Raises:
            KafkaError: Kafka cannot be reached.
            StoreError: the champion cannot be reached.
        """
        if self._passed is not None:
            return Trigger.RESUMED
        due = self._config.thresholds.due(self._archive)
        if due is None:
            await self._first.look()
        if due is not None or not self._drift.claim_look():
            return due
        if (champion := await self._load_champion()) is None:
            return None
        has_drifted = await asyncio.to_thread(self._drift.has_drifted, champion, await self._withdrawn.find())
        return Trigger.DRIFT if has_drifted else None

    async def release(self, trigger: Trigger, stopping: asyncio.Event) -> SavedRelease | None:
        """Fit on the newest plays and publish a candidate that passes the gate; the next fit waits for its own trigger.

        Returns:
            The new champion; None if there is none, and the log says why.

        Raises:
            Exception: a step failed; the results of earlier steps are kept.
        """
        if self._passed is None:
            self._metrics.fits.labels(trigger).inc()
            try:
                self._passed = await self._fit(trigger, stopping)
            except FitStopped:
                logger.info("fit stopped; it resumes at the next start")
                return None
            except Exception:
                await asyncio.to_thread(self._give_up_fit)
                raise
        saved = None if self._passed is None else await self._publisher.publish(self._passed)
        self._passed = None
        if saved is not None:
            self._first.has_come()
        await asyncio.to_thread(self._end_fit)
        self._metrics.plays_new.set(self._archive.num_new)
        self._metrics.last_fit.set(self._archive.fitted_at_s)
        await self._publisher.prune(self._config.num_kept)
        return saved

    async def _fit(self, trigger: Trigger, stopping: asyncio.Event) -> Candidate | None:
        """Fit and judge; None if nothing may be released."""
        self._metrics.show_stage("read")
        champion = await self._load_champion()
        num_before = self._archive.num_appended - self._archive.num_new
        window = await asyncio.to_thread(self._archive.begin_fit)
        plays = await asyncio.to_thread(self._archive.read_newest, self._config.window_plays, window.next_offsets)
        logger.info("fit started trigger=%s plays=%d listeners=%d tracks=%d",
                    trigger, len(plays), len(plays.user_ids), len(plays.track_ids))  # fmt: skip
        try:
            candidate = await self._fit_candidate(plays, window.num_appended - num_before, champion, stopping)
        except NothingToLearnError as exc:
            logger.warning("no fit: %s", exc)
            return None
        except BotTrafficError as exc:
            await self._publisher.refuse(trigger, champion, exc.verdict)
            return None
        if not candidate.verdict.may_be_released:
            self._refused_from = candidate.metrics["began_from"]
            await self._publisher.refuse(trigger, champion, candidate.verdict)
            return None
        return replace(candidate, metrics={**candidate.metrics, "trigger": trigger.value})

    async def _fit_candidate(
        self, plays: ArchivedPlays, num_new: int, champion: Release | None, stopping: asyncio.Event
    ) -> Candidate:
        """Fit in a thread, starting from the champion unless a candidate that did so was refused."""
        started_s = time.perf_counter()
        plays, traffic = await asyncio.to_thread(leave_out_scripts, plays, num_new)
        withdrawn = await self._withdrawn.find()
        terms = Terms(int(self._clock() * 1000), self._config.fresh_after_s, num_new, traffic, withdrawn)
        start = None if champion is None or champion.release_id == self._refused_from else champion
        with report_progress(lambda _: stopping.is_set()) as report:
            progress = show_progress(self._metrics, report)
            plan = Plan(
                training=self._config.training,
                start=start,
                checkpoint=self._checkpoint,
                device=self._config.device,
                index_above=self._config.index_above,
                progress=progress,
                begin_judging=self._begin_judging,
                read_before=self._read_before(progress),
            )
            self._metrics.show_stage("items")
            candidate = await asyncio.to_thread(fit_candidate, plays, plan, champion, terms)
        took_s = time.perf_counter() - started_s
        self._metrics.fit_seconds.observe(took_s)
        self._metrics.last_fit_seconds.set(took_s)
        return candidate

    def _read_before(self, progress: ReportProgress) -> Callable[[int], Shards] | None:
        """Make what copies the archive into shards, if it holds more plays than a window."""
        if self._archive.num_plays <= self._config.window_plays:
            return None
        report, into = report_counted(progress), self._checkpoint.shards_directory
        return lambda end_ms: copy_trusted(self._archive.directory, into, end_ms, report)

    def _begin_judging(self) -> None:
        self._metrics.show_stage("judge")

    async def _load_champion(self) -> Release | None:
        """Load the champion, unless it is loaded already."""
        notice = await self._publisher.find_champion()
        if self._champion is None or notice is None or notice.release_id != self._champion.release_id:
            self._champion = await call_unjoined(lambda: load_champion(notice, self._store, self._config.device))
        if self._champion is not None:
            self._metrics.champion_created.set(self._champion.created_at_ms / 1000)
        return self._champion

    def _end_fit(self) -> None:
        self._archive.end_fit()
        self._checkpoint.remove()

    def _give_up_fit(self) -> None:
        self._archive.abandon_fit()
        self._checkpoint.remove()
