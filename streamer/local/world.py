"""The world that is simulated: music, listeners and fads; the truth behind the plays.

What a listener likes, what everybody raves about and what is out are functions of the time alone
(`World.genre_weights`, `World.fad`, `Music.is_out`), so a test may ask for the truth at any moment.

Rows are numbered so that an album is a run of rows, an artist a run of albums, a genre a run of artists: to draw from
any of them is to draw from a range of rows.
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
NUM_FADS: Final = 90  # a year without an encore

WAYS: Final = ("album", "playlist", "library", "radio", "search")
MEAN_HABITS: Final = (0.12, 0.18, 0.34, 0.26, 0.10)  # share of the times a way is chosen


@dataclass(frozen=True, slots=True)
class Debuts:
    """Albums that come out while others are listened to already, evenly over a time; every genre has one before.

    Attributes:
        share: of the albums.
        from_ms: when the first may come out.
        until_ms: when the last has.
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
        mass: (N + 1,), the popularity of all rows in front: row r weighs mass[r + 1] - mass[r].
        albums: the rows of each album, in the order they are meant to be played.
        artists: the rows of each artist.
        genres: the rows of each genre.
        playlists: for each genre, its editorial playlists, each a sequence of rows.
        album_of: (N,), index into `albums`.
        genre_of: (N,), index into `genres`.
        out_from_ms: when each album came out; nobody hears it before.
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
        """Tell whether a track can be heard at a time."""
        return at_ms >= self.out_from_ms[self.album_of[row]]

    def draw(self, rows: Rows, chance: float) -> int:
        """Return the row of a range at which `chance`, 0 to 1, of the range's popularity has gone by."""
        low, high = self.mass[rows.start], self.mass[rows.stop]
        return min(bisect_right(self.mass, low + chance * (high - low)) - 1, rows.stop - 1)


@dataclass(frozen=True, slots=True)
class SimulatedListeners:
    """L listeners and what makes them different, over G genres.

    Attributes:
        user_ids: of the L.
        fondness: float64 (L, G), how much they like a genre in the long run, as logits.
        swings: float64 (L, G), how far that goes up and down.
        phases: float64 (L, G), radians, where in its swing it stands at the epoch.
        periods_ms: float64 (L, G), length of a swing, two to six months.
        favourites: their favourite artists, by listener and genre, as rows.
        habits: (L, ways), the share of each way of listening up to and with it; ends with 1.
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
        music: what there is to play.
        listeners: who plays it.
        fads: rows that everybody raves about, `FAD_MS` each, round and round.
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
        """Make up a world.

        Args:
            rng: decides everything.
            num_listeners: in it.
            num_tracks: that there will ever be.
            num_genres: of the tracks.
            debuts: which of them come out when; None: all are out from the beginning.

        Raises:
            ValueError: there are too few tracks for the genres, or nobody to listen.
        """
        if num_listeners < 1 or num_genres < 1 or num_tracks < num_genres * MEAN_ALBUM_TRACKS:
            raise ValueError(
                f"no world of {num_listeners} listeners, {num_tracks} tracks and {num_genres} genres can be; give it "
                f"a listener, a genre and {MEAN_ALBUM_TRACKS} tracks a genre at least"
            )
        music = _compose(rng, num_tracks, num_genres)
        listeners = _invite(rng, num_listeners, music)
        fads = tuple(rng.integers(num_tracks, size=NUM_FADS).tolist())
        return cls(music if debuts is None else _hold_back(rng, music, debuts), listeners, fads)

    def genre_weights(self, listener: int, at_ms: float) -> NDArray[np.float64]:
        """Return what a listener truly likes at a time: float64 (G,), sums to 1."""
        them = self.listeners
        swing = np.sin(at_ms * tau / them.periods_ms[listener] + them.phases[listener])
        weights = np.exp(them.fondness[listener] + them.swings[listener] * swing)
        return np.asarray(weights / weights.sum())

    def fad(self, at_ms: float) -> int:
        """Return the row everybody raves about at a time: the fad's, or the next after it that is out."""
        row = self.fads[int(at_ms // FAD_MS) % len(self.fads)]
        while not self.music.is_out(row, at_ms):
            row = (row + 1) % len(self.music.track_ids)
        return row


def _compose(rng: np.random.Generator, num_tracks: int, num_genres: int) -> Music:
    """Cut the rows into genres, those into artists, those into albums; then weigh rows and fill playlists."""
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
    """Let a share of the albums come out later, in any order, none of them the first of its genre."""
    first = {music.album_of[genre.start] for genre in music.genres}
    later = rng.permutation([album for album in range(len(music.albums)) if album not in first])
    later = later[: round(debuts.share * len(music.albums))]
    out_from_ms = np.zeros(len(music.albums))
    out_from_ms[later] = np.linspace(debuts.from_ms, debuts.until_ms, len(later))
    return replace(music, out_from_ms=tuple(out_from_ms.tolist()))


def _cut(rng: np.random.Generator, rows: Rows, num_parts: int) -> Iterator[Rows]:
    """Cut a range into parts of which the longest is at most thrice the shortest; into one where none was asked for."""
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
    """Draw a listener's favourite artists of a genre, evenly over tracks: who made more has more who love them."""
    rows = rng.integers(genre.start, genre.stop, size=FAVOURITE_ARTISTS)
    return tuple(music.artists[bisect_right(music.artists, row, key=lambda artist: artist.start) - 1] for row in rows)
