"""Byte strings of a batch, one after the other in one array, so that kernels write and read them without objects."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Self, cast

import numpy as np
from numpy.typing import NDArray

from models.compiled import compiled
from models.plays.histories import bounds_of
from streamer.wire.puts import Bytes, put_bytes


@dataclass(frozen=True, slots=True)
class Blobs:
    """N byte strings, some of which may be missing.

    Attributes:
        joined: uint8, all of them, in order.
        bounds: int64 (N + 1,), where each begins and the last ends.
        missing: bool (N,), None instead of bytes; such a one is empty.
    """

    joined: NDArray[np.uint8]
    bounds: NDArray[np.int64]
    missing: NDArray[np.bool_]

    def __len__(self) -> int:
        """Return N."""
        return len(self.missing)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """int64 (N,): how many bytes each has."""
        return self.bounds[1:] - self.bounds[:-1]

    @classmethod
    def of(cls, values: Sequence[bytes | None]) -> Self:
        """Join byte strings; into an array that can be written to, because numba compiles for either kind apart."""
        present, missing = cast("Sequence[bytes]", values), np.zeros(len(values), np.bool_)
        if None in values:
            present = [value or b"" for value in values]
            missing[[place for place, value in enumerate(values) if value is None]] = True
        lengths = np.fromiter(map(len, present), np.int64, len(present))
        return cls(np.frombuffer(bytearray().join(present), np.uint8), bounds_of(lengths), missing)

    @classmethod
    def all_present(cls, joined: NDArray[np.uint8], bounds: NDArray[np.int64]) -> Self:
        """Wrap byte strings none of which is missing."""
        return cls(joined, bounds, np.zeros(len(bounds) - 1, np.bool_))

    def part(self, first: int, last: int) -> Self:
        """Return the byte strings from `first` to before `last`; nothing is copied."""
        return type(self)(self.joined, self.bounds[first : last + 1], self.missing[first:last])

    def take(self, index: NDArray[np.int64]) -> Self:
        """Return the byte strings at `index`, copied."""
        bounds = bounds_of(self.lengths[index])
        joined = np.empty(bounds[-1], np.uint8)
        _gather(joined, self.joined, self.bounds[index], bounds)
        return type(self)(joined, bounds, self.missing[index])

    def followed_by(self, others: Sequence[bytes | None]) -> Self:
        """Return these and then others, copied."""
        begin, end = self.bounds[0], self.bounds[-1]
        rest = self.of(others)
        return type(self)(
            np.concatenate([self.joined[begin:end], rest.joined]),
            np.concatenate([self.bounds[:-1] - begin, rest.bounds + (end - begin)]),
            np.concatenate([self.missing, rest.missing]),
        )

    def to_list(self) -> list[bytes | None]:
        """Return each as an object."""
        begin, end = int(self.bounds[0]), int(self.bounds[-1])
        joined = self.joined[begin:end].tobytes()
        bounds = (self.bounds - begin).tolist()
        values: list[bytes | None] = [joined[at:to] for at, to in pairwise(bounds)]
        for place in np.flatnonzero(self.missing).tolist():
            values[place] = None
        return values


@compiled
def _gather(out: Bytes, source: Bytes, begins: NDArray[np.int64], bounds: NDArray[np.int64]) -> None:
    for i in range(len(begins)):
        put_bytes(out, bounds[i], source, begins[i], bounds[i + 1] - bounds[i])
