from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models.networks.network import TasteNetwork
from models.plays.catalogue import FIRST_TRACK, PAD
from models.serving.ranking import mask_tracks, score_tracks, top_k

FEW_VALUES = st.sampled_from([-np.inf, -1.0, 0.0, 0.5, 1.0])  # so that ties are everywhere


@given(arrays(np.float32, st.tuples(st.integers(1, 3), st.integers(1, 150)), elements=FEW_VALUES), st.integers(1, 60))
def test_equal_scores_rank_the_lower_row_first(scores: np.ndarray, k: int) -> None:
    rows, values = top_k(torch.from_numpy(scores), k)

    assert rows.shape == values.shape == (len(scores), k)
    for anchor, of_anchor in enumerate(scores):
        ranked = sorted((-score, place + FIRST_TRACK) for place, score in enumerate(of_anchor) if score > -np.inf)[:k]
        padding = k - len(ranked)
        assert rows[anchor].tolist() == [row for _, row in ranked] + [PAD] * padding
        assert values[anchor].tolist() == [-score for score, _ in ranked] + [-np.inf] * padding


@pytest.mark.parametrize("k", [1, 20, 50, 100])
def test_distinct_scores_rank_as_a_full_sort_does(k: int) -> None:
    scores = torch.randn(50, 7001, generator=torch.Generator().manual_seed(k))

    rows, values = top_k(scores, k)

    expected, places = scores.sort(dim=1, descending=True, stable=True)
    assert torch.equal(values, expected[:, :k])
    assert torch.equal(rows, places[:, :k] + FIRST_TRACK)


def test_a_score_is_the_cosine_plus_the_ring_term_over_the_temperature(network: TasteNetwork) -> None:
    read = torch.randn(1, 16, generator=torch.Generator().manual_seed(0))
    rows, groups = torch.tensor([[FIRST_TRACK + 3, PAD]]), torch.tensor([[17, 0]])

    scores = score_tracks(network, network.items(), read, rows=rows, groups=groups, horizon=1)

    taste = network.heads[1](read)[0]
    vectors = network.embedding.weight[FIRST_TRACK:]
    expected = torch.nn.functional.cosine_similarity(taste[None], vectors)
    weights = network.ring_weights[1] + read[0] @ network.ring_gates[1]
    recency, count, bigram = 1, 1, 2  # 17 = (1 * 4 + 1) * 3 + 2
    term = weights[recency] + weights[9 + count] + weights[13 + bigram]
    expected[3] += term / network.temperature
    torch.testing.assert_close(scores[0], expected, atol=1e-6, rtol=0)


def test_masked_tracks_are_in_no_list() -> None:
    scores = mask_tracks(torch.arange(6.0).repeat(2, 1), torch.tensor([[FIRST_TRACK + 5, PAD], [PAD, PAD]]))

    rows, _ = top_k(scores, 2)

    assert rows.tolist() == [[FIRST_TRACK + 4, FIRST_TRACK + 3], [FIRST_TRACK + 5, FIRST_TRACK + 4]]
