from __future__ import annotations

from typing import Any

import pytest
import torch

from models.config import CONTEXTS, HORIZONS, NetworkConfig
from models.networks.network import TasteNetwork


def test_the_recurrence_is_the_gru_of_cho_with_torchs_gates(network: TasteNetwork) -> None:
    rows, features = torch.tensor([[5]]), torch.rand(1, 1, 4 + len(CONTEXTS))
    hidden = torch.rand(1, 16)

    after = network.recur(rows, features, hidden)[0, 0]

    gru = dict(network.recurrence.named_parameters())
    inputs = torch.cat([network.embedding.weight[5], features[0, 0]])
    from_input = gru["weight_ih_l0"] @ inputs + gru["bias_ih_l0"]
    from_hidden = gru["weight_hh_l0"] @ hidden[0] + gru["bias_hh_l0"]
    reset = torch.sigmoid(from_input[:16] + from_hidden[:16])
    keep = torch.sigmoid(from_input[16:32] + from_hidden[16:32])
    new = torch.tanh(from_input[32:] + reset * from_hidden[32:])
    torch.testing.assert_close(after, (1 - keep) * new + keep * hidden[0])


def test_padding_after_the_plays_changes_no_state(network: TasteNetwork) -> None:
    generator = torch.Generator().manual_seed(1)
    rows = torch.randint(2, 32, (3, 9), generator=generator)
    features = torch.rand(3, 9, 4 + len(CONTEXTS), generator=generator)
    hidden = torch.rand(3, 16, generator=generator)

    padded = network.recur(rows, features, hidden)
    bare = network.recur(rows[:, :4], features[:, :4], hidden)

    torch.testing.assert_close(padded[:, :4], bare, atol=1e-6, rtol=0)


def test_tastes_and_items_are_unit_vectors(network: TasteNetwork) -> None:
    read = network.read(torch.rand(7, 16))

    for horizon in range(len(HORIZONS)):
        torch.testing.assert_close(network.tastes(read, horizon).norm(dim=1), torch.ones(7))
    torch.testing.assert_close(network.items().norm(dim=1), torch.ones(30))


def test_each_group_adds_a_recency_a_count_and_a_bigram_weight(network: TasteNetwork) -> None:
    read = torch.rand(1, 16)
    weights = network.ring_weights[0] + read[0] @ network.ring_gates[0]
    groups = torch.arange(9 * 4 * 3)[None]

    terms = network.ring_terms(read, groups, 0)

    expected = [weights[r] + weights[9 + c] + weights[13 + b] for r in range(9) for c in range(4) for b in range(3)]
    torch.testing.assert_close(terms[0], torch.stack(expected))


def test_a_new_network_gives_the_ring_no_weight() -> None:
    fresh = TasteNetwork(NetworkConfig(embedding_size=4, hidden_size=4), num_tracks=3)

    assert not fresh.ring_terms(torch.rand(2, 4), torch.arange(6).reshape(2, 3), 1).any()


@pytest.mark.parametrize("fields", [{"embedding_size": 0}, {"hidden_size": -1}, {"session_gap_s": 0}])
def test_impossible_sizes_are_rejected(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        NetworkConfig(**fields)
