"""The level of an archive: the time up to which it has every play of the topic."""

import math
from collections.abc import Mapping, Sequence

from aiokafka import ConsumerRecord


class Level:
    """Follows by partition how far the archive has come, in the time of Kafka's records."""

    def __init__(self) -> None:
        self._until_s: dict[int, float] = {}

    def note_archived(self, records: Mapping[int, Sequence[ConsumerRecord[bytes, bytes]]]) -> None:
        """Note the records of partitions that were archived, in order; at least one of each."""
        for partition, of_partition in records.items():
            if (timestamp_ms := of_partition[-1].timestamp or 0) > 0:  # producers may write none
                self._until_s[partition] = timestamp_ms / 1000

    def note_fetched(self, records: Mapping[int, Sequence[ConsumerRecord[bytes, bytes]]]) -> None:
        """Note records that are not archived yet: of a partition that nothing is known of, all before them is.

        A trainer that starts with a full disk archives nothing, and must not be unknown to be late.
        """
        for partition, of_partition in records.items():
            if (timestamp_ms := of_partition[0].timestamp or 0) > 0:
                self._until_s.setdefault(partition, timestamp_ms / 1000)

    def look(self, num_left: Mapping[int, int], now_s: float) -> float:
        """Return the time up to which the archive has all plays, seconds since the epoch; NaN while it is not known.

        Args:
            num_left: records not archived, by partition; a partition without any is level with now.
            now_s: seconds since the epoch.
        """
        self._until_s |= {partition: now_s for partition, num in num_left.items() if num <= 0}
        if not num_left or num_left.keys() - self._until_s.keys():
            return math.nan
        return min(now_s, *(self._until_s[partition] for partition in num_left))
