"""The account of a run: answers lost, repeated or out of order, and how soon partitions recovered from a fault."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from aiokafka import ConsumerRecord

from streamer.wire.changelog import MARK_KEY
from streamer.wire.messages import Recommendation
from tests.faults.process import Fault

Place = tuple[int, int]  # partition and offset of a play
Answers = Mapping[bytes, Sequence[Recommendation | None]]  # a topic's, by listener, in topic order


@dataclass(frozen=True, slots=True)
class Account:
    """The result of a run.

    Attributes:
        plays: accepted plays that must be answered.
        lost: how many of them lack an answer in either topic.
        twice: answers that repeat another, and answers to plays that must not be answered.
        out_of_order: answers that follow one to a later play of the same listener.
        recoveries_s: for each fault, seconds until the next batch on one of the partitions it hit.
    """

    plays: int
    lost: int
    twice: int
    out_of_order: int
    recoveries_s: tuple[float, ...]

    @property
    def is_clean(self) -> bool:
        """Whether every play was answered once and in order."""
        return not (self.lost or self.twice or self.out_of_order)


def draw_up(
    answers: Sequence[Answers],
    wanted: Collection[Place],
    faults: Sequence[Fault],
    changelog: Sequence[ConsumerRecord[bytes, bytes]],
) -> Account:
    """Count what went wrong in a run.

    Args:
        answers: of each horizon.
        wanted: the plays that must be answered.
        faults: of all workers.
        changelog: all its records.
    """
    counts_by_horizon = [_places(by_user) for by_user in answers]
    return Account(
        plays=len(wanted),
        lost=len({place for counts in counts_by_horizon for place in set(wanted) - counts.keys()}),
        twice=sum(count - (place in wanted) for counts in counts_by_horizon for place, count in counts.items()),
        out_of_order=sum(_num_out_of_order(by_user) for by_user in answers),
        recoveries_s=tuple(_recoveries_s(faults, changelog)),
    )


def explain(answers: Sequence[Answers], wanted: Collection[Place]) -> dict[str, list[Place]]:
    """Name the first plays of each kind that an account counts."""
    counts_by_horizon = [_places(by_user) for by_user in answers]
    return {
        "lost": sorted({place for counts in counts_by_horizon for place in set(wanted) - counts.keys()})[:10],
        "twice": sorted({place for counts in counts_by_horizon for place, count in counts.items() if count > 1})[:10],
        "uncalled": sorted({place for counts in counts_by_horizon for place in counts.keys() - set(wanted)})[:10],
    }


def _places(by_user: Answers) -> Counter[Place]:
    return Counter(
        (answer.source_partition, answer.source_offset) for listed in by_user.values() for answer in listed if answer
    )


def _num_out_of_order(by_user: Answers) -> int:
    offsets = ([answer.source_offset for answer in listed if answer] for listed in by_user.values())
    return sum(later < earlier for listed in offsets for earlier, later in pairwise(listed))


def _recoveries_s(faults: Sequence[Fault], changelog: Sequence[ConsumerRecord[bytes, bytes]]) -> Iterator[float]:
    batches = [(record.partition, record.timestamp) for record in changelog if record.key == MARK_KEY]
    for fault in faults:
        after = [at_ms for partition, at_ms in batches if partition in fault.partitions and at_ms > fault.at_ms]
        if after:  # none if nothing more was played on them
            yield (min(after) - fault.at_ms) / 1000
