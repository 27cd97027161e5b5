"""The picture: everything the screen shows at one moment, as plain data, and the camera that takes it."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from models.wording import plural
from streamer.demo.ledger import Ledger
from streamer.demo.reader import Reader
from streamer.demo.scale import DemoScale
from streamer.demo.scores import HeardPlay, Score, Scoreboard
from streamer.demo.sender import Sender
from streamer.demo.trainer_stage import TrainerStage
from streamer.local.world import Music

RATE_SPAN_S: Final = 5.0
NOTICE_S: Final = 10.0
SPOTLIGHT_S: Final = 20.0
SPOTLIGHT_LINES: Final = 20
_LATEST_ANSWERS: Final = 2_000  # the latency on the screen covers these


@dataclass(frozen=True, slots=True)
class Phase:
    """A phase before the first answer.

    Attributes:
        name: what happens.
        share: the share that is done, 0 to 1; None: unknown.
        note: its progress in words.
    """

    name: str
    share: float | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Track:
    """A track as shown to people."""

    track_id: str
    genre: int
    album: int
    number: int


@dataclass(frozen=True, slots=True)
class PlayedTrack:
    """A play, with its place in the short-term list before it (`HeardPlay.place`)."""

    track: Track
    place: int | None


@dataclass(frozen=True, slots=True)
class Spotlight:
    """One listener: their latest plays, newest first, and their two lists, best first."""

    user_id: str
    plays: Sequence[PlayedTrack]
    short_term: Sequence[Track]
    long_term: Sequence[Track]


@dataclass(frozen=True, slots=True)
class ReleaseView:
    """The release that answers.

    Attributes:
        release_id: of the release.
        number: 1 for the first one that answered.
        for_s: how long it has been answering.
        hit_rate: HR@20 of its own answers; None until one is scored.
        earlier_hit_rate: of the answers of the release before it; None if there is none.
    """

    release_id: str
    number: int
    for_s: float
    hit_rate: float | None
    earlier_hit_rate: float | None


@dataclass(frozen=True, slots=True)
class Live:
    """What the screen shows once answers arrive.

    Attributes:
        plays_per_s: sent.
        answers_per_s: read, over both horizons.
        num_plays: sent and acknowledged.
        num_applied: steps the states have made.
        lag: plays sent but not applied.
        latency_ms: median and 99th percentile of the latest answers.
        dead_letters: read.
        bad_sent: messages sent that must become dead letters.
        release: the release that answers.
        scores: of the answers, of popularity and of chance.
        spotlight: the listener shown.
    """

    plays_per_s: float
    answers_per_s: float
    num_plays: int
    num_applied: int
    lag: int
    latency_ms: Sequence[float]
    dead_letters: int
    bad_sent: int
    release: ReleaseView
    scores: tuple[Score, Score, Score]
    spotlight: Spotlight


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that happened, in a line, and when: seconds since the demo started."""

    at_s: float
    text: str


@dataclass(frozen=True, slots=True)
class Picture:
    """The demo at one moment.

    Attributes:
        elapsed_s: since the demo started.
        status: what the demo is doing.
        played_at_ms: the listeners' time; None before the first play.
        trainer: what the trainer is doing.
        phases: up to the first answer.
        live: None before the first answer.
        end: what ends the demo; empty before it is live.
        num_sent: messages.
        num_applied: steps that the states have made.
        notices: what has happened lately, oldest first.
    """

    elapsed_s: float
    status: str
    played_at_ms: int | None = None
    trainer: str = ""
    phases: Sequence[Phase] = ()
    live: Live | None = None
    end: str = ""
    num_sent: int = 0
    num_applied: int = 0
    notices: Sequence[Notice] = ()


class Rate:
    """The growth of a count over the latest `RATE_SPAN_S` seconds."""

    def __init__(self) -> None:
        self._counts: deque[tuple[float, int]] = deque()

    def per_s(self, now_s: float, count: int) -> float:
        """Record a count and return its growth per second."""
        self._counts.append((now_s, count))
        while now_s - self._counts[0][0] > RATE_SPAN_S:
            self._counts.popleft()
        then_s, then = self._counts[0]
        return (count - then) / (now_s - then_s) if now_s > then_s else 0.0


@dataclass(frozen=True, slots=True)
class Books:
    """Everything that a running demo knows about itself."""

    ledger: Ledger
    scores: Scoreboard
    sender: Sender
    reader: Reader
    trainer: TrainerStage


class Camera:
    """Takes pictures.

    Args:
        scale: of the demo.
        music: the catalogue.
        start_s: when the demo started; all times are of the same monotonic clock.
    """

    def __init__(self, scale: DemoScale, music: Music, start_s: float) -> None:
        self._scale = scale
        self._music = music
        self._start_s = start_s
        self._plays, self._answers = Rate(), Rate()
        self._in_spotlight: tuple[str, float] | None = None

    def shoot(
        self, now_s: float, status: str, books: Books | None, end: str = "", notices: Sequence[Notice] = ()
    ) -> Picture:
        """Take a picture, with the notices that are news; without books, only Kafka has started."""
        elapsed_s = now_s - self._start_s
        if books is None:
            return Picture(elapsed_s, status, phases=(Phase("Start Kafka", None), *self._phases(0, 0, "")))
        trainer, num_sent, num_applied = books.trainer.words, books.sender.num_sent, books.ledger.num_applied
        return Picture(
            elapsed_s,
            status,
            played_at_ms=books.sender.played_at_ms,
            trainer=trainer,
            phases=(Phase("Start Kafka", 1.0), *self._phases(num_sent, num_applied, trainer)),
            live=self._live(now_s, books),
            end=end,
            num_sent=num_sent,
            num_applied=num_applied,
            notices=[notice for notice in notices if elapsed_s - notice.at_s < NOTICE_S],
        )

    def _phases(self, num_sent: int, num_applied: int, trainer: str) -> tuple[Phase, ...]:
        total = self._scale.history_plays
        sent, applied = min(num_sent, total), min(num_applied, total)
        return (
            Phase("Send the listeners' past plays", sent / total, f"{sent:,} of {plural(total, 'play')}"),
            Phase("Update the listeners' states", applied / total, f"{applied:,} of {plural(total, 'play')}"),
            Phase("Train the first release", None if trainer else 0.0, trainer),
            Phase("Answer the first play", 0.0),
        )

    def _live(self, now_s: float, books: Books) -> Live | None:
        plays_per_s = self._plays.per_s(now_s, books.ledger.num_plays)
        answers_per_s = self._answers.per_s(now_s, books.ledger.num_answers)
        if not books.reader.releases:
            return None
        ledger, scores = books.ledger, books.scores
        return Live(
            plays_per_s=plays_per_s,
            answers_per_s=answers_per_s,
            num_plays=ledger.num_plays,
            num_applied=ledger.num_applied,
            lag=ledger.lag,
            latency_ms=ledger.latency_ms((50, 99), latest=_LATEST_ANSWERS),
            dead_letters=ledger.num_dead_letters,
            bad_sent=ledger.num_bad,
            release=_view(now_s, books.reader.releases, scores.hit_rates),
            scores=(scores.refrain, scores.by_popularity, scores.by_chance),
            spotlight=self._spotlight(now_s, scores),
        )

    def _spotlight(self, now_s: float, scores: Scoreboard) -> Spotlight:
        """Show the same listener for a while, then the one answered last."""
        if self._in_spotlight is None or now_s - self._in_spotlight[1] > SPOTLIGHT_S:
            self._in_spotlight = (scores.latest_answered, now_s)
        user_id, _ = self._in_spotlight
        listener = scores.listeners[user_id]
        latest = [listener.heard[-number] for number in range(1, min(SPOTLIGHT_LINES, len(listener.heard)) + 1)]
        short_term, long_term = (
            [self._track(row) for row in listener.lists.get(horizon, [])[:SPOTLIGHT_LINES]]
            for horizon in ("short-term", "long-term")
        )
        return Spotlight(user_id, [self._played(heard) for heard in latest], short_term, long_term)

    def _played(self, heard: HeardPlay) -> PlayedTrack:
        return PlayedTrack(self._track(heard.row), heard.place)

    def _track(self, row: int) -> Track:
        music = self._music
        album = music.album_of[row]
        return Track(music.track_ids[row], music.genre_of[row], album, row - music.albums[album].start + 1)


def _view(now_s: float, releases: Mapping[str, float], hit_rates: Mapping[str, float | None]) -> ReleaseView:
    *earlier, (release, since_s) = releases.items()
    earlier_hit_rate = hit_rates.get(earlier[-1][0]) if earlier else None
    return ReleaseView(release, len(releases), now_s - since_s, hit_rates.get(release), earlier_hit_rate)
