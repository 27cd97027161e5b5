"""The sources of candidates: counts of plays, frozen in a release."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Self

import torch
from torch import Tensor, nn

from models.serving.neighbours import NeighbourTable
from models.serving.withdrawn import Withdrawn

_TABLES: Final = ("followers", "soon", "companions", "pair_followers")
_COLUMNS: Final = (
    "pair_keys",
    "num_followers",
    "num_soon",
    "num_pair_followers",
    "log_popularity",
    "log_popularity_of_late",
)

_NUM_POPULAR: Final = 256


class Sources(nn.Module):
    """What was counted of M tracks and U pairs of tracks.

    Attributes:
        followers: M rows, the shares among what came right after a track.
        soon: M rows, the shares among what came soon after a track.
        companions: M rows, the closeness of tracks that were played in the same sessions.
        pair_followers: U rows, the shares among what came right after two tracks in a row.
        pair_keys: int64 (U,), rising: the earlier track * M + the later one.
        num_followers: float32 (M,), what the shares of `followers` were divided by; so are the next two.
        num_soon: float32 (M,).
        num_pair_followers: float32 (U,).
        log_popularity: float32 (M,), the logarithm of a track's share of all plays.
        log_popularity_of_late: float32 (M,), of its share of recent plays.
    """

    followers: NeighbourTable
    soon: NeighbourTable
    companions: NeighbourTable
    pair_followers: NeighbourTable
    pair_keys: Tensor
    num_followers: Tensor
    num_soon: Tensor
    num_pair_followers: Tensor
    log_popularity: Tensor
    log_popularity_of_late: Tensor

    def __init__(
        self,
        *,
        followers: NeighbourTable,
        soon: NeighbourTable,
        companions: NeighbourTable,
        pair_followers: NeighbourTable,
        **columns: Tensor,
    ) -> None:
        super().__init__()
        self.followers, self.soon, self.companions = followers, soon, companions
        self.pair_followers = pair_followers
        for name in _COLUMNS:
            self.register_buffer(name, columns[name])
        self._popular: Tensor | None = None  # once per release: sorting a million tracks takes 50 ms

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> Self:
        """Take what `state_dict` gives, without a copy.

        Raises:
            KeyError: something is missing.
        """
        tables = {
            name: NeighbourTable(*(tensors[f"{name}.{part}"] for part in ("starts", "tracks", "weights")))
            for name in _TABLES
        }
        arguments: dict[str, Any] = tables | {name: tensors[name] for name in _COLUMNS}
        return cls(**arguments)

    def check(self, num_tracks: int) -> None:
        """Reject counts that no catalogue of M tracks can have: a step would read what is not there.

        Raises:
            ValueError: a table is of another size, or names a track that the catalogue lacks.
        """
        sizes = {"followers": num_tracks, "soon": num_tracks, "companions": num_tracks}
        for name, rows in (sizes | {"pair_followers": len(self.pair_keys)}).items():
            table: NeighbourTable = getattr(self, name)
            table.check(name, rows, num_tracks)
        columns = dict.fromkeys(("num_followers", "num_soon", "log_popularity", "log_popularity_of_late"), num_tracks)
        for name, size in (columns | {"num_pair_followers": len(self.pair_keys)}).items():
            if getattr(self, name).shape != (size,):
                raise ValueError(f"{name} has shape {tuple(getattr(self, name).shape)} instead of ({size},)")

    @property
    def num_tracks(self) -> int:
        """Return M."""
        return len(self.log_popularity)

    def most_popular_of_late(self, num_tracks: int, withdrawn: Withdrawn | None = None) -> Tensor:
        """Return recently popular tracks, best first, of equals the lower track, none withdrawn: int64 (n,)."""
        if withdrawn is not None:
            popular = self.most_popular_of_late(self.num_tracks)[: num_tracks + len(withdrawn.tracks)]
            return popular[~withdrawn.marks_there[popular]][:num_tracks]
        known = self._popular
        if known is None or len(known) < num_tracks or known.device != self.log_popularity_of_late.device:
            order = self.log_popularity_of_late.sort(descending=True, stable=True).indices
            known = self._popular = order[: max(num_tracks, _NUM_POPULAR)].clone()
        return known[:num_tracks]

    def find_pairs(self, earlier: Tensor, later: Tensor) -> Tensor:
        """Find the counts of pairs of tracks: int64 (A,) each to int64 (A,), -1 where there are none."""
        if not len(self.pair_keys):
            return torch.full_like(later, -1)
        keys = earlier * self.num_tracks + later
        pairs = torch.searchsorted(self.pair_keys, keys).clamp(max=len(self.pair_keys) - 1)
        return pairs.where(self.pair_keys[pairs] == keys, -1)


def sparse_tables(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert the tensors of a release up to version 3, whose tables had rows of one length, zeros behind."""
    padded = {
        "followers": ("follower_tracks", "follower_shares"),
        "soon": ("soon_tracks", "soon_shares"),
        "companions": ("companion_tracks", "companion_closeness"),
        "pair_followers": ("pair_tracks", "pair_shares"),
    }
    converted = {f"sources.{name}": tensors[name] for name in _COLUMNS}
    for name, (tracks, weights) in padded.items():
        table = NeighbourTable.from_padded(tensors[tracks], tensors[weights])
        converted |= {f"sources.{name}.{part}": values for part, values in table.state_dict().items()}
    of_tables = {*_COLUMNS, *(name for pair in padded.values() for name in pair)}
    return converted | {name: values for name, values in tensors.items() if name not in of_tables}
