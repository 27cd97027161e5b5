"""The simulated world: music, listeners and fads, which are the truth behind the plays.

A listener's taste, the current fad and the released albums are functions of the time alone (`World.genre_weights`,
`World.fad`, `Music.is_out`), so a test can look up the truth at any moment.

Rows are numbered so that an album is a run of rows, an artist a run of albums, a genre a run of artists: drawing from
any of them means drawing from a range of rows.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from math import log, tau
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

Rows = range
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS

MEAN_ALBUM_TRACKS: Final = 10
ALBUMS_PER_ARTIST: Final = 3  # on average
PLAYLIST_TRACKS: Final = 25
PLAYLISTS_PER_GENRE: Final = 12
FAVOURITE_ARTISTS: Final = 2  # of each genre, for each listener

FAD_MS: Final = 4 * DAY_MS
NUM_FADS: Final = 90  # a year without a repeat

WAYS: Final = ("album", "playlist", "library", "radio", "search")
MEAN_HABITS: Final = (0.12, 0.18, 0.34, 0.26, 0.10)  # how often each way is chosen


@dataclass(frozen=True, slots=True)
class Debuts:
    """Albums that come out during the simulation, evenly over a period; every genre has one from the start.

    Attributes:
        share: of the albums.
        from_ms: when the first one comes out.
        until_ms: when the last one comes out.
    """

    share: float
    from_ms: float
    until_ms: float


@dataclass(frozen=True, slots=True)
class Music:
    """N tracks, from genres to playlists.

    Attributes:
        track_ids: of the N rows.
        durations_ms: (N,).
        mass: (N + 1,), the cumulative popularity of all rows before: row r weighs mass[r + 1] - mass[r].
        albums: the rows of each album, in playing order.
        artists: the rows of each artist.
        genres: the rows of each genre.
        playlists: for each genre, its editorial playlists, each a sequence of rows.
        album_of: (N,), index into `albums`.
        genre_of: (N,), index into `genres`.
        out_from_ms: when each album comes out; it is not played before.
    """

    track_ids: tuple[str, ...]
    durations_ms: tuple[int, ...]
    mass: tuple[float, ...]
    albums: tuple[Rows, ...]
    artists: tuple[Rows, ...]
    genres: tuple[Rows, ...]
    playlists: tuple[tuple[tuple[int, ...], ...], ...]
    album_of: tuple[int, ...]
    genre_of: tuple[int, ...]
    out_from_ms: tuple[float, ...]

    def is_out(self, row: int, at_ms: float) -> bool:
        """Return whether a track is released at a time."""
        return at_ms >= self.out_from_ms[self.album_of[row]]

    def draw(self, rows: Rows, chance: float) -> int:
        """Return the row at which the share `chance`, 0 to 1, of the range's cumulative popularity is reached."""
        low, high = self.mass[rows.start], self.mass[rows.stop]
        return min(bisect_right(self.mass, low + chance * (high - low)) - 1, rows.stop - 1)


@dataclass(frozen=True, slots=True)
class SimulatedListeners:
    """L listeners and their differences, over G genres.

    Attributes:
        user_ids: of the L listeners.
        fondness: float64 (L, G), how much they like a genre in the long run, as logits.
        swings: float64 (L, G), amplitude of the fondness over time.
        phases: float64 (L, G), radians, phase of the swing at the epoch.
        periods_ms: float64 (L, G), period of the swing, two to six months.
        favourites: their favourite artists, by listener and genre, as rows.
        habits: (L, ways), cumulative shares of the ways of listening; the last is 1.
        sessions_per_day: (L,).
        peak_hours: (L,), UTC, when they listen most.
    """

    user_ids: tuple[str, ...]
    fondness: NDArray[np.float64]
    swings: NDArray[np.float64]
    phases: NDArray[np.float64]
    periods_ms: NDArray[np.float64]
    favourites: tuple[tuple[tuple[Rows, ...], ...], ...]
    habits: tuple[tuple[float, ...], ...]
    sessions_per_day: tuple[float, ...]
    peak_hours: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class World:
    """The truth behind the plays.

    Attributes:
        music: all tracks.
        listeners: the listeners who play them.
        fads: rows that are popular with everyone, for `FAD_MS` each, cyclically.
    """

    music: Music
    listeners: SimulatedListeners
    fads: tuple[int, ...]

    @classmethod
    def build(
        cls,
        rng: np.random.Generator,
        num_listeners: int = 500,
        num_tracks: int = 2_000,
        *,
        num_genres: int = 12,
        debuts: Debuts | None = None,
    ) -> Self:
        """Draw a world at random.

        Args:
            rng: the only source of randomness.
            num_listeners: at least 1.
            num_tracks: including those that come out later.
            num_genres: at least 1.
            debuts: the albums that come out later; None: all are out from the start.

        Raises:
            ValueError: there are too few tracks for the genres, or no genres or listeners.
        """
        if num_listeners < 1 or num_genres < 1 or num_tracks < num_genres * MEAN_ALBUM_TRACKS:
            raise ValueError(
                f"a world cannot have {num_listeners} listeners, {num_tracks} tracks and {num_genres} genres; it needs "
                f"at least one listener, one genre and {MEAN_ALBUM_TRACKS} tracks per genre"
            )
        music = _compose(rng, num_tracks, num_genres)
        listeners = _invite(rng, num_listeners, music)
        fads = tuple(rng.integers(num_tracks, size=NUM_FADS).tolist())
        return cls(music if debuts is None else _hold_back(rng, music, debuts), listeners, fads)

    def genre_weights(self, listener: int, at_ms: float) -> NDArray[np.float64]:
        """Return a listener's true taste at a time: float64 (G,), sums to 1."""
        them = self.listeners
        swing = np.sin(at_ms * tau / them.periods_ms[listener] + them.phases[listener])
        weights = np.exp(them.fondness[listener] + them.swings[listener] * swing)
        return np.asarray(weights / weights.sum())

    def fad(self, at_ms: float) -> int:
        """Return the row of the fad at a time, or the next row after it that is out."""
        row = self.fads[int(at_ms // FAD_MS) % len(self.fads)]
        while not self.music.is_out(row, at_ms):
            row = (row + 1) % len(self.music.track_ids)
        return row


def _compose(rng: np.random.Generator, num_tracks: int, num_genres: int) -> Music:
    """Divide the rows into genres, artists and albums; then weight the rows and fill the playlists."""
    rows = range(num_tracks)
    genres = tuple(_cut(rng, rows, num_genres))
    artists = tuple(
        a for genre in genres for a in _cut(rng, genre, len(genre) // (MEAN_ALBUM_TRACKS * ALBUMS_PER_ARTIST))
    )
    albums = tuple(a for artist in artists for a in _cut(rng, artist, len(artist) // MEAN_ALBUM_TRACKS))
    fame = np.repeat(rng.lognormal(sigma=0.6, size=len(artists)), [len(artist) for artist in artists])
    weights = fame * rng.lognormal(sigma=0.6, size=num_tracks)
    return Music(
        track_ids=tuple(f"track-{row:06d}" for row in rows),
        durations_ms=tuple((1_000 * rng.normal(215, 45, size=num_tracks).clip(60, 600)).astype(int).tolist()),
        mass=(0.0, *np.cumsum(weights).tolist()),
        albums=albums,
        artists=artists,
        genres=genres,
        playlists=tuple(tuple(_playlist(rng, genre, weights) for _ in range(PLAYLISTS_PER_GENRE)) for genre in genres),
        album_of=tuple(index for index, album in enumerate(albums) for _ in album),
        genre_of=tuple(index for index, genre in enumerate(genres) for _ in genre),
        out_from_ms=(0.0,) * len(albums),
    )


def _hold_back(rng: np.random.Generator, music: Music, debuts: Debuts) -> Music:
    """Let a share of the albums come out later, in random order; never the first album of a genre."""
    first = {music.album_of[genre.start] for genre in music.genres}
    later = rng.permutation([album for album in range(len(music.albums)) if album not in first])
    later = later[: round(debuts.share * len(music.albums))]
    out_from_ms = np.zeros(len(music.albums))
    out_from_ms[later] = np.linspace(debuts.from_ms, debuts.until_ms, len(later))
    return replace(music, out_from_ms=tuple(out_from_ms.tolist()))


def _cut(rng: np.random.Generator, rows: Rows, num_parts: int) -> Iterator[Rows]:
    """Divide a range into parts, at least one; the longest is at most three times as long as the shortest."""
    lengths = rng.uniform(0.5, 1.5, size=max(num_parts, 1))
    stops = rows.start + np.round(len(rows) * lengths.cumsum() / lengths.sum()).astype(int)
    for start, stop in pairwise([rows.start, *stops.tolist()]):
        yield range(start, stop)


def _playlist(rng: np.random.Generator, genre: Rows, weights: NDArray[np.float64]) -> tuple[int, ...]:
    chances = weights[genre.start : genre.stop]
    rows = rng.choice(
        np.arange(genre.start, genre.stop), min(PLAYLIST_TRACKS, len(genre)), False, chances / chances.sum()
    )
    return tuple(rows.tolist())


def _invite(rng: np.random.Generator, num_listeners: int, music: Music) -> SimulatedListeners:
    shape = (num_listeners, len(music.genres))
    habits = rng.dirichlet(8 * np.array(MEAN_HABITS), size=num_listeners)
    return SimulatedListeners(
        user_ids=tuple(f"listener-{index:06d}" for index in range(num_listeners)),
        fondness=rng.normal(scale=1.6, size=shape),
        swings=rng.normal(scale=0.9, size=shape),
        phases=rng.uniform(0, tau, size=shape),
        periods_ms=rng.uniform(60 * DAY_MS, 180 * DAY_MS, size=shape),
        favourites=tuple(tuple(_favourites(rng, music, genre) for genre in music.genres) for _ in range(num_listeners)),
        habits=tuple(map(tuple, np.cumsum(habits, axis=1).tolist())),
        sessions_per_day=tuple(rng.lognormal(log(1.5), 0.6, size=num_listeners).tolist()),
        peak_hours=tuple(rng.normal(18, 4, size=num_listeners).tolist()),
    )


def _favourites(rng: np.random.Generator, music: Music, genre: Rows) -> tuple[Rows, ...]:
    """Draw a listener's favourite artists of a genre, uniformly over tracks: more tracks, more fans."""
    rows = rng.integers(genre.start, genre.stop, size=FAVOURITE_ARTISTS)
    return tuple(music.artists[bisect_right(music.artists, row, key=lambda artist: artist.start) - 1] for row in rows)
