"""Folding: new plays move each listener's state, in runs that pad little."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.networks.network import Network
from models.plays.features import KnownPlays, play_features
from models.plays.ring import latest_known
from models.serving.step_input import StepInput

_MAX_RUN_PLAYS: Final = 1 << 15  # padded plays in one run of the recurrence: 16 MiB of states


def fold(network: Network, known: KnownPlays, step_input: StepInput) -> tuple[Tensor, Tensor]:
    """Advance every listener; give the states at the end, (B, H), and at the anchors, (A, H)."""
    bounds, anchors, device = step_input.histories.bounds, step_input.anchors, network.device
    hidden = torch.tensor(step_input.hidden, device=device)  # (B, H), a copy
    starts = np.searchsorted(known.indices, bounds[:-1] + step_input.fold_from)  # the first known play to be folded
    latest = latest_known(known, bounds, anchors)  # (A,)
    listeners = np.searchsorted(bounds, anchors, side="right") - 1  # (A,)
    moved = latest >= starts[listeners]  # elsewhere the state stands as it came
    wanted, places = np.unique(latest[moved], return_inverse=True)

    anchor_hidden = hidden[to_tensor(listeners, device)]  # (A, H)
    wanted_hidden = hidden.new_empty(len(wanted), hidden.shape[1])
    places_of_plays = np.full(len(known.rows), -1)
    places_of_plays[wanted] = np.arange(len(wanted))
    for run in _runs(starts, known.bounds[1:]):
        states = network.recur(
            to_tensor(known.rows[run.plays], device),
            to_tensor(play_features(known, run.plays, network.config), device),
            hidden[to_tensor(run.listeners, device)],
        )  # (b, t, H)
        last = to_tensor(run.lengths - 1, device)
        hidden[to_tensor(run.listeners, device)] = states[torch.arange(len(states), device=device), last]
        answered, times = np.nonzero(run.is_real() & (places_of_plays[run.plays] >= 0))
        wanted_places = places_of_plays[run.plays[answered, times]]
        wanted_hidden[to_tensor(wanted_places, device)] = states[to_tensor(answered, device), to_tensor(times, device)]
    anchor_hidden[to_tensor(np.flatnonzero(moved), device)] = wanted_hidden[to_tensor(places, device)]
    return hidden, anchor_hidden


@dataclass(frozen=True, slots=True)
class _PaddedRun:
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


def _runs(starts: NDArray[np.int64], ends: NDArray[np.int64]) -> Iterator[_PaddedRun]:
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
        yield _PaddedRun(active, starts[active, None] + done + offsets, left)
        done += size
        size = done


def to_tensor(array: NDArray[Any], device: torch.device) -> Tensor:
    """Put an array on a device."""
    return torch.from_numpy(array).to(device)
