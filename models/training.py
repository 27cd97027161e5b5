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

from models.catalogue import FIRST_TRACK, Catalogue
from models.config import CONTEXTS, NetworkConfig, TrainingConfig
from models.criterion import Criterion, Pieces
from models.embedding import item_vectors
from models.features import known_plays
from models.histories import Histories
from models.network import TasteNetwork

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
        criterion = Criterion.of(known, histories.bounds, len(catalogue), config)
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


def _pieces(bounds: NDArray[np.int64], size: int) -> Pieces:
    """Cut every listener's plays but the last, which has no target, into pieces of at most `size`."""
    lengths = np.maximum(np.diff(bounds) - 1, 0)
    counts = -(-lengths // size)
    if not counts.any():
        raise ValueError("no listener has two plays of catalogue tracks, so there is nothing to learn; wait for more")
    limits = np.repeat(bounds[1:], counts)
    nth = np.arange(len(limits)) - np.repeat(np.cumsum(counts) - counts, counts)
    begins = np.repeat(bounds[:-1], counts) + nth * size
    return Pieces(begins, np.minimum(begins + size, limits - 1), limits)


def _batches(pieces: Pieces, num_plays: int, rng: np.random.Generator) -> list[Pieces]:
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
