"""The ledger of what was sent and what came of it: the witness that no play was lost and none done twice.

Laws of this file:
1. It knows what Kafka acknowledged and what a read_committed consumer saw, and believes nobody else.
2. Its memory grows with the listeners and with what is on its way, not with the plays.

An acknowledgement and the answer to the play come over different connections, so the answer may be read first.
"""

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from models.config import HORIZONS
from streamer.wire.messages import Horizon

LATENCIES_KEPT: Final = 200_000  # percentiles are those of the latest answers
TAKE_UP_S: Final = 10.0  # within which every partition answers once one does


@dataclass(frozen=True, slots=True)
class Balance:
    """What the ledger comes to.

    Attributes:
        plays: sent and acknowledged, the bad ones aside.
        applied: steps that the states of all listeners have made.
        answered: plays that have both lists.
        lost: plays that moved no state.
        twice: steps beyond the plays there were.
        unanswered: answers that were due and did not come; before a partition's first answer none is.
        answered_twice: answers to a play that had its own, or that was never sent.
        dead_letters: seen.
        dead_letters_lost: bad plays sent that never came back as one.
        dead_letters_undue: others.
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
        """How many things went wrong; 0 is the promise."""
        answers = self.unanswered + self.answered_twice
        return self.lost + self.twice + answers + self.dead_letters_lost + self.dead_letters_undue


class Owed:
    """The offsets of one partition of which something must come, once each."""

    def __init__(self) -> None:
        self._awaited: dict[int, float] = {}
        self._early: dict[int, float] = {}
        self._newest = -1
        self.first: int | None = None
        self.num_arrived = 0
        self.num_again = 0

    def expect(self, offset: int, sent_s: float) -> float | None:
        """Await an offset, which rises from call to call; return its latency if what is awaited was quicker."""
        self._newest = offset
        if (arrived_s := self._early.pop(offset, None)) is not None:
            return arrived_s - sent_s
        self._awaited[offset] = sent_s
        return None

    def arrive(self, offset: int, at_s: float) -> float | None:
        """Note that it has come; return how long that took, or None where that is not known yet, or came before."""
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
        """What came again, or of nothing."""
        return self.num_again + len(self._early)

    def num_missing(self, due_after: int = -1) -> int:
        """How many awaited offsets above `due_after` nothing came of."""
        return sum(offset > due_after for offset in self._awaited)

    def num_missing_since(self, sent_s: float) -> int:
        """How many awaited offsets sent at or after a time nothing came of."""
        return sum(at_s >= sent_s for at_s in self._awaited.values())


class Ledger:
    """Keeps count; times are seconds of any one clock.

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
        """Note a good play that Kafka has acknowledged; those of a partition in order."""
        self._sent[user_id] += 1
        self.num_plays += 1
        for of_horizon in self._answers.values():
            self._note_latency(of_horizon[partition].expect(offset, sent_s))

    def send_bad(self, partition: int, offset: int, sent_s: float) -> None:
        """Note a message that must become a dead letter."""
        self.num_bad += 1
        self._dead_letters[partition].expect(offset, sent_s)

    def answer(self, horizon: Horizon, partition: int, offset: int, at_s: float) -> None:
        """Note an answer that was read."""
        if self.first_answer_s is None:
            self.first_answer_s, self.num_plays_before_answers = at_s, self.num_plays
        self._note_latency(self._answers[horizon][partition].arrive(offset, at_s))

    def bury(self, partition: int, offset: int, at_s: float) -> None:
        """Note a dead letter that was read."""
        self._dead_letters[partition].arrive(offset, at_s)

    def apply(self, user_id: str, plays_seen: int) -> None:
        """Note how many steps a state has made, as the changelog says; the latest word counts."""
        self.num_applied += plays_seen - self._applied.get(user_id, 0)
        self._applied[user_id] = plays_seen

    @property
    def num_answers(self) -> int:
        """Answers read, of both horizons."""
        return sum(owed.num_arrived for of_horizon in self._answers.values() for owed in of_horizon)

    @property
    def num_dead_letters(self) -> int:
        """Dead letters read."""
        return sum(owed.num_arrived for owed in self._dead_letters)

    @property
    def lag(self) -> int:
        """Plays sent and not yet applied."""
        return max(0, self.num_plays - self.num_applied)

    def latency_ms(self, percents: Sequence[float], latest: int = LATENCIES_KEPT) -> list[float]:
        """Return percentiles of the time from sending a play to reading an answer, ms; none before the first."""
        begin = max(0, len(self._latencies_s) - latest)
        chosen = [self._latencies_s[index] for index in range(begin, len(self._latencies_s))]
        return [1000 * float(value) for value in np.percentile(chosen, percents)] if chosen else []

    def balance(self) -> Balance:
        """Add everything up."""
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
        """Count what is due: after the partition's first answer everything, without one what was sent late enough."""
        if owed.first is not None:
            return owed.num_missing(due_after=owed.first)
        return 0 if self.first_answer_s is None else owed.num_missing_since(self.first_answer_s + TAKE_UP_S)

    def _note_latency(self, latency_s: float | None) -> None:
        if latency_s is not None:
            self._latencies_s.append(latency_s)


def _flat(of_horizons: Iterable[list[Owed]]) -> Iterable[Owed]:
    return (owed for of_horizon in of_horizons for owed in of_horizon)
