"""Where a listener lives: the partitions that their plays may be in."""

from collections.abc import Sequence

from streamer.kafka.partitioner import PARTITIONERS


def homes_of(user: bytes, num_partitions: int, partitioner: str) -> dict[int, Sequence[str]]:
    """Return the partitions that a listener may live in, each with the partitioners that say so.

    Producers choose the partitioner, and only the operator knows it: without a name, each one in use is asked.

    Args:
        user: the user id in UTF-8.
        num_partitions: of the plays.
        partitioner: as REFRAIN_PARTITIONER names it; empty: unknown.
    """
    homes: dict[int, list[str]] = {}
    for name in [partitioner] if partitioner else PARTITIONERS:
        homes.setdefault(PARTITIONERS[name](user, num_partitions), []).append(name)
    return dict(sorted(homes.items()))
