from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.plays.catalogue import Catalogue
from models.plays.histories import gather_histories
from models.release import Release
from models.serving.recommender import Recommender
from models.serving.track_map import TrackMap
from models.training.shards import Shard
from models.training.track_mapping import count_plays, map_tracks
from tests.builders import release_of, tiny_network

IDS = [f"t{number}" for number in range(200)]
PLAYS = np.arange(200) ** 2


@pytest.fixture(scope="module")
def release() -> Release:
    release = release_of(tiny_network(num_tracks=200), 1, IDS)
    return replace(release, track_map=map_tracks(release.recommender, PLAYS))


def mapped(release: Release) -> TrackMap:
    assert release.track_map is not None
    return release.track_map


def test_a_map_fits_its_tracks_and_fills_the_square(release: Release) -> None:
    track_map = mapped(release)

    track_map.check(200)
    assert np.abs(track_map.places).max() == 1
    assert track_map.weights[-1] == 255
    assert (np.diff(track_map.weights.astype(int)) >= 0).all()
    assert len(np.unique(track_map.groups)) == 12


def test_only_the_most_played_tracks_have_a_place(release: Release) -> None:
    track_map = map_tracks(release.recommender, PLAYS, max_placed=50)

    assert np.flatnonzero(~np.isnan(track_map.places).any(axis=1)).tolist() == [*range(150, 200)]
    assert track_map.groups.shape == (200,)
    track_map.check(200)


def test_the_next_map_looks_like_the_one_before(release: Release) -> None:
    ids = [*IDS[:0:-1], "new"]  # other rows, one track less, one more
    again = Recommender(tiny_network(num_tracks=200), Catalogue(ids))
    weight = release.network.embedding.weight.clone()
    rows = np.array([*range(201, 2, -1), 2])  # of the vectors of before
    again.network.embedding.weight[2:] = weight[rows]

    track_map = map_tracks(again, PLAYS[::-1], release)

    before = mapped(release)
    moved = np.linalg.norm(track_map.places[:-1] - before.places[:0:-1], axis=1)
    assert np.median(moved) < 0.2
    assert (track_map.groups[:-1] == before.groups[:0:-1]).mean() > 0.9
    assert np.abs(track_map.places).max() <= 1


def test_plays_of_other_catalogues_do_not_count() -> None:
    catalogue = Catalogue(["a", "b"])
    keys = np.concatenate([catalogue.keys[[1, 1, 0]], Catalogue(["c"]).keys])
    histories = gather_histories(np.zeros(4, np.int64), keys, np.arange(4))

    assert count_plays([Shard(histories), Shard(histories)], catalogue).tolist() == [2, 4]
