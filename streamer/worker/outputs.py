"""What a batch writes, partition by partition: answers, tombstones, dead letters, states, progress mark."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.config import HORIZONS
from models.plays.histories import bounds_of
from models.serving.step import Ranked
from streamer.kafka.transaction import Record, Records, Writes
from streamer.wire.blobs import Blobs
from streamer.wire.letters import (
    MAX_DEAD_VALUE_BYTES,
    DeadLetterHeaders,
    LetterRecord,
    RecordId,
    ResentHeaders,
    dead_letter,
    forget_request,
    read_headers,
)
from streamer.wire.plays import Reject
from streamer.wire.recommendations import Lineage, ListEncoder
from streamer.wire.state import States, encode
from streamer.worker.batch import Batch
from streamer.worker.events import Events, Listeners
from streamer.worker.intake import Intake
from streamer.worker.saying import Said

_WORKER_VERSION: Final = version("refrain")

_NONE: Final = Records.of([])

#: The headers of answers, by partition and source offset of their plays; most have none.
AnswerHeaders = Mapping[int, Mapping[int, Sequence[tuple[str, bytes]]]]

NO_HEADERS: Final[AnswerHeaders] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics that a batch is written to.

    Attributes:
        source: the topic of plays, named in dead letters.
        answers: one topic per horizon, in the order of HORIZONS.
        dead_letters: the topic of rejected plays.
        max_dead_bytes: the longest value of a dead letter; more is cut off.
    """

    source: str
    answers: tuple[str, str]
    dead_letters: str
    max_dead_bytes: int = MAX_DEAD_VALUE_BYTES


@dataclass(frozen=True, slots=True)
class Answers:
    """The lists of A plays of a batch.

    Attributes:
        answered: int64 (A,), ascending indices of the batch's new plays.
        ranked: one per horizon.
        said: which of the lists are published.
        lists: encodes them.
        release_id: the release that ranked the tracks.
        emitted_at_ms: when, ms since the epoch.
    """

    answered: NDArray[np.int64]
    ranked: Sequence[Ranked]
    said: Said
    lists: ListEncoder
    release_id: str
    emitted_at_ms: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a batch, before it is split by partition.

    Attributes:
        events: the accepted events, in the order of their arrival.
        listeners: of the events.
        is_known: bool (L,), which of them had a state before the batch.
        batch: the lives.
        states: the states of the lives after the batch.
        answers: the lists; None while there is no release.
    """

    events: Events
    listeners: Listeners
    is_known: NDArray[np.bool_]
    batch: Batch
    states: States
    answers: Answers | None


def write(
    intakes: Sequence[Intake], outcome: Outcome, topics: Topics, headers: AnswerHeaders = NO_HEADERS
) -> Iterator[Writes]:
    """Yield the writes of each partition, in the order of the intakes."""
    states, partitions = _states(outcome), np.array([intake.partition for intake in intakes])
    users = Blobs.of(outcome.listeners.users)
    answers = [_answers(outcome, horizon, users, partitions) for horizon in range(len(topics.answers))]
    for number, intake in enumerate(intakes):
        first, last = outcome.listeners.bounds[number : number + 2].tolist()
        tombstones = _tombstones(outcome, first, last)
        outputs = {
            topic: _merge(tombstones, headers.get(intake.partition, {}), *of_horizon.of_partition(number))
            for topic, of_horizon in zip(topics.answers, answers, strict=True)
        }
        letters = _with_requests(_dead_letters(intake, topics), tombstones, intake.partition)
        outputs[topics.dead_letters] = Records.of(letters) if letters else _NONE
        mine = states.part(first, last)
        num_added = int((~mine.missing).sum()) - int(outcome.is_known[first:last].sum())
        keys = outcome.listeners.state_keys[first:last]
        yield Writes(intake.partition, outputs, keys, mine, num_added, intake.mark)


def _states(outcome: Outcome) -> Blobs:
    """Return the new record of each listener; none for those whose last event was a tombstone."""
    is_last = outcome.batch.is_last
    missing = np.ones(len(outcome.listeners.users), np.bool_)
    missing[outcome.batch.listener[is_last]] = False
    kept = outcome.states if is_last.all() else outcome.states.take(is_last)
    records = encode(kept)  # in the order of the listeners, as the lives are
    lengths = np.zeros(len(missing), np.int64)
    lengths[~missing] = records.lengths
    return Blobs(records.joined, bounds_of(lengths), missing)


def _tombstones(outcome: Outcome, first: int, last: int) -> dict[int, Record]:
    """Return the tombstones of a partition's listeners, by source offset."""
    events, users = outcome.events, outcome.listeners.users
    mine = events.forgets & (first <= events.listener) & (events.listener < last)
    return {
        offset: Record(users[listener], None)
        for offset, listener in zip(events.offsets[mine].tolist(), events.listener[mine].tolist(), strict=True)
    }


@dataclass(frozen=True, slots=True)
class _Published:
    """The published answers of a horizon, partition by partition.

    Attributes:
        offsets: int64 (answers,), their source offsets, ascending in each partition.
        records: the answers.
        bounds: int64 (partitions + 1,), the answers of each partition.
    """

    offsets: NDArray[np.int64]
    records: Records
    bounds: NDArray[np.int64]

    def of_partition(self, number: int) -> tuple[NDArray[np.int64], Records]:
        """Return the source offsets and the answers of the partition of an intake."""
        first, last = self.bounds[number : number + 2].tolist()
        return self.offsets[first:last], self.records.part(first, last)


def _answers(outcome: Outcome, horizon: int, users: Blobs, partitions: NDArray[np.int64]) -> _Published:
    """Write the answers of a horizon.

    Args:
        outcome: of the batch.
        horizon: its place in HORIZONS.
        users: the ids of the listeners.
        partitions: int64 (partitions,), their numbers, in the order of the intakes.
    """
    answers, plays = outcome.answers, outcome.batch.plays
    if answers is None:
        return _Published(np.empty(0, np.int64), _NONE, np.zeros(len(partitions) + 1, np.int64))
    listener = plays.listener[answers.answered]  # (A,)
    intake = np.searchsorted(outcome.listeners.bounds, listener, side="right") - 1  # (A,)
    chosen = np.flatnonzero(answers.said.published[horizon])
    chosen = chosen[np.lexsort((plays.offsets[answers.answered[chosen]], intake[chosen]))]
    answered, ranked = answers.answered[chosen], answers.ranked[horizon]
    lineage = Lineage(
        users=users.take(listener[chosen]),
        plays_seen=outcome.batch.plays_seen[answered],
        source_partitions=partitions[intake[chosen]],
        source_offsets=plays.offsets[answered],
        played_at_ms=plays.played_at_ms[answered],
        release=answers.release_id,
        emitted_at_ms=answers.emitted_at_ms,
    )
    texts = answers.lists.encode(HORIZONS[horizon], ranked.rows[chosen], ranked.scores[chosen], lineage)
    bounds = np.searchsorted(intake[chosen], np.arange(len(partitions) + 1))
    return _Published(lineage.source_offsets, Records.without_headers(lineage.users, texts), bounds)


def _merge(
    tombstones: Mapping[int, Record],
    headers: Mapping[int, Sequence[tuple[str, bytes]]],
    offsets: NDArray[np.int64],
    answers: Records,
) -> Records:
    """Return both in the order of their source offsets, so that no older answer follows a newer one."""
    if tombstones:
        written = [
            record._replace(headers=headers.get(offset, ()))
            for offset, record in zip(offsets.tolist(), answers.to_list(), strict=True)
        ]
        by_offset = {**tombstones, **dict(zip(offsets.tolist(), written, strict=True))}
        return Records.of([by_offset[offset] for offset in sorted(by_offset)])
    if headers:
        return answers.with_headers([headers.get(offset, ()) for offset in offsets.tolist()])
    return answers


def letter_of(intake: Intake, reject: Reject, topics: Topics) -> LetterRecord:
    """Make the letter of a rejected play of a partition."""
    record = intake.records[reject.index]
    resent = read_headers(record.headers, ResentHeaders) if record.headers else None
    headers = DeadLetterHeaders(
        error=reject.cause,
        reason=reject.reason,
        source_topic=topics.source,
        source_partition=intake.partition,
        source_offset=record.offset,
        worker_version=_WORKER_VERSION,
        letter=resent.letter if resent else None,
        times_sent=resent.times_sent if resent else 0,
    )
    return dead_letter(record.key, record.value, headers, topics.max_dead_bytes)


def _dead_letters(intake: Intake, topics: Topics) -> dict[int, Record]:
    """Return the letters of a partition's rejected plays, by source offset."""
    return {
        intake.records[reject.index].offset: _record(letter_of(intake, reject, topics)) for reject in intake.rejects
    }


def _with_requests(letters: dict[int, Record], tombstones: Mapping[int, Record], partition: int) -> list[Record]:
    """Merge letters with the requests to remove those of forgotten listeners, in the order of their source offsets."""
    if not tombstones:
        return list(letters.values())
    requests = {
        offset: _record(forget_request(tombstone.key or b"", RecordId(partition, offset)))
        for offset, tombstone in tombstones.items()
    }
    return [record for _, record in sorted((letters | requests).items())]


def _record(letter: LetterRecord) -> Record:
    return Record(letter.key, letter.value, letter.headers)
