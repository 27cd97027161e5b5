from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from models.networks.network import TasteNetwork
from models.plays.catalogue import Catalogue
from models.serving.map_reader import MapReader
from models.serving.recommender import Recommender
from models.serving.track_map import TrackMap
from models.training.track_lists import with_index


@pytest.fixture(scope="module")
def recommender(network: TasteNetwork, catalogue: Catalogue) -> Recommender:
    return Recommender(network, catalogue)


def map_of(places: np.ndarray) -> TrackMap:
    zeros = np.zeros(len(places), np.uint8)
    return TrackMap(places.astype(np.float32), zeros, zeros, np.array(1, np.float32))


PLACES = np.random.default_rng(3).uniform(-1, 1, (30, 2))


def test_a_taste_is_amid_its_nearest_tracks_by_their_closeness(recommender: Recommender) -> None:
    tastes = functional.normalize(torch.randn(7, 8, generator=torch.Generator().manual_seed(1)), dim=1)

    places = MapReader(recommender, map_of(PLACES)).places_of(tastes)

    for taste, place in zip(tastes, places, strict=True):
        cosines = (recommender.items @ taste).numpy().astype(np.float64)
        nearest = np.argsort(-cosines)[:10]
        weights = np.exp(20 * cosines[nearest])
        expected = (weights[:, None] * PLACES[nearest]).sum(axis=0) / weights.sum()
        np.testing.assert_allclose(place, expected, atol=1e-4)


def test_a_small_turn_of_a_taste_is_a_small_way_on_the_map(recommender: Recommender) -> None:
    generator = torch.Generator().manual_seed(2)
    tastes = functional.normalize(torch.randn(200, 8, generator=generator), dim=1)
    turned = functional.normalize(tastes + 1e-4 * torch.randn(200, 8, generator=generator), dim=1)
    reader = MapReader(recommender, map_of(PLACES))

    ways = np.linalg.norm(reader.places_of(turned) - reader.places_of(tastes), axis=1)

    assert ways.max() < 0.05


@pytest.mark.parametrize("is_indexed", [False, True])
def test_tracks_without_a_place_place_nothing(recommender: Recommender, is_indexed: bool) -> None:  # noqa: FBT001
    places = PLACES.copy()
    places[5:] = np.nan
    whole = with_index(recommender) if is_indexed else recommender

    tastes = recommender.items[[3, 9, 29]]
    placed = MapReader(whole, map_of(places)).places_of(tastes)

    assert np.isfinite(placed).all()
    for taste, place in zip(tastes, placed, strict=True):
        weights = np.exp(20 * (recommender.items[:5] @ taste).numpy().astype(np.float64))
        expected = (weights[:, None] * places[:5]).sum(axis=0) / weights.sum()
        np.testing.assert_allclose(place, expected, atol=1e-4)


def test_nothing_has_no_place(recommender: Recommender) -> None:
    assert MapReader(recommender, map_of(PLACES)).places_of(torch.empty(0, 8)).shape == (0, 2)
