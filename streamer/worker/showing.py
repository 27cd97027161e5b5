"""Showing: a listener's state, lists and reasons as a worker's arrays hold them -> what goes out as JSON."""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.config import CONTEXTS, HORIZONS
from models.plays.catalogue import FIRST_TRACK, PAD, UNKNOWN, Catalogue
from models.serving.reasons import Counted, Reason, explain
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
from streamer.worker.reason_words import Tracks, words_of
from streamer.worker.what_if import Answered, Ranking


def show_lists(ranking: Ranking, answered: Answered | None) -> Lists:
    """Return lists without reasons; none if there are none."""
    if answered is None:
        return ()
    catalogue, lists = ranking.release.catalogue, []
    for number, ranked in enumerate(answered.ranked):
        is_there = ranked.rows[0] != PAD
        names, scores = _names(catalogue, ranked.rows[0][is_there]), ranked.scores[0][is_there].tolist()
        lists.append(ShownList(HORIZONS[number], tuple(map(ShownTrack, names, scores))))
    return tuple(lists)


def show_explained(ranking: Ranking, answered: Answered | None) -> Lists:
    """Return lists with reasons."""
    if answered is None:
        return ()
    recommender, catalogue = ranking.release.recommender, ranking.release.catalogue
    rows = [ranked.rows[0] for ranked in answered.ranked]
    reasons = explain(recommender, answered.step_input, rows, heard_masked=ranking.heard_masked)
    names = _names_in(itertools.chain.from_iterable(reasons), catalogue)
    tracks = Tracks(names.__getitem__, len(catalogue.track_ids))
    return tuple(
        ShownList(
            shown.horizon,
            tuple(
                ShownTrack(track.track_id, track.score, _why(reason, tracks))
                for track, reason in zip(shown.tracks, of_list, strict=True)
            ),
        )
        for shown, of_list in zip(show_lists(ranking, answered), reasons, strict=True)
    )


def show_plays(states: States, catalogue: Catalogue | None) -> tuple[RememberedPlay, ...]:
    """Return the remembered plays of one listener, latest first."""
    length, seen = int(states.ring_lengths[0]), int(states.plays_seen[0])
    keys, bits = states.ring_track_keys[0, :length], states.ring_bits[0].tolist()
    times, contexts = states.ring_played_at_ms[0].tolist(), states.ring_contexts[0].tolist()
    columns = zip(keys.tolist(), _names_of_keys(catalogue, keys), times, contexts, bits, strict=False)
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
        for key, name, times in zip(keys.tolist(), _names_of_keys(catalogue, keys), plays, strict=True)
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


def _why(reason: Reason, tracks: Tracks) -> Why:
    ring, second_stage = reason.ring, reason.second_stage
    return Why(
        words_of(reason, tracks),
        reason.cosine,
        ShownRing(ring.plays_ago, ring.total, ring.recency, ring.times, ring.bigram) if ring else None,
        tuple(ShownBecause(tracks.name(each.row), each.plays_ago, each.loss) for each in reason.because),
        _show_counted(reason.counted) if reason.counted else None,
        ShownSecondStage(second_stage.logit, second_stage.mean, second_stage.contributions) if second_stage else None,
    )


def _show_counted(counted: Counted) -> ShownCounts:
    values = _COUNTED(counted)
    return ShownCounts(*(values if all(map(math.isfinite, values)) else map(_finite, values)))


#: What is shown of counts.
_COUNTED: Final = attrgetter(*ShownCounts.__struct_fields__)


def _finite(value: float) -> float:
    return value if math.isfinite(value) else 0.0


def _names_in(reasons: Iterable[Reason], catalogue: Catalogue) -> Mapping[int, str]:
    """Name all tracks that reasons speak of, at once."""
    rows = list({row for reason in reasons for row in (reason.row, *(each.row for each in reason.because))})
    return dict(zip(rows, _names(catalogue, np.array(rows, np.int64)), strict=True))


def _names(catalogue: Catalogue, rows: NDArray[np.int64]) -> list[str]:
    return catalogue.track_ids.take(rows - FIRST_TRACK)


def _names_of_keys(catalogue: Catalogue | None, keys: NDArray[np.uint64]) -> Sequence[str | None]:
    """Name tracks by their keys, None where the catalogue does not know one."""
    if catalogue is None:
        return [None] * len(keys)
    rows = catalogue.rows(keys)
    known = iter(_names(catalogue, rows[rows != UNKNOWN]))
    return [None if row == UNKNOWN else next(known) for row in rows.tolist()]
