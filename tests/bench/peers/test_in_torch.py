"""The peers' lists are Refrain's: torch alone finds what the compiled step finds, play by play."""

import numpy as np
import pytest

from models.serving.step import step
from streamer.bench.world import make_listeners, make_recommender, some_of
from tests.bench.peers.in_torch import TorchRecommender


@pytest.mark.slow
def test_a_recommender_in_torch_gives_the_lists_of_the_compiled_one() -> None:
    recommender = make_recommender(3000, max_neighbours=20, index_above=75_000)
    in_torch = TorchRecommender.of(recommender)
    listeners = make_listeners(recommender, 20)

    together = step(recommender, listeners)

    assert in_torch.compiled_network is None
    assert in_torch.compiled_reranker is None
    for listener in range(20):
        alone = step(in_torch, some_of(listeners, np.array([listener])))
        np.testing.assert_allclose(alone.hidden[0], together.hidden[listener], atol=1e-5)
        for expected, found in zip(together.ranked, alone.ranked, strict=True):
            assert found.rows[0].tolist() == expected.rows[listener].tolist()
            np.testing.assert_allclose(found.scores[0], expected.scores[listener], atol=1e-3)
