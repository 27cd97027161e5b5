"""What the kernels of the second stage read and write, as arrays.

Shapes as in `models.serving.candidates`; P places of the ring, N places of the listener's counts, E embedding, C
columns of evidence.
"""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

#: Columns of evidence, see `models.serving.candidates.Evidence`.
SOON, NEAR, RECENT, FOLLOWERS, SOON_NOW, PAIR, CAME_NEXT, COUNTED, NUM_COLUMNS = range(9)


class Rows(NamedTuple):
    """A `NeighbourTable`: starts, tracks, weights."""

    starts: NDArray[np.int64]
    tracks: NDArray[np.int32]
    weights: NDArray[np.float32]


class Limits(NamedTuple):
    """The sizes of `RerankerConfig` that bound what is collected."""

    num_first_stage: int
    num_counted: int
    num_neighbours: int
    num_pair_followers: int


class Tables(NamedTuple):
    """The counts of a release, as in `Sources`, and what else describes its tracks.

    Attributes:
        of_tracks: float32 (M, 3), popularity, its logarithm and that of recent popularity, side by side in memory.
        trust_soon: float32 (num_followed,).
        trust_companions: float32 (2, num_accompanied).
        popular: int64 (n,), recently popular tracks, best first.
        withdrawn: bool (M,), tracks that are left out of lists; empty if none are.
        items: float32 (M, E), unit vectors.
        temperature: of the network.
        limits: of the second stage.
    """

    followers: Rows
    soon: Rows
    companions: Rows
    pair_followers: Rows
    pair_keys: NDArray[np.int64]
    num_followers: NDArray[np.float32]
    num_soon: NDArray[np.float32]
    num_pair_followers: NDArray[np.float32]
    of_tracks: NDArray[np.float32]
    trust_soon: NDArray[np.float32]
    trust_companions: NDArray[np.float32]
    popular: NDArray[np.int64]
    withdrawn: NDArray[np.bool_]
    items: NDArray[np.float32]
    temperature: np.float32
    limits: Limits


class AnchorArrays(NamedTuple):
    """What is known at A anchors, as in `Moments`, in arrays that are contiguous.

    Best tracks are int64 (2, A, n), -1 where there are none.
    """

    best_tracks: NDArray[np.int64]
    best_scores: NDArray[np.float32]
    tastes: NDArray[np.float32]
    terms: NDArray[np.float32]
    ring_rows: NDArray[np.int64]
    ring_groups: NDArray[np.int16]
    plays_ago: NDArray[np.int64]
    heard: NDArray[np.int64]
    situations: NDArray[np.float32]
    counted_rows: NDArray[np.int64]
    counts: NDArray[np.float32]


class Vocabulary(NamedTuple):
    """The tracks of an anchor by number, V at most, and a hash table of S slots that numbers them.

    Between anchors, all but `tracks` are as they were made: slots and places -1, evidence 0, nothing chosen.

    Attributes:
        slots: int32 (S,), numbers; -1 in free slots. S is a power of two above V.
        tracks: int32 (V,).
        evidence: float32 (C, V).
        evidence_bits: int32 (C, V), the same memory.
        places: int32 (V,), of the ring; -1 where it does not hold the track.
        is_chosen: bool (V,).
        keys: int64 (V,), to sort by.
    """

    slots: NDArray[np.int32]
    tracks: NDArray[np.int32]
    evidence: NDArray[np.float32]
    evidence_bits: NDArray[np.int32]
    places: NDArray[np.int32]
    is_chosen: NDArray[np.bool_]
    keys: NDArray[np.int64]

    @classmethod
    def of(cls, num_tracks: int) -> Self:
        """Make room for tracks."""
        evidence = np.zeros((NUM_COLUMNS, num_tracks), np.float32)
        return cls(
            slots=np.full(1 << num_tracks.bit_length(), -1, np.int32),
            tracks=np.empty(num_tracks, np.int32),
            evidence=evidence,
            evidence_bits=evidence.view(np.int32),
            places=np.full(num_tracks, -1, np.int32),
            is_chosen=np.zeros(num_tracks, np.bool_),
            keys=np.empty(num_tracks, np.int64),
        )


class Collected(NamedTuple):
    """The candidates of some of A anchors, one after the other, R at most.

    Attributes:
        bounds: int64 (A + 1,); the candidates of the first of the anchors begin at 0.
        tracks: int32 (R,).
        plays_ago: int32 (R,), of the ring's tracks; as far as can be for others.
        features: float32 (F, R).
    """

    bounds: NDArray[np.int64]
    tracks: NDArray[np.int32]
    plays_ago: NDArray[np.int32]
    features: NDArray[np.float32]


class BestArrays(NamedTuple):
    """The lists of A anchors, best first, as in `Best`.

    Attributes:
        tracks: int64 (A, k), -1 where there are too few.
        scores: float32 (A, k), -inf there.
    """

    tracks: NDArray[np.int64]
    scores: NDArray[np.float32]

    @classmethod
    def empty(cls, num_anchors: int, size: int) -> Self:
        """Return lists of nothing, to be written."""
        return cls(np.full((num_anchors, size), -1, np.int64), np.full((num_anchors, size), -np.inf, np.float32))
