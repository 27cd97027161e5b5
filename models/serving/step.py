"""One step of serving: fold new plays into hidden states, count them, and rank after the anchors.

Laws: batching is invisible, and serving is training. Workers and offline evaluation call the same `step`. However a
history is split into steps, and whatever shares its batch, states agree within 1e-5 absolute (float32 sums are taken in
another order when shapes differ), scores within 1e-3 (the cosine of a short taste vector magnifies its rounding, and
the temperature the cosine), and counts agree to the last bit.

    plays ---> fold ---> states at the anchors ---+
      |                                           +---> moments ---> top-k, or the second stage ---> lists
      +------> rings, situations, counts ---------+        a slice of the anchors at a time
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.config import HORIZONS, RING_SIZE
from models.plays.catalogue import FIRST_TRACK, PAD, UNKNOWN
from models.plays.counts import CountMaps, count_plays_at
from models.plays.features import KnownPlays, known_plays
from models.plays.ring import RingWindows, ring_windows
from models.plays.situation import situations
from models.serving.candidates import tracks_of
from models.serving.folding import fold, to_tensor
from models.serving.moments import Best, Moments
from models.serving.ranking import relative_likelihoods
from models.serving.reading import tastes_and_terms
from models.serving.recommender import Recommender
from models.serving.reranker import Candidates
from models.serving.shortlist import best_of, shortlists
from models.serving.step_input import StepInput
from models.serving.vocabulary import NO_TRACK

_SLICE: Final = {"cpu": 512, "cuda": 2048}  # anchors whose candidates are held at once


@dataclass(frozen=True, slots=True)
class Ranked:
    """The lists of one horizon, best first; PAD and 0 where the catalogue is too small.

    Attributes:
        rows: int64 (A, k), of the catalogue.
        scores: float32 (A, k), how likely each track is relative to the best of its list, by the stage that ranked
            it: see `relative_likelihoods`.
    """

    rows: NDArray[np.int64]
    scores: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class StepOutput:
    """The output of a step.

    Attributes:
        hidden: float32 (B, H), after each listener's last play; unchanged where every new play is unknown.
        counts: of the B listeners, after their last play.
        ranked: one per horizon, in the order of HORIZONS.
    """

    hidden: NDArray[np.float32]
    counts: CountMaps
    ranked: tuple[Ranked, ...]


def step(
    recommender: Recommender,
    step_input: StepInput,
    *,
    sizes: tuple[int, ...] = (20, 50),
    heard_masked: tuple[int, ...] = (0, 0),
) -> StepOutput:
    """Fold and count, then rank.

    Args:
        recommender: ranks; the step runs on the device of its network.
        step_input: states, plays and anchors.
        sizes: length of the lists of each horizon.
        heard_masked: the tracks of how many of the latest plays in the ring are left out of each horizon's lists.

    Raises:
        ValueError: an anchor lies before the last play already folded.
    """
    network = recommender.network
    _reject_lost_anchors(step_input)
    histories = step_input.histories
    known = known_plays(histories, recommender.catalogue, network.config)
    counts, counts_at = _count(recommender, step_input)
    with torch.inference_mode():
        num_best = _num_best(recommender, sizes, heard_masked)
        hidden, moments = _advance(recommender, known, step_input, counts_at, num_best)
        ranked = _rank(recommender, moments, sizes=sizes, heard_masked=heard_masked)
        return StepOutput(hidden.cpu().numpy(), counts, ranked)


def candidates_at(recommender: Recommender, step_input: StepInput) -> Candidates:
    """Return the candidates of the second stage at the anchors of a step, with their features.

    Raises:
        ValueError: an anchor lies before the last play already folded.
    """
    reranker = recommender.reranker
    assert reranker is not None, "only a second stage has candidates"
    with torch.inference_mode():
        anchors, tracks, features = [], [], []
        num_anchors = 0
        for moment in moments_at(recommender, step_input, reranker.config.num_first_stage):
            proposed = (recommender.compiled_reranker or reranker).propose(moment)
            anchors.append(proposed.anchors + num_anchors)  # a slice numbers its own anchors from 0
            tracks.append(proposed.tracks)
            features.append(proposed.features)
            num_anchors += len(moment.heard)
        return Candidates(torch.cat(anchors), torch.cat(tracks), torch.cat(features))


def moments_at(recommender: Recommender, step_input: StepInput, num_best: int) -> Iterator[Moments]:
    """Return what is known at the anchors of a step, a slice of them at a time.

    Args:
        recommender: as for a step.
        step_input: as for a step.
        num_best: tracks wanted of the first stage.

    Raises:
        ValueError: an anchor lies before the last play already folded.
    """
    _reject_lost_anchors(step_input)
    known = known_plays(step_input.histories, recommender.catalogue, recommender.network.config)
    with torch.inference_mode():
        _, counts = _count(recommender, step_input)
        yield from _advance(recommender, known, step_input, counts, num_best)[1]


def _reject_lost_anchors(step_input: StepInput) -> None:
    bounds, anchors = step_input.histories.bounds, step_input.anchors
    listeners = np.searchsorted(bounds, anchors, side="right") - 1
    lost = np.flatnonzero(anchors < (bounds[:-1] + step_input.fold_from)[listeners] - 1)
    if len(lost):
        raise ValueError(
            f"anchor {anchors[lost[0]]} of listener {listeners[lost[0]]} lies before the last play already folded; "
            "its state is gone: set fold_from to 0 and hidden to zeros to rebuild it"
        )


def _count(recommender: Recommender, step_input: StepInput) -> tuple[CountMaps, CountMaps]:
    """Count the new plays; return the maps after all of them, and, for a second stage, those at the anchors."""
    anchors = step_input.anchors if recommender.reranker is not None else np.empty(0, np.int64)
    bounds, track_keys = step_input.histories.bounds, step_input.histories.track_keys
    return count_plays_at(step_input.counts, bounds, track_keys, step_input.count_from, anchors)


def _advance(
    recommender: Recommender, known: KnownPlays, step_input: StepInput, counts: CountMaps, num_best: int
) -> tuple[Tensor, Iterator[Moments]]:
    """Fold the new plays; return the states, (B, H), and what is known at the anchors, slice by slice."""
    bounds, anchors = step_input.histories.bounds, step_input.anchors
    hidden, anchor_hidden = fold(recommender, known, step_input)
    counted_rows = recommender.catalogue.rows(counts.track_keys)
    at_anchors = _KnownAtAnchors(
        hidden=anchor_hidden,
        rings=ring_windows(known, bounds, anchors),
        situations=situations(known, bounds, anchors),
        counted_rows=np.where(counted_rows == UNKNOWN, PAD, counted_rows),
        counts=counts.counts,
    )
    return hidden, _moments(recommender, at_anchors, num_best)


class _KnownAtAnchors(NamedTuple):
    """What is known at A anchors, before the first stage looks; counts only if there is a second stage."""

    hidden: Tensor
    rings: RingWindows
    situations: NDArray[np.float32]
    counted_rows: NDArray[np.int64]
    counts: NDArray[np.float32]


def _moments(recommender: Recommender, at_anchors: _KnownAtAnchors, num_best: int) -> Iterator[Moments]:
    """Ask the first stage at the anchors, a slice of them at a time, so that few candidates are held at once.

    Without anchors there is one empty slice, so that lists have their shapes.
    """
    rings, network = at_anchors.rings, recommender.network
    for begin in range(0, max(len(at_anchors.hidden), 1), size := _SLICE[network.device.type]):
        part = slice(begin, begin + size)
        window = rings.part(part)
        tastes, terms = tastes_and_terms(recommender, at_anchors.hidden[part], window)
        if not tastes.isfinite().all():  # no track is close to it, and an empty list would hide that
            raise FloatingPointError("a taste vector is not finite")
        rows, groups, plays_ago, heard = (
            to_tensor(columns, tastes.device).long()
            for columns in (window.rows, window.groups, window.plays_ago, window.heard)
        )  # (a, P)
        yield Moments(
            best=shortlists(recommender.first_stage, recommender.items, tastes, (tracks_of(rows), terms), num_best),
            tastes=tastes,
            terms=terms,
            items=recommender.items,
            temperature=network.temperature,
            ring_rows=rows,
            ring_groups=groups,
            plays_ago=plays_ago,
            heard=heard,
            situations=to_tensor(at_anchors.situations[part], tastes.device),
            counted_rows=to_tensor(at_anchors.counted_rows[part], tastes.device),
            counts=to_tensor(at_anchors.counts[part], tastes.device),
        )


def _rank(
    recommender: Recommender, moments: Iterable[Moments], *, sizes: tuple[int, ...], heard_masked: tuple[int, ...]
) -> tuple[Ranked, ...]:
    """Rank at every anchor: slices of the lists of each horizon, put together again."""
    parts: list[list[Best]] = [[] for _ in HORIZONS]
    for moment in moments:
        for horizon, ranked in enumerate(_rank_slice(recommender, moment, sizes, heard_masked)):
            parts[horizon].append(ranked)
    return tuple(_ranked(of_horizon) for of_horizon in parts)


def _rank_slice(
    recommender: Recommender, moments: Moments, sizes: tuple[int, ...], heard_masked: tuple[int, ...]
) -> list[Best]:
    """Rank by the second stage if there is one: tracks and logits of each horizon."""
    if recommender.compiled_reranker is not None:
        return recommender.compiled_reranker.rank(moments, heard_masked, sizes)
    masked = [
        tracks_of(moments.ring_rows).masked_fill(moments.plays_ago >= num_masked, NO_TRACK)
        for num_masked in heard_masked
    ]
    if recommender.reranker is not None:
        return recommender.reranker.rank(moments, masked, sizes)
    return [
        _first_stage_list(moments, horizon, tracks, size)
        for horizon, (tracks, size) in enumerate(zip(masked, sizes, strict=True))
    ]


def _first_stage_list(moments: Moments, horizon: int, masked: Tensor, size: int) -> Best:
    """Leave tracks out of the shortlist: tracks and logits (a, k)."""
    tracks, scores = moments.best.tracks[horizon], moments.best.scores[horizon]
    is_masked = (tracks[:, :, None] == masked[:, None, :]).any(2)
    return best_of(tracks, scores.masked_fill(is_masked, -torch.inf) * moments.temperature, size)


def _ranked(slices: Sequence[Best]) -> Ranked:
    tracks, logits = (torch.cat(columns) for columns in zip(*slices, strict=True))
    rows = (tracks + FIRST_TRACK).masked_fill(tracks < 0, PAD)
    return Ranked(rows.cpu().numpy(), relative_likelihoods(logits).cpu().numpy())


def _num_best(recommender: Recommender, sizes: tuple[int, ...], heard_masked: tuple[int, ...]) -> int:
    """Return how many tracks of the first stage suffice, whatever is masked."""
    num_listed = max(sizes) + RING_SIZE * any(heard_masked)
    reranker = recommender.reranker
    return num_listed if reranker is None else max(num_listed, reranker.config.num_first_stage)
