"""Tallies: what was played near each track, counted track by track, so that memory holds no table of pairs.

For each track, the kernels visit all its plays in a column of plays (`models.plays.play_column`), add up what is near
them in one array as long as the catalogue, and keep the strongest. Sums are of whole numbers, so the order of plays
changes nothing: 1 / distance is counted in units of 1 / 2520, which every distance up to 10 divides.

M tracks, T consecutive ones to count, W neighbours kept of each.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.compiled import compiled
from models.plays.play_column import STARTS_LISTENER, STARTS_SESSION, TRACK, Occurrences

REACH: Final = 10
"""Plays, within which a track follows soon after another."""

UNIT: Final = 2520
"""The least common multiple of 1 to REACH."""

_LOW_BITS: Final = (1 << 32) - 1

Rows: TypeAlias = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]
"""Lengths int32 (T,) of ragged rows, their tracks int32 (N,) and weights float32 (N,), strongest first."""


@compiled
def _keep_strongest(
    weights: NDArray[np.float32],
    tracks: NDArray[np.int32],
    width: int,
    out: tuple[NDArray[np.int32], NDArray[np.float32]],
) -> int:
    """Write the strongest of a row into `out`, among equals the lower track first; return how many.

    Weights are above 0, so their bits rise as they do: one number orders by weight, then by falling track.
    """
    num = min(len(tracks), width)
    keys = (weights.view(np.int32).astype(np.int64) << 32) + (_LOW_BITS - tracks.astype(np.int64))
    if len(keys) > width:
        keys = np.partition(keys, len(keys) - width)[len(keys) - width :]
    keys = np.sort(keys)
    places = np.empty(1, np.int32)
    bits = places.view(np.float32)
    for place in range(num):
        key = keys[num - 1 - place]
        places[0] = key >> 32
        out[0][place] = _LOW_BITS - (key & _LOW_BITS)
        out[1][place] = bits[0]
    return num


@compiled
def count_followers(
    occurrences: Occurrences,
    totals: NDArray[np.int64],
    reach: int,
    width: int,
) -> tuple[Rows, NDArray[np.float64]]:
    """Count which tracks followed T tracks within a listener's plays, each time by 1 / distance.

    Args:
        occurrences: of the T tracks.
        totals: int64 (M,), zeros; left as zeros.
        reach: greatest distance that counts, at most REACH.
        width: W.

    Returns:
        Rows whose weights are shares of their sums before rows were cut, and these sums: float64 (T,).
    """
    codes, plays, bounds = occurrences
    num_tracks = len(bounds) - 1
    lengths, sums = np.zeros(num_tracks, np.int32), np.zeros(num_tracks)
    tracks, shares = np.empty(num_tracks * width, np.int32), np.empty(num_tracks * width, np.float32)
    near, end = np.empty(len(totals), np.int32), 0
    for number in range(num_tracks):
        num_near = row_sum = 0
        for play in plays[bounds[number] : bounds[number + 1]]:
            for later in range(play + 1, min(play + reach + 1, len(codes))):
                if codes[later] >= STARTS_LISTENER:
                    break
                track = codes[later] & TRACK
                if totals[track] == 0:
                    near[num_near] = track
                    num_near += 1
                units = UNIT // (later - play)
                totals[track] += units
                row_sum += units
        weights = np.empty(num_near, np.float32)
        for place in range(num_near):
            weights[place] = totals[near[place]] / row_sum
            totals[near[place]] = 0
        lengths[number] = _keep_strongest(weights, near[:num_near], width, (tracks[end:], shares[end:]))
        end += lengths[number]
        sums[number] = row_sum / UNIT
    return (lengths, tracks[:end].copy(), shares[:end].copy()), sums


@compiled
def count_companions(
    occurrences: Occurrences,
    begin: int,
    totals: NDArray[np.int64],
    scales: NDArray[np.float64],
    width: int,
) -> Rows:
    """Measure how close tracks are to T tracks by the sessions they were played in.

    Args:
        occurrences: of the T tracks in a column of sessions without repeats, see `distinct_in_sessions`.
        begin: the first of the T tracks.
        totals: int64 (M,), zeros; left as zeros.
        scales: float64 (M,), what to multiply the number of common sessions by, for either track.
        width: W.

    Returns:
        Rows of cosines.

    Source: Sarwar et al. 2001; with sessions and a regulariser, Hidasi et al. 2016 (Item-KNN).
    """
    codes, plays, bounds = occurrences
    num_tracks = len(bounds) - 1
    lengths = np.zeros(num_tracks, np.int32)
    tracks, cosines = np.empty(num_tracks * width, np.int32), np.empty(num_tracks * width, np.float32)
    near, end = np.empty(len(totals), np.int32), 0
    for number in range(num_tracks):
        num_near = 0
        for play in plays[bounds[number] : bounds[number + 1]]:
            first = play
            while codes[first] < STARTS_SESSION:
                first -= 1
            place = first
            while place < len(codes) and (place == first or codes[place] < STARTS_SESSION):
                track = codes[place] & TRACK
                if place != play:
                    if totals[track] == 0:
                        near[num_near] = track
                        num_near += 1
                    totals[track] += 1
                place += 1
        weights = np.empty(num_near, np.float32)
        for place in range(num_near):
            track = near[place]
            weights[place] = totals[track] * scales[track] * scales[begin + number]
            totals[track] = 0
        lengths[number] = _keep_strongest(weights, near[:num_near], width, (tracks[end:], cosines[end:]))
        end += lengths[number]
    return lengths, tracks[:end].copy(), cosines[:end].copy()


@compiled
def count_pair_followers(
    occurrences: Occurrences, least: int, width: int
) -> tuple[NDArray[np.int64], NDArray[np.int32], Rows]:
    """Count which track came right after T tracks and another one.

    Args:
        occurrences: of the T tracks.
        least: times a pair was followed by anything; rarer ones are left out.
        width: followers kept of each pair.

    Returns:
        The U pairs, those of each first track together, by rising second track: int64 (U,), the first track, numbered
        0..T-1, times 2 ** 31, plus the second; how often each was followed: int32 (U,); rows (U) of shares.
    """
    codes, plays, bounds = occurrences
    keys, times = np.empty(len(plays), np.int64), np.empty(len(plays), np.int32)
    lengths = np.empty(len(plays), np.int32)
    tracks, shares = np.empty(len(plays), np.int32), np.empty(len(plays), np.float32)
    num_pairs = end = 0
    for number in range(len(bounds) - 1):
        ahead, num = np.empty(bounds[number + 1] - bounds[number], np.int64), 0
        for play in plays[bounds[number] : bounds[number + 1]]:
            if play + 2 < len(codes) and codes[play + 1] < STARTS_LISTENER and codes[play + 2] < STARTS_LISTENER:
                ahead[num] = (np.int64(codes[play + 1] & TRACK) << 31) + np.int64(codes[play + 2] & TRACK)
                num += 1
        ahead = np.sort(ahead[:num])
        first = 0
        while first < num:
            second_track, followed = ahead[first] >> 31, first
            while followed < num and ahead[followed] >> 31 == second_track:
                followed += 1
            if followed - first >= least:
                keys[num_pairs] = (number << 31) + second_track
                times[num_pairs] = followed - first
                row = _shares_of_runs(ahead[first:followed])
                lengths[num_pairs] = _keep_strongest(row[1], row[0], width, (tracks[end:], shares[end:]))
                end += lengths[num_pairs]
                num_pairs += 1
            first = followed
    rows = (lengths[:num_pairs].copy(), tracks[:end].copy(), shares[:end].copy())
    return keys[:num_pairs].copy(), times[:num_pairs].copy(), rows


@compiled
def _shares_of_runs(ahead: NDArray[np.int64]) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Count equal numbers in rising ones; return their low 31 bits and their shares."""
    tracks, shares, num = np.empty(len(ahead), np.int32), np.empty(len(ahead), np.float32), 0
    first = 0
    while first < len(ahead):
        end = first
        while end < len(ahead) and ahead[end] == ahead[first]:
            end += 1
        tracks[num] = ahead[first] & ((1 << 31) - 1)
        shares[num] = (end - first) / len(ahead)
        num, first = num + 1, end
    return tracks[:num], shares[:num]
