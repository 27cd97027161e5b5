"""Which tracks are withdrawn, for whoever judges lists: the trainer's lists leave out what a worker's would."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Final

import numpy as np
from aiokafka import TopicPartition
from numpy.typing import NDArray

from streamer.kafka.admin import KafkaAdmin
from streamer.kafka.connection import Connection
from streamer.kafka.consumers import read_until
from streamer.kafka.offsets import observing
from streamer.kafka.topic_identity import TopicIdentity
from streamer.kafka.withdrawn_keys import Backlog, Said, changed, said_by
from streamer.wire.catalogue import read_entry

_NOTHING: Final = np.empty(0, np.uint64)
_AT_ONCE: Final = 10_000


class WithdrawnTracks:
    """Finds the withdrawn tracks whenever it is asked, and reads only what the catalogue says since it was last asked.

    It keeps 8 bytes for each of them; while it reads the whole topic, which takes 6 us a record, 25 bytes a record.

    Args:
        connection: to Kafka.
        topic: the catalogue.
    """

    def __init__(self, connection: Connection, topic: str) -> None:
        self._connection = connection
        self._topic = topic
        self._read: tuple[TopicIdentity | None, dict[TopicPartition, int]] = (None, {})
        self._keys = _NOTHING

    async def find(self) -> NDArray[np.uint64]:
        """Return their keys, uint64 (W,), rising; none, where there is no catalogue.

        Raises:
            KafkaError: Kafka does not answer.
        """
        async with KafkaAdmin(self._connection) as admin:
            identity = await admin.find_identity(self._topic)
        if identity is None:
            return _NOTHING
        partitions = [TopicPartition(self._topic, number) for number in range(identity.num_partitions)]
        async with observing(self._connection) as consumer:
            ends = await consumer.end_offsets(partitions)
        before, starts = self._read
        if before == identity and all(starts[each] <= end for each, end in ends.items()):
            new = [said async for said in self._said(starts, ends)]
            if len(partitions) > 1:
                new.sort(key=lambda said: said.written_at_ms)
            self._keys = changed(self._keys, {each.key: each.withdraws for each in new})
        else:
            self._keys = await self._read_all(identity, ends)
        self._read = identity, ends
        return self._keys

    async def _read_all(self, identity: TopicIdentity, ends: Mapping[TopicPartition, int]) -> NDArray[np.uint64]:
        backlog, said = Backlog(by_time=identity.num_partitions > 1), list[Said]()
        async with aclosing(self._said({}, ends)) as records:
            async for record in records:
                said.append(record)
                if len(said) == _AT_ONCE:
                    backlog.add(said)
                    said.clear()
        backlog.add(said)
        return backlog.withdrawn()

    async def _said(
        self, starts: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]
    ) -> AsyncGenerator[Said, None]:
        """Yield what the records between some places say, partition by partition."""
        async with aclosing(read_until(self._connection, ends, starts=starts)) as records:
            async for record in records:
                if (entry := read_entry(record.key, record.value)).track_id:
                    yield said_by(record, entry)
