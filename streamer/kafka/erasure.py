"""Removes the letters of forgotten listeners from the topic of dead letters.

When a worker applies a tombstone, it writes a request to that topic, in the same transaction and behind the letters of
the plays before it. A pass over the topic removes what the requests ask for, letters first and then the requests, by
null values that compaction acts upon. So all progress is on the topic: a pass that was killed is simply repeated, two
at a time do no harm, and a listener's plays after the tombstone keep their letters.
"""

import logging
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import dataclass
from itertools import islice
from typing import Final

from aiokafka import AIOKafkaProducer, TopicPartition

from streamer.kafka.clients import running
from streamer.kafka.connection import Connection
from streamer.kafka.consumers import read_until
from streamer.kafka.extent import Ends
from streamer.kafka.letters import Letter, find_ends, read_letter, read_request
from streamer.kafka.producers import create_producer, send_all
from streamer.wire.forgetting import ForgetRequest, Names
from streamer.wire.letters import LetterRecord, discard, removal

Removals = dict[tuple[int, bytes], LetterRecord]  # by partition and key

logger = logging.getLogger(__name__)

_PORTION: Final = 1000  # requests served in one pass: a broken value is searched for each of them


@dataclass(frozen=True, slots=True)
class Erasure:
    """What a pass did.

    Attributes:
        num_requests: served.
        num_letters: removed.
        num_waiting: requests for the next pass.
    """

    num_requests: int
    num_letters: int
    num_waiting: int


class Eraser:
    """Serves the requests on the topic of dead letters, reading each of them once.

    Args:
        connection: to Kafka.
        topic: of dead letters.
    """

    def __init__(self, connection: Connection, topic: str) -> None:
        self._connection = connection
        self._topic = topic
        self._read_to: dict[TopicPartition, int] = {}
        self._requests: dict[tuple[int, bytes], ForgetRequest] = {}

    @property
    def num_waiting(self) -> int:
        """Requests that were read and not served."""
        return len(self._requests)

    async def erase(self) -> Erasure:
        """Read the new requests, and serve the oldest of them; without any, the letters are not read.

        Raises:
            ContractError: the topic does not exist.
            KafkaError: the pass is incomplete, and may be repeated.
        """
        ends = await find_ends(self._connection, self._topic)
        await self._read_requests(ends)
        portion = dict(islice(self._requests.items(), _PORTION))
        if not portion:
            return Erasure(0, 0, 0)
        removals = await self._find_removals(ends, Names(portion.values()))
        requests = {place: removal(place[1]) for place in portion}
        async with running(create_producer(self._connection)) as producer:
            for records in (removals, requests):
                await _send_all(producer, self._topic, records)
        for served in portion:
            del self._requests[served]
        logger.info("letters of forgotten listeners removed listeners=%d letters=%d", len(portion), len(removals))
        return Erasure(len(portion), len(removals), len(self._requests))

    async def _read_requests(self, ends: Ends) -> None:
        async with aclosing(read_until(self._connection, ends, starts=self._read_to)) as records:
            async for record in records:
                if (request := read_request(record)) is not None:
                    self._requests[record.partition, request.key] = request
                elif record.value is None and record.key is not None:
                    self._requests.pop((record.partition, record.key), None)
        self._read_to = dict(ends)

    async def _find_removals(self, ends: Ends, names: Names) -> Removals:
        """Find what removes the letters that name a listener, and is not on the topic yet."""
        removals: Removals = {}
        async with aclosing(read_until(self._connection, ends)) as records:
            async for record in records:
                letter = read_letter(record)
                if letter is None:
                    removals.pop((record.partition, record.key or b""), None)
                elif names.is_forgotten(letter.place, letter.key, letter.value):
                    removals |= {(record.partition, each.key): each for each in _removals_of(letter, names)}
        return removals


def _removals_of(letter: Letter, names: Names) -> Iterator[LetterRecord]:
    """Yield what removes a letter; those of earlier versions share a key with others of their listener."""
    if letter.has_own_key:
        yield removal(letter.headers.record_key)
        return
    yield discard(letter.place.offset)
    if letter.key is not None and names.is_forgotten(letter.place, letter.key, None):
        yield removal(letter.key)


async def _send_all(producer: AIOKafkaProducer, topic: str, records: Removals) -> None:
    """Send records to their partitions, and wait until all of them are on the topic."""
    await send_all(
        producer.send(topic, record.value, record.key, partition, headers=record.headers)
        for (partition, _), record in records.items()
    )
