from __future__ import annotations

import numpy as np
import pytest

from models.analysis.taste_map import TasteMap, draw_taste_map
from models.networks.network import TasteNetwork
from models.plays.catalogue import Catalogue
from models.plays.split import Plays, split_plays
from models.serving.recommender import Recommender


@pytest.fixture(scope="module")
def drawn(network: TasteNetwork, catalogue: Catalogue) -> TasteMap:
    rng = np.random.default_rng(2)
    ids = [f"t{number}" for number in range(30)]
    split = split_plays(Plays(rng.integers(0, 9, 900), rng.integers(0, 30, 900), ids, np.arange(900) * 60_000))
    return draw_taste_map(Recommender(network, catalogue), split)


def test_a_map_holds_tracks_and_the_paths_of_the_busiest_listeners(drawn: TasteMap) -> None:
    assert drawn.tracks.shape == (30, 2)
    assert drawn.shares.max() == 1
    assert [path.shape for path in drawn.paths] == [(16, 2)] * 5
    assert np.isfinite(np.concatenate([drawn.tracks, *drawn.paths])).all()


def test_a_path_moves(drawn: TasteMap) -> None:
    assert len(np.unique(drawn.paths[0].round(3), axis=0)) > 10
