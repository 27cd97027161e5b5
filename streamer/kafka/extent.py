"""How far back the topic of dead letters is read, where it need not be read from its beginning."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from aiokafka import TopicPartition

from streamer.errors import RefrainError
from streamer.kafka.consumers import NO_RESTS, Rests
from streamer.wire.letters import RecordId

Ends = Mapping[TopicPartition, int]


@dataclass(frozen=True, slots=True)
class Extent:
    """The newest records of the topic.

    Attributes:
        num_offsets: of all partitions together, at most.
        places: letters behind which all of their partition is read, as what was done with them is there.
        rests: of the reader.
    """

    num_offsets: int
    places: Collection[RecordId] = ()
    rests: Rests = NO_RESTS

    def starts(self, begins: Ends, ends: Ends) -> Ends:
        """Return where to begin; what partitions with fewer records leave is shared by the others.

        Raises:
            TooFarBackError: a letter is so far back that more would be read.
        """
        starts = dict(self._named(begins, ends))
        left = self.num_offsets - sum(ends[partition] - start for partition, start in starts.items())
        if left < 0:
            raise TooFarBackError(
                f"more than {self.num_offsets:,} records were written to the topic of dead letters since; use `refrain "
                "dead-letters`, which reads all of it"
            )
        others = sorted(ends.keys() - starts.keys(), key=lambda each: ends[each] - begins[each])
        for num, partition in zip(range(len(others), 0, -1), others, strict=True):
            starts[partition] = max(begins[partition], ends[partition] - left // num)
            left -= ends[partition] - starts[partition]
        return starts

    def _named(self, begins: Ends, ends: Ends) -> Iterator[tuple[TopicPartition, int]]:
        """Yield where to begin in the partitions of the letters."""
        for partition, end in ends.items():
            offsets = [offset for number, offset in self.places if number == partition.partition]
            if offsets:
                yield partition, min(end, max(begins[partition], min(offsets)))


class TooFarBackError(RefrainError):
    """Raised when a letter is further back than may be read."""
