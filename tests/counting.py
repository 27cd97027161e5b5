"""The oracle of counts: one listener's plays, one at a time, in a dict."""

from collections.abc import Iterable

import numpy as np

from models.config import COUNT_DECAY, NUM_COUNTED


def counted(track_keys: Iterable[int]) -> dict[int, float]:
    """A listener's decayed play counts by track, from their first play on; exact, since counts are float32."""
    counts: dict[int, np.float32] = {}
    for key in track_keys:
        counts = {other: count * np.float32(COUNT_DECAY) for other, count in counts.items()}
        if key not in counts and len(counts) == NUM_COUNTED:
            del counts[min(counts, key=lambda other: (counts[other], other))]
        counts[key] = counts.get(key, np.float32(0)) + np.float32(1)
    return {key: float(count) for key, count in counts.items()}


def counts_by_key(track_keys: np.ndarray, counts: np.ndarray) -> dict[int, float]:
    """Return the counts of one listener by track key."""
    taken = track_keys != 0
    assert not counts[~taken].any()
    places = dict(zip(track_keys[taken].tolist(), counts[taken].tolist(), strict=True))
    assert len(places) == taken.sum(), "a track has two places"
    return places
