"""The criterion: the targets of a network after each play of a batch, and the loss of its answers.

Law: serving is training. Plays pass through the featuriser, the rings and the forward that serve them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.config import HORIZONS, RING_SIZE, TrainingConfig
from models.networks.network import Network
from models.plays.catalogue import FIRST_TRACK, PAD, UNKNOWN
from models.plays.features import KnownPlays, play_features
from models.plays.ring import ring_windows
from models.training.loss import (
    RingTerms,
    cosine_loss,
    full_softmax_loss,
    quick_product_type,
    ring_cosines,
    sampled_softmax_loss,
    squared_loss,
)
from models.training.negatives import Popularity


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


@dataclass(frozen=True, slots=True)
class Question:
    """A batch with everything that is drawn for it; H horizons, N plays of the batch's part.

    Attributes:
        batch: the pieces and the part.
        targets: int64 (N,) of each horizon, the catalogue row of a later play.
        negatives: int64 (K,) of each horizon, drawn rows; none without a sampled softmax.
        rows: int64 (R,), the distinct rows of the catalogue that the whole batch reads, rising: those that the network
            holds meanwhile; None: all.
        chances: float32 (N,), uniform; only distances need them.
    """

    batch: Pieces
    targets: tuple[NDArray[np.int64], ...]
    negatives: tuple[NDArray[np.int64], ...] = ()
    rows: NDArray[np.int64] | None = None
    chances: NDArray[np.float32] | None = None

    def held(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Turn rows of the catalogue into those of the network: both int64, of any shape."""
        return rows if self.rows is None else np.searchsorted(self.rows, rows)


class Criterion(Protocol):
    """What a loop minimises."""

    def ask(self, batch: Pieces, rng: np.random.Generator) -> Question:
        """Draw targets for a batch, and whatever else is random; for the whole batch, whichever part is computed."""

    def loss(self, network: Network, question: Question) -> Tensor:
        """Run a batch's part through the network and compare with its targets: float32 (), the mean over its plays."""


def is_sampled(config: TrainingConfig, num_tracks: int) -> bool:
    """Decide whether the softmax is over a sample of the catalogue."""
    return config.loss == "softmax" and num_tracks > config.max_full_softmax_tracks


def criterion_of(
    known: KnownPlays, bounds: NDArray[np.int64], track_counts: NDArray[np.int64], config: TrainingConfig
) -> Criterion:
    """Make the criterion of a loss, with a full or sampled softmax depending on the catalogue's size.

    Args:
        known: the plays that targets are drawn from.
        bounds: int64 (B + 1,), of the listeners among all plays.
        track_counts: int64 (M,), plays of each track in all shards: negatives are drawn by it.
        config: which loss, and its settings.
    """
    if config.loss != "softmax":
        return DistanceCriterion(known, config, {"cosine": cosine_loss, "squared": squared_loss}[config.loss])
    if not is_sampled(config, len(track_counts)):
        return SoftmaxCriterion(known, bounds, config)
    return SampledCriterion(known, bounds, config, Popularity.of(track_counts, config.negatives_exponent))


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

    def ask(self, batch: Pieces, rng: np.random.Generator) -> Question:
        """Draw the chances of forgetting, then the targets."""
        chances = rng.random(int(batch.lengths.sum()), np.float32)[batch.plays_of_part()]
        return Question(batch, _targets(self.known, batch, self.config, rng), chances=chances)

    def loss(self, network: Network, question: Question) -> Tensor:
        """Run a batch's part through the network and compare with its targets: float32 (), the mean over its plays."""
        read, _ = _run(network, self.known, question)
        if question.chances is not None:
            read = network.forget(read, torch.from_numpy(question.chances).to(network.device))
        losses = [
            self.distance(network.vectors(read, horizon), network.embedding(torch.from_numpy(rows).to(network.device)))
            for horizon, rows in enumerate(question.targets)
        ]
        return losses[0] + self.config.long_term_weight * losses[1] + network.penalty()


@dataclass(frozen=True, slots=True)
class SoftmaxCriterion:
    """After each play, both horizons' targets should score above all other tracks, ring terms included.

    Attributes:
        known: the plays.
        bounds: int64 (B + 1,), of the listeners among all plays.
        config: offsets and weight.
    """

    known: KnownPlays
    bounds: NDArray[np.int64]
    config: TrainingConfig

    def ask(self, batch: Pieces, rng: np.random.Generator) -> Question:
        """Draw the targets."""
        return Question(batch, _targets(self.known, batch, self.config, rng))

    def loss(self, network: Network, question: Question) -> Tensor:
        """Run a batch's part through the network and compare with its targets: float32 (), the mean over its plays."""
        answers = _answer(network, self.known, self.bounds, question)
        losses = [
            full_softmax_loss(tastes, answers.items, targets, ring, quick_product_type(answers.items))
            for tastes, targets, ring in zip(answers.tastes, answers.targets, answers.rings, strict=True)
        ]
        return losses[0] + self.config.long_term_weight * losses[1] + network.penalty()


@dataclass(frozen=True, slots=True)
class SampledCriterion:
    """After each play, both horizons' targets should score above the ring's tracks and a sample of all.

    Attributes:
        known: the plays.
        bounds: int64 (B + 1,), of the listeners among all plays.
        config: offsets, weight and number of negatives.
        popularity: what negatives are drawn by.
    """

    known: KnownPlays
    bounds: NDArray[np.int64]
    config: TrainingConfig
    popularity: Popularity

    def ask(self, batch: Pieces, rng: np.random.Generator) -> Question:
        """Draw targets and negatives, and list the rows that they, the plays and the rings name."""
        targets, negatives = [], []
        for ahead in _offsets(self.config):
            targets.append(self.known.rows[_draw_targets(replace(batch, part=slice(None)), ahead, rng)])
            negatives.append(self.popularity.draw(self.config.num_negatives, rng))
        rows = np.unique(np.concatenate([[PAD, UNKNOWN], self._rows_until(batch), *targets, *negatives]))
        mine = batch.plays_of_part()
        return Question(batch, tuple(each[mine] for each in targets), tuple(negatives), rows)

    def _rows_until(self, batch: Pieces) -> NDArray[np.int64]:
        """List the rows of all pieces and of the rings before them."""
        firsts = self.known.bounds[np.searchsorted(self.known.bounds, batch.begins, side="right") - 1]
        begins = np.maximum(firsts, batch.begins - RING_SIZE)
        return self.known.rows[Pieces(begins, batch.ends, batch.limits).plays()]

    def loss(self, network: Network, question: Question) -> Tensor:
        """Run a batch's part through the network and compare with its targets: float32 (), the mean over its plays."""
        answers = _answer(network, self.known, self.bounds, question)
        cosines = ring_cosines(answers.tastes, answers.items, answers.rings[0].tracks)
        losses = []
        for tastes, targets, ring, of_ring, drawn in zip(
            answers.tastes, answers.targets, answers.rings, cosines, question.negatives, strict=True
        ):
            negatives = torch.from_numpy(question.held(drawn) - FIRST_TRACK).to(network.device)
            log_expected = torch.from_numpy(self.popularity.log_expected(drawn)).to(tastes)
            with_cosines = ring._replace(terms=ring.terms + of_ring)
            losses.append(
                sampled_softmax_loss(
                    tastes, answers.items, targets, with_cosines, negatives=negatives, log_expected=log_expected
                )
            )
        return losses[0] + self.config.long_term_weight * losses[1] + network.penalty()


class _Answers(NamedTuple):
    """What a network answers after each of N plays, and what it should have answered; a value per horizon.

    Attributes:
        tastes: float32 (N, E), unit vectors times the temperature.
        items: float32 (R, E), the unit vectors of the tracks that the network holds.
        targets: int64 (N,), 0..R-1.
        rings: their tracks are the same for all horizons, their terms are not.
    """

    tastes: list[Tensor]
    items: Tensor
    targets: list[Tensor]
    rings: list[RingTerms]


def _answer(network: Network, known: KnownPlays, bounds: NDArray[np.int64], question: Question) -> _Answers:
    """Run a batch's part through a network; N plays, W places of the ring."""
    read, plays = _run(network, known, question)
    rings = ring_windows(known, bounds, known.indices[plays])
    rows = torch.from_numpy(question.held(rings.rows)).to(network.device)  # (N, W)
    groups = torch.from_numpy(rings.groups).to(network.device).long()  # (N, W)
    tracks, empty = (rows - FIRST_TRACK).clamp(min=0), rows == PAD
    horizons = range(len(HORIZONS))
    return _Answers(
        tastes=[network.temperature * network.tastes(read, horizon) for horizon in horizons],
        items=network.items(),
        targets=[torch.from_numpy(question.held(rows) - FIRST_TRACK).to(network.device) for rows in question.targets],
        rings=[RingTerms(tracks, network.ring_terms(read, groups, horizon), empty) for horizon in horizons],
    )


def _run(network: Network, known: KnownPlays, question: Question) -> tuple[Tensor, NDArray[np.int64]]:
    """Run a batch's part, S pieces of at most T plays, through a network.

    Returns:
        The features it reads from the state after each of the N plays, float32 (N, R), and the plays, int64 (N,).
    """
    pieces = question.batch.of(question.batch.part)
    lengths = pieces.lengths
    offsets = np.arange(lengths.max())
    plays = np.minimum(pieces.begins[:, None] + offsets, pieces.ends[:, None] - 1)  # (S, T)
    real = offsets < lengths[:, None]  # (S, T)
    device = network.device
    states = network.recur(
        torch.from_numpy(question.held(known.rows[plays])).to(device),
        torch.from_numpy(play_features(known, plays, network.config)).to(device),
        torch.zeros(len(plays), network.config.hidden_size, device=device),
    )  # (S, T, H)
    return network.read(states[torch.from_numpy(real).to(device)]), plays[real]


def _targets(
    known: KnownPlays, batch: Pieces, config: TrainingConfig, rng: np.random.Generator
) -> tuple[NDArray[np.int64], ...]:
    """Draw the targets of each horizon, as rows of the catalogue: int64 (N,) each."""
    return tuple(known.rows[_draw_targets(batch, ahead, rng)] for ahead in _offsets(config))


def _offsets(config: TrainingConfig) -> tuple[tuple[int, int], tuple[int, int]]:
    return config.short_term_offsets, config.long_term_offsets


def _draw_targets(batch: Pieces, ahead: tuple[int, int], rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw a later play for each of the part's plays, uniform between two offsets, up to the listener's last play."""
    plays = batch.plays()
    highest = np.minimum(ahead[1], np.repeat(batch.limits, batch.lengths) - 1 - plays)
    lowest = np.minimum(ahead[0], highest)
    offsets: NDArray[np.int64] = rng.integers(lowest, highest, endpoint=True)
    return (plays + offsets)[batch.plays_of_part()]
