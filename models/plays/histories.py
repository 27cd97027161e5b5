"""Plays of many listeners as ragged columns, oldest first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.config import RING_SIZE


@dataclass(frozen=True, slots=True)
class Histories:
    """P plays of B listeners; those of listener b are bounds[b]:bounds[b + 1], in order of arrival.

    Order of arrival is the partition's order, not the order of played_at_ms: late plays stay where they arrived.

    Attributes:
        bounds: int64 (B + 1,), rising from 0 to P.
        track_keys: uint64 (P,).
        played_at_ms: int64 (P,), since the epoch.
        contexts: uint8 (P,), indices of CONTEXTS.
        repeats: bool (P,), the track is among that listener's previous RING_SIZE plays. Decided by key when the play
            arrives, whether or not a release knows the track.
    """

    bounds: NDArray[np.int64]
    track_keys: NDArray[np.uint64]
    played_at_ms: NDArray[np.int64]
    contexts: NDArray[np.uint8]
    repeats: NDArray[np.bool_]

    @property
    def num_listeners(self) -> int:
        """Return the number of listeners, B."""
        return len(self.bounds) - 1

    @property
    def num_plays(self) -> int:
        """Return the number of plays, P."""
        return len(self.track_keys)

    def listeners(self) -> NDArray[np.int64]:
        """Return the listener of every play: int64 (P,), 0..B-1."""
        return np.repeat(np.arange(self.num_listeners), np.diff(self.bounds))

    def of(self, listeners: NDArray[np.int64]) -> Histories:
        """Select some listeners, in the order given; repeats stay as they are."""
        return self._stretches(self.bounds[listeners], self.bounds[listeners + 1])

    def remembered(self, anchors: NDArray[np.int64]) -> Histories:
        """Select what the ring holds after some plays, one listener per anchor; repeats stay as they are.

        Args:
            anchors: int64 (A,), indices of plays.
        """
        firsts = self.bounds[np.searchsorted(self.bounds, anchors, side="right") - 1]
        return self._stretches(np.maximum(firsts, anchors - RING_SIZE + 1), anchors + 1)

    def _stretches(self, begins: NDArray[np.int64], ends: NDArray[np.int64]) -> Histories:
        """Select stretches of plays, one listener each.

        Two stretches:

            begins, ends    2:5   7:9
            bounds          0     3   5
            plays           2 3 4 7 8         0 1 2 3 4, shifted by begins - bounds: 2 2 2 4 4
        """
        bounds = bounds_of(ends - begins)
        plays = np.arange(bounds[-1]) + np.repeat(begins - bounds[:-1], ends - begins)  # (selected plays,)
        return Histories(
            bounds, self.track_keys[plays], self.played_at_ms[plays], self.contexts[plays], self.repeats[plays]
        )


def bounds_of(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Turn B lengths into B + 1 bounds: 0, then their running sums."""
    bounds = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=bounds[1:])
    return bounds


def gather_histories(
    listeners: NDArray[np.int64],
    track_keys: NDArray[np.uint64],
    played_at_ms: NDArray[np.int64],
    contexts: NDArray[np.uint8] | None = None,
) -> Histories:
    """Group columns of plays by listener, keeping each listener's own order, and mark the repeats.

    Args:
        listeners: int64 (P,), 0..B-1, where B - 1 is the highest that occurs; in any order.
        track_keys: uint64 (P,).
        played_at_ms: int64 (P,).
        contexts: uint8 (P,); absent: none.
    """
    order = np.argsort(listeners, kind="stable")
    bounds = bounds_of(np.bincount(listeners))
    if contexts is None:
        contexts = np.zeros(len(listeners), np.uint8)
    keys = track_keys[order]
    return Histories(bounds, keys, played_at_ms[order], contexts[order], mark_repeats(bounds, keys))


def mark_repeats(bounds: NDArray[np.int64], track_keys: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Mark the plays whose track is among the listener's previous RING_SIZE plays: bool (P,).

    If the columns start with the contents of a ring, only the marks of the plays after it are right: remembered plays
    were marked when they arrived, from plays that the ring no longer holds.
    """
    listeners = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
    order = np.lexsort((track_keys, listeners))  # stable: a listener's plays of a track stay in order
    same = (listeners[order][1:] == listeners[order][:-1]) & (track_keys[order][1:] == track_keys[order][:-1])
    near = np.diff(order) <= RING_SIZE
    repeats = np.zeros(len(track_keys), np.bool_)
    repeats[order[1:]] = same & near
    return repeats
