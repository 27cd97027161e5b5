"""The k best tracks of each anchor, kept while the rounded scores of the catalogue pass by, block by block of tracks.

A anchors, B tracks of a block, C places for what is kept, E embedding.

    products (A, B) ---> highest of each group of 16 ---> members of groups that reach the floor ---> kept (A, C)
                                                                                                          |
    lists (A, k) <------ sorted <------ cosines of the unit vectors <------ those that reach the floor <--+

The floor of an anchor is a score that k tracks reach, less the slack: what rounding may have given them and taken from
another track. A track below it is not among the k best, not even as an equal. The floor rises with each block.

Groups are strided, as in `models.serving.ranking`, so that the maxima of neighbouring groups are one instruction.
"""

from __future__ import annotations

from typing import Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from models.compiled import compiled, compiled_sums, inlined

_GROUP: Final = 16
_HALVINGS: Final = 10
_CROWDED: Final = -1
_LEAST: Final = np.float32(-2.5)  # below each cosine, however rounded, and above the scores of withdrawn tracks


class Kept(NamedTuple):
    """The tracks that may be among the k best of A anchors, in any order.

    Attributes:
        tracks: int32 (A, C).
        scores: float32 (A, C), rounded cosines.
        nums: int64 (A,), places taken; _CROWDED if more than C / 2 tracks lie within the slack of the k-th.
        floors: float32 (A,), the least scores that matter.
        slacks: float32 (A,), twice the most that rounding moves a score.
    """

    tracks: NDArray[np.int32]
    scores: NDArray[np.float32]
    nums: NDArray[np.int64]
    floors: NDArray[np.float32]
    slacks: NDArray[np.float32]

    @classmethod
    def nothing(cls, slacks: NDArray[np.float32], k: int) -> Self:
        """Keep nothing yet."""
        return cls(*nothing_kept(slacks, k))

    @property
    def is_crowded(self) -> NDArray[np.bool_]:
        """Whether too many tracks were close to the k-th to keep them all: (A,)."""
        return np.equal(self.nums, _CROWDED)


class Block(NamedTuple):
    """The rounded scores of B tracks, not yet multiplied.

    Attributes:
        products: int32 or float32 (A, B), of the codes of tastes and tracks.
        steps: float32 (B,), of the tracks.
        taste_steps: float32 (A,).
        first_track: the others follow it.
    """

    products: NDArray[np.int32] | NDArray[np.float32]
    steps: NDArray[np.float32]
    taste_steps: NDArray[np.float32]
    first_track: int


@compiled
def nothing_kept(slacks: NDArray[np.float32], k: int) -> Kept:
    """Return `Kept.nothing`."""
    num, capacity = len(slacks), 24 * k + 512  # 52,000 tracks of Last.fm, k = 164: half of it is enough for all
    floors = np.full(num, -np.inf, np.float32)
    tracks, scores = np.empty((num, capacity), np.int32), np.empty((num, capacity), np.float32)
    return Kept(tracks, scores, np.zeros(num, np.int64), floors, slacks)


@compiled
def keep_best(block: Block, k: int, kept: Kept) -> None:
    """Keep the tracks of a block that may be among the k best, beside those of the blocks before."""
    num_tracks = len(block.steps)
    num_groups = num_tracks // _GROUP
    maxima = np.empty(num_groups, np.float32)
    for anchor in range(len(block.products)):
        if kept.nums[anchor] == _CROWDED:
            continue
        _take_maxima(block.products[anchor], block.steps, block.taste_steps[anchor], maxima)
        if kept.floors[anchor] == -np.inf:
            kept.floors[anchor] = max(_LEAST, _level(maxima, k) - kept.slacks[anchor])
        for group in range(num_groups):
            if maxima[group] >= kept.floors[anchor] and has_room(kept, anchor, k, _GROUP):
                _keep(kept, anchor, block, range(group, num_groups * _GROUP, num_groups))
        if has_room(kept, anchor, k, _GROUP):
            _keep(kept, anchor, block, range(num_groups * _GROUP, num_tracks))
        if kept.nums[anchor] > 2 * k:
            raise_floor(kept, anchor, k)


@compiled
def take_best(
    kept: Kept,
    tastes: NDArray[np.float32],
    items: NDArray[np.float32],
    tracks: NDArray[np.int64],
    cosines: NDArray[np.float32],
) -> None:
    """Compute the cosines of the tracks kept, and write the k best in order; nothing for crowded anchors.

    Args:
        kept: after the last block; changed in place.
        tastes: float32 (A, E), unit vectors.
        items: float32 (M, E), unit vectors.
        tracks: int64 (A, k), written: best first, of equals the lower track; -1 where there are fewer.
        cosines: float32 (A, k), written; -inf where there are fewer.
    """
    k = tracks.shape[1]
    for anchor in range(len(tastes)):
        if kept.nums[anchor] == _CROWDED:
            continue
        raise_floor(kept, anchor, k)
        num = kept.nums[anchor]
        found, scores = kept.tracks[anchor, :num], kept.scores[anchor, :num]
        _take_cosines(tastes[anchor], items, found, scores)
        _write_best(scores, found, tracks[anchor], cosines[anchor])


@compiled_sums
def _take_maxima(
    products: NDArray[np.int32] | NDArray[np.float32],
    steps: NDArray[np.float32],
    taste_step: np.float32,
    maxima: NDArray[np.float32],
) -> None:
    """Take the highest score of each group."""
    num = len(maxima)
    for group in range(num):
        maxima[group] = np.float32(products[group]) * steps[group]
    for member in range(1, _GROUP):
        for group in range(num):
            place = member * num + group
            maxima[group] = max(maxima[group], np.float32(products[place]) * steps[place])
    for group in range(num):
        maxima[group] = max(maxima[group] * taste_step, _LEAST)


@inlined
def has_room(kept: Kept, anchor: int, k: int, num: int) -> bool:
    """Make room for some tracks; False if the anchor is crowded."""
    if kept.nums[anchor] + num > kept.tracks.shape[1]:
        raise_floor(kept, anchor, k)
        if kept.nums[anchor] > kept.tracks.shape[1] // 2:
            kept.nums[anchor], kept.floors[anchor] = _CROWDED, np.inf
    return bool(kept.nums[anchor] != _CROWDED)


@inlined
def _keep(kept: Kept, anchor: int, block: Block, places: range) -> None:
    """Keep those of at most _GROUP tracks that reach the floor, few of them as a rule."""
    products, steps, taste_step = block.products[anchor], block.steps, block.taste_steps[anchor]
    tracks, scores, floor, num = kept.tracks[anchor], kept.scores[anchor], kept.floors[anchor], kept.nums[anchor]
    for place in places:
        score = np.float32(products[place]) * steps[place] * taste_step
        if score >= floor:
            tracks[num], scores[num] = block.first_track + place, score
            num += 1
    kept.nums[anchor] = num


@compiled
def raise_floor(kept: Kept, anchor: int, k: int) -> None:
    """Raise the floor to what k of the tracks kept reach, and drop those below it."""
    tracks, scores, num = kept.tracks[anchor], kept.scores[anchor], kept.nums[anchor]
    floor = max(kept.floors[anchor], _level(scores[:num], k) - kept.slacks[anchor])
    left = 0
    for place in range(num):
        score, track = scores[place], tracks[place]
        scores[left], tracks[left] = score, track
        left += score >= floor
    kept.nums[anchor], kept.floors[anchor] = left, floor


@compiled
def _level(values: NDArray[np.float32], k: int) -> np.float32:
    """Find a value that k of the values reach, and not many more; -inf if there are fewer than k."""
    if len(values) < k:
        return np.float32(-np.inf)
    low: np.float32 = values[0]
    high: np.float32 = values[0]
    for place in range(len(values)):
        low, high = min(low, values[place]), max(high, values[place])
    for _ in range(_HALVINGS):
        middle = (low + high) * np.float32(0.5)
        num = np.int32(0)  # as wide as the values, which makes counting five times as fast
        for place in range(len(values)):
            num = np.int32(num + np.int32(values[place] >= middle))
        if num >= k:
            low = middle
        else:
            high = middle
    return low


@compiled_sums
def _take_cosines(
    taste: NDArray[np.float32], items: NDArray[np.float32], tracks: NDArray[np.int32], cosines: NDArray[np.float32]
) -> None:
    """Multiply the unit vectors of some tracks with a taste."""
    for place in range(len(tracks)):
        cosine, track = np.float32(0), tracks[place]
        for component in range(len(taste)):
            cosine += taste[component] * items[track, component]
        cosines[place] = cosine


@compiled
def _write_best(
    scores: NDArray[np.float32], found: NDArray[np.int32], tracks: NDArray[np.int64], cosines: NDArray[np.float32]
) -> None:
    """Sort by falling score and rising track: as int64, the bits of a score above those of the track, inverted.

    Bits of floats order as the floats do, once those of negative ones are inverted but for the sign.
    """
    bits = (scores + np.float32(0)).view(np.int32)  # -0.0 equals 0.0
    ordered = (bits ^ ((bits >> 31) & 0x7FFFFFFF)).astype(np.int64)
    keys = np.sort((ordered << 32) | (~found.astype(np.int64) & 0xFFFFFFFF))
    num = min(len(tracks), len(keys))
    best = keys[::-1][:num]
    ordered = best >> 32
    cosines[:num] = (ordered ^ ((ordered >> 31) & 0x7FFFFFFF)).astype(np.int32).view(np.float32)
    tracks[:num] = ~best & 0xFFFFFFFF
    cosines[num:], tracks[num:] = -np.inf, -1
