"""One step of serving: fold new plays into hidden states, count them, and rank after the anchors.

Laws: batching is invisible and serving is training. Workers and offline evaluation call the same `step`; however a
history is split into steps, whatever else shares its batch, states and scores agree within 1e-5 absolute (float32
sums are taken in another order where shapes differ); counts agree to the last bit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.candidates import Candidates, Moments
from models.config import HORIZONS
from models.networks.network import Network
from models.plays.catalogue import PAD, UNKNOWN
from models.plays.counts import CountMaps, count_plays_at
from models.plays.features import KnownPlays, known_plays, play_features
from models.plays.histories import Histories
from models.plays.ring import RingWindows, latest_known, ring_windows
from models.plays.situation import situations
from models.ranking import mask_tracks, score_tracks, top_k
from models.recommender import Recommender

_MAX_SCORES: Final = {"cpu": 1 << 21, "cuda": 1 << 26}  # held at once: 8 MiB, which a CPU's cache holds; 256 MiB
_SECOND_STAGE_SCORES: Final = 4  # times as many are held beside a second stage, so slices are that much shorter
_MAX_RUN_PLAYS: Final = 1 << 15  # padded plays in one run of the recurrence: 16 MiB of states


@dataclass(frozen=True, slots=True)
class StepInput:
    """What a step works on: B listeners with P plays, A anchors.

    Attributes:
        hidden: float32 (B, H), before the first play to be folded.
        histories: the plays; those already folded in front (what the ring remembers), new ones behind.
        fold_from: int64 (B,), how many leading plays of each listener are in `hidden` already. 0 rebuilds: hidden is
            zeros and every play is folded.
        counts: of the B listeners, before the first play to be counted.
        count_from: int64 (B,), how many leading plays of each are in `counts` already; a rebuild leaves them there.
        anchors: int64 (A,), rising indices into the P plays; an answer is given after each. None may lie before the
            last play already folded, whose state is gone.
    """

    hidden: NDArray[np.float32]
    histories: Histories
    fold_from: NDArray[np.int64]
    counts: CountMaps
    count_from: NDArray[np.int64]
    anchors: NDArray[np.int64]

    @classmethod
    def from_nothing(cls, histories: Histories, anchors: NDArray[np.int64], *, num_hidden: int) -> Self:
        """Lay out whole histories: nothing of them is folded or counted yet."""
        num, nothing = histories.num_listeners, np.zeros(histories.num_listeners, np.int64)
        hidden = np.zeros((num, num_hidden), np.float32)
        return cls(hidden, histories, nothing, CountMaps.empty(num), nothing, anchors)


@dataclass(frozen=True, slots=True)
class Ranked:
    """The lists of one horizon, best first: PAD and -inf where the catalogue was too small.

    Attributes:
        rows: int64 (A, k), of the catalogue.
        scores: float32 (A, k), cos(taste, item) + ring term / temperature.
    """

    rows: NDArray[np.int64]
    scores: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class StepOutput:
    """What a step gives.

    Attributes:
        hidden: float32 (B, H), after each listener's last play; as before where every new play is unknown.
        counts: of the B listeners, after their last play.
        ranked: one a horizon, in the order of HORIZONS.
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
        recommender: what ranks; its network decides the device.
        step_input: states, plays and anchors.
        sizes: length of the lists of each horizon.
        heard_masked: how many of the latest plays of the ring are left out of each horizon's lists; 0: none.

    Raises:
        ValueError: an anchor lies before the last play already folded.
    """
    network = recommender.network
    _refuse_lost_anchors(step_input)
    histories = step_input.histories
    known = known_plays(histories, recommender.catalogue, network.config)
    counts, counts_at = _count(recommender, step_input)
    with torch.inference_mode():
        hidden, moments = _advance(recommender, known, step_input, counts_at)
        ranked = _rank(recommender, moments, sizes=sizes, heard_masked=heard_masked)
        return StepOutput(hidden.cpu().numpy(), counts, ranked)


def candidates_at(recommender: Recommender, step_input: StepInput) -> Candidates:
    """Give the candidates of the second stage at the anchors of a step, and what is known of them.

    Raises:
        ValueError: an anchor lies before the last play already folded.
    """
    network, reranker = recommender.network, recommender.reranker
    assert reranker is not None, "a network alone has no candidates"
    _refuse_lost_anchors(step_input)
    known = known_plays(step_input.histories, recommender.catalogue, network.config)
    with torch.inference_mode():
        _, moments = _advance(recommender, known, step_input, _count(recommender, step_input)[1])
        anchors, tracks, features = [], [], []
        num_anchors = 0
        for moment in moments:
            found = reranker.propose(moment, reranker.config.num_first_stage)
            anchors.append(found.anchors + num_anchors)
            tracks.append(found.tracks)
            features.append(found.features)
            num_anchors += len(moment.heard)
        return Candidates(torch.cat(anchors), torch.cat(tracks), torch.cat(features))


def _refuse_lost_anchors(step_input: StepInput) -> None:
    bounds, anchors = step_input.histories.bounds, step_input.anchors
    listeners = np.searchsorted(bounds, anchors, side="right") - 1
    lost = np.flatnonzero(anchors < (bounds[:-1] + step_input.fold_from)[listeners] - 1)
    if len(lost):
        raise ValueError(
            f"anchor {anchors[lost[0]]} of listener {listeners[lost[0]]} lies before the last play already folded; "
            "its state is gone: set fold_from to 0 and hidden to zeros to rebuild it"
        )


def _fold(network: Network, known: KnownPlays, step_input: StepInput) -> tuple[Tensor, Tensor]:
    """Advance every listener; give the states at the end, (B, H), and at the anchors, (A, H)."""
    bounds, anchors, device = step_input.histories.bounds, step_input.anchors, network.device
    hidden = torch.tensor(step_input.hidden, device=device)  # (B, H), a copy
    starts = np.searchsorted(known.indices, bounds[:-1] + step_input.fold_from)  # the first known play to be folded
    latest = latest_known(known, bounds, anchors)  # (A,)
    listeners = np.searchsorted(bounds, anchors, side="right") - 1  # (A,)
    moved = latest >= starts[listeners]  # elsewhere the state stands as it came
    wanted, places = np.unique(latest[moved], return_inverse=True)

    anchor_hidden = hidden[_tensor(listeners, device)]  # (A, H)
    wanted_hidden = hidden.new_empty(len(wanted), hidden.shape[1])
    places_of_plays = np.full(len(known.rows), -1)
    places_of_plays[wanted] = np.arange(len(wanted))
    for run in _runs(starts, known.bounds[1:]):
        states = network.recur(
            _tensor(known.rows[run.plays], device),
            _tensor(play_features(known, run.plays, network.config), device),
            hidden[_tensor(run.listeners, device)],
        )  # (b, t, H)
        last = _tensor(run.lengths - 1, device)
        hidden[_tensor(run.listeners, device)] = states[torch.arange(len(states), device=device), last]
        answered, times = np.nonzero(run.is_real() & (places_of_plays[run.plays] >= 0))
        wanted_places = places_of_plays[run.plays[answered, times]]
        wanted_hidden[_tensor(wanted_places, device)] = states[_tensor(answered, device), _tensor(times, device)]
    anchor_hidden[_tensor(np.flatnonzero(moved), device)] = wanted_hidden[_tensor(places, device)]
    return hidden, anchor_hidden


@dataclass(frozen=True, slots=True)
class _Run:
    """One run of the recurrence: t more plays of those b listeners who have any left.

    Attributes:
        listeners: int64 (b,).
        plays: int64 (b, t), indices of known plays; the last one again where a listener has fewer.
        lengths: int64 (b,), how many of the t are real, 1..t.
    """

    listeners: NDArray[np.int64]
    plays: NDArray[np.int64]
    lengths: NDArray[np.int64]

    def is_real(self) -> NDArray[np.bool_]:
        """Tell plays from padding: bool (b, t)."""
        return np.arange(self.plays.shape[1]) < self.lengths[:, None]


def _runs(starts: NDArray[np.int64], ends: NDArray[np.int64]) -> Iterator[_Run]:
    """Cut ragged plays into runs that pad at most as much as they fold.

    Runs take 1, 1, 2, 4, ... plays and only the listeners who are not through, so one long history among many single
    plays costs its own length.
    """
    lengths = ends - starts
    done, size = 0, 1
    while len(active := np.flatnonzero(lengths > done)):
        size = max(1, min(size, _MAX_RUN_PLAYS // len(active)))
        left = np.minimum(lengths[active] - done, size)
        offsets = np.minimum(np.arange(left.max()), left[:, None] - 1)
        yield _Run(active, starts[active, None] + done + offsets, left)
        done += size
        size = done


def _count(recommender: Recommender, step_input: StepInput) -> tuple[CountMaps, CountMaps]:
    """Count the new plays: the maps after all of them, and those at the anchors where a second stage reads them."""
    anchors = step_input.anchors if recommender.reranker is not None else np.empty(0, np.int64)
    bounds, track_keys = step_input.histories.bounds, step_input.histories.track_keys
    return count_plays_at(step_input.counts, bounds, track_keys, step_input.count_from, anchors)


def _advance(
    recommender: Recommender, known: KnownPlays, step_input: StepInput, counts: CountMaps
) -> tuple[Tensor, Iterator[Moments]]:
    """Fold the new plays; give the states, (B, H), and what is known at the anchors, slice by slice."""
    bounds, anchors = step_input.histories.bounds, step_input.anchors
    hidden, anchor_hidden = _fold(recommender.network, known, step_input)
    counted_rows = recommender.catalogue.rows(counts.track_keys)
    seen = _Seen(
        hidden=anchor_hidden,
        rings=ring_windows(known, bounds, anchors),
        situations=situations(known, bounds, anchors),
        counted_rows=np.where(counted_rows == UNKNOWN, PAD, counted_rows),
        counts=counts.counts,
    )
    return hidden, _moments(recommender, seen)


class _Seen(NamedTuple):
    """What is seen at A anchors; counts only where a second stage reads them."""

    hidden: Tensor
    rings: RingWindows
    situations: NDArray[np.float32]
    counted_rows: NDArray[np.int64]
    counts: NDArray[np.float32]


def _moments(recommender: Recommender, seen: _Seen) -> Iterator[Moments]:
    """Score the catalogue for the states, a slice of the anchors at a time."""
    network, rings = recommender.network, seen.rings
    items = network.items()  # (M, E)
    num_scores = _MAX_SCORES[network.device.type] // (1 if recommender.reranker is None else _SECOND_STAGE_SCORES)
    slice_size = max(1, num_scores // len(items))
    for begin in range(0, max(len(seen.hidden), 1), slice_size):
        part = slice(begin, begin + slice_size)
        read = network.read(seen.hidden[part])  # (a, H)
        rows, groups, plays_ago, heard = (
            _tensor(columns[part], read.device).long()
            for columns in (rings.rows, rings.groups, rings.plays_ago, rings.heard)
        )  # (a, W)
        yield Moments(
            scores=tuple(
                score_tracks(network, items, read, rows=rows, groups=groups, horizon=horizon)
                for horizon in range(len(HORIZONS))
            ),  # (a, M) each
            temperature=network.temperature,
            ring_rows=rows,
            ring_groups=groups,
            plays_ago=plays_ago,
            heard=heard,
            situations=_tensor(seen.situations[part], read.device),
            counted_rows=_tensor(seen.counted_rows[part], read.device),
            counts=_tensor(seen.counts[part], read.device),
        )


def _rank(
    recommender: Recommender, moments: Iterable[Moments], *, sizes: tuple[int, ...], heard_masked: tuple[int, ...]
) -> tuple[Ranked, ...]:
    """Rank after every anchor."""
    parts: list[list[tuple[Tensor, Tensor]]] = [[] for _ in HORIZONS]
    for moment in moments:
        for horizon, ranked in enumerate(_rank_slice(recommender, moment, sizes, heard_masked)):
            parts[horizon].append(ranked)
    return tuple(
        Ranked(*(torch.cat(columns).cpu().numpy() for columns in zip(*of_horizon, strict=True))) for of_horizon in parts
    )


def _rank_slice(
    recommender: Recommender, moments: Moments, sizes: tuple[int, ...], heard_masked: tuple[int, ...]
) -> list[tuple[Tensor, Tensor]]:
    """Rank by the second stage where there is one: rows and scores (a, k) of each horizon."""
    masked = [
        moments.ring_rows.masked_fill(moments.plays_ago >= num_masked, PAD) if num_masked else None
        for num_masked in heard_masked
    ]
    if recommender.reranker is not None:
        return recommender.reranker.rank(moments, masked, sizes)
    return [
        top_k(scores if rows is None else mask_tracks(scores, rows), size)
        for scores, rows, size in zip(moments.scores, masked, sizes, strict=True)
    ]


def _tensor(array: NDArray[Any], device: torch.device) -> Tensor:
    return torch.from_numpy(array).to(device)
