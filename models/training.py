"""Training: fit() is the whole loop.

Law: serving is training. Plays pass through the featuriser, the rings and the forward that serve them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.catalogue import FIRST_TRACK, PAD, Catalogue
from models.config import CONTEXTS, NetworkConfig, TrainingConfig
from models.embedding import item_vectors
from models.features import KnownPlays, known_plays, play_features
from models.histories import Histories
from models.loss import RingTerms, full_softmax_loss, sampled_softmax_loss
from models.network import TasteNetwork
from models.ring import ring_windows

_MIN_CONTEXT_PLAYS: Final = 100  # fewer teach an input nothing but noise


@dataclass(frozen=True, slots=True)
class Progress:
    """Say how far a training run has come.

    Attributes:
        epoch: 1..num_epochs.
        num_epochs: of the run.
        batch: batches done in this epoch.
        num_batches: in this epoch.
        loss: of the latest batch, nats.
    """

    epoch: int
    num_epochs: int
    batch: int
    num_batches: int
    loss: float


def fit(
    histories: Histories,
    catalogue: Catalogue,
    config: TrainingConfig,
    *,
    network_config: NetworkConfig | None = None,
    sessions: NDArray[np.int64] | None = None,
    device: torch.device | str = "cpu",
    progress: Callable[[Progress], None] | None = None,
) -> TasteNetwork:
    """Train a network.

    Args:
        histories: P plays, all of them for training.
        catalogue: the tracks to learn; plays of others are skipped as in serving.
        config: how.
        network_config: what; absent: the default with inputs for the contexts that occur.
        sessions: int64 (P,), where the source knows its sessions, for the item vectors only; absent: by gaps.
        device: where to train; the network stays there.
        progress: called after every batch.

    Returns:
        The network, in eval mode.

    Raises:
        ValueError: no listener has two plays of known tracks.
    """
    network_config = network_config or NetworkConfig(contexts=_occurring_contexts(histories))
    rng = np.random.default_rng(config.seed)
    known = known_plays(histories, catalogue, network_config)
    known_sessions = known.sessions if sessions is None else sessions[known.indices]
    vectors = item_vectors(known.rows, known_sessions, len(catalogue), network_config.embedding_size, config)
    pieces = _pieces(known.bounds, config.stream_plays)
    with torch.random.fork_rng(devices=_cuda_devices(device)):
        torch.manual_seed(config.seed)
        network = _untrained(network_config, vectors).to(device)
        optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate)
        criterion = _Criterion.of(known, histories.bounds, len(catalogue), config)
        for epoch in range(config.epochs):
            batches = _batches(pieces, config.batch_plays, rng)
            for done, batch in enumerate(batches, start=1):
                _set_rate(optimizer, config, step=epoch * len(batches) + done, num_steps=config.epochs * len(batches))
                loss = criterion.loss(network, batch, rng)
                optimizer.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]  # torch does not annotate it
                torch.nn.utils.clip_grad_norm_(network.parameters(), config.clip_norm)
                optimizer.step()
                if progress is not None:
                    progress(Progress(epoch + 1, config.epochs, done, len(batches), loss.item()))
    return network.eval()


@dataclass(frozen=True, slots=True)
class _Pieces:
    """Stretches of listeners' known plays, each run through from a zero state.

    Attributes:
        begins: int64 (S,), the first play of each.
        ends: int64 (S,), one past its last.
        limits: int64 (S,), one past the listener's last: targets lie below it.
    """

    begins: NDArray[np.int64]
    ends: NDArray[np.int64]
    limits: NDArray[np.int64]

    def of(self, chosen: NDArray[np.int64]) -> _Pieces:
        """Take some of them."""
        return _Pieces(self.begins[chosen], self.ends[chosen], self.limits[chosen])


def _pieces(bounds: NDArray[np.int64], size: int) -> _Pieces:
    """Cut every listener's plays but the last, which has no target, into pieces of at most `size`."""
    lengths = np.maximum(np.diff(bounds) - 1, 0)
    counts = -(-lengths // size)
    if not counts.any():
        raise ValueError("no listener has two plays of catalogue tracks, so there is nothing to learn; wait for more")
    limits = np.repeat(bounds[1:], counts)
    nth = np.arange(len(limits)) - np.repeat(np.cumsum(counts) - counts, counts)
    begins = np.repeat(bounds[:-1], counts) + nth * size
    return _Pieces(begins, np.minimum(begins + size, limits - 1), limits)


def _batches(pieces: _Pieces, num_plays: int, rng: np.random.Generator) -> list[_Pieces]:
    """Put pieces of similar length together, about `num_plays` to a batch, in random order."""
    lengths = pieces.ends - pieces.begins
    noise = rng.random(len(lengths)) * np.maximum(2, 0.15 * lengths)  # other company every epoch
    order = np.argsort(-(lengths + noise), kind="stable")
    batches = []
    begin = 0
    while begin < len(order):
        size = max(1, num_plays // int(lengths[order[begin]]))
        batches.append(pieces.of(order[begin : begin + size]))
        begin += size
    rng.shuffle(batches)
    return batches


@dataclass(frozen=True, slots=True)
class _Criterion:
    """What a batch is asked: after each play, the targets of both horizons.

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

    @classmethod
    def of(cls, known: KnownPlays, bounds: NDArray[np.int64], num_tracks: int, config: TrainingConfig) -> _Criterion:
        """Choose the softmax the catalogue's size affords."""
        if num_tracks <= config.max_full_softmax_tracks:
            return cls(known, bounds, config, None)
        weights = np.bincount(known.rows - FIRST_TRACK, minlength=num_tracks) ** config.negatives_exponent
        return cls(known, bounds, config, weights / weights.sum())

    def loss(self, network: TasteNetwork, batch: _Pieces, rng: np.random.Generator) -> Tensor:
        """Run a batch through the network and compare with its targets: float32 ().

        S pieces, T plays (padded), N plays (real), H hidden, M tracks.
        """
        lengths = batch.ends - batch.begins
        offsets = np.arange(lengths.max())
        plays = np.minimum(batch.begins[:, None] + offsets, batch.ends[:, None] - 1)  # (S, T)
        real = offsets < lengths[:, None]  # (S, T)
        device = network.device
        states = network.recur(
            torch.from_numpy(self.known.rows[plays]).to(device),
            torch.from_numpy(play_features(self.known, plays, network.config)).to(device),
            torch.zeros(len(plays), network.config.hidden_size, device=device),
        )  # (S, T, H)
        read = network.read(states[torch.from_numpy(real).to(device)])  # (N, H)
        plays, limits = plays[real], np.repeat(batch.limits, lengths)  # (N,)
        rings = ring_windows(self.known, self.bounds, self.known.indices[plays])
        rows = torch.from_numpy(rings.rows).to(device)  # (N, W)
        groups = torch.from_numpy(rings.groups).to(device).long()  # (N, W)
        items = network.items()  # (M, E)
        losses = []
        for horizon, ahead in enumerate((self.config.short_term_offsets, self.config.long_term_offsets)):
            ring = RingTerms((rows - FIRST_TRACK).clamp(min=0), network.ring_terms(read, groups, horizon), rows == PAD)
            tastes = network.temperature * network.tastes(read, horizon)  # (N, E)
            targets = self.known.rows[_draw_targets(plays, limits, ahead, rng)] - FIRST_TRACK  # (N,)
            losses.append(self._softmax_loss(tastes, items, torch.from_numpy(targets).to(device), ring, rng))
        return losses[0] + self.config.long_term_weight * losses[1]

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


def _draw_targets(
    plays: NDArray[np.int64], limits: NDArray[np.int64], ahead: tuple[int, int], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Draw a later play for each play, uniform between two offsets as far as the listener's plays go."""
    highest = np.minimum(ahead[1], limits - 1 - plays)
    lowest = np.minimum(ahead[0], highest)
    offsets: NDArray[np.int64] = rng.integers(lowest, highest, endpoint=True)
    return plays + offsets


def _set_rate(optimizer: torch.optim.Optimizer, config: TrainingConfig, *, step: int, num_steps: int) -> None:
    """Warm up over the first steps (a tenth of a short run), then decay linearly."""
    warmth = step / min(config.warm_up_steps, max(1, num_steps // 10))
    rate = config.learning_rate * min(1.0, warmth) * max(config.final_rate_share, 1 - step / num_steps)
    for group in optimizer.param_groups:
        group["lr"] = rate


def _untrained(config: NetworkConfig, vectors: NDArray[np.float32]) -> TasteNetwork:
    """Make a network whose item vectors are given."""
    network = TasteNetwork(config, len(vectors))
    with torch.no_grad():
        network.embedding.weight[FIRST_TRACK:] = torch.from_numpy(vectors)
    return network


def _occurring_contexts(histories: Histories) -> tuple[str, ...]:
    """Name the contexts worth an input; none if all plays have the same, which would say nothing."""
    counts = np.bincount(np.minimum(histories.contexts, len(CONTEXTS) - 1), minlength=len(CONTEXTS))
    occurring = tuple(name for name, count in zip(CONTEXTS, counts, strict=True) if count >= _MIN_CONTEXT_PLAYS)
    return occurring if len(occurring) > 1 else ()


def _cuda_devices(device: torch.device | str) -> list[torch.device]:
    """List the devices whose random state a run touches beside the CPU's."""
    return [torch.device(device)] if torch.device(device).type == "cuda" else []
