"""A training run: all state that changes from batch to batch, so that it can stop after any batch and resume."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor

from models.config import TrainingConfig
from models.networks.network import Network
from models.plays.catalogue import FIRST_TRACK
from models.training.batches import draw_batches
from models.training.checkpoint import Fingerprint, Snapshot
from models.training.criterion import Criterion, Pieces, is_sampled
from models.training.optimizer import Optimizer
from models.training.ranks import ALONE, Ranks
from models.training.shards import Questions

Stage: TypeAlias = Literal["network of earlier plays", "network", "second stage", "map"]

_WEIGHT: Final = "network."
_MOMENT: Final = "optimizer."
_GENERATOR: Final = "generator"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a training run has come.

    Attributes:
        epoch: 1..num_epochs; 0 while item vectors are learned, whose "batches" are passes over the sessions, or while
            plays are counted and candidates gathered for a second stage, whose "batches" are shards, tracks, anchors,
            and while tracks are mapped, whose "batches" are steps.
        num_epochs: of the run.
        batch: batches done in this epoch.
        num_batches: in this epoch.
        loss: of the latest batch, nats; NaN in epoch 0.
        stage: what is being fitted; each stage starts at epoch 0 or 1.
    """

    epoch: int
    num_epochs: int
    batch: int
    num_batches: int
    loss: float
    stage: Stage = "network"


ReportProgress: TypeAlias = Callable[[Progress], None]


class TrainingRun:
    """Trains a network batch by batch, with torch's global generator and one of its own.

    Args:
        network: what to train, on its device.
        questions: pieces and criteria, shard by shard: an epoch takes the shards in random order.
        config: how to train.
        ranks: the processes that train together.
    """

    def __init__(
        self,
        network: Network,
        questions: Questions,
        config: TrainingConfig,
        ranks: Ranks = ALONE,
    ) -> None:
        self.network = network
        self._questions = questions
        self._config = config
        self._ranks = ranks
        num_tracks = len(network.embedding.weight) - FIRST_TRACK
        self._optimizer = Optimizer(network, config, is_sampled=is_sampled(config, num_tracks))
        self._rng = np.random.default_rng(config.seed)
        self._epoch = 0
        self._order: list[int] = []  # of the epoch's shards; empty: not drawn yet
        self._shards_done = 0  # of the order
        self._before = 0  # batches of the shards done
        self._done = 0  # batches done of the current shard
        self._shard_rng = self._rng.bit_generator.state  # the state that draws the current shard's batches

    def batches(self) -> Iterator[Progress]:
        """Train from the current position to the end; state may be read or restored between two batches."""
        while self._epoch < self._config.epochs:
            if not self._order:  # one shard costs no draw
                self._order = self._rng.permutation(len(self._questions.num_batches)).tolist()
                self._shard_rng = self._rng.bit_generator.state
            while self._shards_done < len(self._order):
                yield from self._batches_of_shard()
            self._epoch, self._order, self._shards_done, self._before = self._epoch + 1, [], 0, 0
        self._optimizer.settle()

    def _batches_of_shard(self) -> Iterator[Progress]:
        pieces, criterion = self._questions.of(self._order[self._shards_done])
        batches = self._draw_batches(pieces)
        ahead = sum(self._questions.num_batches[shard] for shard in self._order[self._shards_done + 1 :])
        num_batches = self._before + len(batches) + ahead
        while self._done < len(batches):
            loss = self._step(criterion, batches[self._done], num_batches)
            self._done += 1
            yield Progress(self._epoch + 1, self._config.epochs, self._before + self._done, num_batches, loss)
        self._shards_done, self._before, self._done = self._shards_done + 1, self._before + len(batches), 0
        self._shard_rng = self._rng.bit_generator.state

    def snapshot(self, fingerprint: Fingerprint) -> Snapshot:
        """Record the state of the run."""
        tensors = {_WEIGHT + name: tensor for name, tensor in self.network.state_dict().items()}
        tensors |= {_MOMENT + name: moment for name, moment in self._optimizer.state().items()}
        for name, state in self._generators().items():
            tensors[name] = state
        position = {
            "epoch": self._epoch,
            "order": self._order,
            "shards_done": self._shards_done,
            "batches_before": self._before,
            "batches_done": self._done,
            "generator": self._rng.bit_generator.state,
            "generator_at_shard": self._shard_rng,
        }
        return Snapshot(fingerprint, position, {name: tensor.cpu().contiguous() for name, tensor in tensors.items()})

    def restore(self, snapshot: Snapshot) -> None:
        """Continue from a snapshot."""
        tensors = snapshot.tensors
        self.network.load_state_dict(_named(tensors, _WEIGHT))
        self._optimizer.restore(_named(tensors, _MOMENT))
        torch.random.set_rng_state(tensors[_GENERATOR])
        if self.network.device.type == "cuda":
            torch.cuda.set_rng_state(tensors[f"{_GENERATOR}.cuda"], self.network.device)
        position: Any = snapshot.position
        self._epoch, self._order, self._shards_done = position["epoch"], position["order"], position["shards_done"]
        self._before, self._done = position["batches_before"], position["batches_done"]
        self._shard_rng = position["generator_at_shard"]
        self._rng.bit_generator.state = position["generator"]

    def _draw_batches(self, pieces: Pieces) -> list[Pieces]:
        """Draw the shard's batches; in the middle of a shard, draw the same ones again."""
        if not self._done:
            return draw_batches(pieces, self._config.batch_plays, self._rng)
        rng = np.random.default_rng()
        rng.bit_generator.state = self._shard_rng
        return draw_batches(pieces, self._config.batch_plays, rng)

    def _step(self, criterion: Criterion, batch: Pieces, num_batches: int) -> float:
        """Update the weights with a batch; return its loss."""
        self._set_rate(
            step=self._epoch * num_batches + self._before + self._done + 1, num_steps=self._config.epochs * num_batches
        )  # fmt: skip
        part, share = self._ranks.part_of(batch)
        self._ranks.expect(self.network, part)
        question = criterion.ask(part, self._rng)
        with self._optimizer.reading(question.rows):
            loss = share * criterion.loss(self.network, question)
            self.network.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]  # torch does not annotate it
            loss = self._ranks.sum_gradients(self.network, loss)
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), self._config.clip_norm)
            self._optimizer.step(question.rows)
        return loss.item()

    def _set_rate(self, *, step: int, num_steps: int) -> None:
        """Warm up over the first steps (a tenth of a short run), then decay linearly."""
        warmth = step / min(self._config.warm_up_steps, max(1, num_steps // 10))
        decay = max(self._config.final_rate_share, 1 - step / num_steps)
        self._optimizer.set_rate(self._config.learning_rate * min(1.0, warmth) * decay)

    def _generators(self) -> dict[str, Tensor]:
        """Return the states of the generators that dropout draws from."""
        states = {_GENERATOR: torch.random.get_rng_state()}
        if self.network.device.type == "cuda":
            states[f"{_GENERATOR}.cuda"] = torch.cuda.get_rng_state(self.network.device)
        return states


def _named(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
