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
    """The state of somebody who played these."""
    return network.recur(rows, NO_FEATURES, torch.zeros(1, network.config.hidden_size))[:, -1]


def test_a_discounted_mean_weighs_a_song_by_its_factor_for_every_song_since() -> None:
    network = network_of(DiscountConfig(embedding_size=4, factors=(0.0, 0.5)))

    state = after(network, ROWS)

    songs = network.embedding(ROWS)[0]
    torch.testing.assert_close(network.vectors(state, 0)[0], songs[3])
    mean = 0.5 * songs[3] + 0.25 * songs[2] + 0.125 * songs[1] + 0.0625 * songs[0]
    torch.testing.assert_close(network.vectors(state, 1)[0], mean)


@pytest.mark.parametrize("factors", [(-0.1, 0.5), (0.5, 1.0)])
def test_a_factor_that_is_none_is_refused(factors: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="a discount factor must be at least 0 and below 1"):
        DiscountConfig(factors=factors)


def test_the_last_songs_weigh_what_their_places_do() -> None:
    network = network_of(WeightsConfig(embedding_size=4, num_songs=3))
    assert isinstance(network, WeightedMean)

    read = network.read(after(network, ROWS))

    songs = network.embedding(ROWS)[0]
    for horizon in range(2):
        last, second, third = network.weights[horizon]
        expected = last * songs[3] + second * songs[2] + third * songs[1]
        torch.testing.assert_close(network.vectors(read, horizon)[0], expected)


def test_who_has_played_little_is_told_by_what_they_played() -> None:
    network = network_of(WeightsConfig(embedding_size=4, num_songs=3))
    assert isinstance(network, WeightedMean)

    read = network.read(after(network, ROWS[:, :1]))

    torch.testing.assert_close(network.vectors(read, 0)[0], network.weights[0, 0] * network.embedding(ROWS)[0, 0])


def test_training_forgets_all_but_the_last_songs_as_often_as_zipf_says() -> None:
    network = network_of(WeightsConfig(embedding_size=4, num_songs=4))
    evenly = (torch.arange(100) + 0.5) / 100

    kept = network.forget(torch.tensor([[9.0, 8.0, 7.0, 6.0]]).expand(100, -1), evenly)

    lengths = (kept != 0).sum(dim=1)
    assert torch.bincount(lengths, minlength=5).tolist() == [0, 48, 24, 16, 12]
    assert kept[60].tolist() == [9.0, 8.0, 0.0, 0.0]


def test_only_weights_that_differ_from_their_neighbours_cost_anything() -> None:
    network = network_of(WeightsConfig(embedding_size=4, num_songs=4, roughness_weight=2.0))
    assert isinstance(network, WeightedMean)

    network.weights.fill_(3.0)
    assert network.penalty() == 0

    network.weights[1] = torch.tensor([3.0, 1.0, 1.0, 1.0])
    assert network.penalty() == pytest.approx(2.0 * 4 / 12)


def test_more_tracks_than_a_float_tells_apart_are_refused() -> None:
    with pytest.raises(ValueError, match="16777216 tracks are more than a state of this kind can name"):
        WeightedMean(WeightsConfig(embedding_size=1, num_songs=1), 1 << 24)
