"""GRU4Rec: a recurrent network over sessions, trained on mini-batches of sessions side by side.

It exists for comparison; nothing serves it. Choices that the two papers leave open are documented where they are made.

Source: Hidasi et al. 2016 (session-parallel mini-batches, negatives from the batch), Hidasi and Karatzoglou 2018 (extra
samples, cross-entropy and BPR-max losses, constrained embedding). As in both, each play is one step of the optimizer,
and no gradient flows further back than one play.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.plays.catalogue import FIRST_TRACK
from models.plays.split import Lists, Split
from models.serving.ranking import top_k

_MAX_SCORES: Final = 1 << 22  # held at once: 16 MiB


@dataclass(frozen=True, slots=True)
class Gru4RecConfig:
    """Hyperparameters.

    Attributes:
        loss: over the targets of the batch and the samples.
        sequences: hidden states start from zero at each session, or only at each listener's first play.
        num_units: of the recurrence; also the size of the output vectors.
        embedding_size: of the inputs; None: the output vectors are the inputs too (constrained embedding).
        epochs: passes over the plays.
        batch_size: sequences side by side.
        embedding_dropout: share of an input that is dropped.
        hidden_dropout: share of a state that is dropped, both for the scores and for the next play.
        learning_rate: Adagrad's.
        momentum: share of a step that the next one repeats.
        num_samples: negatives drawn per batch, in addition to the other targets in it.
        sample_exponent: negatives are drawn in proportion to popularity to this power.
        logq: factor of a correction subtracted from each score: the logarithm of how often the track is expected among
            the candidates, as a target of the batch or as a sample; cross-entropy only.
        elu: parameter of the elu that scores go through; 0: none; BPR-max only.
        regularisation: factor of the squared scores of negatives; BPR-max only.
        seed: of every random choice.
    """

    loss: Literal["cross-entropy", "bpr-max"] = "cross-entropy"
    sequences: Literal["session", "listener"] = "session"
    num_units: int = 100
    embedding_size: int | None = None
    epochs: int = 10
    batch_size: int = 64
    embedding_dropout: float = 0.0
    hidden_dropout: float = 0.0
    learning_rate: float = 0.1
    momentum: float = 0.0
    num_samples: int = 2048
    sample_exponent: float = 0.5
    logq: float = 0.0
    elu: float = 0.0
    regularisation: float = 0.0
    seed: int = 1


class Gru4Rec(nn.Module):
    """The network: input vector -> GRU -> scores of tracks.

    B sequences, H units, E size of an input, M tracks, Y candidates.
    """

    def __init__(self, config: Gru4RecConfig, num_tracks: int) -> None:
        super().__init__()
        self.config = config
        self.outputs = _glorot(num_tracks, config.num_units)  # (M, H)
        self.biases = nn.Parameter(torch.zeros(num_tracks))
        size = config.embedding_size
        self.inputs = self.outputs if size is None else _glorot(num_tracks, size)  # (M, E)
        self.cell = nn.GRUCell(self.inputs.shape[1], config.num_units)
        for name, weights in self.cell.named_parameters():
            if name.startswith("bias"):
                nn.init.zeros_(weights)
            else:
                bound = (6 / (weights.shape[0] / 3 + weights.shape[1])) ** 0.5  # of each gate
                nn.init.uniform_(weights, -bound, bound)

    def states(self, tracks: NDArray[np.int64], bounds: NDArray[np.int64]) -> Tensor:
        """Follow sequences from zero states.

        Args:
            tracks: int64 (P,), 0..M-1, one sequence after the other.
            bounds: int64 (B + 1,), of the sequences.

        Returns:
            float32 (P, H), after each play.
        """
        lengths = np.diff(bounds)
        order = np.argsort(-lengths, kind="stable")
        states = torch.empty(len(tracks), self.config.num_units)
        hidden = torch.zeros(len(lengths), self.config.num_units)
        for place in range(int(lengths.max(initial=0))):
            plays = (
                bounds[:-1][order[: np.searchsorted(-lengths[order], -place)]] + place
            )  # (b,), of sequences that have one
            hidden = self.cell(self.inputs[torch.from_numpy(tracks[plays])], hidden[: len(plays)])  # (b, H)
            states[torch.from_numpy(plays)] = hidden
        return states

    def rank(self, split: Split, anchors: NDArray[np.int64]) -> Lists:
        """Rank the catalogue after some plays (rising indices); both horizons have the same order."""
        plays, bounds = sequences_of(split, self.config)
        sequences = np.unique(np.searchsorted(bounds, anchors, side="right") - 1)  # those with an anchor
        needed = np.concatenate([np.empty(0, np.int64), *(plays[bounds[one] : bounds[one + 1]] for one in sequences)])
        lists = [torch.empty((0, 100), dtype=torch.int64)]
        with torch.inference_mode():
            states = self.states(
                split.rows[needed] - FIRST_TRACK, np.concatenate([[0], np.cumsum(np.diff(bounds)[sequences])])
            )
            states = states[torch.from_numpy(np.searchsorted(needed, anchors))]  # (A, H)
            size = max(1, _MAX_SCORES // len(self.biases))
            for begin in range(0, len(states), size):
                scores = torch.addmm(self.biases, states[begin : begin + size], self.outputs.T)  # (a, M)
                lists.append(top_k(scores, 100)[0])
        rows = torch.cat(lists).numpy()
        return Lists(rows[:, :20], rows)


def sequences_of(
    split: Split, config: Gru4RecConfig, chosen: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cut the (chosen) plays into sequences: int64 (P,), indices of plays, and int64 (S + 1,), bounds of sequences."""
    starts = split.session_starts
    if config.sequences == "listener":
        starts = np.zeros(len(split.rows), np.bool_)
        starts[split.histories.bounds[:-1]] = True
    plays = np.arange(len(split.rows)) if chosen is None else np.flatnonzero(chosen)
    numbers = np.cumsum(starts)[plays]
    return plays, np.append(np.flatnonzero(np.diff(numbers, prepend=-1)), len(plays))


def _glorot(num_rows: int, num_columns: int) -> nn.Parameter:
    bound = (6 / (num_rows + num_columns)) ** 0.5
    return nn.Parameter(torch.empty(num_rows, num_columns).uniform_(-bound, bound))
