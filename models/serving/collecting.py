"""Collecting, compiled: the candidates of an answer, and what is said of each, numbered by a small hash table.

What `models.serving.candidates` and `models.serving.candidate_features` define, one anchor at a time.

Shapes as in `models.serving.kernel_arrays`.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.compiled import compiled_sums, inlined
from models.plays.catalogue import FIRST_TRACK, PAD
from models.serving.describing import describe, find_pair
from models.serving.heap import offer
from models.serving.kernel_arrays import (
    CAME_NEXT,
    COUNTED,
    FOLLOWERS,
    NEAR,
    PAIR,
    RECENT,
    SOON,
    SOON_NOW,
    AnchorArrays,
    Collected,
    Tables,
    Vocabulary,
)

_FREE: Final = np.int32(-1)
_HASH: Final = np.int64(2654435761)


@compiled_sums
def collect(tables: Tables, anchors: AnchorArrays, vocabulary: Vocabulary, collected: Collected) -> None:
    """Collect the candidates of A anchors and all that can be said of them without a logarithm.

    Args:
        tables: of the release.
        anchors: what is known there.
        vocabulary: room for that of one anchor.
        collected: where the candidates go.
    """
    heap = np.empty(tables.limits.num_counted, np.float32), np.empty(tables.limits.num_counted, np.int32)
    collected.bounds[0] = 0
    for anchor in range(len(anchors.heard)):
        vocabulary.keys[:] = _FREE
        heard = anchors.heard[anchor]
        size = _read_neighbours(tables, heard, vocabulary)
        for column in (SOON, NEAR, RECENT):
            _choose_best(vocabulary, size, column, heap)
        size = _propose(tables, anchors, anchor, vocabulary, size)
        size = _read_current(tables, heard, vocabulary, size)
        size = _read_listener(anchors, anchor, vocabulary, size)
        end = _write_tracks(vocabulary, size, collected, collected.bounds[anchor])
        collected.bounds[anchor + 1] = end
        describe(tables, anchors, anchor, vocabulary, collected)


@inlined
def _number(vocabulary: Vocabulary, size: int, track: int) -> int:
    """Find the number of a track, or give it the next one: then it is `size`, and the caller counts on."""
    mask = len(vocabulary.keys) - 1
    slot = ((track * _HASH) >> 8) & mask
    while vocabulary.keys[slot] != track:
        if vocabulary.keys[slot] == _FREE:
            vocabulary.keys[slot], vocabulary.numbers[slot] = track, size
            vocabulary.tracks[size] = track
            vocabulary.places[size] = -1
            vocabulary.is_chosen[size] = False
            vocabulary.evidence[size, :] = np.float32(0)
            return size
        slot = (slot + 1) & mask
    number: int = vocabulary.numbers[slot]
    return number


@inlined
def _read_neighbours(tables: Tables, heard: NDArray[np.int64], vocabulary: Vocabulary) -> int:
    """Add up what the latest plays say; return the size of the vocabulary."""
    size = 0
    companions, soon = tables.companions, tables.soon
    for ago in range(min(tables.trust_companions.shape[1], len(heard))):
        if heard[ago] == PAD:
            break
        track = heard[ago] - FIRST_TRACK
        begin = companions.starts[track]
        for entry in range(begin, min(companions.starts[track + 1], begin + tables.limits.num_neighbours)):
            number = _number(vocabulary, size, companions.tracks[entry])
            size = max(size, number + 1)
            weight = np.float32(companions.weights[entry])
            vocabulary.evidence[number, NEAR] += weight * tables.trust_companions[0, ago]
            vocabulary.evidence[number, RECENT] += weight * tables.trust_companions[1, ago]
    for ago in range(min(len(tables.trust_soon), len(heard))):
        if heard[ago] == PAD:
            break
        track = heard[ago] - FIRST_TRACK
        begin = soon.starts[track]
        for entry in range(begin, min(soon.starts[track + 1], begin + tables.limits.num_neighbours)):
            number = _number(vocabulary, size, soon.tracks[entry])
            size = max(size, number + 1)
            vocabulary.evidence[number, SOON] += np.float32(soon.weights[entry]) * tables.trust_soon[ago]
    return size


@inlined
def _choose_best(
    vocabulary: Vocabulary, size: int, column: int, heap: tuple[NDArray[np.float32], NDArray[np.int32]]
) -> None:
    """Choose the tracks with the highest sums above 0; of equals, the lower tracks."""
    held = 0
    for number in range(size):
        total = vocabulary.evidence[number, column]
        if total > 0:
            held = offer(heap[0], heap[1], held, total, vocabulary.tracks[number])
    for place in range(held):
        vocabulary.is_chosen[_number(vocabulary, size, heap[1][place])] = True


@inlined
def _choose(vocabulary: Vocabulary, size: int, tracks: NDArray[Any]) -> int:
    """Choose tracks; negative ones are none. Return the size of the vocabulary."""
    for track in tracks:
        if track >= 0:
            number = _number(vocabulary, size, track)
            vocabulary.is_chosen[number] = True
            size = max(size, number + 1)
    return size


@inlined
def _propose(tables: Tables, anchors: AnchorArrays, anchor: int, vocabulary: Vocabulary, size: int) -> int:
    """Choose what the first stage, followers, the ring and the listener's counts propose."""
    limits, heard = tables.limits, anchors.heard[anchor]
    for horizon in range(anchors.best_tracks.shape[0]):
        size = _choose(vocabulary, size, anchors.best_tracks[horizon, anchor])
    if heard[0] == PAD:
        size = _choose(vocabulary, size, tables.popular[: anchors.best_tracks.shape[2]])
    else:
        track = heard[0] - FIRST_TRACK
        begin, end = tables.followers.starts[track], tables.followers.starts[track + 1]
        last = min(begin + min(limits.num_counted, limits.num_neighbours), end)
        size = _choose(vocabulary, size, tables.followers.tracks[begin:last])
    pair = find_pair(tables, heard)
    if pair >= 0:
        begin, end = tables.pair_followers.starts[pair], tables.pair_followers.starts[pair + 1]
        last = min(begin + limits.num_pair_followers, end)
        size = _choose(vocabulary, size, tables.pair_followers.tracks[begin:last])
    size = _choose(vocabulary, size, anchors.ring_rows[anchor] - FIRST_TRACK)
    return _choose(vocabulary, size, anchors.counted_rows[anchor] - FIRST_TRACK)


@inlined
def _read_current(tables: Tables, heard: NDArray[np.int64], vocabulary: Vocabulary, size: int) -> int:
    """Note what followed the current track and the latest pair."""
    if heard[0] != PAD:
        track = heard[0] - FIRST_TRACK
        begin = tables.followers.starts[track]
        for entry in range(begin, min(begin + tables.limits.num_neighbours, tables.followers.starts[track + 1])):
            number = _number(vocabulary, size, tables.followers.tracks[entry])
            size = max(size, number + 1)
            vocabulary.evidence[number, FOLLOWERS] += np.float32(tables.followers.weights[entry])
        begin = tables.soon.starts[track]
        for entry in range(begin, min(begin + tables.limits.num_neighbours, tables.soon.starts[track + 1])):
            number = _number(vocabulary, size, tables.soon.tracks[entry])
            size = max(size, number + 1)
            vocabulary.evidence[number, SOON_NOW] += np.float32(tables.soon.weights[entry])
    pair = find_pair(tables, heard)
    if pair >= 0:
        begin = tables.pair_followers.starts[pair]
        for entry in range(
            begin, min(begin + tables.limits.num_pair_followers, tables.pair_followers.starts[pair + 1])
        ):
            number = _number(vocabulary, size, tables.pair_followers.tracks[entry])
            vocabulary.evidence[number, PAIR] += np.float32(tables.pair_followers.weights[entry])
    return size


@inlined
def _read_listener(anchors: AnchorArrays, anchor: int, vocabulary: Vocabulary, size: int) -> int:
    """Note what the listener's own plays say: what came next, counts, and places in the ring."""
    heard = anchors.heard[anchor]
    for later in range(len(heard) - 1):
        if heard[later + 1] != PAD and heard[later + 1] == heard[0]:
            number = _number(vocabulary, size, heard[later] - FIRST_TRACK)
            size = max(size, number + 1)
            vocabulary.evidence[number, CAME_NEXT] += np.float32(1)
    for place in range(anchors.counted_rows.shape[1]):
        if anchors.counted_rows[anchor, place] != PAD:
            number = _number(vocabulary, size, anchors.counted_rows[anchor, place] - FIRST_TRACK)
            vocabulary.evidence[number, COUNTED] += anchors.counts[anchor, place]
    for place in range(anchors.ring_rows.shape[1]):
        if anchors.ring_rows[anchor, place] != PAD:
            number = _number(vocabulary, size, anchors.ring_rows[anchor, place] - FIRST_TRACK)
            vocabulary.places[number] = place
    return size


@inlined
def _write_tracks(vocabulary: Vocabulary, size: int, collected: Collected, begin: int) -> int:
    """Write the chosen tracks, and their numbers for the moment where plays ago will be; return where they end."""
    end = begin
    for number in range(size):
        if vocabulary.is_chosen[number]:
            collected.tracks[end] = vocabulary.tracks[number]
            collected.plays_ago[end] = number
            end += 1
    return end
