"""Shards: each has all plays of some listeners, so that a fit of any number of plays needs only one in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.config import ArchitectureConfig, TrainingConfig
from models.plays.catalogue import FIRST_TRACK, UNKNOWN, Catalogue
from models.plays.features import known_plays
from models.plays.histories import Histories, gather_histories
from models.plays.split import Plays, Split
from models.training.batches import cut_pieces, draw_batches
from models.training.criterion import Criterion, Pieces, criterion_of


@dataclass(frozen=True, slots=True)
class Shard:
    """All plays of some listeners; no other shard has plays of theirs.

    Attributes:
        histories: P plays; may be empty.
        sessions: int64 (P,), if the source knows its sessions, for the item vectors only; absent: sessions by gaps.
    """

    histories: Histories
    sessions: NDArray[np.int64] | None = None

    def before(self, end_ms: int) -> Shard:
        """Keep the plays before a time, and the listeners who have any."""
        histories, kept = self.histories, self.histories.played_at_ms < end_ms
        _, listeners = np.unique(histories.listeners()[kept], return_inverse=True)
        columns = histories.track_keys[kept], histories.played_at_ms[kept], histories.contexts[kept]
        return Shard(gather_histories(listeners, *columns), None if self.sessions is None else self.sessions[kept])


Shards: TypeAlias = Sequence[Shard]
"""In a fixed order. Each is read many times; whether it is cached or reloaded is up to the sequence."""


def training_shard(split: Split) -> Shard:
    """Take the plays of a split before T1, with their sessions, as the only shard."""
    return Shard(*split.training_histories())


@dataclass(frozen=True, slots=True)
class EarlierShards(Sequence[Shard]):
    """The plays of shards before a time, cut on every access.

    Attributes:
        shards: with later plays.
        end_ms: the time, since the epoch.
    """

    shards: Shards
    end_ms: int

    def __len__(self) -> int:
        """Count the shards; some may have no plays left."""
        return len(self.shards)

    def __getitem__(self, number: int) -> Shard:  # type: ignore[override]  # no caller slices
        """Cut a shard."""
        return self.shards[number].before(self.end_ms)


def newest_plays(shards: Shards, catalogue: Catalogue, num_plays: int) -> Plays:
    """Gather the newest plays of catalogue tracks; besides them, one shard at a time is in memory.

    Args:
        shards: the plays.
        catalogue: the tracks.
        num_plays: how many; a few more are returned if some have the same time.
    """
    from_ms = _begin_of_newest(shards, num_plays)
    columns, num_listeners = list[tuple[NDArray[Any], ...]](), 0
    for shard in shards:
        histories = shard.histories
        rows = catalogue.rows(histories.track_keys)
        kept = (histories.played_at_ms >= from_ms) & (rows != UNKNOWN)
        listeners = histories.listeners()[kept] + num_listeners
        columns.append((listeners, rows[kept] - FIRST_TRACK, histories.played_at_ms[kept], histories.contexts[kept]))
        num_listeners += histories.num_listeners
    listeners, tracks, played_at_ms, contexts = map(np.concatenate, zip(*columns, strict=True))
    return Plays(listeners, tracks, catalogue.track_ids, played_at_ms, contexts)


def occurring_tracks(shards: Shards, catalogue: Catalogue) -> Catalogue:
    """Keep the tracks that have plays, in their order.

    Raises:
        ValueError: no track has any.
    """
    occurs = np.zeros(len(catalogue) + FIRST_TRACK, np.bool_)
    for shard in shards:
        occurs[catalogue.rows(shard.histories.track_keys)] = True
    places = np.flatnonzero(occurs[FIRST_TRACK:])
    if not len(places):
        raise ValueError("no listener plays a catalogue track, so there is nothing to learn; wait for more plays")
    return Catalogue(catalogue.track_ids.take(places))


def _begin_of_newest(shards: Shards, num_plays: int) -> int:
    """Find the time of the oldest of the newest plays."""
    newest = np.empty(0, np.int64)
    for shard in shards:
        newest = np.concatenate([newest, shard.histories.played_at_ms])
        newest = np.partition(newest, max(0, len(newest) - num_plays))[-num_plays:]
    return int(newest.min(initial=np.iinfo(np.int64).max))


@dataclass(frozen=True, slots=True)
class ShardStatistics:
    """Statistics of all shards that a fit needs beforehand, from one pass.

    Attributes:
        num_plays: of all tracks.
        plays_sha256: of every column of every shard.
        track_counts: int64 (M,), plays by place in the catalogue.
        num_batches: of each shard in one epoch's draw; another epoch may draw slightly more or fewer.
    """

    num_plays: int
    plays_sha256: str
    track_counts: NDArray[np.int64]
    num_batches: tuple[int, ...]


def survey_of(shards: Shards, catalogue: Catalogue, config: TrainingConfig) -> ShardStatistics:
    """Compute the statistics of all shards.

    Raises:
        ValueError: no listener has two plays of catalogue tracks.
    """
    num_plays, num_batches, digest = 0, [], _Digest()
    track_counts = np.zeros(len(catalogue), np.int64)
    for shard in shards:
        histories = shard.histories
        rows = catalogue.rows(histories.track_keys)
        is_known = rows != UNKNOWN
        pieces = cut_pieces(np.searchsorted(np.flatnonzero(is_known), histories.bounds), config.stream_plays)
        num_plays += histories.num_plays
        digest.add(shard)
        track_counts += np.bincount(rows[is_known] - FIRST_TRACK, minlength=len(catalogue))
        num_batches.append(len(draw_batches(pieces, config.batch_plays, np.random.default_rng(config.seed))))
    if not sum(num_batches):
        raise ValueError("no listener has two plays of catalogue tracks, so there is nothing to learn; wait for more")
    return ShardStatistics(num_plays, digest.sha256.hexdigest(), track_counts, tuple(num_batches))


def sha256_of(shards: Shards) -> str:
    """Hash every column of every shard; the empty string if there are no shards."""
    digest = _Digest()
    for shard in shards:
        digest.add(shard)
    return digest.sha256.hexdigest() if len(shards) else ""


@dataclass(frozen=True, slots=True)
class ShardSentences:
    """Known tracks in listening order, shard by shard, on every iteration.

    Attributes:
        sources: of the shards, one after the other.
        catalogue: the tracks.
        network_config: defines sessions if the source does not.
    """

    sources: Sequence[Shards]
    catalogue: Catalogue
    network_config: ArchitectureConfig

    def __iter__(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Yield the rows of each shard's K known plays and their sessions, both int64 (K,)."""
        for shard in chain.from_iterable(self.sources):
            known = known_plays(shard.histories, self.catalogue, self.network_config)
            yield known.rows, known.sessions if shard.sessions is None else shard.sessions[known.indices]


class Questions:
    """The pieces and criteria of a run, shard by shard; the latest is cached, so that a single shard is read once.

    Args:
        shards: the plays.
        catalogue: the tracks.
        configs: what to train, and how.
        survey: statistics of the shards.
    """

    def __init__(
        self,
        shards: Shards,
        catalogue: Catalogue,
        configs: tuple[ArchitectureConfig, TrainingConfig],
        survey: ShardStatistics,
    ) -> None:
        self.num_batches = survey.num_batches
        self._shards = shards
        self._catalogue = catalogue
        self._network_config, self._config = configs
        self._track_counts = survey.track_counts
        self._latest: tuple[int, tuple[Pieces, Criterion]] | None = None

    def of(self, number: int) -> tuple[Pieces, Criterion]:
        """Return the pieces of a shard, and their criterion."""
        if self._latest is None or self._latest[0] != number:
            self._latest = None  # two at once would double the memory
            self._latest = number, self._read(number)
        return self._latest[1]

    def _read(self, number: int) -> tuple[Pieces, Criterion]:
        histories = self._shards[number].histories
        known = known_plays(histories, self._catalogue, self._network_config)
        criterion = criterion_of(known, histories.bounds, self._track_counts, self._config)
        return cut_pieces(known.bounds, self._config.stream_plays), criterion


class _Digest:
    """A hash over shards."""

    def __init__(self) -> None:
        self.sha256 = hashlib.sha256()

    def add(self, shard: Shard) -> None:
        """Add every column of a shard."""
        columns: list[NDArray[Any]] = [getattr(shard.histories, name) for name in Histories.__slots__]
        for column in columns if shard.sessions is None else [*columns, shard.sessions]:
            self.sha256.update(np.ascontiguousarray(column).data)
