"""The pace: how long a batch may wait for more plays, so that its answers are still as early as was asked for.

Every batch costs a fixed time, mostly its transactions, and a little for each play. The longer it waits, the fewer
batches there are, and the less each play costs; the limit is the latency that an operator has named. So a batch waits
until its oldest play would otherwise be late:

    arrived            due                               arrived + target
       |<-- may wait -->|<-- a batch of this size takes -->|

Both costs are measured, batch by batch: the time of a batch against its plays, as a line through the recent ones, of
which the last 20 or so count. The line follows whatever changes them: a release, a slower broker, more partitions.

At low rates the wait is what the target leaves, and plays wait together. As the rate rises, batches become larger, take
longer, and wait less. If plays come faster than they can be answered, they are late before a batch begins: then nothing
waits, and each batch takes all that has been fetched.

While a batch is under way, plays cannot be answered anyway: the broker may hold them back until it will have ended, so
that they come in one fetch.
"""

from dataclasses import dataclass, field
from typing import Final

#: How much of what was measured each further batch leaves: the latest 20 make up two thirds.
_MEMORY: Final = 0.95

#: Share of the target that is kept for the broker, which holds fetches back for as long (`hold_s`).
_HELD_SHARE: Final = 0.25


@dataclass(slots=True)
class Pace:
    """Says when batches are due, and learns what they cost.

    Attributes:
        target_s: how long after its arrival at Kafka a play should have been answered; 0 lets nothing wait.
    """

    target_s: float
    _weight: float = field(default=0.0, init=False)
    _num_plays: float = field(default=0.0, init=False)  # mean
    _seconds: float = field(default=0.0, init=False)  # mean
    _spread: float = field(default=0.0, init=False)  # of the plays: their variance, times the weight
    _common: float = field(default=0.0, init=False)  # of plays and seconds: their covariance, times the weight
    _busy_until_s: float = field(default=0.0, init=False)  # when the batch under way will have ended, by the same clock

    @property
    def hold_s(self) -> float:
        """How long the broker may hold back a fetch between two batches, to answer it with more plays."""
        return self.target_s * _HELD_SHARE

    def hold_from_s(self, now_s: float) -> float:
        """Return how long the broker may hold back a fetch made now."""
        return max(self.hold_s, self._busy_until_s - now_s) if self.target_s else 0.0

    def due_s(self, arrived_s: float, num_plays: int) -> float:
        """Return when a batch has to begin.

        Args:
            arrived_s: when the first of its plays was fetched, by any clock.
            num_plays: how many it has so far.
        """
        return arrived_s + self.target_s - self.hold_s - self.takes_s(num_plays)

    def takes_s(self, num_plays: int) -> float:
        """Estimate how long a batch takes: never less for more plays, and never less than nothing."""
        per_play_s = max(0.0, self._common / self._spread) if self._spread > 0 else 0.0
        return max(0.0, self._seconds + per_play_s * (num_plays - self._num_plays))

    def begin(self, num_plays: int, now_s: float) -> None:
        """Note that a batch begins."""
        self._busy_until_s = now_s + self.takes_s(num_plays)

    def note(self, num_plays: int, seconds: float) -> None:
        """Learn from a batch that has ended: what it had, and how long it took."""
        self._busy_until_s = 0.0
        self._weight = _MEMORY * self._weight + 1
        share, more_plays = 1 / self._weight, num_plays - self._num_plays
        self._num_plays += share * more_plays
        self._spread = _MEMORY * self._spread + more_plays * (num_plays - self._num_plays)
        self._common = _MEMORY * self._common + more_plays * (seconds - self._seconds) * (1 - share)
        self._seconds += share * (seconds - self._seconds)
