"""From a trigger to a champion: fit, judge, save, move the alias, and put the shelf in order.

Each step may fail and be tried again: a fit begins anew on the newest plays, a candidate that passed the gate is kept
until it is published. Whatever is decided is told in the log, and stands on the shelf.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from aiokafka.errors import KafkaError
from rich.console import Console

from models.config import TrainingConfig
from models.evaluation.gate import Verdict
from models.evaluation.live import has_fallen
from models.evaluation.metrics import Estimate
from models.release import Release, SavedRelease
from streamer.archive.archive import Archive
from streamer.metrics import TrainerMetrics
from streamer.releases.alias import find_champions, move_alias
from streamer.releases.registry import Refusal, Registry
from streamer.runtime.retry import remedy
from streamer.training.candidate import (
    BotTrafficError,
    Candidate,
    NothingToLearnError,
    Plan,
    fit_candidate,
    leave_out_scripts,
    load_champion,
    save_candidate,
)
from streamer.training.checkpoints import CheckpointFile
from streamer.training.comparison import LIVE_CONTEXT_PLAYS, LIVE_PLAYS, Terms, measure_live
from streamer.training.progress import FitStopped, report_progress, show_progress
from streamer.training.triggers import Thresholds, Trigger
from streamer.wire.messages import ReleaseNotice

logger = logging.getLogger(__name__)

_CONSOLE: Final = Console(stderr=True)
_YOUNG_MS: Final = 3_600_000  # workers may still be copying it


@dataclass(frozen=True, slots=True)
class ReleasingConfig:
    """What releasing needs to know.

    Attributes:
        bootstrap_servers: where Kafka answers.
        releases_topic: where the alias is moved.
        releases_url: fsspec URL under which releases are saved.
        checkpoint_dir: where a fit that is cut off leaves how far it has come; one trainer's own.
        window_plays: the newest plays a fit sees; bounds its memory.
        training: how weights are fitted.
        thresholds: what calls for a fit.
        fresh_after_s: age at which a champion is replaced by what is not worse.
        num_kept: releases that stay on the shelf, beside the champion and the one before.
        device: where weights are fitted.
    """

    bootstrap_servers: str
    releases_topic: str
    releases_url: str
    checkpoint_dir: Path
    window_plays: int
    training: TrainingConfig
    thresholds: Thresholds
    fresh_after_s: float
    num_kept: int
    device: str = "cpu"


class Releaser:
    """Makes releases out of an archive.

    Args:
        config: what it needs to know.
        metrics: what is counted.
        archive: of the plays.
        clock: seconds since the epoch.

    Raises:
        SettingsError: the place of the releases can never be used.
    """

    def __init__(
        self, config: ReleasingConfig, metrics: TrainerMetrics, archive: Archive, clock: Callable[[], float] = time.time
    ) -> None:
        self._config = config
        self._metrics = metrics
        self._archive = archive
        self._clock = clock
        self._shelf = Registry(config.releases_url)
        self._champion: Release | None = None
        self._num_looked_at = 0
        self._passed: Candidate | None = None
        self._saved: SavedRelease | None = None  # the same, once it is on the shelf
        self._checkpoint = CheckpointFile(config.checkpoint_dir)
        self._refused_from: object = None  # what began from this release was refused: the next fit begins afresh

    async def find_trigger(self) -> Trigger | None:
        """Say what calls for a fit now, looking at the champion where that is due.

        Raises:
            KafkaError: Kafka cannot be reached.
            OSError: the champion's place cannot be reached.
        """
        if self._passed is not None:
            return Trigger.RESUMED
        due = self._config.thresholds.due(self._archive)
        if due is None and self._config.thresholds.calls_for_a_look(self._archive, self._num_looked_at):
            self._num_looked_at = self._archive.num_appended
            return Trigger.DRIFT if await self._has_drifted() else None
        return due

    async def release(self, trigger: Trigger, stopping: asyncio.Event) -> SavedRelease | None:
        """Fit on the newest plays and publish what passes the gate; the next fit waits for its own trigger.

        Returns:
            What became champion; None if nothing did, and the log says why.

        Raises:
            Exception: a step failed; what was done before it is kept.
        """
        if self._passed is None:
            self._metrics.fits.labels(trigger).inc()
            try:
                self._passed = await self._fit(trigger, stopping)
            except FitStopped:
                logger.info("fit stopped; it goes on at the next start")
                return None
            except Exception:
                await asyncio.to_thread(self._give_up_fit)
                raise
        saved = None if self._passed is None else await self._publish(self._passed)
        self._passed = self._saved = None
        await asyncio.to_thread(self._end_fit)
        self._metrics.plays_new.set(self._archive.num_new)
        await self._prune()
        return saved

    async def _fit(self, trigger: Trigger, stopping: asyncio.Event) -> Candidate | None:
        """Fit and judge; None if nothing may be released."""
        self._metrics.show_stage("read")
        config, archive = self._config, self._archive
        champion = await self._load_champion()
        num_before = archive.num_appended - archive.num_new
        window = await asyncio.to_thread(archive.begin_fit)
        plays = await asyncio.to_thread(archive.read_newest, config.window_plays, window.next_offsets)
        logger.info("fit begins trigger=%s plays=%d listeners=%d tracks=%d",
                    trigger, len(plays), len(plays.user_ids), len(plays.track_ids))  # fmt: skip
        begun_s = time.perf_counter()
        num_new = window.num_appended - num_before
        try:
            plays, traffic = await asyncio.to_thread(leave_out_scripts, plays, num_new)
            terms = Terms(self._now_ms(), config.fresh_after_s, num_new, traffic)
            with report_progress(_CONSOLE, lambda _: stopping.is_set()) as report:
                start = None if champion is None or champion.release_id == self._refused_from else champion
                progress = show_progress(self._metrics, report)
                plan = Plan(config.training, start, self._checkpoint, config.device, progress, self._begin_judging)
                self._metrics.show_stage("items")
                candidate = await asyncio.to_thread(fit_candidate, plays, plan, champion, terms)
        except NothingToLearnError as exc:
            logger.warning("no fit: %s", exc)
            return None
        except BotTrafficError as exc:
            await self._refuse(trigger, champion, exc.verdict)
            return None
        self._metrics.fit_seconds.observe(time.perf_counter() - begun_s)
        if candidate.verdict.may_be_released:
            return replace(candidate, metrics={**candidate.metrics, "trigger": trigger.value})
        self._refused_from = candidate.metrics["began_from"]
        await self._refuse(trigger, champion, candidate.verdict)
        return None

    def _begin_judging(self) -> None:
        self._metrics.show_stage("judge")

    async def _publish(self, candidate: Candidate) -> SavedRelease:
        self._metrics.show_stage("publish")
        if self._saved is None:
            self._saved = await asyncio.to_thread(save_candidate, candidate, self._shelf.url, self._clock)
        saved = self._saved
        notice = ReleaseNotice(saved.release_id, saved.location, saved.manifest_sha256)
        await move_alias(self._config.bootstrap_servers, self._config.releases_topic, notice)
        self._metrics.releases_published.inc()
        self._metrics.champion_created.set(self._now_ms() / 1000)
        logger.info("release published id=%s location=%s", saved.release_id, saved.location)
        logger.info("verdict: %s", candidate.verdict.paragraph)
        return saved

    async def _refuse(self, trigger: Trigger, champion: Release | None, verdict: Verdict) -> None:
        self._metrics.releases_refused.inc()
        logger.warning("release refused: %s", verdict.reason)
        logger.info("verdict: %s", verdict.paragraph)
        against = None if champion is None else champion.release_id
        refusal = Refusal(self._now_ms(), trigger, against, verdict.reason, verdict.paragraph)
        try:
            await asyncio.to_thread(self._shelf.keep_refusal, refusal)
        except OSError as exc:  # the log has it
            logger.warning("refusal not kept: %s; %s", exc, remedy(exc))

    async def _prune(self) -> None:
        """Remove old releases; where that fails, the next fit tries again."""
        config = self._config
        try:
            champions = await find_champions(config.bootstrap_servers, config.releases_topic)
            needed = {champion.release_id for champion in champions[-2:]}
            before_ms = self._now_ms() - _YOUNG_MS
            removed = await asyncio.to_thread(self._shelf.prune, config.num_kept, needed, before_ms)
        except (OSError, KafkaError) as exc:
            logger.warning("old releases not removed: %s; %s", exc, remedy(exc))
            return
        if removed:
            logger.info("old releases removed ids=%s", ",".join(removed))

    async def _has_drifted(self) -> bool:
        """Measure the champion's live hit rate, and tell whether it has surely fallen since it was released."""
        champion = await self._load_champion()
        if champion is None:
            return False
        plays = await asyncio.to_thread(self._archive.read_newest, LIVE_CONTEXT_PLAYS)
        judged = np.arange(len(plays))[-min(LIVE_PLAYS, self._archive.num_new) :]
        now = await asyncio.to_thread(measure_live, champion.recommender, plays, judged)
        if now is None:
            return False
        self._metrics.live_hit_rate.set(now.mean)
        then = champion.metrics.get("live_hit_rate")
        if not isinstance(then, dict):  # of a trainer that did not measure it
            return False
        rate = Estimate(**{name: float(str(then[name])) for name in ("mean", "low", "high")})
        logger.info("live hit rate=%.4f [%.4f, %.4f] at_release=%.4f", now.mean, now.low, now.high, rate.mean)
        return has_fallen(rate, now)

    async def _load_champion(self) -> Release | None:
        """Load the champion, unless it is the one loaded before."""
        champions = await find_champions(self._config.bootstrap_servers, self._config.releases_topic)
        notice = champions[-1] if champions else None
        if self._champion is None or notice is None or notice.release_id != self._champion.release_id:
            self._champion = await asyncio.to_thread(load_champion, notice, self._config.device)
        if self._champion is not None:
            self._metrics.champion_created.set(self._champion.created_at_ms / 1000)
        return self._champion

    def _end_fit(self) -> None:
        self._archive.end_fit()
        self._checkpoint.remove()

    def _give_up_fit(self) -> None:
        self._archive.abandon_fit()
        self._checkpoint.remove()

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)
