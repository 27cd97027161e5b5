"""A follower: reads a whole topic outside any group, goes on with it, and notices when it is another of that name.

Whoever keeps what it read continues behind it. Where that does not fit the topic, which was recreated, or lost records
that were not read, the follower begins again and says so: what was kept before is void.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final, TypeAlias

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from streamer.errors import ContractError
from streamer.kafka.admin import KafkaAdmin
from streamer.kafka.blocks import ends_of
from streamer.kafka.clients import running
from streamer.kafka.connection import Connection
from streamer.kafka.consumers import create_consumer
from streamer.kafka.topic_identity import TopicIdentity

logger = logging.getLogger(__name__)

_WAIT_MS: Final = 2000  # records come at once; the longer the wait, the less an idle follower costs
_CHECK_S: Final = 10.0  # between two looks at the topic's identity, 2 ms each

#: Says from which offset to go on in each partition of a topic; nothing, to begin again.
PlacesIn: TypeAlias = Callable[[TopicIdentity], Awaitable[Mapping[int, int]]]


@dataclass(frozen=True, slots=True)
class Portion:
    """What arrived at once, perhaps nothing.

    Attributes:
        topic: which topic was read.
        is_anew: whether it is the first since the topic is read from its beginning.
        is_current: whether the end was reached that the topic had when reading began.
        records: of one partition after the other, in order.
        places: the next offset of each partition.
        ends: of the partitions, as `BlockWatch` takes them.
    """

    topic: TopicIdentity
    is_anew: bool
    is_current: bool
    records: "list[ConsumerRecord[bytes, bytes]]"
    places: Mapping[int, int]
    ends: Mapping[int, tuple[int, int]]


class Follower:
    """Follows a topic.

    Args:
        connection: to Kafka.
        topic: its name.
        max_records: in a portion.
        check_s: seconds between two looks at the topic's identity.
    """

    def __init__(
        self, connection: Connection, topic: str, *, max_records: int, check_s: float = _CHECK_S
    ) -> None:  # fmt: skip
        self._connection = connection
        self._topic = topic
        self._max_records = max_records
        self._check_s = check_s

    async def portions(self, places_in: PlacesIn) -> AsyncGenerator[Portion, None]:
        """Yield portions for ever, an empty one now and then.

        Args:
            places_in: is asked before reading begins, and again where it begins anew.

        Raises:
            ContractError: there is no such topic.
        """
        async with KafkaAdmin(self._connection) as admin:
            topic = await admin.find_identity(self._topic)
        if topic is None:
            raise ContractError(f"topic {self._topic} was deleted; start again, which creates it")
        while True:
            async with aclosing(self._read(topic, await places_in(topic))) as portions:
                async for portion in portions:
                    yield portion
            topic = await self._wait_until_there()
            logger.warning("topic was recreated or lost records topic=%s: it is read from its beginning", self._topic)

    async def _read(self, topic: TopicIdentity, places: Mapping[int, int]) -> AsyncGenerator[Portion, None]:
        """Yield portions until the topic is another one, or offsets are gone."""
        consumer = create_consumer(self._connection, auto_offset_reset="none", fetch_max_wait_ms=_WAIT_MS)
        async with running(consumer):
            partitions = [TopicPartition(self._topic, number) for number in range(topic.num_partitions)]
            consumer.assign(partitions)
            is_anew, ends = await _seek(consumer, partitions, places)
            checked_s, is_current = time.monotonic(), False
            while True:
                if time.monotonic() - checked_s > self._check_s:
                    checked_s = time.monotonic()
                    if not await self._is(topic):
                        return
                try:
                    fetched = await consumer.getmany(timeout_ms=_WAIT_MS, max_records=self._max_records)
                except OffsetOutOfRangeError:
                    return
                reached = {each.partition: await consumer.position(each) for each in partitions}
                is_current = is_current or all(reached[each] >= end for each, end in ends.items())
                records = [record for portion in fetched.values() for record in portion]
                yield Portion(topic, is_anew, is_current, records, reached, ends_of(consumer))
                is_anew = False

    async def _is(self, topic: TopicIdentity) -> bool:
        """Say whether the name is still the topic's; a topic that was deleted and not yet recreated counts."""
        try:
            async with KafkaAdmin(self._connection) as admin:
                return await admin.find_identity(self._topic) in (topic, None)
        except (KafkaError, OSError):  # asked again later
            return True

    async def _wait_until_there(self) -> TopicIdentity:
        while True:
            try:
                async with KafkaAdmin(self._connection) as admin:
                    if (topic := await admin.find_identity(self._topic)) is not None:
                        return topic
            except (KafkaError, OSError) as exc:
                logger.debug("topic not found topic=%s error=%s", self._topic, exc)
            await asyncio.sleep(_WAIT_MS / 1000)


async def from_the_beginning(_: TopicIdentity) -> Mapping[int, int]:
    """Continue nowhere."""
    return {}


async def _seek(
    consumer: AIOKafkaConsumer, partitions: list[TopicPartition], places: Mapping[int, int]
) -> tuple[bool, dict[int, int]]:
    """Go to the places, or to the beginning if one does not fit; return whether it was the beginning, and the ends."""
    begins, ends = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
    fits = all(begins[each] <= places.get(each.partition, -1) <= ends[each] for each in partitions)
    for each in partitions:
        consumer.seek(each, places[each.partition] if fits else begins[each])
    return not fits, {each.partition: end for each, end in ends.items()}
