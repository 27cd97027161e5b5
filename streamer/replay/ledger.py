"""The ledger of a replay: every play sent, compared with the states and the answers it led to."""

from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamer.kafka.connection import Connection
from streamer.kafka.consumers import read_backlog
from streamer.replay.collector import Collector
from streamer.replay.recording import Recording
from streamer.wire.changelog import KIND_LISTENER, listener_key
from streamer.wire.state import decode


@dataclass(frozen=True, slots=True)
class ReplayLedger:
    """What became of the plays.

    Attributes:
        plays: sent.
        applied: counted in the listeners' final states.
        lost: accepted, but missing from a state or without an answer.
        twice: counted more than once in a state, or answered more than once.
        dead_letters: rejected.
    """

    plays: int
    applied: int
    lost: int
    twice: int
    dead_letters: int


def balance(recording: Recording, collector: Collector, plays_seen: NDArray[np.int64]) -> ReplayLedger:
    """Add up listener by listener, so that a lost play cannot offset one counted twice.

    Args:
        recording: of B listeners.
        collector: with all answers.
        plays_seen: int64 (B,), according to the listeners' final states.
    """
    num_listeners, listeners = len(recording.users), recording.listeners
    unanswered = ~collector.is_dead & (collector.num_answers.min(0) == 0)
    answered_twice = collector.num_answers.max(0) > 1

    def per_listener(plays: NDArray[np.bool_]) -> NDArray[np.int64]:
        return np.bincount(listeners[plays], minlength=num_listeners)

    missing = per_listener(~collector.is_dead) - plays_seen
    return ReplayLedger(
        plays=len(recording),
        applied=int(plays_seen.sum()),
        lost=int(np.maximum(missing, per_listener(unanswered)).sum()),
        twice=int(np.maximum(-missing, per_listener(answered_twice)).sum()),
        dead_letters=int(collector.is_dead.sum()),
    )


async def read_plays_seen(
    connection: Connection, changelog_topic: str, num_partitions: int, users: Sequence[bytes]
) -> NDArray[np.int64]:
    """Read the changelog to its end; return the plays each listener's final state has seen: int64 (B,)."""
    newest = await _read_newest(connection, changelog_topic, num_partitions)
    states = decode([newest.get(listener_key(user)) for user in users], 0)
    return states.plays_seen


async def _read_newest(connection: Connection, topic: str, num_partitions: int) -> Mapping[bytes, bytes | None]:
    """Return the newest committed record of each listener."""
    newest: dict[bytes, bytes | None] = {}
    async with aclosing(read_backlog(connection, topic, range(num_partitions))) as records:
        async for record in records:
            if record.key is not None and record.key.startswith(KIND_LISTENER):
                newest[record.key] = record.value
    return newest
