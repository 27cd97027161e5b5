"""Showing: a listener's state, lists and reasons as a worker's arrays hold them -> what goes out as JSON."""

import math
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from models.config import CONTEXTS, HORIZONS
from models.plays.catalogue import FIRST_TRACK, PAD, UNKNOWN, Catalogue
from models.serving.reasons import Reason, explain
from streamer.wire.state import BIT_REPEATS, BIT_SKIPPED, NO_RELEASE, States
from streamer.wire.views import (
    CountedTrack,
    Lists,
    RememberedPlay,
    ShownBecause,
    ShownCounts,
    ShownLineage,
    ShownList,
    ShownRing,
    ShownSecondStage,
    ShownTrack,
    Why,
)
from streamer.worker.reason_words import words_of
from streamer.worker.what_if import Answered, Ranking


def show_lists(ranking: Ranking, answered: Answered | None) -> Lists:
    """Return lists without reasons; none if there are none."""
    if answered is None:
        return ()
    catalogue, lists = ranking.release.catalogue, []
    for number, ranked in enumerate(answered.ranked):
        rows, scores = ranked.rows[0], ranked.scores[0]
        listed = [
            ShownTrack(_name(catalogue, row), score)
            for row, score in zip(rows.tolist(), scores.tolist(), strict=True)
            if row != PAD
        ]
        lists.append(ShownList(HORIZONS[number], tuple(listed)))
    return tuple(lists)


def show_explained(ranking: Ranking, answered: Answered | None) -> Lists:
    """Return lists with reasons."""
    if answered is None:
        return ()
    recommender, catalogue = ranking.release.recommender, ranking.release.catalogue
    rows = [ranked.rows[0] for ranked in answered.ranked]
    reasons = explain(recommender, answered.step_input, rows, heard_masked=ranking.heard_masked)
    return tuple(
        ShownList(
            shown.horizon,
            tuple(
                ShownTrack(track.track_id, track.score, _why(reason, catalogue))
                for track, reason in zip(shown.tracks, of_list, strict=True)
            ),
        )
        for shown, of_list in zip(show_lists(ranking, answered), reasons, strict=True)
    )


def show_plays(states: States, catalogue: Catalogue | None) -> tuple[RememberedPlay, ...]:
    """Return the remembered plays of one listener, latest first."""
    length, seen = int(states.ring_lengths[0]), int(states.plays_seen[0])
    keys, bits = states.ring_track_keys[0, :length], states.ring_bits[0].tolist()
    columns = zip(
        keys.tolist(), _names(catalogue, keys), states.ring_played_at_ms[0].tolist(), states.ring_contexts[0].tolist(),
        bits,
        strict=False,
    )  # fmt: skip
    plays = [
        RememberedPlay(
            number=seen - length + 1 + place,
            track_key=f"{key:016x}",
            track_id=name,
            played_at=played_at_ms,
            context=CONTEXTS[context],
            skipped=bool(of_play & BIT_SKIPPED),
            repeats=bool(of_play & BIT_REPEATS),
        )
        for place, (key, name, played_at_ms, context, of_play) in enumerate(columns)
    ]
    return tuple(reversed(plays))


def show_counts(states: States, catalogue: Catalogue | None) -> tuple[CountedTrack, ...]:
    """Return the counts of one listener, most played first."""
    order = np.argsort(-states.counts[0], kind="stable")
    order = order[states.counts[0, order] > 0]
    keys, plays = states.counted_track_keys[0, order], states.counts[0, order].tolist()
    return tuple(
        CountedTrack(f"{key:016x}", name, times)
        for key, name, times in zip(keys.tolist(), _names(catalogue, keys), plays, strict=True)
    )


def show_lineage(states: States, partition: int, state_bytes: int, release: tuple[str, int] | None) -> ShownLineage:
    """Return where the state of one listener comes from; the release that answers is given by id and key."""
    key, promoted_at_ms = int(states.release_key[0]), int(states.promoted_at_ms[0])
    return ShownLineage(
        partition=partition,
        source_offset=int(states.source_offset[0]),
        played_at=int(states.played_at_ms[0]),
        plays_seen=int(states.plays_seen[0]),
        plays_folded=int(states.plays_folded[0]),
        repeats_seen=int(states.repeats_seen[0]),
        release=release[0] if release and release[1] == key else None,
        release_key=f"{key:016x}",
        promoted_at=None if promoted_at_ms == NO_RELEASE else promoted_at_ms,
        state_bytes=state_bytes,
    )


def _why(reason: Reason, catalogue: Catalogue) -> Why:
    ring, counted, second_stage = reason.ring, reason.counted, reason.second_stage
    return Why(
        words=words_of(reason, lambda row: _name(catalogue, row)),
        cosine=reason.cosine,
        ring=ShownRing(**asdict(ring)) if ring else None,
        because=tuple(ShownBecause(_name(catalogue, each.row), each.plays_ago, each.loss) for each in reason.because),
        counts=ShownCounts(**{name: _finite(value) for name, value in asdict(counted).items()}) if counted else None,
        second_stage=ShownSecondStage(**asdict(second_stage)) if second_stage else None,
    )


def _finite(value: float) -> float:
    return value if math.isfinite(value) else 0.0


def _name(catalogue: Catalogue, row: int) -> str:
    return catalogue.track_ids[row - FIRST_TRACK]


def _names(catalogue: Catalogue | None, keys: NDArray[np.uint64]) -> Sequence[str | None]:
    """Name tracks by their keys, None where the catalogue does not know one."""
    if catalogue is None:
        return [None] * len(keys)
    return [None if row == UNKNOWN else _name(catalogue, row) for row in catalogue.rows(keys).tolist()]
