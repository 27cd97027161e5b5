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

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.config import RING_SIZE
from models.plays.catalogue import FIRST_TRACK, PAD, UNKNOWN
from models.plays.counts import CountMaps, count_plays_at
from models.plays.features import KnownPlays, known_plays
from models.plays.ring import ring_windows
from models.plays.situation import situations
from models.serving.asking import KnownAtAnchors, ask, ask_on_cpu
from models.serving.candidates import tracks_of
from models.serving.folding import fold
from models.serving.kernel_arrays import BestArrays
from models.serving.moments import Best, Moments
from models.serving.ranking import relative_likelihoods
from models.serving.recommender import Recommender
from models.serving.reranker import Candidates
from models.serving.scoring import finish
from models.serving.shortlist import best_of
from models.serving.step_input import StepInput
from models.serving.vocabulary import NO_TRACK


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
        hidden, at_anchors = _advance(recommender, known, step_input, counts_at)
        ranked = _rank(recommender, at_anchors, sizes=sizes, heard_masked=heard_masked)
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
    at_anchors = known_at_anchors(recommender, step_input)
    with torch.inference_mode():
        for part in at_anchors.slices():
            yield ask(recommender, part, num_best)


def known_at_anchors(recommender: Recommender, step_input: StepInput) -> KnownAtAnchors:
    """Return what is known at the anchors of a step before the first stage looks.

    Raises:
        ValueError: an anchor lies before the last play already folded.
    """
    _reject_lost_anchors(step_input)
    known = known_plays(step_input.histories, recommender.catalogue, recommender.network.config)
    with torch.inference_mode():
        _, counts = _count(recommender, step_input)
        return _advance(recommender, known, step_input, counts)[1]


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
    recommender: Recommender, known: KnownPlays, step_input: StepInput, counts: CountMaps
) -> tuple[Tensor, KnownAtAnchors]:
    """Fold the new plays; return the states, (B, H), and what is known at the anchors."""
    bounds, anchors = step_input.histories.bounds, step_input.anchors
    hidden, anchor_hidden = fold(recommender, known, step_input)
    counted_rows = recommender.catalogue.rows(counts.track_keys)
    return hidden, KnownAtAnchors(
        hidden=anchor_hidden,
        rings=ring_windows(known, bounds, anchors),
        situations=situations(known, bounds, anchors),
        counted_rows=np.where(counted_rows == UNKNOWN, PAD, counted_rows),
        counts=counts.counts,
    )


def _rank(
    recommender: Recommender, at_anchors: KnownAtAnchors, *, sizes: tuple[int, ...], heard_masked: tuple[int, ...]
) -> tuple[Ranked, ...]:
    """Rank at every anchor: slices of the lists of each horizon, put together again."""
    compiled, num_best = recommender.compiled_reranker, num_best_of(recommender, sizes, heard_masked)
    slices: list[list[Ranked]] = []
    for part in at_anchors.slices():
        if compiled is not None:
            lists = compiled.rank(ask_on_cpu(recommender, part, num_best), heard_masked, sizes)
            slices.append([_finished(each) for each in lists])
        else:
            moments = ask(recommender, part, num_best)
            slices.append([_ranked(each) for each in _rank_slice(recommender, moments, sizes, heard_masked)])
    return tuple(slices[0]) if len(slices) == 1 else tuple(map(_joined, zip(*slices, strict=True)))


def _rank_slice(
    recommender: Recommender, moments: Moments, sizes: tuple[int, ...], heard_masked: tuple[int, ...]
) -> list[Best]:
    """Rank by the second stage if there is one: tracks and logits of each horizon."""
    masked = [
        tracks_of(moments.ring_rows).masked_fill(moments.plays_ago >= num_masked, NO_TRACK)
        for num_masked in heard_masked
    ]
    if recommender.reranker is not None:
        return recommender.reranker.rank(moments, masked, sizes, recommender.withdrawn)
    return [
        _first_stage_list(moments, horizon, tracks, size)
        for horizon, (tracks, size) in enumerate(zip(masked, sizes, strict=True))
    ]


def _first_stage_list(moments: Moments, horizon: int, masked: Tensor, size: int) -> Best:
    """Leave tracks out of the shortlist: tracks and logits (a, k)."""
    tracks, scores = moments.best.tracks[horizon], moments.best.scores[horizon]
    is_masked = (tracks[:, :, None] == masked[:, None, :]).any(2)
    return best_of(tracks, scores.masked_fill(is_masked, -torch.inf) * moments.temperature, size)


def _ranked(best: Best) -> Ranked:
    rows = (best.tracks + FIRST_TRACK).masked_fill(best.tracks < 0, PAD)
    return Ranked(rows.cpu().numpy(), relative_likelihoods(best.scores).cpu().numpy())


def _finished(lists: BestArrays) -> Ranked:
    finish(lists)
    return Ranked(*lists)


def _joined(slices: Sequence[Ranked]) -> Ranked:
    return Ranked(np.concatenate([each.rows for each in slices]), np.concatenate([each.scores for each in slices]))


def num_best_of(recommender: Recommender, sizes: tuple[int, ...], heard_masked: tuple[int, ...]) -> int:
    """Return how many tracks of the first stage suffice, whatever is masked."""
    num_listed = max(sizes) + RING_SIZE * any(heard_masked)
    reranker = recommender.reranker
    return num_listed if reranker is None else max(num_listed, reranker.config.num_first_stage)
