from __future__ import annotations

import numpy as np

from models.criterion import Pieces, _draw_targets


def test_targets_lie_between_the_offsets_as_far_as_the_listeners_plays_go() -> None:
    plays = np.repeat([0, 4, 90, 97, 98], 500)
    alone = Pieces(plays, plays + 1, np.full(len(plays), 100))

    targets = _draw_targets(alone, (2, 5), np.random.default_rng(1))

    ahead = [sorted(set((targets - plays)[plays == play].tolist())) for play in (0, 4, 90, 97, 98)]
    assert ahead == [[2, 3, 4, 5], [2, 3, 4, 5], [2, 3, 4, 5], [2], [1]]
