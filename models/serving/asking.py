"""Asking: what the first stage says at the anchors of a step, beside all else that is known there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.plays.ring import RingWindows
from models.serving.candidates import tracks_of
from models.serving.folding import to_tensor
from models.serving.kernel_arrays import AnchorArrays
from models.serving.moments import Best, Moments
from models.serving.reading import tastes_and_terms
from models.serving.recommender import Recommender
from models.serving.shortlist import merged, shortlists

_SLICE: Final = {"cpu": 512, "cuda": 2048}  # anchors whose candidates are held at once


class KnownAtAnchors(NamedTuple):
    """What is known at A anchors, before the first stage looks; counts only if there is a second stage."""

    hidden: Tensor
    rings: RingWindows
    situations: NDArray[np.float32]
    counted_rows: NDArray[np.int64]
    counts: NDArray[np.float32]

    def slices(self) -> Iterator[KnownAtAnchors]:
        """Take a slice at a time, so that few candidates are held at once.

        Without anchors there is one empty slice, so that lists have their shapes.
        """
        num, size = len(self.hidden), _SLICE[self.hidden.device.type]
        if num <= size:
            yield self
            return
        for begin in range(0, num, size):
            part = slice(begin, begin + size)
            columns = self.situations[part], self.counted_rows[part], self.counts[part]
            yield KnownAtAnchors(self.hidden[part], self.rings.part(part), *columns)


def ask(recommender: Recommender, known: KnownAtAnchors, num_best: int) -> Moments:
    """Ask the first stage for its best tracks at the anchors of a slice.

    Raises:
        FloatingPointError: a taste vector is not finite.
    """
    if recommender.network.device.type == "cpu":
        arrays = ask_on_cpu(recommender, known, num_best)
        best_tracks, best_scores, tastes, terms, *columns = map(torch.from_numpy, arrays)
        columns[1] = columns[1].long()
        return Moments(
            Best(best_tracks, best_scores), tastes, terms, recommender.items, recommender.network.temperature, *columns
        )
    tastes, terms = tastes_and_terms(recommender, known.hidden, known.rings)
    _require_finite(bool(tastes.isfinite().all()))
    rings = known.rings
    rows, groups, plays_ago, heard, listable = (
        to_tensor(columns, tastes.device).long()
        for columns in (rings.rows, rings.groups, rings.plays_ago, rings.heard, recommender.listable(rings.rows))
    )  # (a, P)
    return Moments(
        best=shortlists(recommender.first_stage, recommender.items, tastes, (tracks_of(listable), terms), num_best),
        tastes=tastes,
        terms=terms,
        items=recommender.items,
        temperature=recommender.network.temperature,
        ring_rows=rows,
        ring_groups=groups,
        plays_ago=plays_ago,
        heard=heard,
        situations=to_tensor(known.situations, tastes.device),
        counted_rows=to_tensor(known.counted_rows, tastes.device),
        counts=to_tensor(known.counts, tastes.device),
    )


def ask_on_cpu(recommender: Recommender, known: KnownAtAnchors, num_best: int) -> AnchorArrays:
    """Ask as `ask` does, and lay out the answer for the kernels.

    Raises:
        FloatingPointError: a taste vector is not finite.
    """
    rings = known.rings
    tastes, terms = (tensor.numpy() for tensor in tastes_and_terms(recommender, known.hidden, rings))
    _require_finite(bool(np.isfinite(tastes).all()))
    asked = tastes, recommender.listable(rings.rows), terms
    best_tracks, best_scores = merged(recommender.first_stage, recommender.items.numpy(), asked, num_best)
    return AnchorArrays(
        best_tracks=best_tracks,
        best_scores=best_scores,
        tastes=tastes,
        terms=terms,
        ring_rows=rings.rows,
        ring_groups=rings.groups,
        plays_ago=rings.plays_ago,
        heard=rings.heard,
        situations=known.situations,
        counted_rows=known.counted_rows,
        counts=known.counts,
    )


def _require_finite(is_finite: bool) -> None:  # noqa: FBT001
    if not is_finite:  # no track is close to it, and an empty list would hide that
        raise FloatingPointError("a taste vector is not finite")
