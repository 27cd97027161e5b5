"""Live hits: how often a listener's next play was in the short-term list that the answer before it gave.

The lists that listeners have are remembered, so a play costs no step, only a look into a list. Listeners are sampled by
a hash of their id. The sample is halved whenever it outgrows the memory, or a batch has too many of it; all who are in
it are remembered: quick and slow listeners count alike.

A list is judged by one play: the next one. If the list of a batch is not published, the one before it stays in force,
and is judged again. A list is dropped if the listener's state says that other plays came in between, here or elsewhere.

A release that becomes champion once more, as after a rollback, is counted anew.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import astuple, dataclass, field
from itertools import pairwise
from typing import Final
from zlib import crc32

from models.config import SHORT_TERM_SIZE
from models.evaluation.hit_sums import HitSums
from models.plays.catalogue import FIRST_TRACK, PAD
from streamer.metrics import WorkerMetrics
from streamer.wire.views_hits import MOST_REIGNS, HitCounts, ReignHits
from streamer.worker.batch import Batch
from streamer.worker.events import Listeners
from streamer.worker.intake import Intake
from streamer.worker.outputs import Answers, Outcome
from streamer.worker.shelf import Champion

_FIRST_MASK: Final = 15  # a sixteenth of the listeners: half a percent of the CPU of a play, in batches of any size
_MOST_LISTENERS: Final = 8192  # remembered, 1 kB each
_MOST_OF_BATCH: Final = 64


@dataclass(slots=True)
class _Reign:
    """What the lists of a release were worth, from one promotion to the next.

    Attributes:
        from_ms: of its first answer here.
        until_ms: of its latest.
        popular: the keys of the tracks that were most popular.
        sums: of the plays that followed its lists.
    """

    from_ms: int
    until_ms: int
    popular: frozenset[int]
    sums: HitSums = field(default_factory=HitSums)


@dataclass(slots=True)
class _InForce:
    """The list that a listener has.

    Attributes:
        tracks: their keys.
        reign: that it was made in.
        plays_seen: of the listener, when it was given or confirmed.
        plays: that lists of the same reign were judged by.
        hits: among them.
        is_due: the next play judges it.
    """

    tracks: list[int]
    reign: _Reign
    plays_seen: int = 0
    plays: int = 0
    hits: int = 0
    is_due: bool = True


class HitWatch:
    """Watches the plays of sampled listeners.

    Args:
        metrics: count plays and hits.
        most_listeners: that are remembered.
        most_of_batch: that are looked at in a batch.
        mask: a listener whose hash has none of these bits is sampled.
    """

    def __init__(
        self,
        metrics: WorkerMetrics,
        most_listeners: int = _MOST_LISTENERS,
        most_of_batch: int = _MOST_OF_BATCH,
        mask: int = _FIRST_MASK,
    ) -> None:
        self._metrics = metrics
        self._most_listeners = most_listeners
        self._most_of_batch = most_of_batch
        self._mask = mask
        self._in_force: dict[int, _InForce] = {}
        self._reigns: dict[tuple[str, int], _Reign] = {}

    def note(self, intakes: Sequence[Intake], outcome: Outcome, champion: Champion) -> None:
        """Judge the lists that the listeners of a batch had, and remember those that they got."""
        if outcome.answers is None:
            return
        reign = self._reign(outcome.answers, champion)
        if sampled := self._sampled(intakes, outcome.listeners):
            given = _Given(outcome.answers, champion)
            for life, listener in _lives(outcome, sampled):
                self._follow(sampled[listener], life, outcome.batch, given, reign)
        while len(self._in_force) > self._most_listeners:
            self._halve()

    def shown(self) -> list[ReignHits]:
        """Return the counts of each reign since the start."""
        return [_show(release_id, promoted_at_ms, each) for (release_id, promoted_at_ms), each in self._reigns.items()]

    def _reign(self, answers: Answers, champion: Champion) -> _Reign:
        name = answers.release_id, champion.promoted_at_ms
        known = self._reigns.get(name)
        if known is None:
            known = self._reigns[name] = _Reign(answers.emitted_at_ms, answers.emitted_at_ms, champion.popular)
            if len(self._reigns) > MOST_REIGNS:
                del self._reigns[next(iter(self._reigns))]
        known.until_ms = answers.emitted_at_ms
        return known

    def _sampled(self, intakes: Sequence[Intake], listeners: Listeners) -> dict[int, int]:
        """Return the hash of each listener in the sample, a user id in a partition, by their number in the batch."""
        users, mask, sampled = listeners.users, self._mask, dict[int, int]()
        for intake, (first, end) in zip(intakes, pairwise(listeners.bounds.tolist()), strict=True):
            for listener in range(first, end):
                number = crc32(users[listener], intake.partition)
                if not number & mask:
                    sampled[listener] = number
        while len(sampled) > self._most_of_batch:
            self._halve()
            sampled = {listener: number for listener, number in sampled.items() if not number & self._mask}
        return sampled

    def _halve(self) -> None:
        self._mask = 2 * self._mask + 1
        self._in_force = {number: each for number, each in self._in_force.items() if not number & self._mask}

    def _follow(self, number: int, life: int, batch: Batch, given: "_Given", reign: _Reign) -> None:
        """Follow one listener through a batch: each play judges the list that is due, each list takes its place."""
        seen, (first, end) = int(batch.base.plays_seen[life]), batch.bounds[life : life + 2].tolist()
        in_force = self._in_force.pop(number, None)
        if in_force is not None and in_force.plays_seen != seen:
            in_force = None
        for play in range(first, end):
            if in_force is not None and in_force.is_due:
                self._judge(in_force, int(batch.plays.track_keys[play]))
            in_force = given.after(play, in_force, reign)
        if in_force is not None and batch.is_last[life]:
            in_force.plays_seen = seen + end - first
            self._in_force[number] = in_force

    def _judge(self, in_force: _InForce, track: int) -> None:
        is_hit, is_popular = track in in_force.tracks, track in in_force.reign.popular
        in_force.reign.sums.add(in_force.plays, in_force.hits, is_hit=is_hit, is_popular=is_popular)
        in_force.plays += 1
        in_force.hits += is_hit
        in_force.is_due = False
        self._metrics.plays_judged.inc()
        self._metrics.plays_hit.inc(is_hit)


class _Given:
    """The short-term lists of a batch.

    Args:
        answers: of the batch.
        champion: that gave them.
    """

    def __init__(self, answers: Answers, champion: Champion) -> None:
        self._rows, self._published = answers.ranked[0].rows, answers.said.published[0]
        self._keys = champion.release.catalogue.keys
        self._places = {play: place for place, play in enumerate(answers.answered.tolist())}

    def after(self, play: int, in_force: _InForce | None, reign: _Reign) -> _InForce | None:
        """Return the list that is in force after a play: a new one, or the one before, which may be confirmed."""
        if (place := self._places.get(play)) is None:
            return in_force
        if not self._published[place]:
            if in_force is not None:
                in_force.is_due = True
            return in_force
        rows = self._rows[place, :SHORT_TERM_SIZE]
        tracks = self._keys[rows[rows != PAD] - FIRST_TRACK].tolist()
        if in_force is None or in_force.reign is not reign:
            return _InForce(tracks, reign)
        in_force.tracks, in_force.is_due = tracks, True
        return in_force


def _lives(outcome: Outcome, sampled: Collection[int]) -> Iterable[tuple[int, int]]:
    """Return the lives of listeners in the sample, in order, each with its listener's number in the batch."""
    if not outcome.events.forgets.any():
        return zip(sampled, sampled, strict=True)  # each listener has one, in the same order
    lives = enumerate(outcome.batch.listener.tolist())
    return [(life, listener) for life, listener in lives if listener in sampled]


def _show(release_id: str, promoted_at_ms: int, reign: _Reign) -> ReignHits:
    return ReignHits(
        release=release_id,
        promoted_at=promoted_at_ms,
        answered_from=reign.from_ms,
        answered_to=reign.until_ms,
        knows_popular=bool(reign.popular),
        counts=HitCounts(*astuple(reign.sums)),
    )
