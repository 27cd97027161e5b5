"""Simulates the plays of listeners whose true taste is known, for the demo and for tests that need an oracle.

    world = World.build(rng, num_listeners=500, num_tracks=2_000)
    for play in simulate(world, rng, start_ms=1_790_000_000_000):
        ...

Laws of this file:
1. The same generator state gives the same plays. No clock, no Kafka.
2. Plays come in order of time, endlessly, in constant memory.
"""

import heapq
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
from math import cos, tau
from typing import Final

import numpy as np

from streamer.local.world import DAY_MS, HOUR_MS, PLAYLIST_TRACKS, WAYS, Rows, World
from streamer.wire.messages import Play

LIBRARY_TRACKS: Final = 30

MEAN_SESSION_PLAYS: Final = 12
BETWEEN_SESSIONS_MS: Final = 45 * 60_000  # minimum; above every release's session gap
BETWEEN_PLAYS_MS: Final = 800


class SimulatedPlay(Play, frozen=True, gc=False):
    """A play with all fields present; on the wire it is a `Play`."""

    user_id: str
    track_id: str
    played_at: int
    context: str
    ms_played: int
    duration_ms: int
    skipped: bool


def simulate(world: World, rng: np.random.Generator, start_ms: int) -> Iterator[SimulatedPlay]:
    """Yield all plays from a time on, endlessly; those at equal times in the order of the listeners."""
    listening = [_ListenerSimulation(world, rng, listener) for listener in range(len(world.listeners.user_ids))]
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


class _ListenerSimulation:
    """The simulation of one listener, with the library of tracks they return to."""

    def __init__(self, world: World, rng: np.random.Generator, listener: int) -> None:
        self._world = world
        self._rng = rng
        self._listener = listener
        self._ways = (self._album, self._playlist, self._library, self._radio, self._search)
        self._at_ms = 0.0  # when the current session starts
        self._taste: list[float] = []  # cumulative shares of the genres in the current session
        self._tracks: list[int] = []  # the library, favourites first

    def rest(self, from_ms: float) -> float:
        """Return when the listener's next session starts."""
        them = self._world.listeners
        mean_ms = DAY_MS / them.sessions_per_day[self._listener]
        at_ms = from_ms
        while True:  # a Poisson process of twice the rate, thinned by the time of day
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
        """Play tracks in order; skip some, more of those the listener dislikes; add some to the library."""
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
        """Draw a released track by taste."""
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
        """Return to tracks of the library, most often to the favourites."""
        chance = self._rng.random
        return [self._tracks[int(LIBRARY_TRACKS * chance() * chance())] for _ in range(3 + int(6 * chance()))]

    def _radio(self) -> list[int]:
        """Hear tracks that have only the listener's taste in common."""
        return self._radio_of(4 + int(9 * self._rng.random()))

    def _search(self) -> list[int]:
        """Search for a track or two by name."""
        return self._radio_of(1 + int(2 * self._rng.random()))
