"""The ledger of plays sent and their outcomes: the evidence that no play was lost or applied twice.

Laws of this file:
1. It relies only on what Kafka acknowledged and what a read_committed consumer saw.
2. Its memory grows with the number of listeners and of plays in flight, not with the number of plays.

An acknowledgement and the answer to the play come over different connections, so the answer may be read first.
"""

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from models.config import HORIZONS
from streamer.wire.messages import Horizon

LATENCIES_KEPT: Final = 200_000  # percentiles cover the latest answers
TAKE_UP_S: Final = 10.0  # once one partition answers, all must answer within this time


@dataclass(frozen=True, slots=True)
class Balance:
    """The totals of the ledger.

    Attributes:
        plays: sent and acknowledged, without the bad ones.
        applied: steps that the states of all listeners have made.
        answered: plays that have both lists.
        lost: plays that moved no state.
        twice: steps in excess of the plays sent.
        unanswered: answers that were due and missing; none is due before a partition's first answer.
        answered_twice: answers to a play that already had one, or that was never sent.
        dead_letters: read.
        dead_letters_lost: bad plays sent that did not become dead letters.
        dead_letters_undue: repeated dead letters, and those of no bad play sent.
    """

    plays: int
    applied: int
    answered: int
    lost: int
    twice: int
    unanswered: int
    answered_twice: int
    dead_letters: int
    dead_letters_lost: int
    dead_letters_undue: int

    @property
    def faults(self) -> int:
        """Number of faults; the promise is 0."""
        answers = self.unanswered + self.answered_twice
        return self.lost + self.twice + answers + self.dead_letters_lost + self.dead_letters_undue


class Owed:
    """The offsets of one partition that are each owed exactly one arrival."""

    def __init__(self) -> None:
        self._awaited: dict[int, float] = {}
        self._early: dict[int, float] = {}
        self._newest = -1
        self.first: int | None = None
        self.num_arrived = 0
        self.num_again = 0

    def expect(self, offset: int, sent_s: float) -> float | None:
        """Await an offset, which rises from call to call; return its latency, s, if the arrival came first."""
        self._newest = offset
        if (arrived_s := self._early.pop(offset, None)) is not None:
            return arrived_s - sent_s
        self._awaited[offset] = sent_s
        return None

    def arrive(self, offset: int, at_s: float) -> float | None:
        """Record an arrival; return its latency, s, or None if the offset is not known yet or arrived before."""
        if offset in self._early or (offset <= self._newest and offset not in self._awaited):
            self.num_again += 1
            return None
        self.num_arrived += 1
        self.first = offset if self.first is None else min(offset, self.first)
        if (sent_s := self._awaited.pop(offset, None)) is None:
            self._early[offset] = at_s
            return None
        return at_s - sent_s

    @property
    def num_undue(self) -> int:
        """Number of arrivals that were repeated, or of unknown offsets."""
        return self.num_again + len(self._early)

    def num_missing(self, due_after: int = -1) -> int:
        """Count awaited offsets above `due_after` without an arrival."""
        return sum(offset > due_after for offset in self._awaited)

    def num_missing_since(self, sent_s: float) -> int:
        """Count awaited offsets, sent at or after a time, without an arrival."""
        return sum(at_s >= sent_s for at_s in self._awaited.values())


class Ledger:
    """Keeps count; all times are seconds of one clock.

    Args:
        num_partitions: of the topic of plays.
    """

    def __init__(self, num_partitions: int) -> None:
        self._answers: dict[Horizon, list[Owed]] = {
            horizon: [Owed() for _ in range(num_partitions)] for horizon in HORIZONS
        }
        self._dead_letters = [Owed() for _ in range(num_partitions)]
        self._sent: Counter[str] = Counter()
        self._applied: dict[str, int] = {}
        self._latencies_s: deque[float] = deque(maxlen=LATENCIES_KEPT)
        self.num_plays = 0
        self.num_bad = 0
        self.num_applied = 0
        self.num_plays_before_answers = 0
        self.first_answer_s: float | None = None

    def send_play(self, user_id: str, partition: int, offset: int, sent_s: float) -> None:
        """Record a good play that Kafka has acknowledged; call in order of offset per partition."""
        self._sent[user_id] += 1
        self.num_plays += 1
        for of_horizon in self._answers.values():
            self._note_latency(of_horizon[partition].expect(offset, sent_s))

    def send_bad(self, partition: int, offset: int, sent_s: float) -> None:
        """Record a message that must become a dead letter."""
        self.num_bad += 1
        self._dead_letters[partition].expect(offset, sent_s)

    def answer(self, horizon: Horizon, partition: int, offset: int, at_s: float) -> None:
        """Record an answer that was read."""
        if self.first_answer_s is None:
            self.first_answer_s, self.num_plays_before_answers = at_s, self.num_plays
        self._note_latency(self._answers[horizon][partition].arrive(offset, at_s))

    def bury(self, partition: int, offset: int, at_s: float) -> None:
        """Record a dead letter that was read."""
        self._dead_letters[partition].arrive(offset, at_s)

    def apply(self, user_id: str, plays_seen: int) -> None:
        """Record how many steps a state has made, according to the changelog; the latest record counts."""
        self.num_applied += plays_seen - self._applied.get(user_id, 0)
        self._applied[user_id] = plays_seen

    @property
    def num_answers(self) -> int:
        """Answers read, over both horizons."""
        return sum(owed.num_arrived for of_horizon in self._answers.values() for owed in of_horizon)

    @property
    def num_dead_letters(self) -> int:
        """Dead letters read."""
        return sum(owed.num_arrived for owed in self._dead_letters)

    @property
    def lag(self) -> int:
        """Plays sent but not yet applied."""
        return max(0, self.num_plays - self.num_applied)

    def latency_ms(self, percents: Sequence[float], latest: int = LATENCIES_KEPT) -> list[float]:
        """Return percentiles of the time from sending a play to reading an answer, ms; empty before the first."""
        begin = max(0, len(self._latencies_s) - latest)
        chosen = [self._latencies_s[index] for index in range(begin, len(self._latencies_s))]
        return [1000 * float(value) for value in np.percentile(chosen, percents)] if chosen else []

    def balance(self) -> Balance:
        """Add up the totals."""
        drifts = [self._applied.get(user, 0) - self._sent[user] for user in self._sent.keys() | self._applied.keys()]
        answers = list(_flat(self._answers.values()))
        return Balance(
            plays=self.num_plays,
            applied=self.num_applied,
            answered=min(sum(owed.num_arrived for owed in of_horizon) for of_horizon in self._answers.values()),
            lost=sum(max(0, -drift) for drift in drifts),
            twice=sum(max(0, drift) for drift in drifts),
            unanswered=sum(self._num_unanswered(owed) for owed in answers),
            answered_twice=sum(owed.num_undue for owed in answers),
            dead_letters=self.num_dead_letters,
            dead_letters_lost=sum(owed.num_missing() for owed in self._dead_letters),
            dead_letters_undue=sum(owed.num_undue for owed in self._dead_letters),
        )

    def _num_unanswered(self, owed: Owed) -> int:
        """Count due answers that are missing: all after its first one, or if there is none, those sent late enough."""
        if owed.first is not None:
            return owed.num_missing(due_after=owed.first)
        return 0 if self.first_answer_s is None else owed.num_missing_since(self.first_answer_s + TAKE_UP_S)

    def _note_latency(self, latency_s: float | None) -> None:
        if latency_s is not None:
            self._latencies_s.append(latency_s)


def _flat(of_horizons: Iterable[list[Owed]]) -> Iterable[Owed]:
    return (owed for of_horizon in of_horizons for owed in of_horizon)
