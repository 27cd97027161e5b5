from __future__ import annotations

import pytest
import torch

from models.config import DiscountConfig, WeightsConfig
from models.networks.averages import WeightedMean
from models.networks.network import Network
from tests.builders import network_of

NO_FEATURES = torch.zeros(1, 4, 0)
ROWS = torch.tensor([[5, 3, 9, 3]])


def after(network: Network, rows: torch.Tensor) -> torch.Tensor:
    """Return the state after these plays."""
    return network.recur(rows, NO_FEATURES, torch.zeros(1, network.config.hidden_size))[:, -1]


def test_a_discounted_mean_weighs_a_song_by_its_factor_once_per_later_song() -> None:
    network = network_of(DiscountConfig(embedding_size=4, factors=(0.0, 0.5)))

    state = after(network, ROWS)

    songs = network.embedding(ROWS)[0]
    torch.testing.assert_close(network.vectors(state, 0)[0], songs[3])
    mean = 0.5 * songs[3] + 0.25 * songs[2] + 0.125 * songs[1] + 0.0625 * songs[0]
    torch.testing.assert_close(network.vectors(state, 1)[0], mean)


@pytest.mark.parametrize("factors", [(-0.1, 0.5), (0.5, 1.0)])
def test_a_factor_that_forgets_nothing_or_is_negative_is_rejected(factors: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="a discount factor must be at least 0 and below 1"):
        DiscountConfig(factors=factors)


def test_each_of_the_last_songs_has_the_weight_of_its_place() -> None:
    network = network_of(WeightsConfig(embedding_size=4, num_songs=3))
    assert isinstance(network, WeightedMean)

    read = network.read(after(network, ROWS))

    songs = network.embedding(ROWS)[0]
    for horizon in range(2):
        last, second, third = network.weights[horizon]
        expected = last * songs[3] + second * songs[2] + third * songs[1]
        torch.testing.assert_close(network.vectors(read, horizon)[0], expected)


def test_a_listener_with_few_songs_is_described_by_those() -> None:
    network = network_of(WeightsConfig(embedding_size=4, num_songs=3))
    assert isinstance(network, WeightedMean)

    read = network.read(after(network, ROWS[:, :1]))

    torch.testing.assert_close(network.vectors(read, 0)[0], network.weights[0, 0] * network.embedding(ROWS)[0, 0])


def test_training_forgets_all_but_the_last_songs_as_often_as_zipf_says() -> None:
    network = network_of(WeightsConfig(embedding_size=4, num_songs=4))
    chances = (torch.arange(100) + 0.5) / 100

    songs = network.forget(torch.tensor([[9.0, 8.0, 7.0, 6.0]]).expand(100, -1), chances)

    lengths = (songs != 0).sum(dim=1)
    assert torch.bincount(lengths, minlength=5).tolist() == [0, 48, 24, 16, 12]
    assert songs[60].tolist() == [9.0, 8.0, 0.0, 0.0]


def test_only_weights_that_differ_from_their_neighbours_are_penalised() -> None:
    network = network_of(WeightsConfig(embedding_size=4, num_songs=4, roughness_weight=2.0))
    assert isinstance(network, WeightedMean)

    network.weights.fill_(3.0)
    assert network.penalty() == 0

    network.weights[1] = torch.tensor([3.0, 1.0, 1.0, 1.0])
    assert network.penalty() == pytest.approx(2.0 * 4 / 12)


def test_more_tracks_than_float32_has_exact_integers_are_rejected() -> None:
    with pytest.raises(ValueError, match="16777216 tracks are more than a state of rows in float32 can name"):
        WeightedMean(WeightsConfig(embedding_size=1, num_songs=1), 1 << 24)
