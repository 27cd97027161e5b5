"""Hypothesis strategies for what listeners do: plays and tombstones of two partitions, and their batches."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from aiokafka import ConsumerRecord
from hypothesis import strategies as st

from models.config import CONTEXTS
from tests.builders import NOON_MS, TRACK_IDS, play, tombstone
from tests.oracle import Heard, Who

PARTITIONS: Final = (0, 1)
USERS: Final = ("u0", "u1")  # in either partition: a listener is a user id in one partition
TRACKS: Final = (*TRACK_IDS, "x0", "x1", "x2")  # the last three are not in TRACK_IDS, which the tiny releases know
GAPS_S: Final = (-7, 0, 200, 1800, 1801, 86_400, 86_401, 2_592_000)

Records = Sequence[ConsumerRecord[bytes, bytes]]

#: Records by partition.
Fetched = Mapping[int, Records]


@dataclass(frozen=True)
class Stretch:
    """Consecutive plays of one listener: every `stride`-th of TRACKS, cyclically; without plays, a tombstone."""

    who: Who
    first: int
    stride: int
    num_plays: int
    gap_s: int
    context: str
    skipped: bool


stretches = st.builds(
    Stretch,
    who=st.tuples(st.sampled_from(PARTITIONS), st.sampled_from(USERS)),
    first=st.sampled_from([0, 1, 2, 12]),
    stride=st.sampled_from([0, 0, 1, 4]),
    num_plays=st.sampled_from([1, 2, 9, 63, 64, 0, 0]),
    gap_s=st.sampled_from(GAPS_S),
    context=st.sampled_from(CONTEXTS),
    skipped=st.booleans(),
)


@st.composite
def listening(draw: st.DrawFn) -> dict[int, list[ConsumerRecord[bytes, bytes]]]:
    """The records of each partition: its listeners' stretches, interleaved at random; offsets rise, with gaps."""
    queues: dict[Who, list[Stretch]] = {}
    shuffle = random.Random(draw(st.integers(0, 5)))
    for stretch in draw(st.lists(stretches, min_size=2, max_size=8)):
        queues.setdefault(stretch.who, []).append(stretch)
    events = {who: list(_unroll(of_listener)) for who, of_listener in queues.items()}
    order = [who for who, of_listener in events.items() for _ in of_listener]
    shuffle.shuffle(order)
    records: dict[int, list[ConsumerRecord[bytes, bytes]]] = {partition: [] for partition in PARTITIONS}
    offset = 0
    for who in order:
        partition, user = who
        offset += shuffle.choice([1, 1, 1, 3])
        records[partition].append(_record(offset, partition, user, events[who].pop(0)))
    return records


def _unroll(of_listener: Sequence[Stretch]) -> Iterator[Heard | None]:
    played_at_ms = NOON_MS - 20 * 365 * 86_400_000
    for stretch in of_listener:
        if not stretch.num_plays:
            yield None
        for number in range(stretch.num_plays):
            played_at_ms = min(
                played_at_ms + stretch.gap_s * 1000, NOON_MS
            )  # the broker's clock: later plays are rejected
            track = TRACKS[(stretch.first + number * stretch.stride) % len(TRACKS)]
            yield Heard(track, played_at_ms, stretch.context, stretch.skipped)


def _record(offset: int, partition: int, user: str, heard: Heard | None) -> ConsumerRecord[bytes, bytes]:
    if heard is None:
        return tombstone(offset, user, partition=partition)
    return play(
        offset, user, heard.track, heard.played_at_ms, partition=partition, context=heard.context,
        skipped=heard.is_skipped,
    )  # fmt: skip


cuts = st.lists(st.tuples(st.integers(0, 90), st.integers(0, 90)), max_size=6)


def batches(records: Fetched, cut: Sequence[tuple[int, int]]) -> Iterator[Fetched]:
    """Split the partitions into batches of the given sizes per partition; the last holds all that remain."""
    starts = dict.fromkeys(PARTITIONS, 0)
    for sizes in [*cut, (len(records[0]), len(records[1]))]:
        ends = {partition: starts[partition] + size for partition, size in zip(PARTITIONS, sizes, strict=True)}
        yield {partition: records[partition][starts[partition] : ends[partition]] for partition in PARTITIONS}
        starts = ends
