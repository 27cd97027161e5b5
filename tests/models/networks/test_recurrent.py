from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Literal

import pytest
import torch

from models.config import CONTEXTS, RecurrentConfig
from models.networks.recurrent import RecurrentNetwork
from tests.builders import network_of

tiny = functools.partial(RecurrentConfig, embedding_size=4, units=3)
ROWS = torch.tensor([[5, 3, 9]])
FEATURES = torch.rand(1, 3, 4 + len(CONTEXTS), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("cell", "layer"), [("gru", torch.nn.GRU), ("lstm", torch.nn.LSTM)])
def test_each_horizon_recurs_by_torchs_own_equations(
    cell: Literal["gru", "lstm"], layer: Callable[..., torch.nn.RNNBase]
) -> None:
    network = network_of(tiny(cell=cell))
    assert isinstance(network, RecurrentNetwork)

    states = network.recur(ROWS, FEATURES, torch.zeros(1, network.config.hidden_size))

    inputs = torch.cat([network.embedding(ROWS), FEATURES[..., [0, *range(4, 4 + len(CONTEXTS))]]], dim=-1)
    for parameters, state in zip(network.cells, states.chunk(2, dim=2), strict=True):
        recurrence = layer(inputs.shape[2], 3, batch_first=True)
        recurrence.load_state_dict({f"{name}_l0": value for name, value in parameters.state_dict().items()})
        torch.testing.assert_close(state[..., :3], recurrence(inputs)[0])


def test_a_state_of_lstms_holds_h_and_c_of_both_horizons() -> None:
    assert tiny().hidden_size == 6
    assert tiny(cell="lstm").hidden_size == 12


def test_a_horizons_vector_comes_from_its_own_network() -> None:
    network = network_of(tiny(cell="lstm"))
    before, after = torch.rand(1, 12), torch.rand(1, 12)
    after[:, :3] = before[:, :3]  # h of the short-term network; its c and the other network differ

    assert torch.equal(network.vectors(before, 0), network.vectors(after, 0))
    assert not torch.equal(network.vectors(before, 1), network.vectors(after, 1))


def test_a_network_for_playlists_reads_songs_only() -> None:
    network = network_of(tiny(reads_gaps=False, contexts=()))
    hidden = torch.zeros(1, 6)

    assert torch.equal(network.recur(ROWS, FEATURES, hidden), network.recur(ROWS, FEATURES + 1, hidden))
