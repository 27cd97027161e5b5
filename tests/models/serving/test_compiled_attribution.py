from __future__ import annotations

import pytest
import torch

from models.config import RerankerConfig
from models.serving.attribution import attribute
from models.serving.candidate_features import FEATURES
from models.serving.compiled_reranker import CompiledReranker
from models.serving.reasons import GROUPS
from models.serving.recommender import Recommender
from models.serving.reranker import Reranker


@pytest.mark.parametrize("hidden_units", [8, 48])
@pytest.mark.parametrize("groups", [list(GROUPS.values()), [(0, 2), (1,), (4,)]])
def test_scores_and_contributions_are_those_of_the_network(
    reranked: Recommender, hidden_units: int, groups: list[tuple[int, ...]]
) -> None:
    assert reranked.reranker is not None
    generator = torch.Generator().manual_seed(3)
    reranker = Reranker(RerankerConfig(hidden_units=hidden_units), reranked.reranker.sources)
    for parameter in reranker.parameters():
        torch.nn.init.normal_(parameter, std=0.3, generator=generator)
    reranker.feature_means.normal_(generator=generator)
    reranker.feature_scales.uniform_(0.5, 2, generator=generator)
    compiled = CompiledReranker(reranker, reranked.items, reranked.network.temperature)
    features = torch.randn(9, len(FEATURES), generator=generator)

    with torch.inference_mode():
        torch.testing.assert_close(compiled.score(features), reranker.score(features), atol=1e-4, rtol=1e-4)
        expected = attribute(reranker.score, features, features.mean(0), groups)
    contributions = compiled.attribute(features, features.mean(0), groups)
    torch.testing.assert_close(torch.from_numpy(contributions), torch.from_numpy(expected), atol=1e-4, rtol=1e-4)
