"""What one worker carries, from what its parts took, and what bounds it: the last line of a measurement."""

from dataclasses import dataclass
from typing import Final

from streamer.bench.shapes import Capacity, MeasuredBatch, MeasuredStore

#: Share of a worker's time that plays take in the mean: the rest is for peaks, releases and lost workers.
UTILISATION: Final = 0.5

#: Times the bytes of the states that a disk needs, for compaction.
DISK_ROOM: Final = 1.5

_DAY_S: Final = 86_400
_WORDS: Final = {
    "decode": "decoding plays",
    "gather": "reading states",
    "plan": "laying out batches",
    "step": "the step",
    "merge": "writing lists and states as bytes",
    "commit": "the disk",
    "transaction": "Kafka's transactions",
}


@dataclass(frozen=True, slots=True)
class Habit:
    """How much a listener plays; an assumption.

    Attributes:
        plays_per_day: in the mean.
        peak: times the mean, at the busiest hour.
    """

    plays_per_day: float
    peak: float = 3.0

    @property
    def plays_per_s(self) -> float:
        """Plays of a listener at the busiest hour."""
        return self.plays_per_day * self.peak / _DAY_S


def estimate(batch: MeasuredBatch, store: MeasuredStore, free_bytes: int, habit: Habit) -> Capacity:
    """Say what a worker carries that always has a full batch to do.

    Args:
        batch: of the most plays.
        store: of the states.
        free_bytes: of the disk.
        habit: of the listeners.
    """
    shares = dict(batch.steps_us)
    if batch.transaction is not None:
        shares["transaction"] = batch.transaction.p50_ms * 1000 / batch.plays
    us_per_play = batch.cpu_us + shares.get("transaction", 0.0)
    bound = max(shares, key=shares.__getitem__)
    plays_per_s = 1e6 / us_per_play
    return Capacity(
        plays_per_s=round(plays_per_s),
        bound_by=_WORDS[bound],
        bound_share=round(shares[bound] / us_per_play, 3),
        listeners_by_plays=round(plays_per_s * UTILISATION / habit.plays_per_s),
        listeners_by_disk=int(free_bytes / (store.bytes_per_listener * DISK_ROOM)),
        plays_per_day=habit.plays_per_day,
        with_kafka=batch.transaction is not None,
    )


def conclude(capacity: Capacity) -> str:
    """Put it into words."""
    without = "" if capacity.with_kafka else " (Kafka left out: add --kafka)"
    by_plays, by_disk = capacity.listeners_by_plays, capacity.listeners_by_disk
    return (
        f"One worker here answers about {_rounded(capacity.plays_per_s)} plays/s at most{without}; {capacity.bound_by} "
        f"takes {capacity.bound_share:.0%} of its time. Half busy at the peak, it carries about {_rounded(by_plays)} "
        f"listeners of {capacity.plays_per_day:g} plays a day; its disk has room for the states of {_rounded(by_disk)}."
        f" The bound is its {'disk' if by_disk < by_plays else 'time'}."
    )


def _rounded(number: float) -> str:
    """Write two digits that mean something."""
    return f"{float(f'{number:.2g}'):,.0f}"
