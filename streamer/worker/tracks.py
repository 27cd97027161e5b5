"""Tracks when somebody asks: by row, by id, or by a text; known to the release that answers, to the catalogue, or both.

All is computed on the sideline, from the champion's arrays and the worker's names.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from typing import Final, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.plays.catalogue import FIRST_TRACK, UNKNOWN, track_keys
from models.release import Release
from models.wording import plural
from streamer.wire.catalogue import TrackRecord
from streamer.wire.views_tracks import TrackView
from streamer.worker.name_store import Naming
from streamer.worker.name_words import words_of
from streamer.worker.sideline import Sideline

#: How many entries of the index are looked at for each word, 10 ms: all that three letters begin among 100,000 tracks.
_MAX_OF_WORD: Final = 20_000


class Named(Protocol):
    """What knows names: a worker's `Names`, or its store."""

    def look_up(self, keys: NDArray[np.uint64]) -> list[Naming | None]:
        """Return what is known of tracks by their keys, uint64 (N,)."""

    def find(self, word: str, limit: int) -> NDArray[np.uint64]:
        """Return the keys, rising, of tracks with a word that begins like this."""


@dataclass(frozen=True, slots=True)
class Tracks:
    """Answers questions about tracks.

    Attributes:
        champion: the release that answers; None before the first.
        withdrawn: uint64 (W,), rising, keys of tracks that no list may hold.
        names: what the catalogue says.
        sideline: computes.
    """

    champion: Callable[[], Release | None]
    withdrawn: Callable[[], NDArray[np.uint64]]
    names: Named
    sideline: Sideline

    async def by_rows(self, rows: Sequence[int]) -> tuple[TrackView, ...]:
        """Look up tracks by their rows in the release's catalogue, from 0.

        Raises:
            IndexError: a row is not in it, or there is no release.
            BusyError: too many questions wait.
        """
        release = self.champion()
        num_tracks = 0 if release is None else len(release.catalogue)
        if beyond := [row for row in rows if not 0 <= row < num_tracks]:
            raise IndexError(
                f"there is no row {beyond[0]}: the release that answers has {plural(num_tracks, 'track')}; ask by id"
            )
        track_ids = [] if release is None else release.catalogue.track_ids.take(np.array(rows, np.int64))
        return await self.by_ids(track_ids)

    async def by_ids(self, track_ids: Sequence[str]) -> tuple[TrackView, ...]:
        """Look up tracks by their ids.

        Raises:
            BusyError: too many questions wait.
        """
        return await self.sideline.run(partial(self._view, track_keys(track_ids), track_ids, self.champion()))

    async def search(self, text: str, limit: int) -> tuple[TrackView, ...]:
        """Find tracks whose id holds a text, or that have, for each of its words, a word that begins like it.

        Returns:
            The track of this id, then those that are played most, then those that the release does not know.

        Raises:
            BusyError: too many questions wait.
        """
        return await self.sideline.run(partial(self._search, text.strip(), limit, self.champion()))

    def _search(self, text: str, limit: int, release: Release | None) -> tuple[TrackView, ...]:
        if not text:
            return ()
        named, (exact,) = self._named(text), track_keys([text])
        rows = np.full(len(named), UNKNOWN) if release is None else release.catalogue.rows(named)
        track_ids = [text] if self._is_known(exact, release) else []
        if release is not None:
            is_found = release.catalogue.track_ids.hold(text)
            is_found[rows[rows != UNKNOWN] - FIRST_TRACK] = True
            best = _most_played(np.flatnonzero(is_found), release, limit)
            track_ids += release.catalogue.track_ids.take(best)
        others = self.names.look_up(named[rows == UNKNOWN][:limit])
        track_ids += [naming.track_id for naming in others if naming is not None]
        track_ids = list(dict.fromkeys(track_ids))[:limit]
        return self._view(track_keys(track_ids), track_ids, release)

    def _named(self, text: str) -> NDArray[np.uint64]:
        """Return the keys of the tracks that have words which begin like all words of a text."""
        found = [self.names.find(word, _MAX_OF_WORD) for word in words_of(text)]
        return reduce(partial(np.intersect1d, assume_unique=True), found) if found else np.empty(0, np.uint64)

    def _is_known(self, key: np.uint64, release: Release | None) -> bool:
        keys = np.array([key])
        if release is not None and release.catalogue.rows(keys)[0] != UNKNOWN:
            return True
        (naming,) = self.names.look_up(keys)
        return naming is not None and naming.record is not None

    def _view(
        self, keys: NDArray[np.uint64], track_ids: Sequence[str], release: Release | None
    ) -> tuple[TrackView, ...]:
        rows = np.full(len(keys), UNKNOWN) if release is None else release.catalogue.rows(keys)
        places = [None if row == UNKNOWN else row - FIRST_TRACK for row in rows.tolist()]
        shares = None if release is None else _log_popularity(release)
        is_withdrawn = np.isin(keys, self.withdrawn()).tolist()
        views = []
        for number, naming in enumerate(self.names.look_up(keys)):
            share = None if shares is None or (place := places[number]) is None else math.exp(shares[place])
            record = naming.record if naming is not None else None
            view = TrackView(places[number], track_ids[number], is_withdrawn[number], share)
            views.append(view if record is None else _named_view(view, record))
        return tuple(views)


def _named_view(view: TrackView, record: TrackRecord) -> TrackView:
    return msgspec.structs.replace(
        view, title=record.title, artists=record.artists, album=record.album, released=record.released,
        duration_ms=record.duration_ms, tags=record.tags,
    )  # fmt: skip


def _most_played(places: NDArray[np.int64], release: Release, limit: int) -> NDArray[np.int64]:
    """Return the most played of some tracks, the most played first; the first ones, where nothing says."""
    if (log_popularity := _log_popularity(release)) is None:
        return places[:limit]
    popularity = log_popularity[places]
    if len(places) > limit:
        best = np.argpartition(-popularity, limit)[:limit]
        places, popularity = places[best], popularity[best]
    return places[np.lexsort((places, -popularity))]


def _log_popularity(release: Release) -> NDArray[np.float32] | None:
    """Return the logarithms of the tracks' shares of all plays, float32 (M,); None without a second stage."""
    reranker = release.recommender.reranker
    return None if reranker is None else reranker.sources.log_popularity.cpu().numpy()
