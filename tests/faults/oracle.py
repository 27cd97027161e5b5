"""The oracle: what an uninterrupted worker would remember and answer, folded offline, one listener at a time.

It shares `models.serving.step.step` with the product, whose laws have tests of their own, and nothing of
`streamer.worker.batch`, `streamer.wire.state` or Kafka: rings, repeats, counters and counts are plain Python, one play
at a time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from models.config import HORIZONS, RING_SIZE
from models.plays.catalogue import FIRST_TRACK, track_key
from models.plays.histories import Histories
from models.release import Release
from models.serving.step import Ranked, step
from models.serving.step_input import StepInput
from tests.counting import counted
from tests.faults.load import Event


@dataclass(frozen=True, slots=True)
class RememberedPlay:
    """A play as the ring stores it."""

    offset: int
    track_key: int
    played_at_ms: int
    context: int
    skipped: bool
    repeats: bool


@dataclass(frozen=True, slots=True)
class ExpectedAnswer:
    """The correct answer to a play.

    Attributes:
        offset: of the play.
        plays_seen: up to and including the play.
        played_at_ms: of the play.
        release: the one that ranked the list.
        scores: float32 (tracks,) for each horizon, of the whole catalogue in its order.
    """

    offset: int
    plays_seen: int
    played_at_ms: int
    release: Release
    scores: tuple[NDArray[np.float32], ...]


@dataclass(frozen=True, slots=True)
class ExpectedState:
    """The correct state of a listener; `hidden` is empty if no release was known at the last play."""

    release_key: int
    plays_folded: int
    plays_seen: int
    repeats_seen: int
    source_offset: int
    played_at_ms: int
    ring: tuple[RememberedPlay, ...]
    counts: Mapping[int, float]
    hidden: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Expected:
    """The correct answers and final state of a listener.

    Attributes:
        answers: in the order of offsets; None is a tombstone.
        state: None if the listener was forgotten, or never played.
    """

    answers: Sequence[ExpectedAnswer | None]
    state: ExpectedState | None


def expect(events: Sequence[tuple[int, Event]], releases: Mapping[int, Release]) -> Expected:
    """Fold a listener's plays and tombstones.

    Args:
        events: with their offsets, in order.
        releases: the release that answers the play at an offset; none if it is not answered.
    """
    answers: list[ExpectedAnswer] = []
    state = None
    for _, life in groupby(_numbered_by_life(events), key=lambda numbered: numbered[0]):
        plays: list[RememberedPlay] = []
        for _, offset, event in life:
            if event.is_play:
                plays.append(_remember(plays, offset, event))
        life_answers, state = _expect_life(plays, releases) if plays else ([], None)
        answers += life_answers
    by_offset = {answer.offset: answer for answer in answers}
    return Expected([by_offset.get(offset) for offset, event in events if event.forgets or offset in by_offset], state)


def _numbered_by_life(events: Sequence[tuple[int, Event]]) -> list[tuple[int, int, Event]]:
    """Number each event's life; a tombstone is the first event of the next."""
    life, numbered = 0, []
    for offset, event in events:
        life += event.forgets
        numbered.append((life, offset, event))
    return numbered


def _remember(plays: Sequence[RememberedPlay], offset: int, event: Event) -> RememberedPlay:
    key = track_key(event.track_id)
    repeats = any(play.track_key == key for play in plays[-RING_SIZE:])
    return RememberedPlay(offset, key, event.played_at_ms, event.context, event.skipped, repeats)


def _expect_life(
    plays: Sequence[RememberedPlay], releases: Mapping[int, Release]
) -> tuple[list[ExpectedAnswer], ExpectedState]:
    """Fold the plays of one life: a new release rebuilds the state from the ring, then continues."""
    answers: list[ExpectedAnswer] = []
    hidden, plays_folded, release_key = np.zeros(0, np.float32), 0, 0
    num_done = 0
    for _, group in groupby(plays, key=lambda play: getattr(releases.get(play.offset), "key", 0)):
        played = list(group)
        release = releases.get(played[0].offset)
        if release is not None:
            num_remembered = min(num_done, RING_SIZE)
            plays_folded = num_remembered + len(played)
            ring = plays[num_done - num_remembered : num_done]
            hidden, release_answers = _fold(release, ring, played, num_done)
            answers += release_answers
            release_key = release.key
        num_done += len(played)
    state = ExpectedState(
        release_key=release_key,
        plays_folded=plays_folded,
        plays_seen=len(plays),
        repeats_seen=sum(play.repeats for play in plays),
        source_offset=plays[-1].offset,
        played_at_ms=plays[-1].played_at_ms,
        ring=tuple(plays[-RING_SIZE:]),
        counts=counted(play.track_key for play in plays),
        hidden=hidden,
    )
    return answers, state


def _fold(
    release: Release, ring: Sequence[RememberedPlay], played: Sequence[RememberedPlay], num_before: int
) -> tuple[NDArray[np.float32], list[ExpectedAnswer]]:
    """Fold ring and plays from a zero state; answer each play with the whole catalogue."""
    output = step(
        release.recommender,
        StepInput.from_nothing(
            _histories([*ring, *played]),
            np.arange(len(ring), len(ring) + len(played)),
            num_hidden=release.network.config.hidden_size,
        ),
        sizes=(len(release.catalogue),) * len(HORIZONS),
    )
    scores = [_by_track(ranked) for ranked in output.ranked]
    answers = [
        ExpectedAnswer(
            offset=play.offset,
            plays_seen=num_before + number + 1,
            played_at_ms=play.played_at_ms,
            release=release,
            scores=tuple(of_horizon[number] for of_horizon in scores),
        )
        for number, play in enumerate(played)
    ]
    return output.hidden[0], answers


def _by_track(ranked: Ranked) -> NDArray[np.float32]:
    """Return the scores of each answer in the order of the catalogue: float32 (answers, tracks)."""
    scores = np.empty_like(ranked.scores)
    np.put_along_axis(scores, ranked.rows - FIRST_TRACK, ranked.scores, axis=1)
    return scores


def _histories(plays: Sequence[RememberedPlay]) -> Histories:
    return Histories(
        bounds=np.array([0, len(plays)]),
        track_keys=np.array([play.track_key for play in plays], np.uint64),
        played_at_ms=np.array([play.played_at_ms for play in plays], np.int64),
        contexts=np.array([play.context for play in plays], np.uint8),
        repeats=np.array([play.repeats for play in plays], np.bool_),
    )
