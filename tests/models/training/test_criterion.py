from __future__ import annotations

import numpy as np
import torch

from models.config import NetworkConfig, TrainingConfig, WeightsConfig
from models.networks.averages import WeightedMean
from models.plays.catalogue import Catalogue
from models.plays.features import known_plays
from models.plays.histories import gather_histories
from models.training.criterion import DistanceCriterion, Pieces, SoftmaxCriterion, _draw_targets, criterion_of
from models.training.loss import cosine_loss, squared_loss
from tests.builders import network_of

CATALOGUE = Catalogue([f"t{number}" for number in range(30)])
HISTORIES = gather_histories(np.repeat(np.arange(3), 8), CATALOGUE.keys[np.arange(24)], np.zeros(24, np.int64))
KNOWN = known_plays(HISTORIES, CATALOGUE, NetworkConfig())
BATCH = Pieces(np.array([0, 8, 16]), np.array([7, 15, 23]), np.array([8, 16, 24]))


def test_targets_are_between_the_offsets_up_to_the_listeners_last_play() -> None:
    plays = np.repeat([0, 4, 90, 97, 98], 500)
    alone = Pieces(plays, plays + 1, np.full(len(plays), 100))

    targets = _draw_targets(alone, (2, 5), np.random.default_rng(1))

    ahead = [sorted(set((targets - plays)[plays == play].tolist())) for play in (0, 4, 90, 97, 98)]
    assert ahead == [[2, 3, 4, 5], [2, 3, 4, 5], [2, 3, 4, 5], [2], [1]]


def test_a_loss_decides_the_criterion() -> None:
    criteria = {loss: criterion_of(KNOWN, HISTORIES.bounds, np.ones(30, np.int64), TrainingConfig(loss=loss))
             for loss in ("softmax", "cosine", "squared")}  # fmt: skip

    assert isinstance(criteria["softmax"], SoftmaxCriterion)
    distances = [each.distance for each in criteria.values() if isinstance(each, DistanceCriterion)]
    assert distances == [cosine_loss, squared_loss]


def test_vectors_are_compared_with_those_of_later_songs() -> None:
    network, config = (
        network_of(WeightsConfig(embedding_size=4, num_songs=1, roughness_weight=0.0), num_tracks=30),
        TrainingConfig(),
    )
    criterion = DistanceCriterion(KNOWN, config, squared_loss)
    next_only = DistanceCriterion(KNOWN, TrainingConfig(long_term_offsets=(1, 1), long_term_weight=0.5), squared_loss)
    assert isinstance(network, WeightedMean)

    loss = next_only.loss(network, next_only.ask(BATCH, np.random.default_rng(1)))

    songs = network.embedding(torch.arange(2, 26)).reshape(3, 8, 4)
    short_term, long_term = (
        (weight * songs[:, :-1] - songs[:, 1:]).square().sum(dim=2).mean() for weight in network.weights[:, 0]
    )
    torch.testing.assert_close(loss, short_term + 0.5 * long_term)
    assert criterion.loss(network, criterion.ask(BATCH, np.random.default_rng(1))) != loss


def test_the_parts_of_a_batch_add_up_to_the_whole() -> None:
    network = network_of(WeightsConfig(embedding_size=4, num_songs=5), num_tracks=30)
    criterion = DistanceCriterion(KNOWN, TrainingConfig(), cosine_loss)
    parts = [Pieces(BATCH.begins, BATCH.ends, BATCH.limits, part) for part in (slice(0, 1), slice(1, 3))]

    whole = criterion.loss(network, criterion.ask(BATCH, np.random.default_rng(1)))
    first, rest = (criterion.loss(network, criterion.ask(part, np.random.default_rng(1))) for part in parts)

    torch.testing.assert_close(whole, first / 3 + rest * 2 / 3)


def test_a_part_draws_the_targets_it_has_in_the_batch() -> None:
    batch = Pieces(np.array([0, 10]), np.array([4, 13]), np.array([10, 40]))
    second = Pieces(batch.begins, batch.ends, batch.limits, slice(1, 2))

    whole, part = (_draw_targets(pieces, (1, 9), np.random.default_rng(1)) for pieces in (batch, second))

    assert part.tolist() == whole[4:].tolist()
