"""Collects the answers to a recording, as a `read_committed` consumer sees them, and the lists to be scored."""

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
from aiokafka import ConsumerRecord, TopicPartition
from numpy.typing import NDArray

from models.plays.catalogue import FIRST_TRACK, PAD, UNKNOWN, Catalogue
from streamer.kafka.connection import Connection
from streamer.kafka.consumers import create_consumer
from streamer.replay.recording import Recording
from streamer.wire.letters import DeadLetterHeaders, read_headers

_FETCH_MS: Final = 200
_FETCH_RECORDS: Final = 2000  # some 10 MB of lists
_PARTITION_BYTES: Final = 4 << 20

Records = Sequence[ConsumerRecord[bytes, bytes]]


class _LineageFields(msgspec.Struct, gc=False):
    """Identifies the play of an answer; the lists are not decoded, because most are not scored."""

    source_partition: int
    source_offset: int


class _TrackFields(msgspec.Struct, gc=False):
    track_id: str


class _AnswerFields(msgspec.Struct, gc=False):
    tracks: list[_TrackFields]


_read_lineage = msgspec.json.Decoder(_LineageFields).decode
_read_answer = msgspec.json.Decoder(_AnswerFields).decode


class Collector:
    """The answers so far.

    Args:
        recording: P plays, sent to a topic that nothing else writes to.
        scored: int64 (A,), the places whose lists are kept; a place may occur twice.
        catalogue: lists are kept as its rows; other tracks are UNKNOWN.
        sizes: length of the lists kept, short-term and long-term.

    Attributes:
        num_answers: uint8 (2, P), the number of answers to each play, by horizon.
        is_dead: bool (P,), the play was rejected.
        answered_at_ms: int64 (P,), when the later of the two answers was written, by its Kafka timestamp.
        lists: int32 (K, size) for each horizon, rows of the K distinct scored places; PAD without an answer.
    """

    def __init__(
        self, recording: Recording, scored: NDArray[np.int64], catalogue: Catalogue, sizes: tuple[int, int]
    ) -> None:
        self._recording = recording
        self._rows = {track_id: row for row, track_id in enumerate(catalogue.track_ids, start=FIRST_TRACK)}
        self._kept = np.unique(scored)  # (K,)
        self._index = np.full(len(recording), -1)  # of the K, by place
        self._index[self._kept] = np.arange(len(self._kept))
        self.num_answers = np.zeros((2, len(recording)), np.uint8)
        self.is_dead = np.zeros(len(recording), np.bool_)
        self.answered_at_ms = np.zeros(len(recording), np.int64)
        self.lists = tuple(np.full((len(self._kept), size), PAD, np.int32) for size in sizes)

    @property
    def num_settled(self) -> int:
        """Count the plays that were answered for both horizons, or rejected."""
        return int(np.count_nonzero(self.num_answers.all(0) | self.is_dead))

    def lists_at(self, places: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the lists of both horizons at scored places: int64 (A, 20) and (A, 100)."""
        index = np.searchsorted(self._kept, places)
        short_term, long_term = (lists[index].astype(np.int64) for lists in self.lists)
        return short_term, long_term

    def take_answers(self, horizon: int, records: Records) -> None:
        """Record answers of one horizon."""
        lineages = [_read_lineage(record.value or b"") for record in records]
        places = self._recording.places(
            np.array([lineage.source_partition for lineage in lineages]),
            np.array([lineage.source_offset for lineage in lineages]),
        )
        np.add.at(self.num_answers[horizon], places, 1)
        np.maximum.at(self.answered_at_ms, places, np.array([record.timestamp for record in records]))
        index = self._index[places]
        for number in np.flatnonzero(index >= 0).tolist():
            tracks = _read_answer(records[number].value or b"").tracks
            rows = [self._rows.get(track.track_id, UNKNOWN) for track in tracks]
            self.lists[horizon][index[number], : len(rows)] = rows

    def take_dead_letters(self, records: Records) -> None:
        """Record plays that were rejected."""
        letters = [headers for record in records if (headers := read_headers(record.headers, DeadLetterHeaders))]
        partitions = np.array([letter.source_partition for letter in letters], np.int64)
        offsets = np.array([letter.source_offset for letter in letters], np.int64)
        self.is_dead[self._recording.places(partitions, offsets)] = True


class AnswerReader:
    """Reads the three topics that workers answer on into a collector.

    Args:
        connection: to Kafka.
        answer_topics: of the short-term lists and of the long-term ones.
        dead_letter_topic: of the rejected plays.
        num_partitions: of each.
        collector: records what is read.
    """

    def __init__(
        self,
        connection: Connection,
        answer_topics: tuple[str, str],
        dead_letter_topic: str,
        num_partitions: int,
        collector: Collector,
    ) -> None:
        self._horizons = {topic: horizon for horizon, topic in enumerate(answer_topics)}
        self._collector = collector
        self._partitions = [
            TopicPartition(topic, number)
            for topic in (*answer_topics, dead_letter_topic)
            for number in range(num_partitions)
        ]
        self._consumer = create_consumer(connection, max_partition_fetch_bytes=_PARTITION_BYTES)

    async def start(self) -> None:
        """Connect, and start at the beginning of the topics, which must exist."""
        await self._consumer.start()
        self._consumer.assign(self._partitions)

    async def stop(self) -> None:
        """Disconnect."""
        await self._consumer.stop()

    async def read(self) -> None:
        """Read what has arrived; wait a moment if nothing has."""
        fetched = await self._consumer.getmany(timeout_ms=_FETCH_MS, max_records=_FETCH_RECORDS)
        for partition, records in fetched.items():
            horizon = self._horizons.get(partition.topic)
            if horizon is None:
                self._collector.take_dead_letters(records)
            else:
                self._collector.take_answers(horizon, records)

    async def read_to_end(self) -> None:
        """Read everything committed so far, where repeated answers would be."""
        ends = await self._consumer.end_offsets(self._partitions)
        for partition, end in ends.items():
            while await self._consumer.position(partition) < end:
                await self.read()
