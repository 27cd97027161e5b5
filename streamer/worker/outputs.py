"""What a batch writes, partition by partition: answers, tombstones, dead letters, states, progress mark."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
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
from streamer.wire.recommendations import Lineage, ListEncoder
from streamer.wire.state import States, encode
from streamer.worker.batch import Batch
from streamer.worker.events import Events, Listeners
from streamer.worker.intake import Intake
from streamer.worker.saying import Said

_WORKER_VERSION: Final = version("refrain")


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


def write(intakes: Sequence[Intake], outcome: Outcome, topics: Topics) -> Iterator[Writes]:
    """Yield the writes of each partition, in the order of the intakes."""
    states = _states(outcome)
    users = Blobs.of(outcome.listeners.users)
    for number, intake in enumerate(intakes):
        first, last = outcome.listeners.bounds[number : number + 2].tolist()
        tombstones = _tombstones(outcome, first, last)
        outputs = {
            topic: _merge(tombstones, *_answers(outcome, horizon, users, intake, range(first, last)))
            for horizon, topic in enumerate(topics.answers)
        }
        letters = _dead_letters(intake, topics)
        outputs[topics.dead_letters] = Records.of(_with_requests(letters, tombstones, intake.partition))
        mine = states.part(first, last)
        num_added = int((~mine.missing).sum()) - int(outcome.is_known[first:last].sum())
        keys = outcome.listeners.state_keys[first:last]
        yield Writes(intake.partition, outputs, keys, mine, num_added, intake.mark)


def _states(outcome: Outcome) -> Blobs:
    """Return the new record of each listener; none for those whose last event was a tombstone."""
    is_last = outcome.batch.is_last
    missing = np.ones(len(outcome.listeners.users), np.bool_)
    missing[outcome.batch.listener[is_last]] = False
    records = encode(outcome.states.take(is_last))  # in the order of the listeners, as the lives are
    lengths = np.zeros(len(missing), np.int64)
    lengths[~missing] = np.diff(records.bounds)
    return Blobs(records.joined, bounds_of(lengths), missing)


def _tombstones(outcome: Outcome, first: int, last: int) -> dict[int, Record]:
    """Return the tombstones of a partition's listeners, by source offset."""
    events, users = outcome.events, outcome.listeners.users
    mine = events.forgets & (first <= events.listener) & (events.listener < last)
    return {
        offset: Record(users[listener], None)
        for offset, listener in zip(events.offsets[mine].tolist(), events.listener[mine].tolist(), strict=True)
    }


def _answers(
    outcome: Outcome, horizon: int, users: Blobs, intake: Intake, mine: range
) -> tuple[NDArray[np.int64], Records]:
    """Return the ascending source offsets of a horizon's answers to the listeners `mine`, and the answers."""
    answers, batch = outcome.answers, outcome.batch
    if answers is None:
        return np.empty(0, np.int64), Records.of([])
    listener = batch.plays.listener[answers.answered]  # (A,)
    is_mine = (mine.start <= listener) & (listener < mine.stop)
    chosen = np.flatnonzero(is_mine & answers.said.published[horizon])
    chosen = chosen[np.argsort(batch.plays.offsets[answers.answered[chosen]])]  # (answers of the partition,)
    plays, ranked = answers.answered[chosen], answers.ranked[horizon]
    lineage = Lineage(
        users=users.take(listener[chosen]),
        plays_seen=batch.plays_seen[plays],
        source_offsets=batch.plays.offsets[plays],
        played_at_ms=batch.plays.played_at_ms[plays],
        source_partition=intake.partition,
        release=answers.release_id,
        emitted_at_ms=answers.emitted_at_ms,
    )
    texts = answers.lists.encode(HORIZONS[horizon], ranked.rows[chosen], ranked.scores[chosen], lineage)
    return lineage.source_offsets, Records.without_headers(lineage.users, texts)


def _merge(tombstones: Mapping[int, Record], offsets: NDArray[np.int64], answers: Records) -> Records:
    """Return both in the order of their source offsets, so that no older answer follows a newer one."""
    if not tombstones:
        return answers
    by_offset = {**tombstones, **dict(zip(offsets.tolist(), answers.to_list(), strict=True))}
    return Records.of([by_offset[offset] for offset in sorted(by_offset)])


def _dead_letters(intake: Intake, topics: Topics) -> dict[int, Record]:
    """Return the letters of a partition's rejected plays, by source offset."""
    letters = {}
    for reject in intake.rejects:
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
        letters[record.offset] = _record(dead_letter(record.key, record.value, headers, topics.max_dead_bytes))
    return letters


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
