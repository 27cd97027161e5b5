"""The moments at which lists are asked for, and what the first stage knows about each."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Best(NamedTuple):
    """The best tracks of A anchors, best first; of equals, the lower track first.

    Attributes:
        tracks: int64 (A, n), -1 where there are too few.
        scores: float32 (A, n), -inf there.
    """

    tracks: Tensor
    scores: Tensor


class Moments(NamedTuple):
    """What is known at A anchors.

    A score is cos(taste, item) + ring term; times the temperature, it is a logit.

    Attributes:
        best: by score, (2, A, n), one per horizon.
        tastes: float32 (2, A, E), unit vectors, one per horizon.
        terms: float32 (2, A, P), what is added to the scores of the ring's tracks, 0 in empty places.
        items: float32 (M, E), unit vectors.
        temperature: float32 ().
        ring_rows: int64 (A, P), as `RingWindows.rows`.
        ring_groups: int64 (A, P), as `RingWindows.groups`.
        plays_ago: int64 (A, P), as `RingWindows.plays_ago`.
        heard: int64 (A, P), as `RingWindows.heard`.
        situations: float32 (A, 5), see `models.plays.situation`.
        counted_rows: int64 (A, N), the tracks in the listener's counts (`models.plays.counts`), PAD where unknown.
        counts: float32 (A, N), decayed plays of each.
    """

    best: Best
    tastes: Tensor
    terms: Tensor
    items: Tensor
    temperature: Tensor
    ring_rows: Tensor
    ring_groups: Tensor
    plays_ago: Tensor
    heard: Tensor
    situations: Tensor
    counted_rows: Tensor
    counts: Tensor
