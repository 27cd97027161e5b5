"""Plays of many listeners as ragged columns, oldest first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.config import RING_SIZE


@dataclass(frozen=True, slots=True)
class Histories:
    """P plays of B listeners; those of listener b are bounds[b]:bounds[b + 1], in order of arrival.

    Order of arrival is the partition's order, not that of played_at_ms: late plays stay where they arrived.

    Attributes:
        bounds: int64 (B + 1,), rising from 0 to P.
        track_keys: uint64 (P,).
        played_at_ms: int64 (P,), since the epoch.
        contexts: uint8 (P,), indices of CONTEXTS.
        repeats: bool (P,), the track stands among the RING_SIZE plays of that listener just before this one. Judged
            when the play arrives, by key, whether or not a release knows the track.
    """

    bounds: NDArray[np.int64]
    track_keys: NDArray[np.uint64]
    played_at_ms: NDArray[np.int64]
    contexts: NDArray[np.uint8]
    repeats: NDArray[np.bool_]

    @property
    def num_listeners(self) -> int:
        """Count the listeners, B."""
        return len(self.bounds) - 1

    @property
    def num_plays(self) -> int:
        """Count the plays, P."""
        return len(self.track_keys)

    def listeners(self) -> NDArray[np.int64]:
        """Name the listener of every play: int64 (P,), 0..B-1."""
        return np.repeat(np.arange(self.num_listeners), np.diff(self.bounds))

    def of(self, listeners: NDArray[np.int64]) -> Histories:
        """Take some listeners out, in the order given, with the repeats they have."""
        return self._stretches(self.bounds[listeners], self.bounds[listeners + 1])

    def remembered(self, anchors: NDArray[np.int64]) -> Histories:
        """Take what the ring holds after some plays, with the repeats they have: a listener an anchor.

        Args:
            anchors: int64 (A,), indices of plays.
        """
        firsts = self.bounds[np.searchsorted(self.bounds, anchors, side="right") - 1]
        return self._stretches(np.maximum(firsts, anchors - RING_SIZE + 1), anchors + 1)

    def _stretches(self, begins: NDArray[np.int64], ends: NDArray[np.int64]) -> Histories:
        """Take stretches of plays, each for a listener."""
        bounds = bounds_of(ends - begins)
        plays = np.arange(bounds[-1]) + np.repeat(begins - bounds[:-1], ends - begins)
        return Histories(
            bounds, self.track_keys[plays], self.played_at_ms[plays], self.contexts[plays], self.repeats[plays]
        )


def bounds_of(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Turn B lengths into B + 1 bounds."""
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
        listeners: int64 (P,), 0..B-1 where B is one above the highest; plays of one need not stand together.
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
    """Say of every play whether its track stands among the listener's RING_SIZE plays just before it.

    Where the columns begin with what a ring remembers, only the flags of the plays behind it are facts: those of
    remembered plays were marked when they arrived.
    """
    listeners = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
    order = np.lexsort((track_keys, listeners))  # stable: plays of one track of one listener stay in order
    same = (listeners[order][1:] == listeners[order][:-1]) & (track_keys[order][1:] == track_keys[order][:-1])
    near = np.diff(order) <= RING_SIZE
    repeats = np.zeros(len(track_keys), np.bool_)
    repeats[order[1:]] = same & near
    return repeats
