"""The reader: a read_committed consumer of everything the workers write, like any other consumer of theirs."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
from aiokafka import ConsumerRecord, TopicPartition

from streamer.demo.ledger import Ledger
from streamer.demo.scores import Judge
from streamer.kafka.connection import Connection
from streamer.kafka.consumers import create_consumer
from streamer.wire.changelog import KIND_LISTENER
from streamer.wire.letters import DeadLetterHeaders, read_headers
from streamer.wire.messages import Recommendation
from streamer.wire.state import decode

_WAIT_MS: Final = 200
_MAX_RECORDS: Final = 500  # at a time, so that the screen gets its turn
_read_recommendation = msgspec.json.Decoder(Recommendation).decode

Records = Sequence["ConsumerRecord[bytes, bytes]"]


@dataclass(frozen=True, slots=True)
class WrittenTopics:
    """The topics that the workers write to.

    Attributes:
        short_term: answers for the next play.
        long_term: answers for the coming weeks.
        dead_letters: rejected plays.
        changelog: the states.
    """

    short_term: str
    long_term: str
    dead_letters: str
    changelog: str


class Reader:
    """Reads answers, dead letters and the changelog from their beginning.

    Other clients may send their own plays to the demo's Kafka: the workers answer them, and the reader ignores them.

    Args:
        connection: to Kafka.
        topics: the topics to read.
        num_partitions: of each topic.
        user_ids: of the demo's own listeners.
        ledger: receives what was read.
        judge: receives the answers.
    """

    def __init__(
        self,
        connection: Connection,
        topics: WrittenTopics,
        num_partitions: int,
        *,
        user_ids: Iterable[str],
        ledger: Ledger,
        judge: Judge,
    ) -> None:
        self._consumer = create_consumer(connection)
        self._enter: dict[str, Callable[[Records], None]] = {
            topics.short_term: self._enter_answers,
            topics.long_term: self._enter_answers,
            topics.dead_letters: self._enter_dead_letters,
            topics.changelog: self._enter_states,
        }
        self._partitions = [TopicPartition(topic, number) for topic in self._enter for number in range(num_partitions)]
        self._keys = frozenset(user_id.encode() for user_id in user_ids)
        self._ledger = ledger
        self._judge = judge
        self.releases: dict[str, float] = {}
        """When the first answer of each release was read, monotonic seconds, in order."""

    async def start(self) -> None:
        """Connect."""
        await self._consumer.start()
        self._consumer.assign(self._partitions)

    async def stop(self) -> None:
        """Disconnect."""
        await self._consumer.stop()

    async def run(self) -> None:
        """Read forever."""
        while True:
            fetched = await self._consumer.getmany(timeout_ms=_WAIT_MS, max_records=_MAX_RECORDS)
            for partition, records in fetched.items():
                self._enter[partition.topic](records)

    async def has_read_all(self) -> bool:
        """Return whether everything committed so far has been read."""
        ends = await self._consumer.end_offsets(self._partitions)
        return all([await self._consumer.position(partition) >= end for partition, end in ends.items()])

    def _enter_answers(self, records: Records) -> None:
        now_s = time.monotonic()
        for record in records:
            if record.key not in self._keys:
                continue
            assert record.value is not None, "the demo's listeners are never forgotten"
            answer = _read_recommendation(record.value)
            self._ledger.answer(answer.horizon, answer.source_partition, answer.source_offset, now_s)
            self._judge.answer(answer)
            self.releases.setdefault(answer.release, now_s)

    def _enter_dead_letters(self, records: Records) -> None:
        now_s = time.monotonic()
        for record in records:
            if (headers := read_headers(record.headers, DeadLetterHeaders)) is not None:
                self._ledger.bury(headers.source_partition, headers.source_offset, now_s)

    def _enter_states(self, records: Records) -> None:
        states = [record for record in records if record.key and record.key[1:] in self._keys]
        plays_seen = decode([record.value for record in states], num_hidden=0).plays_seen
        for record, seen in zip(states, plays_seen.tolist(), strict=True):
            assert record.key is not None, "the states were chosen by their keys"
            self._ledger.apply(record.key.removeprefix(KIND_LISTENER).decode(), seen)
