"""What Kafka holds of a listener: where they live, their state in the changelog, and their lists."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from models.config import CONTEXTS
from models.plays.catalogue import track_key
from streamer.errors import RefrainError
from streamer.kafka.connection import connection_of
from streamer.kafka.letters import count_partitions
from streamer.kafka.offsets import newest_marks, observing
from streamer.operations.homes import homes_of
from streamer.operations.listener_names import with_names
from streamer.operations.newest_record import find_newest
from streamer.operations.shapes import (
    ListedTrack,
    ListenerShown,
    ListenersShown,
    RememberedPlay,
    ShownList,
    StateShown,
)
from streamer.releases.alias import find_champions
from streamer.settings import Settings
from streamer.wire.changelog import listener_key
from streamer.wire.messages import Recommendation
from streamer.wire.state import BIT_REPEATS, BIT_SKIPPED, NO_RELEASE, States, decode


class ListenerError(RefrainError):
    """Raised when Kafka does not yield what it holds of a listener in time."""


async def look_at_listener(settings: Settings, user: str, limit_s: float) -> ListenersShown:
    """Return what each partition holds in which the listener may live; one of them, where the partitioner is known.

    Args:
        settings: of the deployment.
        user: the user id.
        limit_s: how long to search.

    Raises:
        ContractError: there is no topic of plays, or none of states.
        ListenerError: the time did not suffice.
    """
    connection = connection_of(settings)
    num_partitions = await count_partitions(connection, settings.plays_topic)
    await count_partitions(connection, settings.changelog_topic)
    homes = homes_of(user.encode(), num_partitions, settings.partitioner)
    try:
        async with asyncio.timeout(limit_s), observing(connection) as consumer:
            champions = [notice.release_id for notice in await find_champions(connection, settings.releases_topic)]
            search = _Search(consumer, settings, user, {track_key(release_id): release_id for release_id in champions})
            found = [await search.look_at(number, partitioners) for number, partitioners in homes.items()]
            shown = ListenersShown(tuple(found), champions[-1] if champions else None)
            return await with_names(connection, settings.catalogue_topic, shown)
    except TimeoutError:
        raise ListenerError(
            f"what Kafka holds of the listener was not found within {limit_s:g} s: give --within more seconds, or set "
            "REFRAIN_PARTITIONER, so that one partition is searched"
        ) from None


@dataclass(frozen=True, slots=True)
class _Search:
    """A search for what Kafka holds of a listener.

    Attributes:
        consumer: for look-ups; its assignment changes.
        settings: of the deployment.
        user: the user id.
        releases: the ids of recent champions, by their keys.
    """

    consumer: AIOKafkaConsumer
    settings: Settings
    user: str
    releases: Mapping[int, str]

    async def look_at(self, number: int, partitioners: Sequence[str]) -> ListenerShown:
        """Return what a partition holds."""
        settings = self.settings
        plays, changelog = (TopicPartition(topic, number) for topic in (settings.plays_topic, settings.changelog_topic))
        mark = (await newest_marks(self.consumer, [changelog]))[changelog]
        end = (await self.consumer.end_offsets([plays]))[plays]
        topics = (settings.short_term_topic, settings.long_term_topic)
        answers = [await find_newest(self.consumer, TopicPartition(topic, number), self._user) for topic in topics]
        lists = tuple(_list(record) for record in answers if record is not None and record.value is not None)
        record = await find_newest(self.consumer, changelog, listener_key(self._user))
        names = {track_key(track.id): track.id for shown in lists for track in shown.tracks}
        state = None if record is None else record.value
        return ListenerShown(
            user=self.user,
            partition=number,
            partitioners=tuple(partitioners),
            changelog_offset=None if record is None else record.offset,
            mark=mark.offset,
            end=end,
            state=None if state is None else _state(decode([state], 0), self.releases, names),
            lists=lists,
        )

    @property
    def _user(self) -> bytes:
        return self.user.encode()


def _list(record: "ConsumerRecord[bytes, bytes]") -> ShownList:
    answer = msgspec.json.decode(record.value or b"", type=Recommendation)
    return ShownList(
        horizon=answer.horizon,
        offset=record.offset,
        release=answer.release,
        plays_seen=answer.plays_seen,
        source_offset=answer.source_offset,
        emitted_at_ms=answer.emitted_at,
        tracks=tuple(ListedTrack(track.track_id, track.score) for track in answer.tracks),
    )


def _state(states: States, releases: Mapping[int, str], names: Mapping[int, str]) -> StateShown:
    """Describe the only one of some states."""
    key, length = int(states.release_key[0]), int(states.ring_lengths[0])
    return StateShown(
        plays_seen=int(states.plays_seen[0]),
        plays_folded=int(states.plays_folded[0]),
        repeats_seen=int(states.repeats_seen[0]),
        source_offset=int(states.source_offset[0]),
        played_at_ms=int(states.played_at_ms[0]),
        release=None if key == NO_RELEASE else releases.get(key),
        release_key=None if key == NO_RELEASE else f"{key:016x}",
        promoted_at_ms=int(states.promoted_at_ms[0]) or None,
        num_counted=int((states.counts[0] > 0).sum()),
        ring=tuple(_remembered(states, place, names) for place in range(length)),
    )


def _remembered(states: States, place: int, names: Mapping[int, str]) -> RememberedPlay:
    key, bits = int(states.ring_track_keys[0, place]), int(states.ring_bits[0, place])
    return RememberedPlay(
        track_key=f"{key:016x}",
        track=names.get(key),
        played_at_ms=int(states.ring_played_at_ms[0, place]),
        context=CONTEXTS[int(states.ring_contexts[0, place])],
        skipped=bool(bits & BIT_SKIPPED),
        repeats=bool(bits & BIT_REPEATS),
    )
