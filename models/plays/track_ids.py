"""Track ids without an object each: one text for all of them, of which an id is cut when it is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Self, overload

import numpy as np
from numpy.typing import NDArray

from models.compiled import compiled

_AT_ONCE: Final = 1 << 16


class TrackIds(Sequence[str]):
    """M ids, 8 bytes each besides their text; a list of str takes about 100.

        starts    [ 0     3     6  8 ]
        utf8        a b c d e f g h

    Attributes:
        utf8: uint8 (B,), all ids, one after the other.
        starts: int64 (M + 1,), where each begins; the last is B.
    """

    def __init__(self, utf8: NDArray[np.uint8], starts: NDArray[np.int64]) -> None:
        """Take the arrays as they are.

        Raises:
            ValueError: they do not fit together, or do not hold UTF-8.
        """
        if not len(starts) or starts[0] != 0 or starts[-1] != len(utf8) or (np.diff(starts) < 0).any():
            raise ValueError("the places of the track ids do not cover their text; save the release again")
        self.utf8 = utf8
        self.starts = starts
        self._text = utf8.data
        for begin in range(0, len(self), _AT_ONCE):
            self._require_utf8(begin, min(begin + _AT_ONCE, len(self)))

    @classmethod
    def of(cls, track_ids: Iterable[str]) -> Self:
        """Put ids into arrays."""
        texts = [track_id.encode() for track_id in track_ids]
        starts = np.zeros(len(texts) + 1, np.int64)
        np.cumsum([len(text) for text in texts], out=starts[1:])
        return cls(np.frombuffer(bytearray(b"".join(texts)), np.uint8), starts)

    def __len__(self) -> int:
        return len(self.starts) - 1

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> list[str]: ...
    def __getitem__(self, place: int | slice) -> str | list[str]:
        if isinstance(place, slice):
            return self.take(np.arange(*place.indices(len(self))))
        if not -len(self) <= place < len(self):
            raise IndexError(f"there are {len(self)} track ids, none at {place}")
        return self.take(np.array([place % len(self)]))[0]

    def __iter__(self) -> Iterator[str]:
        for begin in range(0, len(self), _AT_ONCE):
            yield from self.take(np.arange(begin, min(begin + _AT_ONCE, len(self))))

    def take(self, places: NDArray[np.int64]) -> list[str]:
        """Return the ids at places (N,) from 0 to M - 1."""
        begins, ends, text = self.starts[places].tolist(), self.starts[places + 1].tolist(), self._text
        return [str(text[begin:end], "utf-8") for begin, end in zip(begins, ends, strict=True)]

    def hold(self, text: str) -> NDArray[np.bool_]:
        """Say which ids hold a text, bool (M,): 10 ms for a million."""
        marks = np.zeros(len(self), np.bool_)
        _mark_holding(marks, self.utf8, self.starts, np.frombuffer(text.encode(), np.uint8))
        return marks

    def _require_utf8(self, begin: int, end: int) -> None:
        """Check that the ids from `begin` to `end` are UTF-8, and that none begins within a character."""
        first, last = int(self.starts[begin]), int(self.starts[end])
        str(self._text[first:last], "utf-8")  # raises UnicodeDecodeError, a ValueError
        starts = self.starts[begin:end]
        if ((self.utf8[starts[starts < len(self.utf8)]] & 0xC0) == 0x80).any():
            raise ValueError("a track id begins within a character; save the release again")


@compiled
def _mark_holding(
    marks: NDArray[np.bool_], utf8: NDArray[np.uint8], starts: NDArray[np.int64], text: NDArray[np.uint8]
) -> None:
    """Mark the ids that hold a text."""
    for place in range(len(marks)):
        for begin in range(starts[place], starts[place + 1] - len(text) + 1):
            end = begin
            while end < begin + len(text) and utf8[end] == text[end - begin]:
                end += 1
            if end == begin + len(text):
                marks[place] = True
                break
