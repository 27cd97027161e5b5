"""Vocabularies: each anchor numbers the tracks that matter to it, so that no array is as wide as the catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import torch
from torch import Tensor

#: Where there is no track; it sorts behind every track.
NO_TRACK: Final = torch.iinfo(torch.int64).max


class Said(NamedTuple):
    """Tracks, int64 (A, n), NO_TRACK in empty places, and what is said of each, float32 (A, n), above 0."""

    tracks: Tensor
    weights: Tensor


def said(tracks: Tensor, weights: Tensor) -> Said:
    """Say something of the tracks with a weight above 0."""
    return Said(tracks.masked_fill(weights <= 0, NO_TRACK), weights.clamp(min=0))


class Vocabulary:
    """The distinct tracks of A anchors; a track's number is its place in its anchor's row.

        lists of an anchor   7 3 | 9 . 3        tracks    3  7  9  .        numbers   1 0 | 2 3 0

    Args:
        lists: int64 (A, n) each, distinct or not, NO_TRACK in empty places.
    """

    def __init__(self, lists: Sequence[Tensor]) -> None:
        rows = torch.cat(list(lists), dim=1).sort(dim=1).values  # (A, n)
        is_first = torch.ones_like(rows, dtype=torch.bool)
        is_first[:, 1:] = rows[:, 1:] != rows[:, :-1]
        is_first &= rows != NO_TRACK
        numbers = is_first.cumsum(1) - 1
        longest = int(is_first.sum(1).max()) if len(rows) else 0
        self.tracks = rows.new_full((len(rows), longest + 1), NO_TRACK)  # (A, V)
        anchors, places = is_first.nonzero(as_tuple=True)
        self.tracks[anchors, numbers[anchors, places]] = rows[anchors, places]

    def numbers(self, tracks: Tensor) -> Tensor:
        """Number tracks of the lists: int64 (A, n) to (A, n); the number of empty places belongs to no track."""
        return torch.searchsorted(self.tracks, tracks.contiguous())

    def add_up(self, what: Sequence[Said]) -> Tensor:
        """Add up what is said of each track: float32 (A, V)."""
        totals = torch.zeros(self.tracks.shape, device=self.tracks.device)
        for tracks, weights in what:
            totals.scatter_add_(1, self.numbers(tracks), weights)
        return totals.masked_fill(self.tracks == NO_TRACK, 0)

    def mark(self, lists: Sequence[Tensor]) -> Tensor:
        """Mark the tracks of some lists: bool (A, V)."""
        marks = torch.zeros(self.tracks.shape, dtype=torch.bool, device=self.tracks.device)
        for tracks in lists:
            marks.scatter_(1, self.numbers(tracks), value=True)
        return marks & (self.tracks != NO_TRACK)
