from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from models.config import RING_SIZE, NetworkConfig
from models.plays.catalogue import UNKNOWN, Catalogue
from models.plays.features import known_plays
from models.plays.histories import Histories
from models.plays.situation import situations

CONFIG = NetworkConfig()


@pytest.mark.parametrize("seed", range(4))
def test_every_moment_is_described_as_in_the_plain_definition(
    seed: int, draw_histories: Callable[..., Histories], catalogue: Catalogue
) -> None:
    histories = draw_histories(seed, num_listeners=5, num_plays=400)
    known = known_plays(histories, catalogue, CONFIG)

    features = situations(known, histories.bounds, np.arange(400))

    rows, listeners = catalogue.rows(histories.track_keys), histories.listeners()
    for anchor in range(400):
        begin = max(histories.bounds[listeners[anchor]], anchor - RING_SIZE + 1)
        plays = [play for play in range(begin, anchor + 1) if rows[play] != UNKNOWN]
        assert features[anchor] == pytest.approx(one_by_one(plays, histories, known.starts, known.indices), abs=1e-6)


def one_by_one(plays: list[int], histories: Histories, starts: np.ndarray, indices: np.ndarray) -> list[float]:
    """Describe the moment after the last of a ring's known plays."""
    if not plays:
        return [0.0] * 5
    is_start = dict(zip(indices.tolist(), starts.tolist(), strict=True))
    num_before = next((place for place, play in enumerate(reversed(plays)) if is_start[play]), len(plays) - 1)
    gap_ms = 0 if len(plays) == 1 else max(0, histories.played_at_ms[plays[-1]] - histories.played_at_ms[plays[-2]])
    return [
        np.log1p(num_before),
        np.log1p(gap_ms / 1000),
        float(len(plays) == 1 or is_start[plays[-1]]),
        (histories.repeats[plays].sum() + 1) / (len(plays) + 4),
        np.log1p(len(plays)),
    ]
