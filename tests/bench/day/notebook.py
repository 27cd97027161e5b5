"""The notebook: every play as it was sent, whether the previous list contained it, and which release gave that list.

Laws of this file:
1. A play is judged by the answer to the same listener's previous play, whichever of the two is read first.
2. Once a play is judged, only the outcome is kept, so that a long day fits into memory.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from models.config import CONTEXTS
from models.plays.catalogue import track_keys
from streamer.local.simulator import SimulatedPlay
from streamer.wire.messages import Recommendation
from tests.bench.day.bots import is_bot


@dataclass(frozen=True, slots=True)
class Notes:
    """P plays, in the order they were sent.

    Attributes:
        listeners: int64 (P,), numbered from 0 by first play.
        is_bot: bool (P,).
        track_keys: uint64 (P,).
        played_at_ms: int64 (P,), of the listeners' time.
        sent_at_s: float64 (P,), of the clock.
        contexts: uint8 (P,).
        hits: float64 (P,), 1 or 0; NaN if there was no list before.
        releases: int64 (P,), index into `release_ids` of the release that gave that list; -1 if there was none.
        release_ids: in the order in which their lists were first judged.
    """

    listeners: NDArray[np.int64]
    is_bot: NDArray[np.bool_]
    track_keys: NDArray[np.uint64]
    played_at_ms: NDArray[np.int64]
    sent_at_s: NDArray[np.float64]
    contexts: NDArray[np.uint8]
    hits: NDArray[np.float64]
    releases: NDArray[np.int64]
    release_ids: tuple[str, ...]


@dataclass(slots=True)
class _History:
    """A listener's plays, as indices into all, and the answers still waiting for the next play, by plays seen."""

    plays: list[int] = field(default_factory=list)
    answers: dict[int, Recommendation] = field(default_factory=dict)


class Notebook:
    """Records plays and answers.

    Args:
        clock: seconds since the epoch.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._plays: list[SimulatedPlay] = []
        self._sent_at_s: list[float] = []
        self._outcomes: dict[int, tuple[bool, str]] = {}
        self._histories: defaultdict[str, _History] = defaultdict(_History)
        self.release_ids: dict[str, None] = {}

    def play(self, play: SimulatedPlay) -> None:
        """Record a play; those of a listener come in order."""
        history = self._histories[play.user_id]
        history.plays.append(len(self._plays))
        self._plays.append(play)
        self._sent_at_s.append(self._clock())
        self._judge(history, len(history.plays) - 1)

    def answer(self, answer: Recommendation) -> None:
        """Record a short-term answer; long-term answers are ignored."""
        if answer.horizon != "short-term":
            return
        history = self._histories[answer.user_id]
        history.answers[answer.plays_seen] = answer
        self._judge(history, answer.plays_seen)

    def notes(self) -> Notes:
        """Return the records as arrays."""
        numbers = {user_id: number for number, user_id in enumerate(self._histories)}
        release_ids = tuple(self.release_ids)
        outcomes = [self._outcomes.get(index) for index in range(len(self._plays))]
        return Notes(
            listeners=np.array([numbers[play.user_id] for play in self._plays], np.int64),
            is_bot=np.array([is_bot(play.user_id) for play in self._plays], np.bool_),
            track_keys=track_keys([play.track_id for play in self._plays]),
            played_at_ms=np.array([play.played_at for play in self._plays], np.int64),
            sent_at_s=np.array(self._sent_at_s),
            contexts=np.array([CONTEXTS.index(play.context) for play in self._plays], np.uint8),
            hits=np.array([np.nan if outcome is None else float(outcome[0]) for outcome in outcomes]),
            releases=np.array([-1 if outcome is None else release_ids.index(outcome[1]) for outcome in outcomes]),
            release_ids=release_ids,
        )

    def _judge(self, history: _History, plays_seen: int) -> None:
        """Look up a listener's next play in the answer after `plays_seen` plays, once both are there."""
        if plays_seen not in history.answers or plays_seen >= len(history.plays):
            return
        answer, index = history.answers.pop(plays_seen), history.plays[plays_seen]
        is_hit = any(track.track_id == self._plays[index].track_id for track in answer.tracks)
        self._outcomes[index] = (is_hit, answer.release)
        self.release_ids.setdefault(answer.release)
