"""The catalogue on Kafka, for whoever looks something up once: read to its end, and written."""

from collections.abc import AsyncGenerator, Collection, Iterable
from contextlib import aclosing
from itertools import islice
from typing import Final

from aiokafka import ConsumerRecord

from models.plays.catalogue import track_key
from streamer.errors import ContractError
from streamer.kafka.admin import KafkaAdmin
from streamer.kafka.clients import running
from streamer.kafka.connection import Connection
from streamer.kafka.consumers import read_backlog
from streamer.kafka.producers import create_producer, send_all
from streamer.wire.catalogue import Entry, read_entry

_IN_FLIGHT: Final = 5000
_LINGER_MS: Final = 20


async def find_entries(connection: Connection, topic: str, track_ids: Collection[str] = ()) -> dict[str, Entry]:
    """Return the newest entry of some tracks, those that have one; without `track_ids`, of all.

    The whole topic is read, whatever is looked for: 6 us of CPU a record.

    Raises:
        ContractError: there is no such topic.
    """
    wanted, newest = frozenset(track_ids), _Newest()
    async with aclosing(_read(connection, topic)) as records:
        async for record, entry in records:
            if not wanted or entry.track_id in wanted:
                newest.note(record, entry)
    return newest.entries


async def find_named(connection: Connection, topic: str, keys: Collection[int]) -> dict[int, Entry]:
    """Return the newest entry of tracks by their keys, those that have one; reads all, as `find_entries` does.

    Raises:
        ContractError: there is no such topic.
    """
    wanted, newest = frozenset(keys), _Newest()
    async with aclosing(_read(connection, topic)) as records:
        async for record, entry in records:
            if track_key(entry.track_id) in wanted:
                newest.note(record, entry)
    return {track_key(track_id): entry for track_id, entry in newest.entries.items()}


async def find_known(connection: Connection, topic: str) -> frozenset[str]:
    """Return the ids of the tracks of which the catalogue says something, and be it that they are withdrawn.

    Raises:
        ContractError: there is no such topic.
    """
    async with aclosing(_read(connection, topic)) as records:
        return frozenset([entry.track_id async for _, entry in records])


class _Newest:
    """Finds the newest entry of each track: the last one of a partition, the one written last of several.

    Attributes:
        entries: by track id.
    """

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self._written: dict[str, tuple[int, int]] = {}  # by track id: partition and timestamp

    def note(self, record: "ConsumerRecord[bytes, bytes]", entry: Entry) -> None:
        """Note the next record of a partition."""
        partition, at_ms = self._written.get(entry.track_id, (record.partition, 0))
        if partition == record.partition or at_ms <= record.timestamp:
            self.entries[entry.track_id] = entry
            self._written[entry.track_id] = (record.partition, record.timestamp)


async def _read(
    connection: Connection, topic: str
) -> "AsyncGenerator[tuple[ConsumerRecord[bytes, bytes], Entry], None]":
    """Yield the entries that name a track with their records, to the topic's end."""
    partitions = await _partitions(connection, topic)
    async with aclosing(read_backlog(connection, topic, partitions)) as records:
        async for record in records:
            if (entry := read_entry(record.key, record.value)).track_id:
                yield record, entry


async def write_entries(connection: Connection, topic: str, entries: Iterable[tuple[str, bytes | None]]) -> int:
    """Write the values of tracks by their ids; return how many, once every in-sync replica has them.

    Raises:
        ContractError: there is no such topic.
    """
    await _partitions(connection, topic)
    num = 0
    async with running(create_producer(connection, max_batch_bytes=1 << 18, linger_ms=_LINGER_MS)) as producer:
        left = iter(entries)
        while portion := list(islice(left, _IN_FLIGHT)):
            await send_all(producer.send(topic, value, track_id.encode()) for track_id, value in portion)
            num += len(portion)
    return num


async def _partitions(connection: Connection, topic: str) -> list[int]:
    async with KafkaAdmin(connection) as admin:
        partitions = await admin.find_partitions(topic)
    if not partitions:
        raise ContractError(f"there is no topic {topic}: the first worker creates it; or set REFRAIN_CATALOGUE_TOPIC")
    return list(partitions)
