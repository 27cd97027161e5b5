from __future__ import annotations

import numpy as np
import pytest

from models.evaluation.baselines.item_knn import ItemKnn
from models.evaluation.baselines.queries import decayed_query
from models.evaluation.baselines.sessions import training_sessions
from models.plays.split import Split


@pytest.mark.parametrize("method", [ItemKnn(0.6), ItemKnn(0.9, shrinkage=1, num_plays=5)])
def test_closeness_is_that_of_the_definition(split: Split, method: ItemKnn) -> None:
    anchors = split.anchors("test")[::9]

    scores = method.fit(split).score(split, anchors).toarray()

    held = training_sessions(split).tracks.toarray().astype(bool).T
    cosines = np.zeros((len(held), len(held)))
    for i, mine in enumerate(held):
        for j, theirs in enumerate(held):
            if i != j:
                lengths = (mine.sum() + method.shrinkage) * (theirs.sum() + method.shrinkage)
                cosines[i, j] = (mine & theirs).sum() / lengths**0.5
    query = decayed_query(split, anchors, method.num_plays, method.decay).toarray()
    np.testing.assert_allclose(scores, query @ cosines, atol=1e-5)
