"""Publication: a candidate becomes champion, or its refusal is recorded, and old releases are removed.

The alias moves last, once the release is complete. A publication that fails is repeated with the release already saved.
"""

import logging
import math
import time
from collections.abc import Callable
from typing import Final

from aiokafka.errors import KafkaError

from models.evaluation.gate import Verdict
from models.release import Release, SavedRelease
from streamer.errors import StoreError
from streamer.kafka.connection import Connection
from streamer.metrics import TrainerMetrics
from streamer.releases.alias import announce, find_champions
from streamer.releases.loading import notice_of
from streamer.releases.registry import Refusal, Registry
from streamer.releases.signing import Signer
from streamer.runtime.retry import explain
from streamer.runtime.threads import call_unjoined
from streamer.training.candidate import Candidate, save_candidate
from streamer.training.triggers import Trigger
from streamer.wire.messages import ReleaseNotice

logger = logging.getLogger(__name__)

_YOUNG_MS: Final = 3_600_000  # workers may still be copying it


class Publisher:
    """Publishes candidates, and keeps the registry in order.

    Args:
        registry: where releases are saved.
        connection: to Kafka.
        topic: where the alias is moved.
        metrics: counters of publications and refusals.
        clock: seconds since the epoch.
        signer: signs what is published; None: nobody.
    """

    def __init__(
        self,
        registry: Registry,
        connection: Connection,
        topic: str,
        metrics: TrainerMetrics,
        clock: Callable[[], float] = time.time,
        *,
        signer: Signer | None = None,
    ) -> None:
        self._registry = registry
        self._connection = connection
        self._topic = topic
        self._metrics = metrics
        self._clock = clock
        self._signer = signer
        self._saved: SavedRelease | None = None  # but not champion yet

    async def find_champion(self) -> ReleaseNotice | None:
        """Read which release is champion; None if there is none.

        Raises:
            KafkaError: Kafka cannot be reached.
        """
        champions = await find_champions(self._connection, self._topic)
        return champions[-1] if champions else None

    async def publish(self, candidate: Candidate) -> SavedRelease:
        """Save a candidate and make it champion.

        Raises:
            KafkaError: Kafka cannot be reached; a second call does not save the candidate again.
            StoreError: the store fails; a second call saves the candidate anew, under another id.
        """
        self._metrics.show_stage("publish")
        if self._saved is None:
            self._saved = await call_unjoined(lambda: save_candidate(candidate, self._registry.store, self._clock))
        saved = self._saved
        await announce(self._connection, self._topic, notice_of(saved), self._registry.store, self._signer)
        self._saved = None
        self._metrics.releases_published.inc()
        self._metrics.last_verdict.set(1)
        self._metrics.champion_created.set(self._now_ms() / 1000)
        self._metrics.live_hit_rate.set(math.nan)  # measured before was the champion before
        self._metrics.hit_rate_at_release.set(math.nan)
        logger.info("release published id=%s location=%s", saved.release_id, saved.location)
        logger.info("verdict: %s", candidate.verdict.paragraph)
        return saved

    async def refuse(self, trigger: Trigger, champion: Release | None, verdict: Verdict) -> None:
        """Record why nothing is released; if the registry cannot be written, in the log only."""
        self._metrics.releases_refused.inc()
        self._metrics.last_verdict.set(0)
        logger.warning("release refused: %s", verdict.reason)
        logger.info("verdict: %s", verdict.paragraph)
        against = None if champion is None else champion.release_id
        refusal = Refusal(self._now_ms(), trigger, against, verdict.reason, verdict.paragraph)
        try:
            await call_unjoined(lambda: self._registry.keep_refusal(refusal))
        except StoreError as exc:
            logger.warning("refusal not recorded: %s", exc)

    async def prune(self, num_kept: int) -> None:
        """Remove old releases, except the champion and the one before; if that fails, the next call tries again.

        Args:
            num_kept: how many of the newest releases stay.
        """
        try:
            champions = await find_champions(self._connection, self._topic)
            needed = {champion.release_id for champion in champions[-2:]}
            before_ms = self._now_ms() - _YOUNG_MS
            removed = await call_unjoined(lambda: self._registry.prune(num_kept, needed, before_ms))
        except (StoreError, KafkaError) as exc:
            logger.warning("old releases not removed: %s", explain(exc))
            return
        if removed:
            logger.info("old releases removed ids=%s", ",".join(removed))

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)
