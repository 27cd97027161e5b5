"""Numbering, compiled: a small hash table gives each track that matters to an anchor a number."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.compiled import inlined
from models.serving.kernel_arrays import Vocabulary

_HASH: Final = np.int64(2654435761)


@inlined
def number_of(vocabulary: Vocabulary, size: int, track: int) -> int:
    """Find the number of a track, or give it the next one: then it is `size`, and the caller counts on.

    A number is written whether it is new or not, because the processor cannot guess which.
    """
    slots, tracks = vocabulary.slots, vocabulary.tracks
    slot = _first_slot(slots, track)
    number = slots[slot]
    while number >= 0 and tracks[number] != track:
        slot = (slot + 1) & (len(slots) - 1)
        number = slots[slot]
    number = size if number < 0 else number
    slots[slot], tracks[number] = number, track
    return number


@inlined
def find(vocabulary: Vocabulary, track: int) -> int:
    """Find the number of a track, -1 if it has none."""
    slots, tracks = vocabulary.slots, vocabulary.tracks
    slot = _first_slot(slots, track)
    number: int = slots[slot]
    while number >= 0 and tracks[number] != track:
        slot = (slot + 1) & (len(slots) - 1)
        number = slots[slot]
    return number


@inlined
def clear(vocabulary: Vocabulary, size: int) -> None:
    """Forget the tracks of an anchor."""
    vocabulary.slots[:] = -1
    for column in range(len(vocabulary.evidence)):
        vocabulary.evidence[column, :size] = np.float32(0)
    vocabulary.places[:size] = -1
    vocabulary.is_chosen[:size] = False


@inlined
def _first_slot(slots: NDArray[np.int32], track: int) -> int:
    return int(((np.int64(track) * _HASH) >> 8) & (len(slots) - 1))
