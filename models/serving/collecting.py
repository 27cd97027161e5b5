"""Collecting, compiled: the candidates of an answer, and what is said of each, numbered by a small hash table.

What `models.serving.candidates` and `models.serving.candidate_features` define, one anchor at a time.

Shapes as in `models.serving.kernel_arrays`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.compiled import compiled_sums, inlined
from models.plays.catalogue import FIRST_TRACK, PAD
from models.serving.describing import describe, find_pair, take_logarithms
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
    Rows,
    Tables,
    Vocabulary,
)
from models.serving.levels import level_of
from models.serving.numbering import clear, find, number_of


@compiled_sums
def collect(
    tables: Tables, anchors: AnchorArrays, part: tuple[int, int], vocabulary: Vocabulary, collected: Collected
) -> int:
    """Collect and describe the candidates of some anchors; return how many there are.

    Args:
        tables: of the release.
        anchors: what is known there.
        part: the first anchor and the one behind the last.
        vocabulary: room for that of one anchor, as made.
        collected: where the candidates go.
    """
    collected.bounds[part[0]] = 0
    for anchor in range(part[0], part[1]):
        heard = anchors.heard[anchor]
        pair = find_pair(tables, heard)
        size = _read_companions(tables, heard, vocabulary)
        size = _read_soon(tables, heard, vocabulary, size)
        for column in (SOON, NEAR, RECENT):
            _choose_best(vocabulary, size, column, tables.limits.num_counted)
        size = _propose(tables, anchors, anchor, vocabulary, size)
        size = _propose_after_pair(tables, pair, vocabulary, size)
        _read_current(tables, heard, pair, vocabulary)
        _read_listener(anchors, anchor, vocabulary)
        collected.bounds[anchor + 1] = _write_tracks(vocabulary, size, collected, collected.bounds[anchor])
        describe(tables, anchors, (anchor, pair), vocabulary, collected)
        clear(vocabulary, size)
    num: int = collected.bounds[part[1]]
    take_logarithms(collected.features, num)
    return num


@inlined
def _read_companions(tables: Tables, heard: NDArray[np.int64], vocabulary: Vocabulary) -> int:
    """Add up what was played in the same sessions as the latest tracks; return the size of the vocabulary."""
    size, rows = 0, tables.companions
    num = _num_heard(heard, tables.trust_companions.shape[1])
    for ago in range(num):
        if _is_heard_later(heard, ago):
            continue
        near = recent = np.float32(0)
        for earlier in range(ago, num):
            if heard[earlier] == heard[ago]:
                near += tables.trust_companions[0, earlier]
                recent += tables.trust_companions[1, earlier]
        begin, end = _bounds_of(rows, heard[ago] - FIRST_TRACK, tables.limits.num_neighbours)
        for entry in range(begin, end):
            number = number_of(vocabulary, size, rows.tracks[entry])
            size = max(size, number + 1)
            weight = np.float32(rows.weights[entry])
            vocabulary.evidence[NEAR, number] += weight * near
            vocabulary.evidence[RECENT, number] += weight * recent
    return size


@inlined
def _read_soon(tables: Tables, heard: NDArray[np.int64], vocabulary: Vocabulary, size: int) -> int:
    """Add up what came soon after the latest tracks, and note it of the current one."""
    rows = tables.soon
    num = _num_heard(heard, len(tables.trust_soon))
    for ago in range(num):
        if _is_heard_later(heard, ago):
            continue
        trust = np.float32(0)
        for earlier in range(ago, num):
            if heard[earlier] == heard[ago]:
                trust += tables.trust_soon[earlier]
        of_current = np.float32(ago == 0)
        begin, end = _bounds_of(rows, heard[ago] - FIRST_TRACK, tables.limits.num_neighbours)
        for entry in range(begin, end):
            number = number_of(vocabulary, size, rows.tracks[entry])
            size = max(size, number + 1)
            weight = np.float32(rows.weights[entry])
            vocabulary.evidence[SOON, number] += weight * trust
            vocabulary.evidence[SOON_NOW, number] += weight * of_current
    return size


@inlined
def _num_heard(heard: NDArray[np.int64], most: int) -> int:
    """Count the latest known plays, up to a number."""
    num = 0
    while num < min(most, len(heard)) and heard[num] != PAD:
        num += 1
    return num


@inlined
def _is_heard_later(heard: NDArray[np.int64], ago: int) -> bool:
    is_heard = False
    for later in range(ago):
        is_heard |= heard[later] == heard[ago]
    return is_heard


@inlined
def _bounds_of(rows: Rows, row: int, most: int) -> tuple[int, int]:
    """Return where the strongest neighbours of a row begin and end."""
    begin = rows.starts[row]
    return begin, min(rows.starts[row + 1], begin + most)


@inlined
def _choose_best(vocabulary: Vocabulary, size: int, column: int, num: int) -> None:
    """Choose the tracks with the highest sums above 0; of equals, the lower tracks."""
    bits, is_chosen = vocabulary.evidence_bits, vocabulary.is_chosen
    level = 1
    if _num_reaching(bits, column, size, level) > num:
        level = level_of(bits, column, size, num)
    above = level + int(_num_reaching(bits, column, size, level) > num)
    least = np.int32(above)  # as wide as the bits
    for number in range(size):
        is_chosen[number] |= bits[column, number] >= least
    if above > level:
        _choose_equals(vocabulary, size, column, level, num - _num_reaching(bits, column, size, above))


@inlined
def _num_reaching(bits: NDArray[np.int32], column: int, size: int, level: int) -> int:
    num, least = np.int32(0), np.int32(level)
    for number in range(size):
        num = np.int32(num + np.int32(bits[column, number] >= least))
    return int(num)


@inlined
def _choose_equals(vocabulary: Vocabulary, size: int, column: int, level: int, num: int) -> None:
    """Choose the lower ones of the tracks whose sums have the bits of a level."""
    keys, num_equal = vocabulary.keys, 0
    for number in range(size):
        keys[num_equal] = (np.int64(vocabulary.tracks[number]) << 32) | number
        num_equal += vocabulary.evidence_bits[column, number] == level
    keys[:num_equal].sort()
    for place in range(num):
        vocabulary.is_chosen[keys[place] & 0xFFFFFFFF] = True


@inlined
def _choose(vocabulary: Vocabulary, size: int, tracks: NDArray[Any]) -> int:
    """Choose tracks; negative ones are none. Return the size of the vocabulary."""
    for track in tracks:
        if track >= 0:
            number = number_of(vocabulary, size, track)
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
        begin, end = _bounds_of(
            tables.followers, heard[0] - FIRST_TRACK, min(limits.num_counted, limits.num_neighbours)
        )
        size = _choose(vocabulary, size, tables.followers.tracks[begin:end])
    size = _choose(vocabulary, size, anchors.ring_rows[anchor] - FIRST_TRACK)
    return _choose(vocabulary, size, anchors.counted_rows[anchor] - FIRST_TRACK)


@inlined
def _propose_after_pair(tables: Tables, pair: int, vocabulary: Vocabulary, size: int) -> int:
    """Choose what followed the two latest tracks."""
    if pair < 0:
        return size
    begin, end = _bounds_of(tables.pair_followers, pair, tables.limits.num_pair_followers)
    return _choose(vocabulary, size, tables.pair_followers.tracks[begin:end])


@inlined
def _read_current(tables: Tables, heard: NDArray[np.int64], pair: int, vocabulary: Vocabulary) -> None:
    """Note what followed the current track and the latest pair, of tracks that have a number."""
    if heard[0] != PAD:
        begin, end = _bounds_of(tables.followers, heard[0] - FIRST_TRACK, tables.limits.num_neighbours)
        for entry in range(begin, end):
            number = find(vocabulary, tables.followers.tracks[entry])
            if number >= 0:
                vocabulary.evidence[FOLLOWERS, number] += np.float32(tables.followers.weights[entry])
    if pair >= 0:
        begin, end = _bounds_of(tables.pair_followers, pair, tables.limits.num_pair_followers)
        for entry in range(begin, end):
            number = find(vocabulary, tables.pair_followers.tracks[entry])
            vocabulary.evidence[PAIR, number] += np.float32(tables.pair_followers.weights[entry])


@inlined
def _read_listener(anchors: AnchorArrays, anchor: int, vocabulary: Vocabulary) -> None:
    """Note what the listener's own plays say of their tracks: what came next, counts, and places in the ring."""
    heard = anchors.heard[anchor]
    for later in range(len(heard) - 1):
        if heard[later + 1] != PAD and heard[later + 1] == heard[0]:
            vocabulary.evidence[CAME_NEXT, find(vocabulary, heard[later] - FIRST_TRACK)] += np.float32(1)
    for place in range(anchors.counted_rows.shape[1]):
        if anchors.counted_rows[anchor, place] != PAD:
            number = find(vocabulary, anchors.counted_rows[anchor, place] - FIRST_TRACK)
            vocabulary.evidence[COUNTED, number] += anchors.counts[anchor, place]
    for place in range(anchors.ring_rows.shape[1]):
        if anchors.ring_rows[anchor, place] != PAD:
            vocabulary.places[find(vocabulary, anchors.ring_rows[anchor, place] - FIRST_TRACK)] = place


@inlined
def _write_tracks(vocabulary: Vocabulary, size: int, collected: Collected, begin: int) -> int:
    """Write the chosen tracks, and their numbers for the moment where plays ago will be; return where they end."""
    end = begin
    for number in range(size):
        collected.tracks[end] = vocabulary.tracks[number]
        collected.plays_ago[end] = number
        end += vocabulary.is_chosen[number]
    return end
