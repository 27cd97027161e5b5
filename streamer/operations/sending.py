"""Recorded plays on their way to the topic of plays: the oldest first, each listener's in one partition."""

from collections.abc import Iterator
from typing import Final

import msgspec
import numpy as np

from streamer.kafka.admin import KafkaAdmin
from streamer.kafka.clients import running
from streamer.kafka.connection import connection_of
from streamer.kafka.partitioner import PARTITIONERS
from streamer.kafka.producers import create_producer, send_all
from streamer.kafka.topics import ensure_topics
from streamer.recordings.plays import RecordedPlays
from streamer.runtime.progress import Show
from streamer.settings import Settings

_PORTION: Final = 1000  # plays that are under way at once
_MAX_BATCH_BYTES: Final = 1 << 17
_LINGER_MS: Final = 2

#: What Java's clients and aiokafka do, where no setting says otherwise.
_USUAL: Final = "murmur2"


async def send_plays(settings: Settings, recorded: RecordedPlays, show: Show) -> int:
    """Send plays to Kafka, and create the topics first where there are none; return how many partitions they are in.

    They are messages of now: Kafka keeps them for its retention from now on, whenever they were played.

    Args:
        settings: of the deployment.
        recorded: what to send.
        show: called with how many plays Kafka has accepted.

    Raises:
        KafkaError: Kafka did not accept a play; the portion before it is on the topic.
    """
    num_partitions = await _prepare(settings)
    partition_of = PARTITIONERS[settings.partitioner or _USUAL]
    homes = [(user.encode(), partition_of(user.encode(), num_partitions)) for user in recorded.user_ids]
    producer = create_producer(connection_of(settings), max_batch_bytes=_MAX_BATCH_BYTES, linger_ms=_LINGER_MS)
    num_sent = 0
    async with running(producer):
        for portion in _portions(recorded):
            await send_all(
                producer.send(settings.plays_topic, value, homes[listener][0], homes[listener][1])
                for listener, value in portion
            )
            num_sent += len(portion)
            show(num_sent)
    return num_partitions


async def _prepare(settings: Settings) -> int:
    async with KafkaAdmin(connection_of(settings)) as admin:
        partitions = await admin.find_partitions(settings.plays_topic)
    return len(partitions) or await ensure_topics(settings)


def _portions(recorded: RecordedPlays) -> Iterator[list[tuple[int, bytes]]]:
    """Yield the plays in the order of their time, as listener and message."""
    plays = recorded.plays
    order = np.argsort(plays.played_at_ms, kind="stable")
    for begin in range(0, len(order), _PORTION):
        rows = order[begin : begin + _PORTION]
        columns = (plays.listeners[rows], plays.tracks[rows], plays.played_at_ms[rows])
        yield [
            (listener, _message(recorded.user_ids[listener], plays.track_ids[track], played_at_ms))
            for listener, track, played_at_ms in zip(*(column.tolist() for column in columns), strict=True)
        ]


def _message(user_id: str, track_id: str, played_at_ms: int) -> bytes:
    return msgspec.json.encode({"user_id": user_id, "track_id": track_id, "played_at": played_at_ms})
