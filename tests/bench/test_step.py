"""The benchmark of a step has a figure for every size, from a release as a worker loads it."""

from pathlib import Path

import numpy as np
import pytest

from models.config import NUM_COUNTED, RING_SIZE
from streamer.bench.world import CLUSTER, make_listeners, make_recommender, released, some_of
from tests.bench.step import list_parts, time_batches


@pytest.mark.long
def test_a_step_is_timed_in_a_world_of_full_rings_and_counts(tmp_path: Path) -> None:
    recommender = released(make_recommender(2 * CLUSTER, max_neighbours=20, index_above=75_000), tmp_path).recommender
    listeners = make_listeners(recommender, 4)

    figures = time_batches(recommender, [some_of(listeners, np.arange(2)), some_of(listeners, np.arange(2, 4))])
    parts = list_parts(recommender, listeners)

    assert 0 < figures["wall_us"] <= figures["median_wall_us"]
    assert parts[0]["name"] == "step.step"
    assert np.diff(listeners.histories.bounds).tolist() == [RING_SIZE + 1] * 4
    assert (listeners.counts.counts > 0).sum(axis=1).max() > NUM_COUNTED // 2
    assert recommender.reranker is not None
