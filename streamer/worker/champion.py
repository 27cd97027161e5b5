"""The worker's side of releases: notice, verify and load a new champion while the current one answers.

The topic `releases` is read to its end before anything else starts, outside the consumer group, because each worker
must see every notice. A release that cannot be taken up is reported, counted and tried again, at growing intervals
until another notice comes; meanwhile its predecessor answers, also in a worker that has just started. If releases were
announced but none can be taken up, a worker does not join the group: it would remember plays and never answer them. It
waits, is not ready, and says why.

Whatever a store or a release does, it ends no worker, and keeps none from stopping: releases are loaded in threads that
are left behind. A notice that can name no release is refused, and not tried again.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from aiokafka import TopicPartition

from streamer.errors import ReleaseError, StoreError
from streamer.kafka.blocks import BlockWatch, ends_of
from streamer.kafka.connection import Connection
from streamer.kafka.consumers import create_consumer
from streamer.metrics import WorkerMetrics
from streamer.releases.alias import CHAMPION
from streamer.releases.loading import NoticeError
from streamer.runtime.tasks import start_vital
from streamer.runtime.threads import call_unjoined
from streamer.worker.attempts import RETRY_S, Attempts
from streamer.worker.shelf import Champion, NoticeRecord, Shelf

logger = logging.getLogger(__name__)

#: How many of the newest releases are tried, so that an attempt ends in time even if their storage does not respond.
_MAX_NOTICES: Final = 10


class Releases:
    """Keeps `champion` current.

    Args:
        connection: to Kafka.
        topic: the topic of aliases.
        shelf: where the releases are.
        metrics: count releases and failures.
        clock: seconds, for the intervals between attempts.
    """

    def __init__(
        self,
        connection: Connection,
        topic: str,
        shelf: Shelf,
        metrics: WorkerMetrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._partition = TopicPartition(topic, 0)
        self._consumer = create_consumer(connection)
        self._shelf = shelf
        self._metrics = metrics
        self._clock = clock
        self._blocks = BlockWatch(topic)
        self._newer: deque[NoticeRecord] = deque(maxlen=_MAX_NOTICES)  # than the champion, newest last
        self._attempts = Attempts()
        self._changed = asyncio.Condition()
        self._following: asyncio.Task[None] | None = None
        self.champion: Champion | None = None

    async def start(self) -> None:
        """Read the topic to its end, take up the champion, then follow the topic.

        If there are notices, wait until a release can be taken up.
        """
        await self._consumer.start()
        self._consumer.assign([self._partition])
        await self._consumer.seek_to_beginning(self._partition)
        end = (await self._consumer.end_offsets([self._partition]))[self._partition]
        while await self._consumer.position(self._partition) < end:
            await self._read(wait_ms=1000)
        await self._take_up_newest()
        while self.waiting:
            await self._read_on()
        self._following = start_vital(self._follow(), "reader of releases")

    async def stop(self) -> None:
        """Stop following; a release that is being loaded is left behind."""
        if self._following is not None:
            self._following.cancel()
        await self._consumer.stop()

    async def wait_for(self, promoted_at_ms: int) -> Champion | None:
        """Return the champion, once it is at least as new as the one that made a state."""
        async with self._changed:
            if not self._knows(promoted_at_ms):
                logger.warning(
                    "waiting for the release promoted_at_ms=%d, which made a state; promote it again if it stays away",
                    promoted_at_ms,
                )
            await self._changed.wait_for(lambda: self._knows(promoted_at_ms))
        return self.champion

    @property
    def waiting(self) -> str:
        """Why no release answers, although some were announced; empty if one does, or none was."""
        trouble = self._attempts.trouble
        return f"waiting for a release: {trouble}" if trouble and self.champion is None else ""

    def _knows(self, promoted_at_ms: int) -> bool:
        return promoted_at_ms <= (self.champion.promoted_at_ms if self.champion else 0)

    async def _follow(self) -> None:
        while True:
            await self._read_on()

    async def _read_on(self) -> None:
        """Wait for another notice, or for the time of the next attempt; then make one."""
        wait_s = self._attempts.due_in_s(self._clock()) if self._newer else RETRY_S
        if await self._read(wait_ms=int(wait_s * 1000)):
            self._attempts.begin_again()
        if self._newer and not self._attempts.due_in_s(self._clock()):
            await self._take_up_newest()

    async def _read(self, wait_ms: int) -> bool:
        """Remember the notices that arrive within `wait_ms`; return whether there were any."""
        fetched = await self._consumer.getmany(self._partition, timeout_ms=wait_ms)
        self._blocks.look(ends_of(self._consumer))
        notices = [
            record for record in fetched.get(self._partition, []) if record.key == CHAMPION and record.value is not None
        ]
        self._newer.extend(notices)
        return bool(notices)

    async def _take_up_newest(self) -> None:
        """Take up the newest release that can be taken up; the store may still mend the others."""
        notices, errors = list(self._newer), dict[int, ReleaseError]()
        for number in reversed(range(len(notices))):
            try:
                champion = await call_unjoined(lambda: self._shelf.load(notices[number]))  # noqa: B023  awaited here
            except ReleaseError as exc:
                errors[notices[number].offset] = exc
                self._count(exc)
                if isinstance(exc, StoreError) and self.champion is not None:
                    break  # it holds the others too: asking for each in turn takes long if it does not answer
                continue
            notices = notices[number + 1 :]
            await self._change(champion)
            break
        self._newer = deque(
            (each for each in notices if not isinstance(errors.get(each.offset), NoticeError)), _MAX_NOTICES
        )
        self._metrics.releases_pending.set(len(self._newer))
        self._attempts.note(errors, self._clock(), is_current=not notices)

    def _count(self, error: ReleaseError) -> None:
        if isinstance(error, NoticeError):
            self._metrics.notices_refused.inc()
        else:
            self._metrics.release_failures.inc()

    async def _change(self, champion: Champion) -> None:
        async with self._changed:
            self.champion = champion
            self._changed.notify_all()
        release = champion.release
        self._metrics.count_release(release.created_at_ms, len(release.catalogue))
        first_stage = "index" if release.recommender.uses_index else "exact"
        logger.info(
            "release taken up id=%s tracks=%d first_stage=%s", release.release_id, len(release.catalogue), first_stage
        )
