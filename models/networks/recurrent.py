"""The recurrent networks of De Boom et al. 2018, r_ST and r_LT: a GRU or LSTM per horizon, over given song vectors.

A listener's state is that of both networks side by side; an LSTM has two floats per unit, h and c. Each network reads
the vector of a song, its context as one-hot and, unless it is trained on playlists, the time since the previous song. A
linear layer maps h to the vector of the songs to come.

Only the paper's abstract and introduction were available, not its method. The choices made here: one layer of 100
units; the time as the featuriser encodes it, log1p(seconds) / 8; a target after every song, not only after the last.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, TypeAlias

import torch
from torch import Tensor, nn

from models.config import HORIZONS, RecurrentConfig
from models.networks.network import CosineNetwork
from models.plays.features import CONTEXT, GAP

_Cell: TypeAlias = "nn.GRUCell | nn.LSTMCell"


class RecurrentNetwork(CosineNetwork):
    """A cell and a head per horizon.

    Shapes as in `Network`; U units, S floats in the state of one network: U for a GRU, 2 U for an LSTM.

        state of two GRUs     [ h short-term          | h long-term           ]     H = 2 U
        state of two LSTMs    [ h short-term | c      | h long-term | c       ]     H = 4 U

    Source: De Boom et al. 2018; Cho et al. 2014 (GRU); Hochreiter and Schmidhuber 1997 (LSTM).
    """

    def __init__(self, config: RecurrentConfig, num_tracks: int) -> None:
        super().__init__(config, num_tracks)
        self._kind = _CELLS[config.cell]
        self._units = config.units
        self._inputs = [GAP] * config.reads_gaps + [CONTEXT + place for place in range(len(config.contexts))]
        size = config.embedding_size + len(self._inputs)
        self.cells = nn.ModuleList(self._kind.make(size, config.units) for _ in HORIZONS)
        self.heads = nn.ModuleList(nn.Linear(config.units, config.embedding_size) for _ in HORIZONS)

    def recur(self, rows: Tensor, features: Tensor, hidden: Tensor) -> Tensor:
        """Move both networks play by play: torch's own LSTM returns c after the last play only."""
        inputs = torch.cat([self.embedding(rows), features[..., self._inputs]], dim=-1)  # (B, T, E + F)
        of_horizons = []
        for cell, before in zip(self.cells, hidden.chunk(len(HORIZONS), dim=1), strict=True):
            states = [before]  # (B, S) each
            for play in inputs.unbind(dim=1):
                states.append(self._kind.step(cell, play, states[-1]))
            of_horizons.append(torch.stack(states[1:], dim=1))  # (B, T, S)
        return torch.cat(of_horizons, dim=2)  # (B, T, 2 S)

    def vectors(self, read: Tensor, horizon: int) -> Tensor:
        """Apply a head to its network's h."""
        state = read.chunk(len(HORIZONS), dim=1)[horizon]  # (A, S)
        vectors: Tensor = self.heads[horizon](state[:, : self._units])  # (A, E)
        return vectors


def _step_gru(cell: nn.Module, play: Tensor, state: Tensor) -> Tensor:
    after: Tensor = cell(play, state)
    return after


def _step_lstm(cell: nn.Module, play: Tensor, state: Tensor) -> Tensor:
    return torch.cat(cell(play, state.chunk(2, dim=1)), dim=1)


class _CellKind(NamedTuple):
    """How a cell is made, and how it moves a state (B, S) by a play (B, E + F)."""

    make: Callable[[int, int], _Cell]
    step: Callable[[nn.Module, Tensor, Tensor], Tensor]


_CELLS: Final[Mapping[str, _CellKind]] = {
    "gru": _CellKind(nn.GRUCell, _step_gru),
    "lstm": _CellKind(nn.LSTMCell, _step_lstm),
}
