"""Makes up listeners of known taste and lets them listen, for the demo and for tests that need an oracle.

    world = World.build(rng, num_listeners=500, num_tracks=2_000)
    for play in simulate(world, rng, start_ms=1_790_000_000_000):
        ...

Laws of this file:
1. Same generator state in, same plays out. No clock, no Kafka.
2. What a listener likes, what everybody raves about and what is out are functions of the time alone
   (`World.genre_weights`, `World.fad`, `Music.is_out`), so a test may ask for the truth at any moment.
3. Plays come in the order of time, for ever, in memory that does not grow.

Rows are numbered so that an album is a run of rows, an artist a run of albums, a genre a run of artists: to draw from
any of them is to draw from a range of rows.
"""

import heapq
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from math import cos, log, tau
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from streamer.wire.messages import Play

Rows = range
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS

MEAN_ALBUM_TRACKS: Final = 10
ALBUMS_PER_ARTIST: Final = 3  # on average
PLAYLIST_TRACKS: Final = 25
PLAYLISTS_PER_GENRE: Final = 12
FAVOURITE_ARTISTS: Final = 2  # of each genre, for each listener
LIBRARY_TRACKS: Final = 30

FAD_MS: Final = 4 * DAY_MS
NUM_FADS: Final = 90  # a year without an encore

MEAN_SESSION_PLAYS: Final = 12
BETWEEN_SESSIONS_MS: Final = 45 * 60_000  # at least; above every release's session gap
BETWEEN_PLAYS_MS: Final = 800

WAYS: Final = ("album", "playlist", "library", "radio", "search")
MEAN_HABITS: Final = (0.12, 0.18, 0.34, 0.26, 0.10)  # share of the times a way is chosen


class SimulatedPlay(Play, frozen=True, gc=False):
    """A play with nothing left out; on the wire it is a `Play`."""

    user_id: str
    track_id: str
    played_at: int
    context: str
    ms_played: int
    duration_ms: int
    skipped: bool


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
class Listeners:
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
    listeners: Listeners
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


def simulate(world: World, rng: np.random.Generator, start_ms: int) -> Iterator[SimulatedPlay]:
    """Let all listeners listen from a time on, for ever; equal times come in the order of the listeners."""
    listening = [_Listening(world, rng, listener) for listener in range(len(world.listeners.user_ids))]
    sessions = [one.session(one.rest(start_ms)) for one in listening]
    queue = [(plays[-1].played_at, listener) for listener, plays in enumerate(sessions)]
    heapq.heapify(queue)
    while True:
        _, listener = queue[0]
        plays = sessions[listener]
        play = plays.pop()
        yield play
        if not plays:
            one = listening[listener]
            plays = sessions[listener] = one.session(one.rest(play.played_at + play.ms_played + BETWEEN_SESSIONS_MS))
        heapq.heapreplace(queue, (plays[-1].played_at, listener))


class _Listening:
    """One listener at it, with the library of tracks they come back to."""

    def __init__(self, world: World, rng: np.random.Generator, listener: int) -> None:
        self._world = world
        self._rng = rng
        self._listener = listener
        self._ways = (self._album, self._playlist, self._library, self._radio, self._search)
        self._at_ms = 0.0  # when the session at hand starts
        self._taste: list[float] = []  # share of each genre up to and with it, for the session at hand
        self._tracks: list[int] = []  # the library, most loved first

    def rest(self, from_ms: float) -> float:
        """Return when the listener's next session starts."""
        them = self._world.listeners
        mean_ms = DAY_MS / them.sessions_per_day[self._listener]
        at_ms = from_ms
        while True:  # a Poisson process of twice the rate, thinned to the hours they like
            at_ms += self._rng.exponential(mean_ms / 2)
            hours_off_peak = at_ms / HOUR_MS - them.peak_hours[self._listener]
            if self._rng.random() < (1 + cos(hours_off_peak * tau / 24)) / 2:
                return at_ms

    def session(self, start_ms: float) -> list[SimulatedPlay]:
        """Return the plays of one session, latest first."""
        chance = self._rng.random
        self._at_ms = start_ms
        weights = self._world.genre_weights(self._listener, start_ms)
        self._taste = list(accumulate(weights.tolist()))
        if not self._tracks:
            self._tracks = self._radio_of(LIBRARY_TRACKS)
        num_plays = 1 + int(self._rng.exponential(MEAN_SESSION_PLAYS))
        habits = self._world.listeners.habits[self._listener]
        chosen: list[tuple[int, str]] = []
        while len(chosen) < num_plays:
            if chance() < 0.12:
                chosen.append((self._world.fad(start_ms), "search"))
            way = min(bisect_right(habits, chance()), len(WAYS) - 1)
            chosen += [(row, WAYS[way]) for row in self._ways[way]()]
        plays = self._play(chosen[:num_plays], start_ms, (weights / weights.max()).tolist())
        plays.reverse()
        return plays

    def _play(self, chosen: list[tuple[int, str]], start_ms: float, liking: list[float]) -> list[SimulatedPlay]:
        """Play tracks one after the other; skip some, more of those off taste; keep some in the library."""
        music, chance = self._world.music, self._rng.random
        user_id = self._world.listeners.user_ids[self._listener]
        at_ms = int(start_ms)
        plays: list[SimulatedPlay] = []
        for row, context in chosen:
            dislike = 1 - liking[music.genre_of[row]]
            duration_ms = music.durations_ms[row]
            skipped = chance() < 0.03 + 0.45 * dislike * dislike
            ms_played = int(2_000 + 28_000 * chance()) if skipped else duration_ms
            plays.append(SimulatedPlay(user_id, music.track_ids[row], at_ms, context, ms_played, duration_ms, skipped))
            if not skipped and chance() < 0.01:
                self._tracks.insert(int(chance() * LIBRARY_TRACKS), row)
                self._tracks.pop()
            at_ms += ms_played + BETWEEN_PLAYS_MS
        return plays

    def _artist(self) -> Rows:
        """Draw a genre by taste, then one of the favourite artists of that genre, or any."""
        chance = self._rng.random
        genre = min(bisect_right(self._taste, chance()), len(self._taste) - 1)
        if chance() < 0.7:
            favourites = self._world.listeners.favourites[self._listener][genre]
            return favourites[int(chance() * len(favourites))]
        return self._world.music.genres[genre]

    def _track(self) -> int:
        """Draw a track by taste that is out."""
        music, chance = self._world.music, self._rng.random
        while not music.is_out(row := music.draw(self._artist(), chance()), self._at_ms):
            pass
        return row

    def _radio_of(self, num_tracks: int) -> list[int]:
        return [self._track() for _ in range(num_tracks)]

    def _album(self) -> list[int]:
        """Play an album through, in its order."""
        music = self._world.music
        return list(music.albums[music.album_of[self._track()]])

    def _playlist(self) -> list[int]:
        """Play a stretch of a playlist of a liked genre, in its order."""
        music, chance = self._world.music, self._rng.random
        playlists = music.playlists[min(bisect_right(self._taste, chance()), len(self._taste) - 1)]
        playlist = playlists[int(len(playlists) * chance())]
        first = 0 if chance() < 0.5 else int(chance() * PLAYLIST_TRACKS)
        stretch = playlist[first : first + 4 + int(12 * chance())]
        return [row for row in stretch if music.is_out(row, self._at_ms)]

    def _library(self) -> list[int]:
        """Come back to tracks of the library, to the most loved ones most."""
        chance = self._rng.random
        return [self._tracks[int(LIBRARY_TRACKS * chance() * chance())] for _ in range(3 + int(6 * chance()))]

    def _radio(self) -> list[int]:
        """Hear tracks of one's taste that have nothing else in common."""
        return self._radio_of(4 + int(9 * self._rng.random()))

    def _search(self) -> list[int]:
        """Ask for a track or two by name."""
        return self._radio_of(1 + int(2 * self._rng.random()))


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


def _invite(rng: np.random.Generator, num_listeners: int, music: Music) -> Listeners:
    shape = (num_listeners, len(music.genres))
    habits = rng.dirichlet(8 * np.array(MEAN_HABITS), size=num_listeners)
    return Listeners(
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
