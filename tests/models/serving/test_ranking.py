from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models.plays.catalogue import FIRST_TRACK, PAD
from models.serving.ranking import top_k

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
