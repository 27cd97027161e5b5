"""The optimizer: Adam, which touches only the item vectors that a batch reads if the softmax is sampled.

A batch with a sampled softmax reads a few thousand vectors of a catalogue of any size. While it is computed, the
network holds these rows alone, so that neither the gradients, nor their norm, nor the update touch any others.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.config import TrainingConfig
from models.networks.items import TrainedItems
from models.networks.network import Network

_BETAS: Final = (0.9, 0.999)
_EPSILON: Final = 1e-8
_ROWS: Final = "rows."
_MOMENTS: Final = ("exp_avg", "exp_avg_sq", "step")
_MAX_DRIFT_STEPS: Final = 256  # a first moment is then 1e-12 of what it was
_SETTLED_ROWS: Final = 1 << 16  # at once; bounds memory


class Optimizer:
    """Updates the weights of a network from their gradients.

    Args:
        network: on its device.
        config: the rate at its peak.
        is_sampled: batches name the rows of the item vectors that they read; otherwise each reads all of them.
    """

    def __init__(self, network: Network, config: TrainingConfig, *, is_sampled: bool) -> None:
        assert isinstance(network.embedding, TrainedItems)  # `make_network` makes no others
        self._items, weight = network.embedding, network.embedding.weight
        dense = [each for each in network.parameters() if not is_sampled or each is not weight]
        self._dense = torch.optim.Adam(dense, lr=config.learning_rate, betas=_BETAS, eps=_EPSILON)
        self._rows = RowAdam(weight.detach()) if is_sampled else None

    def set_rate(self, rate: float) -> None:
        """Set the learning rate of the next steps."""
        for group in self._dense.param_groups:
            group["lr"] = rate

    @contextmanager
    def reading(self, rows: NDArray[np.int64] | None) -> Iterator[None]:
        """Let the network hold some rows of its item vectors alone, in a leaf that gets their gradients.

        Args:
            rows: int64 (R,), distinct: row r of the network is row rows[r] of the catalogue meanwhile; None: all.
        """
        if rows is None:
            yield
            return
        assert self._rows is not None  # only a sampled softmax names rows
        whole = self._items.weight
        self._items.weight = nn.Parameter(self._rows.read(torch.from_numpy(rows).to(whole.device)))
        try:
            yield
        finally:
            self._items.weight = whole

    def step(self, rows: NDArray[np.int64] | None) -> None:
        """Update the weights from their gradients, while the network is `reading` the rows."""
        self._dense.step()
        weights = self._items.weight
        if self._rows is not None and rows is not None and weights.grad is not None:
            places, rate = torch.from_numpy(rows).to(weights.device), self._dense.param_groups[0]["lr"]
            self._rows.step(places, weights.detach(), weights.grad, rate)

    def settle(self) -> None:
        """Let the network hold its final weights; no step may follow."""
        if self._rows is not None:
            self._rows.settle()

    def state(self) -> dict[str, Tensor]:
        """Return every moment by name."""
        moments = {
            f"{number}.{name}": moment
            for number, of_weight in self._dense.state_dict()["state"].items()
            for name, moment in of_weight.items()
        }
        return moments | ({} if self._rows is None else {_ROWS + name: each for name, each in self._rows.state.items()})

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Continue from what `state` returned."""
        moments: dict[int, dict[str, Tensor]] = {}
        for name, moment in state.items():
            number, _, kind = name.partition(".")
            if self._rows is not None and name.startswith(_ROWS):
                self._rows.state[kind] = moment.to(self._rows.state[kind])  # `drifts` grows with the steps
            else:
                moments.setdefault(int(number), {})[kind] = moment
        self._dense.load_state_dict(self._dense.state_dict() | {"state": moments})


class RowAdam:
    """Adam that reads and writes only the rows that a batch names, and yet moves all of them as Adam does.

    In Adam, a row without a gradient still moves, by its first moment, which shrinks from step to step: a rare track
    goes most of its way like this. From its last gradient at step s on, both moments only shrink, so that the distance
    is the quotient of the moments at s times a factor that all rows of that step share:

        drifts[s] = sum over later steps i of rate_i * sqrt(1 - b2^i) / (1 - b1^i) * (b1 / sqrt(b2))^(i - s)

    A row is moved by it when a batch next reads the row, and at the end.

    Args:
        weights: float32 (M, E), updated in place.

    Source: Kingma and Ba 2015. Epsilon is taken to shrink with the second moment, by a few percent at most.
    """

    def __init__(self, weights: Tensor) -> None:
        self._weights = weights
        self.state = {
            "exp_avg": torch.zeros_like(weights),  # (M, E), as of the row's last gradient
            "exp_avg_sq": torch.zeros_like(weights),  # (M, E), the same
            "step": weights.new_zeros(len(weights), dtype=torch.int64),  # (M,), of that gradient; 0: none yet
            "drifts": torch.zeros(1, dtype=torch.float64, device=weights.device),  # (steps done + 1,)
        }

    def read(self, rows: Tensor) -> Tensor:
        """Return the weights of some rows as of now: float32 (R, E), for rows int64 (R,)."""
        first, second, last = (self.state[name][rows] for name in _MOMENTS)
        drift = self.state["drifts"][last].to(first.dtype)[:, None]  # (R, 1)
        scale = _EPSILON * (1 - _BETAS[1] ** last.clamp(min=1)).sqrt()[:, None]
        return self._weights[rows] - drift * first / (second.sqrt() + scale)

    def step(self, rows: Tensor, weights: Tensor, gradients: Tensor, rate: float) -> None:
        """Update some rows.

        Args:
            rows: int64 (R,), distinct.
            weights: float32 (R, E), as `read` returned them; overwritten.
            gradients: float32 (R, E).
            rate: the learning rate.
        """
        drifts = self.state["drifts"]
        step = len(drifts)
        pace = rate * math.sqrt(1 - _BETAS[1] ** step) / (1 - _BETAS[0] ** step)
        first, second, last = (self.state[name][rows] for name in _MOMENTS)
        idle = (step - last)[:, None]  # (R, 1)
        first.mul_(_BETAS[0] ** idle).add_(gradients, alpha=1 - _BETAS[0])
        second.mul_(_BETAS[1] ** idle).addcmul_(gradients, gradients, value=1 - _BETAS[1])
        scale = _EPSILON * math.sqrt(1 - _BETAS[1] ** step)
        self._weights[rows] = weights.addcdiv_(first, second.sqrt().add_(scale), value=-pace)
        for name, moment in zip(_MOMENTS, (first, second, torch.full_like(last, step)), strict=True):
            self.state[name][rows] = moment
        recent = drifts[-_MAX_DRIFT_STEPS:]
        recent += pace * (_BETAS[0] / math.sqrt(_BETAS[1])) ** torch.arange(len(recent), 0, -1).to(recent)
        self.state["drifts"] = torch.cat([drifts, drifts.new_zeros(1)])

    def settle(self) -> None:
        """Bring all rows to where they are now; no step may follow."""
        for rows in torch.arange(len(self._weights), device=self._weights.device).split(_SETTLED_ROWS):  # type: ignore[no-untyped-call]  # torch does not annotate it
            self._weights[rows] = self.read(rows)
