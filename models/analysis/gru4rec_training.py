"""Training GRU4Rec: sessions side by side, sampled losses, Adagrad with momentum."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from models.analysis.gru4rec import Gru4Rec, Gru4RecConfig, sequences_of
from models.plays.catalogue import FIRST_TRACK
from models.plays.split import Split

_EPSILON: Final = 1e-6
_TINY: Final = 1e-24  # keeps a logarithm finite


@dataclass(frozen=True, slots=True)
class Epoch:
    """The result of an epoch.

    Attributes:
        number: from 1.
        loss: mean over its plays.
        model: as it is after the epoch, in eval mode during the call.
    """

    number: int
    loss: float
    model: Gru4Rec


def fit_gru4rec(split: Split, config: Gru4RecConfig, *, progress: Callable[[Epoch], None] = lambda _: None) -> Gru4Rec:
    """Train on the plays before T1.

    Args:
        split: the plays.
        config: hyperparameters.
        progress: called after every epoch.

    Returns:
        The network, in eval mode.

    Raises:
        FloatingPointError: the loss is not finite; the learning rate is too high.
    """
    rng = np.random.default_rng(config.seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model = Gru4Rec(config, len(split.catalogue))
        training = _Training.of(model, split)
        for number in range(1, config.epochs + 1):
            loss = training.run_epoch(rng)
            if not np.isfinite(loss):
                raise FloatingPointError(f"the loss of epoch {number} is {loss}; lower the learning rate in {config}")
            progress(Epoch(number, loss, model.eval()))
            model.train()
    return model.eval()


def cross_entropy(scores: Tensor, log_expected: Tensor) -> Tensor:
    """Average -log softmax over the candidates at the target.

    Args:
        scores: float32 (B, Y), of candidates: the B targets, then the samples; row b has its own target in column b.
        log_expected: float32 (Y,), subtracted from the scores.

    Returns:
        float32 ().
    """
    return functional.cross_entropy(scores - log_expected, torch.arange(len(scores)))


def bpr_max(scores: Tensor, *, elu: float, regularisation: float) -> Tensor:
    """Average -log sum_j s_j sigmoid(r_i - r_j) + regularisation * sum_j s_j r_j^2, s the softmax over the negatives j.

    Args:
        scores: float32 (B, Y), as for `cross_entropy`.
        elu: parameter of the elu the scores go through first; 0: none.
        regularisation: weight of the second term.

    Returns:
        float32 ().

    Source: Hidasi and Karatzoglou 2018, equation 9, with regularisation as in equation 10.
    """
    if elu:
        scores = functional.elu(scores, elu)
    targets = scores.diagonal()[:, None]  # (B, 1)
    shares = scores.masked_fill(torch.eye(*scores.shape, dtype=torch.bool), -torch.inf).softmax(dim=1)  # (B, Y)
    above = (shares * torch.sigmoid(targets - scores)).sum(dim=1)  # (B,)
    return (regularisation * (shares * scores**2).sum(dim=1) - torch.log(above + _TINY)).mean()


@dataclass(frozen=True, slots=True)
class SessionBatch:
    """One step of B sequences side by side.

    Attributes:
        plays: int64 (B,), the current play of each; the target is the one after it.
        previous: int64 (B,), the index of each sequence in the previous batch.
        fresh: bool (B,), the sequence has just begun, in place of one that ended.
    """

    plays: NDArray[np.int64]
    previous: NDArray[np.int64]
    fresh: NDArray[np.bool_]


def session_parallel_batches(
    bounds: NDArray[np.int64], order: NDArray[np.int64], batch_size: int
) -> Iterator[SessionBatch]:
    """Walk through sequences side by side; when one ends, the next takes its lane, as long as there are any.

    Four sequences, three lanes; a play is the current one, its target the one after it:

        sequences   A = a0 a1 a2    B = b0 b1    C = c0 c1 c2 c3    D = d0 d1

        batch   lane 0   lane 1   lane 2     previous  fresh
          0       a0       b0       c0       0 1 2     yes yes yes
          1       a1       d0*      c1       0 1 2     no  yes no        * B has ended: D takes lane 1
          2       -        -        c2       2         no                A and D have ended: two lanes close

    Args:
        bounds: int64 (S + 1,), of sequences of at least two plays.
        order: int64 (S,), the order in which they enter.
        batch_size: number of lanes.

    Source: Hidasi et al. 2016, figure 2.
    """
    lanes, waiting = order[:batch_size], order[batch_size:]  # (B,), the sequences in the lanes; those yet to enter
    plays, previous, fresh = bounds[lanes], np.arange(len(lanes)), np.ones(len(lanes), np.bool_)  # (B,) each
    while len(plays):
        yield SessionBatch(plays, previous, fresh)
        plays = plays + 1
        fresh = plays >= bounds[lanes + 1] - 1
        ended = np.flatnonzero(fresh)
        taken, dropped = ended[: len(waiting)], ended[len(waiting) :]  # lanes for the next sequences; lanes that close
        lanes = lanes.copy()
        lanes[taken], waiting = waiting[: len(taken)], waiting[len(taken) :]
        plays[taken] = bounds[lanes[taken]]
        previous = np.delete(np.arange(len(plays)), dropped)
        lanes, plays, fresh = lanes[previous], plays[previous], fresh[previous]


@dataclass(frozen=True, slots=True)
class _Training:
    """A model in training.

    Attributes:
        model: its weights are changed.
        adagrad: its optimizer.
        tracks: int64 (P,), 0..M-1, of the plays before T1 in sequences of at least two.
        bounds: int64 (S + 1,), of these sequences.
        shares: float64 (M,), of the plays before T1.
        drawn: float64 (M,), probability of each track as a sample.
    """

    model: Gru4Rec
    adagrad: _Adagrad
    tracks: NDArray[np.int64]
    bounds: NDArray[np.int64]
    shares: NDArray[np.float64]
    drawn: NDArray[np.float64]

    @classmethod
    def of(cls, model: Gru4Rec, split: Split) -> _Training:
        train = split.histories.played_at_ms < split.t1_ms
        plays, bounds = sequences_of(split, model.config, train)
        is_long = np.diff(bounds) > 1  # (S,)
        is_used = np.repeat(is_long, np.diff(bounds))  # (P,)
        counts = np.bincount(split.rows[train] - FIRST_TRACK, minlength=len(split.catalogue))
        powers = counts**model.config.sample_exponent
        return cls(
            model=model,
            adagrad=_Adagrad(model.config),
            tracks=split.rows[plays[is_used]] - FIRST_TRACK,
            bounds=np.concatenate([[0], np.cumsum(np.diff(bounds)[is_long])]),
            shares=counts / counts.sum(),
            drawn=powers / powers.sum(),
        )

    def run_epoch(self, rng: np.random.Generator) -> float:
        """Pass over all sequences in random order; return the mean loss of their plays."""
        config = self.model.config
        below = np.cumsum(self.drawn)
        hidden = torch.zeros(config.batch_size, config.num_units)
        total, num_plays = 0.0, 0
        order = rng.permutation(len(self.bounds) - 1)
        for batch in session_parallel_batches(self.bounds, order, config.batch_size):
            hidden = hidden[torch.from_numpy(batch.previous)]  # (B, H)
            hidden[torch.from_numpy(batch.fresh)] = 0
            samples = np.searchsorted(below, rng.random(config.num_samples) * below[-1], side="right")
            loss, hidden = self._step(batch, samples, hidden)
            total += loss * len(batch.plays)
            num_plays += len(batch.plays)
        return total / num_plays

    def _step(self, batch: SessionBatch, samples: NDArray[np.int64], hidden: Tensor) -> tuple[float, Tensor]:
        """Move every sequence by one play and the weights by one gradient; only the rows involved are touched."""
        model = self.model
        played = self.tracks[batch.plays]  # (B,)
        candidates = np.concatenate([self.tracks[batch.plays + 1], samples])  # (Y,)
        biases, outputs = _cut(model.biases, candidates), _cut(model.outputs, candidates)  # (Y,), (Y, H)
        inputs = _cut(model.inputs, played)  # (B, E)
        inputs_read = functional.dropout(inputs, model.config.embedding_dropout)
        hidden = functional.dropout(model.cell(inputs_read, hidden), model.config.hidden_dropout)  # (B, H)
        loss = self._loss(torch.addmm(biases, hidden, outputs.T), candidates)
        loss.backward()  # type: ignore[no-untyped-call]  # torch does not annotate it
        self.adagrad.move_rows(model.biases, candidates, [biases])
        if model.inputs is model.outputs:
            self.adagrad.move_rows(model.outputs, np.concatenate([candidates, played]), [outputs, inputs])
        else:
            self.adagrad.move_rows(model.outputs, candidates, [outputs])
            self.adagrad.move_rows(model.inputs, played, [inputs])
        for weights in model.cell.parameters():
            self.adagrad.move(weights)
        return float(loss.detach()), hidden.detach()

    def _loss(self, scores: Tensor, candidates: NDArray[np.int64]) -> Tensor:
        config, num = self.model.config, len(scores)
        if config.loss == "bpr-max":
            return bpr_max(scores, elu=config.elu, regularisation=config.regularisation)
        log_expected = np.log(self.expected(candidates, num))
        return cross_entropy(scores, torch.from_numpy(config.logq * log_expected).to(scores))

    def expected(self, tracks: NDArray[np.int64], num_targets: int) -> NDArray[np.float64]:
        """Compute how often each track is expected among the candidates of a batch, as a target or as a sample."""
        return num_targets * self.shares[tracks] + self.model.config.num_samples * self.drawn[tracks]


class _Adagrad:
    """Adagrad with momentum, for whole weights or some of their rows.

    Equation: G += g^2; m = momentum * m - rate * g / sqrt(G + epsilon); w += m.
    """

    def __init__(self, config: Gru4RecConfig) -> None:
        self._rate = config.learning_rate
        self._momentum = config.momentum
        self._states: dict[nn.Parameter, tuple[Tensor, Tensor]] = {}

    @torch.no_grad()
    def move(self, weights: nn.Parameter) -> None:
        """Move weights along their gradient, and clear it."""
        assert weights.grad is not None
        squares, moves = self._state(weights)
        squares.addcmul_(weights.grad, weights.grad)
        moves.mul_(self._momentum).addcdiv_(weights.grad, (squares + _EPSILON).sqrt_(), value=-self._rate)
        weights.add_(moves)
        weights.grad = None

    @torch.no_grad()
    def move_rows(self, weights: nn.Parameter, rows: NDArray[np.int64], leaves: Sequence[Tensor]) -> None:
        """Move rows along the gradients of the leaves cut from them, in the same order; a row may occur twice."""
        distinct, places = (torch.from_numpy(each) for each in np.unique(rows, return_inverse=True))
        gradient = weights.new_zeros(len(distinct), *weights.shape[1:])  # (distinct rows, ...)
        gradient.index_add_(0, places, torch.cat([leaf.grad for leaf in leaves if leaf.grad is not None]))
        squares, moves = self._state(weights)
        summed = squares.index_select(0, distinct).addcmul_(gradient, gradient)
        squares.index_copy_(0, distinct, summed)
        moved = gradient.div_(summed.add_(_EPSILON).sqrt_()).mul_(-self._rate)
        if self._momentum:
            moved.add_(moves.index_select(0, distinct), alpha=self._momentum)
            moves.index_copy_(0, distinct, moved)
        weights.index_add_(0, distinct, moved)

    def _state(self, weights: nn.Parameter) -> tuple[Tensor, Tensor]:
        if weights not in self._states:
            self._states[weights] = torch.zeros_like(weights.data), torch.zeros_like(weights.data)
        return self._states[weights]


def _cut(weights: nn.Parameter, rows: NDArray[np.int64]) -> Tensor:
    """Copy rows into a leaf with a gradient of its own."""
    return weights.detach().index_select(0, torch.from_numpy(rows)).requires_grad_()
