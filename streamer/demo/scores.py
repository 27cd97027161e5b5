"""The scoreboard: how good the answers were, judged by what their listeners played next.

    HR@20        share of plays that stood in the short-term list given after the listener's play before
    MRR@20       mean of 1 / their place in it, 0 where they did not
    recall@100   of the distinct tracks among the listener's next WINDOW_PLAYS plays, the share that stood in the
                 long-term list; counted where there are MIN_TRUTH of them

Popularity answers the same plays with the tracks played most so far, by anyone; chance with any tracks.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from models.config import HORIZONS, LONG_TERM_SIZE, SHORT_TERM_SIZE
from streamer.local.simulator import SimulatedPlay
from streamer.wire.messages import Horizon, Recommendation

WINDOW_PLAYS: Final = 50
MIN_TRUTH: Final = 5
PLAYS_KEPT: Final = 256  # of a listener: an answer that comes later than that is not scored
_RANKING_LIFE_PLAYS: Final = 100  # plays of anyone, after which popularity is ranked anew


class Judge(Protocol):
    """Whoever compares what was answered with what was played next; neither waits for the other."""

    def play(self, play: SimulatedPlay) -> None:
        """Note a play; those of a listener in order."""

    def answer(self, answer: Recommendation) -> None:
        """Note an answer; those of a listener and a horizon in order."""


@dataclass(frozen=True, slots=True)
class Score:
    """Three shares; None while nothing could be counted."""

    hr_at_20: float | None
    mrr_at_20: float | None
    lt_recall_at_100: float | None


@dataclass(slots=True)
class HeardPlay:
    """A play, as its listener's next answers are judged by it.

    Attributes:
        row: of the track.
        popularity: int64 (M,), the place of every track in popularity before it, 0 the most played.
        place: where it stood in the short-term list before, 1 the first; 0 nowhere; None: there was no such list yet.
    """

    row: int
    popularity: NDArray[np.int64]
    place: int | None = None


@dataclass(frozen=True, slots=True)
class _PendingAnswer:
    plays_seen: int
    rows: list[int]


@dataclass(slots=True)
class Listener:
    """What is known of one listener.

    Attributes:
        num_plays: so far.
        heard: the latest, oldest first.
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
        """Take out the oldest answer that so many plays have followed."""
        unscored = self._unscored[horizon]
        if unscored and unscored[0].plays_seen + num_later_plays <= self.num_plays:
            return unscored.popleft()
        return None

    def plays_after(self, answer: _PendingAnswer, num_plays: int) -> list[HeardPlay]:
        """Return the plays that followed an answer, up to `num_plays`; none where they are no longer kept."""
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
    """Judges answers as plays and answers come, in whatever order between the two.

    Args:
        track_ids: of the M tracks there are.
    """

    def __init__(self, track_ids: Sequence[str]) -> None:
        self._rows = {track_id: row for row, track_id in enumerate(track_ids)}
        self._counts = np.zeros(len(track_ids), np.int64)
        self._popularity = np.arange(len(track_ids))
        self._num_plays = 0
        self._refrain, self._by_popularity = _Sums(), _Sums()
        self.listeners: dict[str, Listener] = {}
        self.latest_answered = ""

    def play(self, play: SimulatedPlay) -> None:
        """Note a play; those of a listener in order."""
        if self._num_plays % _RANKING_LIFE_PLAYS == 0:
            self._popularity = _rank(self._counts)
        row, listener = self._rows[play.track_id], self._listener(play.user_id)
        self._num_plays += 1
        self._counts[row] += 1
        listener.num_plays += 1
        listener.heard.append(HeardPlay(row, self._popularity))
        self._score(listener)

    def answer(self, answer: Recommendation) -> None:
        """Note an answer; those of a listener and a horizon in order."""
        listener = self._listener(answer.user_id)
        rows = [self._rows[track.track_id] for track in answer.tracks]
        listener.note_answer(answer.horizon, _PendingAnswer(answer.plays_seen, rows))
        self.latest_answered = answer.user_id
        self._score(listener)

    def close(self) -> None:
        """Score the long-term lists whose window no play will complete, by what there is of it."""
        for listener in self.listeners.values():
            while (answer := listener.pop_ripe("long-term", 0)) is not None:
                self._score_window(listener, answer)

    @property
    def refrain(self) -> Score:
        """Return the score of the answers."""
        return self._refrain.score()

    @property
    def by_popularity(self) -> Score:
        """Return what popularity would have scored on the same plays."""
        return self._by_popularity.score()

    @property
    def by_chance(self) -> Score:
        """Return what lists drawn at random would score on average."""
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
    """Return the place of each track by count, the most played first; of equals the lower row."""
    places = np.empty(len(counts), np.int64)
    places[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
    return places
