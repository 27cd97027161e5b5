"""The account of a run: what was lost, told twice or out of order, and how soon partitions went on after a fault."""

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
Answers = Mapping[bytes, Sequence[Recommendation | None]]  # a topic's, by listener, in the order they stand in


@dataclass(frozen=True, slots=True)
class Account:
    """What a run came to.

    Attributes:
        plays: accepted plays that ask for an answer.
        lost: how many of them lack one, in either topic.
        twice: answers told again, and answers to nothing that was asked.
        out_of_order: answers of a listener that stand behind one to a later play.
        recoveries_s: of each fault, from then to the next batch of one of the partitions it hit.
    """

    plays: int
    lost: int
    twice: int
    out_of_order: int
    recoveries_s: tuple[float, ...]

    @property
    def is_clean(self) -> bool:
        """Whether everything was answered once and in order."""
        return not (self.lost or self.twice or self.out_of_order)


def draw_up(
    answers: Sequence[Answers],
    wanted: Collection[Place],
    faults: Sequence[Fault],
    changelog: Sequence[ConsumerRecord[bytes, bytes]],
) -> Account:
    """Count.

    Args:
        answers: of each horizon.
        wanted: the plays to be answered.
        faults: what befell the workers.
        changelog: all its records.
    """
    told = [_places(by_user) for by_user in answers]
    return Account(
        plays=len(wanted),
        lost=len({place for counts in told for place in set(wanted) - counts.keys()}),
        twice=sum(count - (place in wanted) for counts in told for place, count in counts.items()),
        out_of_order=sum(_goes_back(by_user) for by_user in answers),
        recoveries_s=tuple(_recoveries_s(faults, changelog)),
    )


def explain(answers: Sequence[Answers], wanted: Collection[Place]) -> dict[str, list[Place]]:
    """Name the first plays of each kind that an account counts."""
    told = [_places(by_user) for by_user in answers]
    return {
        "lost": sorted({place for counts in told for place in set(wanted) - counts.keys()})[:10],
        "twice": sorted({place for counts in told for place, count in counts.items() if count > 1})[:10],
        "uncalled": sorted({place for counts in told for place in counts.keys() - set(wanted)})[:10],
    }


def _places(by_user: Answers) -> Counter[Place]:
    return Counter(
        (answer.source_partition, answer.source_offset) for given in by_user.values() for answer in given if answer
    )


def _goes_back(by_user: Answers) -> int:
    offsets = ([answer.source_offset for answer in given if answer] for given in by_user.values())
    return sum(later < earlier for given in offsets for earlier, later in pairwise(given))


def _recoveries_s(faults: Sequence[Fault], changelog: Sequence[ConsumerRecord[bytes, bytes]]) -> Iterator[float]:
    batches = [(record.partition, record.timestamp) for record in changelog if record.key == MARK_KEY]
    for fault in faults:
        after = [at_ms for partition, at_ms in batches if partition in fault.partitions and at_ms > fault.at_ms]
        if after:  # none: nothing was played on them any more
            yield (min(after) - fault.at_ms) / 1000
