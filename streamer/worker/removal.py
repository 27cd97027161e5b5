"""Removal: a listener's state without some of the plays it remembers, to be rebuilt by whoever ranks.

Hidden units cannot forget one play. So the state then covers only the plays that are remembered. Its counts cover all
plays, as before, but a track loses what the removed play added, with all decay since.
"""

from collections.abc import Collection
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.config import COUNT_DECAY, NUM_COUNTED, RING_SIZE
from streamer.errors import ImaginedError
from streamer.wire.state import BIT_REPEATS, NO_RELEASE, States

#: What is left of a count by rounding alone: counts are multiplied in float32, play by play.
_ROUNDING: Final = 1e-4


def forget_release(states: States) -> States:
    """Return a state of no release, which covers its remembered plays only: whoever ranks rebuilds it."""
    return replace(
        states,
        release_key=np.full(1, NO_RELEASE, np.uint64),
        plays_seen=states.ring_lengths,
        plays_folded=np.zeros(1, np.int64),
    )


def without(states: States, numbers: Collection[int]) -> States:
    """Return the state of a listener who has played only what is remembered, but for some plays.

    Raises:
        ImaginedError: one of them is not remembered.
    """
    length, seen = int(states.ring_lengths[0]), int(states.plays_seen[0])
    removed = np.zeros(length, np.bool_)
    for number in numbers:
        place = number - 1 - (seen - length)
        if not 0 <= place < length:
            known = f"those from {seen - length + 1} to {seen}" if length else "none"
            raise ImaginedError(f"play {number} is not remembered, only {known}")
        removed[place] = True
    kept = np.flatnonzero(~removed)
    taken = np.arange(RING_SIZE) < len(kept)
    places = np.zeros(RING_SIZE, np.int64)
    places[: len(kept)] = kept
    bits = states.ring_bits.copy()
    bits[0, :length][_no_longer_repeats(states, removed)] &= np.uint8(~BIT_REPEATS & 0xFF)

    def squeezed(column: NDArray[Any]) -> NDArray[Any]:
        return np.where(taken, column[:, places], column.dtype.type(0))

    counts = _discounted(states, np.flatnonzero(removed))
    return replace(
        forget_release(states),
        plays_seen=np.array([len(kept)]),
        ring_track_keys=squeezed(states.ring_track_keys),
        ring_played_at_ms=squeezed(states.ring_played_at_ms),
        ring_contexts=squeezed(states.ring_contexts),
        ring_bits=squeezed(bits),
        counts=counts,
        counted_track_keys=np.where(counts > 0, states.counted_track_keys, np.uint64(0)),
    )


def _no_longer_repeats(states: States, removed: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Mark the plays that repeated nothing but removed plays, as far as the ring shows: bool, as long as the ring.

    The first play of a track in the ring, if it was a repeat, repeated one that left the ring, and that is not removed.
    """
    keys, length = states.ring_track_keys[0], len(removed)
    repeats = (states.ring_bits[0, :length] & BIT_REPEATS) > 0
    is_new = np.zeros(length, np.bool_)
    heard: dict[int, bool] = {}  # by key: whether a play of it is left before
    for place in range(length):
        key = int(keys[place])
        if removed[place]:
            heard.setdefault(key, bool(repeats[place]))
        else:
            is_new[place] = heard.get(key) is False
            heard[key] = True
    return is_new


def _discounted(states: States, places: NDArray[np.int64]) -> NDArray[np.float32]:
    """Take what the plays at some places of the ring added to the counts of their tracks: float32 (1, NUM_COUNTED)."""
    counts, length = states.counts.astype(np.float64), int(states.ring_lengths[0])
    for place in places.tolist():
        is_its = states.counted_track_keys[0] == states.ring_track_keys[0, place]
        counts[0, is_its & (states.counts[0] > 0)] -= COUNT_DECAY ** (length - 1 - place)
    assert counts.shape == (1, NUM_COUNTED)
    left = np.where(counts > _ROUNDING, counts, 0.0)
    return left.astype(np.float32)
