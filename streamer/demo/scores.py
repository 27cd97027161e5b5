"""The scoreboard: the quality of the answers, judged by what their listeners played next.

    HR@20        share of plays that were in the short-term list given after the listener's previous play
    MRR@20       mean of 1 / their place in it, 0 if they were not in it
    recall@100   share of the distinct tracks among the listener's next WINDOW_PLAYS plays that were in the long-term
                 list; counted if there are at least MIN_TRUTH of them

Popularity answers the same plays with the tracks played most so far by all listeners; chance with random tracks.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from models.config import HORIZONS, LONG_TERM_SIZE, SHORT_TERM_SIZE
from streamer.local.simulator import SimulatedPlay
from streamer.wire.messages import Horizon, Recommendation

WINDOW_PLAYS: Final = 50
MIN_TRUTH: Final = 5
PLAYS_KEPT: Final = 256  # per listener: an answer that arrives later than that is not scored
_RANKING_LIFE_PLAYS: Final = 100  # plays of all listeners, after which popularity is ranked again


class Judge(Protocol):
    """Compares answers with what was played next; plays and answers do not wait for each other."""

    def play(self, play: SimulatedPlay) -> None:
        """Record a play; call in order per listener."""

    def answer(self, answer: Recommendation) -> None:
        """Record an answer; call in order per listener and horizon."""


@dataclass(frozen=True, slots=True)
class Score:
    """Three metrics between 0 and 1; None while there is nothing to count."""

    hr_at_20: float | None
    mrr_at_20: float | None
    lt_recall_at_100: float | None


@dataclass(slots=True)
class HeardPlay:
    """A play by which its listener's answers are judged.

    Attributes:
        row: of the track.
        popularity: int64 (M,), the popularity rank of every track before the play, 0 is the most played.
        place: its place in the previous short-term list, from 1; 0: not in the list; None: there was no list yet.
    """

    row: int
    popularity: NDArray[np.int64]
    place: int | None = None


@dataclass(frozen=True, slots=True)
class _PendingAnswer:
    plays_seen: int
    rows: list[int]
    release: str


@dataclass(slots=True)
class Listener:
    """The plays and answers of one listener.

    Attributes:
        num_plays: so far.
        heard: the latest plays, oldest first.
        lists: the rows of the latest answer of each horizon.
    """

    num_plays: int = 0
    heard: deque[HeardPlay] = field(default_factory=lambda: deque(maxlen=PLAYS_KEPT))
    lists: dict[Horizon, list[int]] = field(default_factory=dict)
    _unscored: dict[Horizon, deque[_PendingAnswer]] = field(
        default_factory=lambda: {horizon: deque() for horizon in HORIZONS}
    )

    def note_answer(self, horizon: Horizon, answer: _PendingAnswer) -> None:
        """Keep an answer until it can be scored."""
        self.lists[horizon] = answer.rows
        self._unscored[horizon].append(answer)

    def pop_ripe(self, horizon: Horizon, num_later_plays: int) -> _PendingAnswer | None:
        """Remove and return the oldest answer if at least `num_later_plays` have followed it."""
        unscored = self._unscored[horizon]
        if unscored and unscored[0].plays_seen + num_later_plays <= self.num_plays:
            return unscored.popleft()
        return None

    def plays_after(self, answer: _PendingAnswer, num_plays: int) -> list[HeardPlay]:
        """Return up to `num_plays` plays that followed an answer; none if they are no longer kept."""
        first = answer.plays_seen - (self.num_plays - len(self.heard))
        return [self.heard[at] for at in range(first, min(first + num_plays, len(self.heard)))] if first >= 0 else []


@dataclass(slots=True)
class _Sums:
    num_next: int = 0
    hits: int = 0
    reciprocal_places: float = 0.0
    num_windows: int = 0
    recalls: float = 0.0

    def add_next(self, place: int) -> None:
        self.num_next += 1
        if 1 <= place <= SHORT_TERM_SIZE:
            self.hits += 1
            self.reciprocal_places += 1 / place

    def add_window(self, recall: float) -> None:
        self.num_windows += 1
        self.recalls += recall

    def score(self) -> Score:
        return Score(
            self.hits / self.num_next if self.num_next else None,
            self.reciprocal_places / self.num_next if self.num_next else None,
            self.recalls / self.num_windows if self.num_windows else None,
        )


class Scoreboard:
    """Judges answers as plays and answers arrive, in any order between the two.

    Args:
        track_ids: of the M tracks.
    """

    def __init__(self, track_ids: Sequence[str]) -> None:
        self._rows = {track_id: row for row, track_id in enumerate(track_ids)}
        self._counts = np.zeros(len(track_ids), np.int64)
        self._popularity = np.arange(len(track_ids))  # (M,)
        self._num_plays = 0
        self._refrain, self._by_popularity = _Sums(), _Sums()
        self._by_release: dict[str, _Sums] = {}
        self.listeners: dict[str, Listener] = {}
        self.latest_answered = ""

    def play(self, play: SimulatedPlay) -> None:
        """Record a play; call in order per listener."""
        if self._num_plays % _RANKING_LIFE_PLAYS == 0:
            self._popularity = _rank(self._counts)
        row, listener = self._rows[play.track_id], self._listener(play.user_id)
        self._num_plays += 1
        self._counts[row] += 1
        listener.num_plays += 1
        listener.heard.append(HeardPlay(row, self._popularity))
        self._score(listener)

    def answer(self, answer: Recommendation) -> None:
        """Record an answer; call in order per listener and horizon."""
        listener = self._listener(answer.user_id)
        rows = [self._rows[track.track_id] for track in answer.tracks]
        listener.note_answer(answer.horizon, _PendingAnswer(answer.plays_seen, rows, answer.release))
        self.latest_answered = answer.user_id
        self._score(listener)

    def close(self) -> None:
        """Score the long-term lists whose windows are incomplete, by the plays so far."""
        for listener in self.listeners.values():
            while (answer := listener.pop_ripe("long-term", 0)) is not None:
                self._score_window(listener, answer)

    @property
    def refrain(self) -> Score:
        """Return the score of the answers."""
        return self._refrain.score()

    @property
    def hit_rates(self) -> Mapping[str, float | None]:
        """Return HR@20 of each release, in the order of their first answers that were scored."""
        return {release: sums.score().hr_at_20 for release, sums in self._by_release.items()}

    @property
    def by_popularity(self) -> Score:
        """Return the score of popularity on the same plays."""
        return self._by_popularity.score()

    @property
    def by_chance(self) -> Score:
        """Return the expected score of random lists."""
        num_tracks = len(self._counts)
        reciprocal_places = sum(1 / place for place in range(1, SHORT_TERM_SIZE + 1))
        return Score(
            min(1.0, SHORT_TERM_SIZE / num_tracks),
            reciprocal_places / num_tracks,
            min(1.0, LONG_TERM_SIZE / num_tracks),
        )

    def _listener(self, user_id: str) -> Listener:
        return self.listeners.setdefault(user_id, Listener())

    def _score(self, listener: Listener) -> None:
        while (answer := listener.pop_ripe("short-term", 1)) is not None:
            self._score_next(listener, answer)
        while (answer := listener.pop_ripe("long-term", WINDOW_PLAYS)) is not None:
            self._score_window(listener, answer)

    def _score_next(self, listener: Listener, answer: _PendingAnswer) -> None:
        for heard in listener.plays_after(answer, 1):
            heard.place = answer.rows.index(heard.row) + 1 if heard.row in answer.rows else 0
            self._refrain.add_next(heard.place)
            self._by_release.setdefault(answer.release, _Sums()).add_next(heard.place)
            self._by_popularity.add_next(int(heard.popularity[heard.row]) + 1)

    def _score_window(self, listener: Listener, answer: _PendingAnswer) -> None:
        window = listener.plays_after(answer, WINDOW_PLAYS)
        truth = {heard.row for heard in window}
        if len(truth) < MIN_TRUTH:
            return
        popular = window[0].popularity[list(truth)] < LONG_TERM_SIZE
        self._refrain.add_window(len(truth.intersection(answer.rows)) / len(truth))
        self._by_popularity.add_window(float(popular.mean()))


def _rank(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the rank (M,) of each track by count (M,), the most played first; ties by lower row."""
    places = np.empty(len(counts), np.int64)
    places[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
    return places
