"""Counts of any number of plays, taken track by track: followers, companions, pairs and popularity.

    shards ── one at a time ──> a column of plays, 4 bytes each, and of the distinct tracks of their sessions, as much
    column ── some tracks at a time ──> their rows, the strongest neighbours of each ──> tables of bounded size

Memory besides the tables: one shard, up to 8 bytes a play, 60 bytes a track, and 300 MB for the
tracks that are being counted. Each group of tracks costs another look through the column, a nanosecond a play.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.config import ArchitectureConfig
from models.plays.catalogue import FIRST_TRACK, Catalogue
from models.plays.features import DAY_MS, KnownPlays, known_plays
from models.plays.histories import bounds_of
from models.plays.play_column import TRACK, distinct_in_sessions, encode, occurrences_of
from models.plays.ragged_rows import BoundedPairs, BoundedRows, RaggedRows
from models.plays.tallies import REACH, count_companions, count_followers, count_pair_followers
from models.training.shards import Shards

_SHRINKAGE: Final = 5.0  # sessions added to those of every track, so that rare tracks are not close by chance
_HALF_LIFE_MS: Final = 14 * DAY_MS  # of recent popularity
_LEAST_PLAYS: Final = 0.5  # of a track, so that logarithms are finite
_LEAST_RECENT_PLAYS: Final = 0.05
_GROUP_PLAYS: Final = 1 << 22  # counted between two reports; a single track may have more
_GROUP_TRACKS: Final = 1 << 16

ReportCounted: TypeAlias = Callable[[int, int], None]
"""Called with the tracks and shards done, and how many there are; an exception from it ends the counting."""


@dataclass(frozen=True, slots=True)
class CountLimits:
    """How large the tables may grow.

    Attributes:
        num_neighbours: neighbours of a track in one table.
        num_pair_followers: followers of a pair.
        max_entries: of one table of M rows, 8 bytes each; beyond it, all its rows keep fewer neighbours.
        max_pairs: some 28 bytes each; beyond it, pairs are left out that were followed less often.
    """

    num_neighbours: int
    num_pair_followers: int
    max_entries: int = 64_000_000
    max_pairs: int = 16_000_000


@dataclass(frozen=True, slots=True)
class PlayCounts:
    """What was counted of M tracks and U pairs of tracks.

    Attributes:
        followers: M rows, shares among what came right after a track.
        soon: M rows, shares among what came soon after a track.
        companions: M rows, closeness by common sessions.
        pair_followers: U rows, shares among what came right after two tracks in a row.
        pair_keys: int64 (U,), rising: the earlier track * M + the later one.
        num_followers: float64 (M,), what the shares of `followers` were divided by.
        num_soon: float64 (M,), the same of `soon`.
        num_pair_followers: int32 (U,), the same of `pair_followers`.
        popularity: float64 (M,), a track's share of all plays.
        recent_popularity: float64 (M,), its share of recent plays, which count half after each half-life.
    """

    followers: RaggedRows
    soon: RaggedRows
    companions: RaggedRows
    pair_followers: RaggedRows
    pair_keys: NDArray[np.int64]
    num_followers: NDArray[np.float64]
    num_soon: NDArray[np.float64]
    num_pair_followers: NDArray[np.int32]
    popularity: NDArray[np.float64]
    recent_popularity: NDArray[np.float64]


def count_plays(
    shards: Shards,
    catalogue: Catalogue,
    network_config: ArchitectureConfig,
    limits: CountLimits,
    report: ReportCounted = lambda *_: None,
) -> PlayCounts:
    """Count the plays of all shards.

    Args:
        shards: the plays, each read once.
        catalogue: the tracks to count; plays of others are left out.
        network_config: defines sessions.
        limits: of the tables.
        report: called after every shard and every group of tracks.
    """
    column = _Column(len(catalogue))
    for number, shard in enumerate(shards):
        column.add(known_plays(shard.histories, catalogue, network_config))
        report(number + 1, len(shards))
    return _count(column, limits, report)


class _Column:
    """The plays of all shards, and the popularity of M tracks.

    Attributes:
        num_plays: int64 (M,).
        recent_plays: float64 (M,), as of the latest play.
    """

    def __init__(self, num_tracks: int) -> None:
        self.num_plays = np.zeros(num_tracks, np.int64)
        self.recent_plays = np.zeros(num_tracks)
        self._until_ms = np.iinfo(np.int64).min
        self._codes, self._distinct = list[NDArray[np.uint32]](), list[NDArray[np.uint32]]()
        self._latest_sessions, self._num_distinct = np.zeros(num_tracks, np.int64), 0

    def add(self, known: KnownPlays) -> None:
        """Append the plays of one shard."""
        if not len(known.rows):
            return
        self._codes.append(encode(known))
        self._distinct.append(distinct_in_sessions(self._codes[-1], self._latest_sessions, self._num_distinct))
        self._num_distinct += len(self._distinct[-1])  # at least the number of sessions
        tracks = known.rows - FIRST_TRACK
        self.num_plays += np.bincount(tracks, minlength=len(self.num_plays))
        until_ms = max(self._until_ms, int(known.played_at_ms.max()))
        if self._until_ms < until_ms and len(self._codes) > 1:
            self.recent_plays *= 0.5 ** ((until_ms - self._until_ms) / _HALF_LIFE_MS)
        shares = 0.5 ** ((until_ms - known.played_at_ms) / _HALF_LIFE_MS)
        self.recent_plays += np.bincount(tracks, shares, minlength=len(self.num_plays))
        self._until_ms = until_ms

    def codes(self) -> NDArray[np.uint32]:
        """Take all plays, once: uint32 (P,)."""
        return _joined(self._codes)

    def distinct(self) -> NDArray[np.uint32]:
        """Take the distinct tracks of all sessions, once: uint32 (D,)."""
        return _joined(self._distinct)


def _count(column: _Column, limits: CountLimits, report: ReportCounted) -> PlayCounts:
    tables, totals = _Tables(len(column.num_plays), limits), np.zeros(len(column.num_plays), np.int64)
    codes = column.codes()
    for begin, bounds in _groups(column.num_plays):
        tables.add(codes, begin, bounds, totals)
        report(begin + len(bounds) - 1, len(totals))
    del codes
    popularity, recent = column.num_plays + _LEAST_PLAYS, column.recent_plays + _LEAST_RECENT_PLAYS
    return PlayCounts(
        followers=tables.followers.rows(),
        soon=tables.soon.rows(),
        companions=_count_companions(column.distinct(), totals, limits, report),
        pair_followers=tables.pairs.rows(),
        pair_keys=tables.pairs.keys(),
        num_followers=np.concatenate(tables.num_followers),
        num_soon=np.concatenate(tables.num_soon),
        num_pair_followers=tables.pairs.times(),
        popularity=popularity / popularity.sum(),
        recent_popularity=recent / recent.sum(),
    )


class _Tables:
    """What followed each track and pair, group by group."""

    def __init__(self, num_tracks: int, limits: CountLimits) -> None:
        self.followers, self.soon = (BoundedRows(limits.num_neighbours, limits.max_entries) for _ in range(2))
        self.pairs = BoundedPairs(num_tracks, limits.max_pairs)
        self.num_followers, self.num_soon = list[NDArray[np.float64]](), list[NDArray[np.float64]]()
        self._limits = limits

    def add(self, codes: NDArray[np.uint32], begin: int, bounds: NDArray[np.int64], totals: NDArray[np.int64]) -> None:
        """Count what followed a group of tracks."""
        occurrences, width = occurrences_of(codes, begin, bounds), self._limits.num_neighbours
        followers, num_followers = count_followers(occurrences, totals, 1, width)
        soon, num_soon = count_followers(occurrences, totals, REACH, width)
        self.followers.add(*followers)
        self.soon.add(*soon)
        self.num_followers.append(num_followers)
        self.num_soon.append(num_soon)
        self.pairs.add(begin, *count_pair_followers(occurrences, self.pairs.least, self._limits.num_pair_followers))


def _count_companions(
    codes: NDArray[np.uint32], totals: NDArray[np.int64], limits: CountLimits, report: ReportCounted
) -> RaggedRows:
    num_sessions = np.bincount(codes & np.uint32(TRACK), minlength=len(totals))
    scales = 1 / np.sqrt(num_sessions + _SHRINKAGE)
    companions = BoundedRows(limits.num_neighbours, limits.max_entries)
    for begin, bounds in _groups(num_sessions):
        occurrences = occurrences_of(codes, begin, bounds)
        companions.add(*count_companions(occurrences, begin, totals, scales, limits.num_neighbours))
        report(begin + len(bounds) - 1, len(totals))
    return companions.rows()


def _groups(num_plays: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Cut the tracks into groups with a bounded number of plays: the first track, and the bounds of their plays."""
    bounds, begin = bounds_of(num_plays), 0
    while begin < len(num_plays):
        full = int(np.searchsorted(bounds, bounds[begin] + _GROUP_PLAYS, side="right")) - 1
        end = min(max(full, begin + 1), begin + _GROUP_TRACKS)
        yield begin, bounds[begin : end + 1] - bounds[begin]
        begin = end


def _joined(parts: list[NDArray[np.uint32]]) -> NDArray[np.uint32]:
    """Join arrays and release them."""
    joined = np.empty(sum(map(len, parts)), np.uint32)
    end = len(joined)
    while parts:
        part = parts.pop()
        joined[end - len(part) : end] = part
        end -= len(part)
    return joined
