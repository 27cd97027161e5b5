"""What the tests of the laws share: releases, cuts into batches, and how often hypothesis tries."""

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from models.config import CONTEXTS
from models.plays.catalogue import track_key
from models.plays.histories import Histories, gather_histories
from tests.amount import examples
from tests.builders import TINY_CONFIGS, TRACK_IDS, network_of, release_of, tiny_release
from tests.oracle import Life

#: Another catalogue than the champion's ("x1" was unknown, every other track is now, rows moved), and another size.
CHALLENGER = tiny_release(8, track_ids=("x1", "fresh", *TRACK_IDS[::-2]), hidden_size=5)

#: The champion's catalogue and size, other weights.
REFIT = tiny_release(9)

#: The champion's catalogue, networks of every kind.
OF_ARCHITECTURES = tuple(release_of(network_of(config), seed) for seed, config in enumerate(TINY_CONFIGS.values()))

cuts = st.lists(st.tuples(st.integers(0, 90), st.integers(0, 90)), max_size=4)
law = settings(max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.data_too_large])


def whole_history(life: Life) -> Histories:
    """Lay plays out as the trainer and the evaluation do."""
    return gather_histories(
        np.zeros(len(life.plays), np.int64),
        np.array([track_key(each.track) for each in life.plays], np.uint64),
        np.array([each.played_at_ms for each in life.plays]),
        np.array([CONTEXTS.index(each.context) for each in life.plays], np.uint8),
    )
