"""A fence: one partition's transactional producer, which locks out whoever held it before.

aiokafka's producer accepts records at any time, from anyone, and gathers them into requests: a loop, a task and several
futures for each. A batch knows everything that it writes, so its transaction is three requests, one after the other:

    begin     the coordinator notes which partitions are written to
    send      the leaders append record batches, numbered so that one sent twice is appended once
    commit    the coordinator makes them visible, all or none

A request is repeated until Kafka answers it: each of them can be repeated. Any other answer is an error, and leaves the
transaction open. Whoever takes the fence next ends it, as Kafka does after its timeout.
"""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Final

from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient, CoordinationType
from aiokafka.errors import (
    ConcurrentTransactions,
    CoordinatorLoadInProgressError,
    CoordinatorNotAvailableError,
    InvalidProducerEpoch,
    KafkaError,
    NoError,
    NotCoordinatorError,
    OperationNotAttempted,
    ProducerFenced,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
    UnknownTopicOrPartitionError,
    for_code,
)

from streamer.kafka import requests
from streamer.kafka.record_batch import RecordBatch
from streamer.kafka.requests import Producer, Request, Said

#: Errors after which a coordinator is looked for again, and those after which it is asked again.
_MOVED: Final = (CoordinatorNotAvailableError, NotCoordinatorError)
_BUSY: Final = (ConcurrentTransactions, CoordinatorLoadInProgressError, UnknownTopicOrPartitionError)

_NOBODY: Final = -1  # leads a partition, according to Kafka's metadata
_SEND_LIMIT_MS: Final = 30_000

#: Seconds before the first repetition, and at most. A coordinator that still writes the markers of the last transaction
#: is ready within milliseconds.
_FIRST_PAUSE_S: Final = 0.002
_LONGEST_PAUSE_S: Final = 0.1


class Fence:
    """The transactional producer of a partition number.

    Args:
        client: connected; the fences of a worker share it, each with connections of its own.
        transactional_id: the id that it shares with the producers it fences.
        partition: the number of every partition written to.
        transaction_timeout_s: Kafka aborts a transaction left open for this long.
    """

    def __init__(
        self, client: AIOKafkaClient, transactional_id: str, partition: int, transaction_timeout_s: float
    ) -> None:
        self._client = client
        self._partition = partition
        self._timeout_ms = int(transaction_timeout_s * 1000)
        self._coordinator: int | None = None
        self._producer = Producer(transactional_id, -1, -1)
        self._sent: defaultdict[str, int] = defaultdict(int)  # by topic, the number of the next record

    async def take(self) -> None:
        """Fence every earlier producer with the same id, and end the transaction that it may have left open.

        Raises:
            TransactionalIdAuthorizationFailed: the right to write with the id is missing.
            KafkaError: Kafka refuses.
        """
        taken = await self._ask(requests.take(self._producer.transactional_id, self._timeout_ms))
        self._producer = self._producer._replace(number=taken.number, epoch=taken.epoch)
        self._sent.clear()

    async def begin(self, topics: Collection[str]) -> None:
        """Begin a transaction.

        Args:
            topics: all that it writes to.

        Raises:
            ProducerFenced: another producer has the id now, or the transaction took too long.
            KafkaError: Kafka refuses.
        """
        for topic in topics:
            self._client.add_topic(topic)  # the leaders are known when the coordinator has answered
        await self._ask(requests.begin(self._producer, self._partition, topics))

    async def send(self, batches: Mapping[str, Sequence[RecordBatch]]) -> dict[str, int]:
        """Append record batches; return by topic the offset behind the last record.

        Args:
            batches: by topic, at least one; the transaction has begun with these topics.

        Raises:
            ProducerFenced: another producer has the id now, or the transaction took too long.
            KafkaError: Kafka refuses a batch.
        """
        ends: dict[str, int] = {}
        for at_once in zip_longest(*batches.values()):  # a request holds one batch of each topic
            encoded = {}
            for topic, batch in zip(batches, at_once, strict=True):
                if batch is not None:
                    encoded[topic] = batch.encode(self._producer.number, self._producer.epoch, self._sent[topic])
                    self._sent[topic] = _following(self._sent[topic], batch.num_records)
            begins = await self._append(encoded)
            for topic, batch in zip(batches, at_once, strict=True):
                if batch is not None:
                    ends[topic] = begins[topic] + batch.num_records
        return ends

    async def commit(self) -> None:
        """Commit the transaction.

        Raises:
            ProducerFenced: another producer has the id now, or the transaction took too long.
            KafkaError: Kafka refuses, or its outcome is unknown.
        """
        await self._ask(requests.commit(self._producer))

    async def _ask(self, request: Request[Said]) -> Said:
        """Ask the coordinator until it answers; return an answer without error."""
        pauses_s = _pauses_s()
        error, said = await self._try(request)
        while error is not NoError:
            if error in _MOVED:
                self._coordinator = None
            elif error not in _BUSY:
                raise _final(error, self._producer.transactional_id)
            await asyncio.sleep(next(pauses_s))
            error, said = await self._try(request)
        return said

    async def _try(self, request: Request[Said]) -> tuple[type[KafkaError], Said]:
        """Ask the coordinator once; a lost connection is an answer like that of one that has moved."""
        try:
            if self._coordinator is None:
                own_id = self._producer.transactional_id
                self._coordinator = await self._client.coordinator_lookup(CoordinationType.TRANSACTION, own_id)
            said = await self._client.send(self._coordinator, request, group=self)
        except KafkaError as exc:
            if not exc.retriable:
                raise
            await self._client.force_metadata_update()
            return NotCoordinatorError, Said([])
        errors = sorted(filter(None, said.errors), key=OperationNotAttempted.errno.__eq__)  # these follow from another
        return for_code(errors[0] if errors else NoError.errno), said

    async def _append(self, encoded: Mapping[str, memoryview]) -> dict[str, int]:
        """Append a batch to each topic; return the offset of its first record."""
        begins: dict[str, int] = {}
        pauses_s = _pauses_s()
        while True:
            by_leader: defaultdict[int, dict[str, memoryview]] = defaultdict(dict)
            for topic in encoded.keys() - begins.keys():
                by_leader[await self._leader(topic)][topic] = encoded[topic]
            for found in await asyncio.gather(*(self._append_at(*each) for each in by_leader.items())):
                begins |= found
            if len(begins) == len(encoded):
                return begins
            await asyncio.sleep(next(pauses_s))
            await self._client.force_metadata_update()

    async def _append_at(self, leader: int, encoded: Mapping[str, memoryview]) -> dict[str, int]:
        """Append batches to topics with the same leader; those that it could not append now are missing."""
        request = requests.append(self._producer, self._partition, encoded, _SEND_LIMIT_MS)
        try:
            answer = await self._client.send(leader, request, group=self)
        except KafkaError as exc:
            if not exc.retriable:
                raise
            return {}
        begins = {}
        for topic, appended in answer.items():
            error = for_code(appended.error)
            if error is NoError:
                begins[topic] = appended.offset
            elif not error.retriable:
                raise _final(error, topic)
        return begins

    async def _leader(self, topic: str) -> int:
        """Wait until the partition of a topic has a leader, and return it."""
        cluster, partition = self._client.cluster, TopicPartition(topic, self._partition)
        pauses_s = _pauses_s()
        while (leader := cluster.leader_for_partition(partition)) is None or leader == _NOBODY:
            if topic in cluster.unauthorized_topics:
                raise TopicAuthorizationFailedError(topic)
            await self._client.force_metadata_update()
            await asyncio.sleep(next(pauses_s))
        return int(leader)


def _pauses_s() -> Iterator[float]:
    """Yield the pauses between repetitions."""
    pause_s = _FIRST_PAUSE_S
    while True:
        yield pause_s
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


def _final(error: type[KafkaError], name: str) -> KafkaError:
    """Return what to raise for an error that repeating does not cure."""
    if error is InvalidProducerEpoch:
        return ProducerFenced()
    if error in (TransactionalIdAuthorizationFailed, TopicAuthorizationFailedError):
        return error(name)
    return error()


def _following(number: int, count: int) -> int:
    """Return the number `count` after a record's, which begins again at 0 after the largest int32."""
    return (number + count) % (1 << 31)
