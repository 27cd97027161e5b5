"""An index of the tracks: their vectors in lists of similar ones, so that few have to be scored.

    list ~ centroid          vector ~ centroid of its list + step * codes          codes are int8 (E,)

What is rounded is a vector's way from its centroid, a third as long as the vector, so that little is lost.

Codes lie in blocks of BLOCK tracks, component by component, so that one instruction multiplies many tracks. A list has
whole blocks; in the places left over, there is no track.
"""

from __future__ import annotations

from typing import Final, NamedTuple, Self

import torch
from torch import Tensor

from models.serving.rounded import round_vectors

BLOCK: Final = 64
NO_TRACK: Final = -1

_LAID_OUT_AT_ONCE: Final = 1 << 16
_COMPARED: Final = 64
_ROUNDING: Final = 1e-5


class TrackIndex(NamedTuple):
    """L lists of M tracks in N blocks.

    Attributes:
        centroids: float32 (L, E).
        starts: int64 (L + 1,), where the blocks of each list begin.
        tracks: int32 (N, BLOCK), NO_TRACK in empty places.
        codes: int8 (N, E, BLOCK).
        steps: float32 (N, BLOCK), what a code of 1 is worth.
    """

    centroids: Tensor
    starts: Tensor
    tracks: Tensor
    codes: Tensor
    steps: Tensor

    @classmethod
    def of(cls, items: Tensor, centroids: Tensor, lists: Tensor) -> Self:
        """Lay out unit vectors, float32 (M, E), each in its list, int64 (M,), by rising track."""
        num_lists, size = centroids.shape
        lengths = torch.bincount(lists, minlength=num_lists)  # (L,)
        starts = torch.zeros(num_lists + 1, dtype=torch.int64)
        starts[1:] = (-(-lengths // BLOCK)).cumsum(0)
        order = lists.argsort(stable=True)
        begins = lengths.cumsum(0) - lengths  # (L,)
        of_order = lists[order]
        places = torch.arange(len(order)) - begins[of_order] + starts[of_order] * BLOCK  # (M,)
        num_blocks = int(starts[-1])
        tracks = torch.full((num_blocks * BLOCK,), NO_TRACK, dtype=torch.int32)
        tracks[places] = order.to(torch.int32)
        codes = torch.zeros(num_blocks, size, BLOCK, dtype=torch.int8)
        steps = torch.zeros(num_blocks * BLOCK)
        for part in torch.split(torch.arange(len(order)), _LAID_OUT_AT_ONCE):
            ways = items[order[part]] - centroids[of_order[part]]
            rounded = round_vectors(ways.numpy())
            codes[places[part] // BLOCK, :, places[part] % BLOCK] = torch.from_numpy(rounded.codes)
            steps[places[part]] = torch.from_numpy(rounded.steps)
        return cls(centroids, starts, tracks.view(-1, BLOCK), codes, steps.view(-1, BLOCK))

    def check(self, items: Tensor) -> None:
        """Reject an index of other tracks: a step would read what is not there, or rank by vectors of old.

        Args:
            items: float32 (M, E), unit vectors. Those of some blocks are compared.

        Raises:
            ValueError: the index does not fit them.
        """
        num_lists, num_blocks = len(self.centroids), len(self.tracks)
        expected = {
            "centroids": ((num_lists, items.shape[1]), torch.float32),
            "starts": ((num_lists + 1,), torch.int64),
            "tracks": ((num_blocks, BLOCK), torch.int32),
            "codes": ((num_blocks, items.shape[1], BLOCK), torch.int8),
            "steps": ((num_blocks, BLOCK), torch.float32),
        }
        for name, (shape, dtype) in expected.items():
            tensor: Tensor = getattr(self, name)
            if tensor.shape != shape or tensor.dtype != dtype:
                raise ValueError(f"{name} of the index is {tensor.dtype} {tuple(tensor.shape)}, not {dtype} {shape}")
        if not (self.centroids.isfinite().all() and self.steps.isfinite().all()):
            raise ValueError("the index is not finite")
        lengths = self.starts.diff()
        if not num_lists or self.starts[0] or self.starts[-1] != num_blocks or (lengths < 0).any():
            raise ValueError("the lists of the index do not cover its blocks")
        held = self.tracks[self.tracks != NO_TRACK].long().sort().values
        if not torch.equal(held, torch.arange(len(items))):
            raise ValueError(f"the index does not hold each of the {len(items)} tracks once")
        self._check_vectors(items)

    def _check_vectors(self, items: Tensor) -> None:
        """Compare the vectors of some blocks with what the index says of them."""
        lists = torch.arange(len(self.centroids)).repeat_interleave(self.starts.diff())  # (N,)
        for block in range(0, len(self.tracks), max(1, len(self.tracks) // _COMPARED)):
            tracks = self.tracks[block].long()
            ways = items[tracks.clamp(min=0)].T - self.centroids[lists[block]][:, None]  # (E, BLOCK)
            errors = (ways - self.steps[block] * self.codes[block]).abs()
            if not (errors[:, tracks >= 0] <= self.steps[block, tracks >= 0] + _ROUNDING).all():
                raise ValueError("the index was built from other item vectors")
