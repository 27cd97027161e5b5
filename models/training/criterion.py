"""The criterion: the targets of a network after each play of a batch, and the loss of its answers.

Law: serving is training. Plays pass through the featuriser, the rings and the forward that serve them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.config import TrainingConfig
from models.networks.network import Network
from models.plays.catalogue import FIRST_TRACK, PAD
from models.plays.features import KnownPlays, play_features
from models.plays.ring import ring_windows
from models.training.loss import RingTerms, cosine_loss, full_softmax_loss, sampled_softmax_loss, squared_loss


@dataclass(frozen=True, slots=True)
class Pieces:
    """Stretches of listeners' known plays, each run from a zero state.

    Attributes:
        begins: int64 (S,), the first play of each piece.
        ends: int64 (S,), one past the last play of each piece.
        limits: int64 (S,), one past the listener's last play: targets are below it.
        part: the pieces of a batch that this process computes; random numbers are drawn for all pieces.
    """

    begins: NDArray[np.int64]
    ends: NDArray[np.int64]
    limits: NDArray[np.int64]
    part: slice = field(default_factory=lambda: slice(None))

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Count the plays of each: int64 (S,)."""
        return self.ends - self.begins

    def of(self, chosen: NDArray[np.int64] | slice) -> Pieces:
        """Take some of them."""
        return Pieces(self.begins[chosen], self.ends[chosen], self.limits[chosen])

    def plays(self) -> NDArray[np.int64]:
        """List their plays, piece by piece: int64 (N,)."""
        lengths = self.lengths
        plays: NDArray[np.int64] = np.repeat(self.begins - (np.cumsum(lengths) - lengths), lengths)
        return plays + np.arange(len(plays))

    def plays_of_part(self) -> slice:
        """Find which of the plays belong to the part."""
        begin, end, _ = self.part.indices(len(self.begins))
        lengths = self.lengths
        return slice(int(lengths[:begin].sum()), int(lengths[:end].sum()))


class Criterion(Protocol):
    """What a loop minimises."""

    def loss(self, network: Network, batch: Pieces, rng: np.random.Generator) -> Tensor:
        """Run a batch's part through the network and compare with its targets: float32 (), the mean over its plays."""


def criterion_of(
    known: KnownPlays, bounds: NDArray[np.int64], track_counts: NDArray[np.int64], config: TrainingConfig
) -> SoftmaxCriterion | DistanceCriterion:
    """Make the criterion of a loss, with a full or sampled softmax depending on the catalogue's size.

    Args:
        known: the plays that targets are drawn from.
        bounds: int64 (B + 1,), of the listeners among all plays.
        track_counts: int64 (M,), plays of each track in all shards: negatives are drawn by it.
        config: which loss, and its settings.
    """
    if config.loss != "softmax":
        return DistanceCriterion(known, config, {"cosine": cosine_loss, "squared": squared_loss}[config.loss])
    if len(track_counts) <= config.max_full_softmax_tracks:
        return SoftmaxCriterion(known, bounds, config, None)
    weights = track_counts**config.negatives_exponent
    return SoftmaxCriterion(known, bounds, config, weights / weights.sum())


@dataclass(frozen=True, slots=True)
class DistanceCriterion:
    """After each play, both horizons' taste vectors should be close to a target's item vector.

    Attributes:
        known: the plays.
        config: offsets and weight.
        distance: of vectors (N, E) from targets (N, E).
    """

    known: KnownPlays
    config: TrainingConfig
    distance: Callable[[Tensor, Tensor], Tensor]

    def loss(self, network: Network, batch: Pieces, rng: np.random.Generator) -> Tensor:
        """Run a batch's part through the network and compare with its targets: float32 (), the mean over its plays."""
        read, _ = _run(network, self.known, batch)
        chances = rng.random(int(batch.lengths.sum()), np.float32)[batch.plays_of_part()]
        read = network.forget(read, torch.from_numpy(chances).to(network.device))
        losses = []
        for horizon, ahead in enumerate((self.config.short_term_offsets, self.config.long_term_offsets)):
            targets = torch.from_numpy(self.known.rows[_draw_targets(batch, ahead, rng)]).to(network.device)
            losses.append(self.distance(network.vectors(read, horizon), network.embedding(targets)))
        return losses[0] + self.config.long_term_weight * losses[1] + network.penalty()


@dataclass(frozen=True, slots=True)
class SoftmaxCriterion:
    """After each play, both horizons' targets should score above all other tracks, ring terms included.

    Attributes:
        known: the plays.
        bounds: int64 (B + 1,), of the listeners among all plays.
        config: offsets, weight and negatives.
        frequencies: float64 (M,), how often each track is drawn as a negative; None: softmax over all tracks.
    """

    known: KnownPlays
    bounds: NDArray[np.int64]
    config: TrainingConfig
    frequencies: NDArray[np.float64] | None

    def loss(self, network: Network, batch: Pieces, rng: np.random.Generator) -> Tensor:
        """Run a batch's part through the network and compare with its targets: float32 (), the mean over its plays.

        N plays, W places of the ring, M tracks.
        """
        read, plays = _run(network, self.known, batch)
        rings = ring_windows(self.known, self.bounds, self.known.indices[plays])
        rows = torch.from_numpy(rings.rows).to(network.device)  # (N, W)
        groups = torch.from_numpy(rings.groups).to(network.device).long()  # (N, W)
        items = network.items()  # (M, E)
        losses = []
        for horizon, ahead in enumerate((self.config.short_term_offsets, self.config.long_term_offsets)):
            ring = RingTerms((rows - FIRST_TRACK).clamp(min=0), network.ring_terms(read, groups, horizon), rows == PAD)
            tastes = network.temperature * network.tastes(read, horizon)  # (N, E)
            targets = torch.from_numpy(self.known.rows[_draw_targets(batch, ahead, rng)] - FIRST_TRACK)  # (N,)
            losses.append(self._softmax_loss(tastes, items, targets.to(network.device), ring, rng))
        return losses[0] + self.config.long_term_weight * losses[1] + network.penalty()

    def _softmax_loss(
        self, tastes: Tensor, items: Tensor, targets: Tensor, ring: RingTerms, rng: np.random.Generator
    ) -> Tensor:
        if self.frequencies is None:
            return full_softmax_loss(tastes, items, targets, ring)
        drawn = rng.choice(len(self.frequencies), self.config.num_negatives, p=self.frequencies)
        log_expected = np.log(self.config.num_negatives * self.frequencies[drawn])
        return sampled_softmax_loss(
            tastes,
            items,
            targets,
            ring,
            negatives=torch.from_numpy(drawn).to(items.device),
            log_expected=torch.from_numpy(log_expected).to(items),
        )


def _run(network: Network, known: KnownPlays, batch: Pieces) -> tuple[Tensor, NDArray[np.int64]]:
    """Run a batch's part, S pieces of at most T plays, through a network.

    Returns:
        The features it reads from the state after each of the N plays, float32 (N, R), and the plays, int64 (N,).
    """
    pieces = batch.of(batch.part)
    lengths = pieces.lengths
    offsets = np.arange(lengths.max())
    plays = np.minimum(pieces.begins[:, None] + offsets, pieces.ends[:, None] - 1)  # (S, T)
    real = offsets < lengths[:, None]  # (S, T)
    device = network.device
    states = network.recur(
        torch.from_numpy(known.rows[plays]).to(device),
        torch.from_numpy(play_features(known, plays, network.config)).to(device),
        torch.zeros(len(plays), network.config.hidden_size, device=device),
    )  # (S, T, H)
    return network.read(states[torch.from_numpy(real).to(device)]), plays[real]


def _draw_targets(batch: Pieces, ahead: tuple[int, int], rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw a later play for each of the part's plays, uniform between two offsets, up to the listener's last play."""
    plays = batch.plays()
    highest = np.minimum(ahead[1], np.repeat(batch.limits, batch.lengths) - 1 - plays)
    lowest = np.minimum(ahead[0], highest)
    offsets: NDArray[np.int64] = rng.integers(lowest, highest, endpoint=True)
    return (plays + offsets)[batch.plays_of_part()]
