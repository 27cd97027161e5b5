"""Neighbours: the tracks that counts relate to each track, as sparse rows."""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor, nn


class NeighbourTable(nn.Module):
    """For each of M rows, its neighbours: tracks and weights, strongest first; among equals, the lower track first.

    Three rows, the second without neighbours:

        starts     0        2  2     3
        tracks     7  4     |  9
        weights   .6 .1     | .8

    Attributes:
        starts: int64 (M + 1,), rising.
        tracks: int32 (N,), numbered by their catalogue row less FIRST_TRACK.
        weights: float32 or float16 (N,), above 0.
    """

    starts: Tensor
    tracks: Tensor
    weights: Tensor

    def __init__(self, starts: Tensor, tracks: Tensor, weights: Tensor) -> None:
        super().__init__()
        for name, values in (("starts", starts), ("tracks", tracks), ("weights", weights)):
            self.register_buffer(name, values)

    @classmethod
    def from_padded(cls, tracks: Tensor, weights: Tensor) -> Self:
        """Take the neighbours with a weight above 0 from rows (M, W), strongest first."""
        is_there = weights > 0
        starts = torch.zeros(len(weights) + 1, dtype=torch.int64)
        torch.cumsum(is_there.sum(1), 0, out=starts[1:])
        return cls(starts, tracks[is_there].int(), weights[is_there])

    def __len__(self) -> int:
        return len(self.starts) - 1

    def check(self, name: str, num_rows: int, num_tracks: int) -> None:
        """Reject a table that a step could not read.

        Raises:
            ValueError: it does not have the rows, or names a track, 0..M-1, that is not there.
        """
        starts, num = self.starts, len(self.tracks)
        if starts.shape != (num_rows + 1,) or self.weights.shape != (num,):
            raise ValueError(f"{name} has {len(self)} rows and {num} neighbours, which do not fit {num_rows} rows")
        if starts[0] != 0 or starts[-1] != num or (starts[1:] < starts[:-1]).any():
            raise ValueError(f"the rows of {name} do not divide its {num} neighbours")
        if num and not (self.tracks.min() >= 0 and self.tracks.max() < num_tracks):
            raise ValueError(f"{name} names a track that the catalogue of {num_tracks} tracks lacks")

    def rows(self, places: Tensor, width: int) -> tuple[Tensor, Tensor]:
        """Look up the strongest neighbours of some rows.

        Args:
            places: int64, of any shape, 0..M-1.
            width: neighbours wanted of each.

        Returns:
            Tracks int64 and weights float32, both of the shape of `places` with `width` behind it; 0 and 0.0 where a
            row has fewer.
        """
        firsts, ends = self.starts[places], self.starts[places + 1]
        entries = firsts[..., None] + torch.arange(width, device=firsts.device)
        is_there = entries < ends[..., None]
        if not len(self.tracks):
            return torch.zeros_like(entries), torch.zeros_like(entries, dtype=torch.float32)
        entries = entries.clamp(max=len(self.tracks) - 1)
        return self.tracks[entries].long() * is_there, self.weights[entries].float() * is_there
