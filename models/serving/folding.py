"""Folding: new plays move each listener's state, on a CPU one by one, on a GPU in runs with little padding."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.compiled import compiled
from models.networks.network import Network
from models.plays.features import KnownPlays, play_features
from models.plays.ring import latest_known
from models.serving.compiled_network import move_states
from models.serving.recommender import Recommender
from models.serving.step_input import StepInput

_MAX_RUN_PLAYS: Final = 1 << 15  # padded plays in one run of the recurrence: 16 MiB of states


def fold(recommender: Recommender, known: KnownPlays, step_input: StepInput) -> tuple[Tensor, Tensor]:
    """Advance every listener; return the states at the end, (B, H), and at the anchors, (A, H)."""
    if recommender.compiled_network is None:
        return _fold_in_runs(recommender.network, known, step_input)
    bounds = step_input.histories.bounds
    ends, plays = _new_plays(known.indices, bounds, step_input.fold_from)
    features = play_features(known, plays, recommender.network.config)  # (N, F)
    new_plays = ends, known.indices[plays], known.rows[plays], features
    states = np.array(step_input.hidden, np.float32, order="C")  # (B, H), a copy
    at_anchors = move_states(recommender.compiled_network, new_plays, bounds, step_input.anchors, states)
    return torch.from_numpy(states), torch.from_numpy(at_anchors)


@compiled
def _new_plays(
    indices: NDArray[np.int64], bounds: NDArray[np.int64], fold_from: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """List the known plays to fold: where those of each listener end, (B,), and which they are, (N,).

    Args:
        indices: of the K known plays among P.
        bounds: (B + 1,), the listeners among the P plays.
        fold_from: (B,), how many leading plays of each listener are folded already.
    """
    starts, stops = np.searchsorted(indices, bounds[:-1] + fold_from), np.searchsorted(indices, bounds[1:])
    ends = np.cumsum(stops - starts)
    plays = np.empty(ends[-1] if len(ends) else 0, np.int64)
    for listener in range(len(ends)):
        num = stops[listener] - starts[listener]
        plays[ends[listener] - num : ends[listener]] = np.arange(starts[listener], stops[listener])
    return ends, plays


def _fold_in_runs(network: Network, known: KnownPlays, step_input: StepInput) -> tuple[Tensor, Tensor]:
    """Fold by torch, many listeners at once.

    Only the states that some anchor needs are kept along the way. One listener whose first known play is folded already
    (fold_from 1); x is unknown, K are indices of known plays:

        plays      a  b  x  c        K   0  1  .  2        starts 1
        anchors    0  2  3           latest known play   0  1  2
                                     is_moved            no yes yes      no: the state is still the given one
        needed     1  2              the known plays after which a state is kept
        places     0  1              of the moved anchors among the needed ones; several anchors may share one
    """
    bounds, anchors, device = step_input.histories.bounds, step_input.anchors, network.device
    hidden = torch.tensor(step_input.hidden, device=device)  # (B, H), a copy
    starts = np.searchsorted(known.indices, bounds[:-1] + step_input.fold_from)  # (B,), first known play to fold
    latest = latest_known(known, bounds, anchors)  # (A,)
    listeners = np.searchsorted(bounds, anchors, side="right") - 1  # (A,)
    is_moved = latest >= starts[listeners]  # (A,)
    needed, places = np.unique(latest[is_moved], return_inverse=True)

    anchor_hidden = hidden[to_tensor(listeners, device)]  # (A, H)
    needed_hidden = hidden.new_empty(len(needed), hidden.shape[1])
    places_of_plays = np.full(len(known.rows), -1)  # (K,)
    places_of_plays[needed] = np.arange(len(needed))
    for run in _runs(starts, known.bounds[1:]):
        states = network.recur(
            to_tensor(known.rows[run.plays], device),
            to_tensor(play_features(known, run.plays, network.config), device),
            hidden[to_tensor(run.listeners, device)],
        )  # (b, t, H)
        last = to_tensor(run.lengths - 1, device)  # (b,)
        hidden[to_tensor(run.listeners, device)] = states[torch.arange(len(states), device=device), last]
        rows, times = np.nonzero(run.is_real() & (places_of_plays[run.plays] >= 0))
        run_places = places_of_plays[run.plays[rows, times]]
        needed_hidden[to_tensor(run_places, device)] = states[to_tensor(rows, device), to_tensor(times, device)]
    anchor_hidden[to_tensor(np.flatnonzero(is_moved), device)] = needed_hidden[to_tensor(places, device)]
    return hidden, anchor_hidden


@dataclass(frozen=True, slots=True)
class _PaddedRun:
    """One run of the recurrence: up to t more plays of the b listeners who have any left.

    Attributes:
        listeners: int64 (b,).
        plays: int64 (b, t), indices of known plays; a listener with fewer than t has its last one repeated.
        lengths: int64 (b,), how many of the t are real, 1..t.
    """

    listeners: NDArray[np.int64]
    plays: NDArray[np.int64]
    lengths: NDArray[np.int64]

    def is_real(self) -> NDArray[np.bool_]:
        """Mark plays, as opposed to padding: bool (b, t)."""
        return np.arange(self.plays.shape[1]) < self.lengths[:, None]


def _runs(starts: NDArray[np.int64], ends: NDArray[np.int64]) -> Iterator[_PaddedRun]:
    """Cut ragged plays into runs that pad at most as much as they fold.

    Runs take 1, 1, 2, 4, ... plays of the listeners who have any left, so one long history among many single plays
    costs only its own length:

        run          0    1    2           3
        a, 6 plays   a0   a1   a2  a3      a4  a5
        b, 1 play    b0
        c, 3 plays   c0   c1   c2  (c2)                    in brackets: padding
    """
    lengths = ends - starts
    done, size = 0, 1
    while len(active := np.flatnonzero(lengths > done)):
        size = max(1, min(size, _MAX_RUN_PLAYS // len(active)))
        left = np.minimum(lengths[active] - done, size)
        offsets = np.minimum(np.arange(left.max()), left[:, None] - 1)
        yield _PaddedRun(active, starts[active, None] + done + offsets, left)
        done += size
        size = done


def to_tensor(array: NDArray[Any], device: torch.device) -> Tensor:
    """Put an array on a device."""
    return torch.from_numpy(array).to(device)
