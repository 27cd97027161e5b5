"""The worker's side of releases: notice, verify and load a new champion while the current one answers.

The topic `releases` is read to its end before anything else starts, outside the consumer group, because each worker
must see every notice. A release that cannot be taken up is reported and retried; meanwhile its predecessor answers,
also in a worker that has just started. If releases were announced but none can be taken up, a worker does not start: it
would remember plays and never answer them.
"""

import asyncio
import logging
from collections import deque
from dataclasses import dataclass
from typing import Final

import msgspec
import torch
from aiokafka import ConsumerRecord, TopicPartition

from models.release import Release
from models.release_files import InvalidRelease
from streamer.errors import ReleaseError
from streamer.kafka.connection import Connection
from streamer.kafka.consumers import create_consumer
from streamer.metrics import WorkerMetrics
from streamer.releases.alias import CHAMPION
from streamer.releases.loading import load_notice
from streamer.runtime.tasks import start_vital
from streamer.wire.messages import ReleaseNotice
from streamer.wire.recommendations import ListEncoder

logger = logging.getLogger(__name__)

_RETRY_S: Final = 5.0

#: How many of the newest releases are tried, so that an attempt ends in time even if their storage does not respond.
_MAX_NOTICES: Final = 10

_read_notice = msgspec.json.Decoder(ReleaseNotice).decode


@dataclass(frozen=True, slots=True)
class Champion:
    """The release that answers, ready to use.

    Attributes:
        release: network and catalogue.
        promoted_at_ms: Kafka's timestamp of its notice, which orders releases, including one that was rolled back to.
        lists: writes answers over its catalogue.
    """

    release: Release
    promoted_at_ms: int
    lists: ListEncoder


class Releases:
    """Keeps `champion` current.

    Args:
        connection: to Kafka.
        topic: the topic of aliases.
        device: networks are loaded onto it.
        metrics: count releases and failures.
    """

    def __init__(self, connection: Connection, topic: str, device: torch.device, metrics: WorkerMetrics) -> None:
        self._partition = TopicPartition(topic, 0)
        self._consumer = create_consumer(connection)
        self._device = device
        self._metrics = metrics
        self._newer: deque[ConsumerRecord[bytes, bytes]] = deque(maxlen=_MAX_NOTICES)  # than the champion, newest last
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
        while self._newer and self.champion is None:
            await self._read_on()
        self._following = start_vital(self._follow(), "reader of releases")

    async def stop(self) -> None:
        """Stop following."""
        if self._following is not None:
            self._following.cancel()
        await self._consumer.stop()

    async def wait_for(self, promoted_at_ms: int) -> Champion | None:
        """Return the champion, once it is at least as new as the one that made a state."""
        async with self._changed:
            if not self._knows(promoted_at_ms):
                logger.warning(
                    "waiting for the release promoted at %d, which made a state; promote it again if it does not come",
                    promoted_at_ms,
                )
            await self._changed.wait_for(lambda: self._knows(promoted_at_ms))
        return self.champion

    def _knows(self, promoted_at_ms: int) -> bool:
        return promoted_at_ms <= (self.champion.promoted_at_ms if self.champion else 0)

    async def _follow(self) -> None:
        while True:
            await self._read_on()

    async def _read_on(self) -> None:
        await self._read(wait_ms=int(_RETRY_S * 1000))
        await self._take_up_newest()

    async def _read(self, wait_ms: int) -> None:
        """Remember the notices that arrive within `wait_ms`."""
        fetched = await self._consumer.getmany(self._partition, timeout_ms=wait_ms)
        self._newer.extend(
            record for record in fetched.get(self._partition, []) if record.key == CHAMPION and record.value is not None
        )

    async def _take_up_newest(self) -> None:
        """Take up the newest release that can be taken up."""
        notices = list(self._newer)
        for number in reversed(range(len(notices))):
            try:
                champion = await asyncio.to_thread(_load, notices[number], self._device)
            except ReleaseError as exc:
                self._metrics.release_failures.inc()
                logger.error("release not taken up, retrying in %.0f s: %s", _RETRY_S, exc)  # noqa: TRY400  not a bug
                continue
            self._newer = deque(notices[number + 1 :], _MAX_NOTICES)
            await self._change(champion)
            return

    async def _change(self, champion: Champion) -> None:
        async with self._changed:
            self.champion = champion
            self._changed.notify_all()
        self._metrics.count_release(champion.release.created_at_ms)
        logger.info("release taken up id=%s tracks=%d", champion.release.release_id, len(champion.release.catalogue))


def _load(record: ConsumerRecord[bytes, bytes], device: torch.device) -> Champion:
    """Copy, verify and load the release that a notice names.

    Raises:
        ReleaseError: one of these fails.
    """
    assert record.value is not None
    try:
        notice = _read_notice(record.value)
        release = load_notice(notice, device)
    except (ValueError, InvalidRelease, OSError) as exc:  # the first: bytes that are no notice, or no UTF-8
        raise ReleaseError(f"notice at offset {record.offset} of {record.topic}: {exc}") from exc
    return Champion(release, record.timestamp, ListEncoder(release.catalogue.track_ids))
