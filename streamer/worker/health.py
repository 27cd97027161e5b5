"""The health of a worker, checked every second for the gauges and for the orchestrator that restarts it."""

import asyncio
import contextlib
import logging
import math
import time

from streamer.faust.app import (
    check_partitions,
    ends_of,
    is_ready,
    num_left,
    owned_partitions,
    remaining_records,
    standby_lags,
)
from streamer.kafka.blocks import BlockWatch
from streamer.kafka.contact import Contact
from streamer.wire.changelog import UNKNOWN_MS, Mark
from streamer.worker.app import Worker
from streamer.worker.unanswered import Unanswered

logger = logging.getLogger(__name__)

_WATCH_PERIOD_S = 1.0

#: A worker that has work but makes no progress for this long is unhealthy; longer than any batch and any rebalance.
_MAX_STANDSTILL_S = 120.0


class Watch:
    """Checks a worker every second, sets its gauges and says whether it should be restarted.

    While Kafka does not answer, a worker is healthy and not ready: a restart would only take away what it knows.
    A partition that a producer's open transaction blocks is lag, but neither stuck nor unready: a restart ends nothing.

    Args:
        worker: what is watched.
        contact: with Kafka.
        source_topic: the plays.
        num_partitions: of the plays.
    """

    def __init__(self, worker: Worker, contact: Contact, source_topic: str, num_partitions: int) -> None:
        self._worker = worker
        self._contact = contact
        self._is_spare = False
        self._unanswered = Unanswered()
        self._source_topic = source_topic
        self._num_partitions = num_partitions
        self._blocks = BlockWatch(source_topic)
        self._seen: dict[object, int] = {}
        self._progress_at_s: dict[object, float] = {}

    async def run(self) -> None:
        """Check until cancelled."""
        while True:
            with contextlib.suppress(LookupError):  # a partition goes to another worker during the check
                await self._look()
            await asyncio.sleep(_WATCH_PERIOD_S)

    def unhealthy(self) -> str:
        """Say what has had work but no progress for too long; empty if nothing has."""
        for what, progress_at_s in self._progress_at_s.items():
            standstill_s = time.monotonic() - progress_at_s
            if standstill_s > _MAX_STANDSTILL_S:
                return f"no progress for {standstill_s:.0f} s: {what}"
        return ""

    def unready(self) -> str:
        """Say why plays are not answered now; empty if they are."""
        app, answering = self._worker.app, self._worker.answering
        waiting = answering.releases.waiting or answering.withdrawals.waiting
        if problem := self._contact.complaint() or waiting or app.membership.complaint():
            return problem
        if is_ready(app):
            return ""
        return "recovering" if app.in_recovery else "joining the consumer group"

    def remark(self) -> str:
        """Say of a ready worker that it is spare, which plays cannot be read, or that there is no release."""
        if self._is_spare:
            return "ok, spare: every partition belongs to another worker"
        if problem := self._worker.app.unreadable.summary():
            return f"ok, but {problem}"
        return self._unanswered.remark

    async def _look(self) -> None:
        app, metrics = self._worker.app, self._worker.answering.metrics
        remaining, knows_owned = remaining_records(app), is_ready(app)
        owned = owned_partitions(app, self._source_topic) if knows_owned else []
        metrics.recovery_remaining.set(remaining)
        metrics.partitions_owned.set(len(owned))
        metrics.group_taken.set(app.membership.is_taken)
        self._note_spare(is_spare=knows_owned and not owned)
        if knows_owned:  # a worker joins its group once it has read the topic of releases
            self._unanswered.look(has_release=self._worker.answering.releases.champion is not None)
        check_partitions(app, self._source_topic, self._num_partitions)
        marks = {tp.partition: self._worker.answering.table.mark(tp.partition) for tp in owned}
        known = [tp for tp in owned if self._contact.reaches(tp.partition)]
        lags: dict[int, float] = {tp.partition: await num_left(app, tp, marks[tp.partition].offset) for tp in known}
        ends = {tp.partition: ends_of(app, tp) for tp in known}
        blocked = {number: end - readable for number, (readable, end) in ends.items()}
        metrics.show_blocks(blocked, self._blocks.look(ends))
        left = {number: lags[number] + blocked[number] if number in lags else math.nan for number in marks}
        ages_s = {number: _age_s(mark, left[number]) for number, mark in marks.items()}
        metrics.show_ages(ages_s if knows_owned else None)
        metrics.show_partitions(
            left if knows_owned else None,
            {number: self._worker.answering.table.num_listeners(number) for number in marks},
            standby_lags(app),
        )
        unreadable = {number: bool(app.unreadable.complaint((self._source_topic, number))) for number in marks}
        metrics.show_unreadable(unreadable)
        progress: dict[object, tuple[int, float]] = {
            f"partition {number}": (mark.offset, 0 if unreadable[number] else lags.get(number, 0))
            for number, mark in marks.items()
        }
        self._note(progress | {"recovery": (-remaining, 0 if self._contact.is_lost else remaining)})

    def _note_spare(self, *, is_spare: bool) -> None:
        if is_spare and not self._is_spare:
            logger.info("spare: every partition belongs to another worker; takes over when one leaves")
        self._is_spare = is_spare

    def _note(self, progress: dict[object, tuple[int, float]]) -> None:
        """Record how far each item is and how much is left; an item with work left and the same position is stuck."""
        now_s = time.monotonic()
        self._progress_at_s = {
            what: self._progress_at_s.get(what, now_s) if left and self._seen.get(what) == done else now_s
            for what, (done, left) in progress.items()
        }
        self._seen = {what: done for what, (done, _) in progress.items()}


def _age_s(mark: Mark, num_left: float) -> float:
    """Return the age of the last play applied to a partition that has more; NaN if nothing says it."""
    if not num_left:
        return 0.0
    if math.isnan(num_left) or mark.timestamp_ms == UNKNOWN_MS:
        return math.nan
    return time.time() - mark.timestamp_ms / 1000
