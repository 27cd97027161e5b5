"""Ranks: the processes that train one network together, each on its part of every batch.

Law: many ranks end where one process would, except for the order in which float32 sums are taken. Every rank makes all
random draws for the whole batch, dropout included, and takes its part; the loss is a mean over plays, so a rank's
gradient is weighted by its share of them. A rank without a piece computes another's with weight 0, so that it makes the
same draws.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, distributed, nn

from models.training.criterion import Pieces


@dataclass(frozen=True, slots=True)
class Ranks:
    """One of the processes that train together; several need torch's default process group.

    Attributes:
        rank: 0..size - 1; only 0 writes and reports.
        size: number of processes.
    """

    rank: int = 0
    size: int = 1

    def part_of(self, batch: Pieces) -> tuple[Pieces, float]:
        """Mark this rank's pieces of a batch; also return their share of its plays."""
        lengths = batch.lengths
        begin, end = (len(lengths) * rank // self.size for rank in (self.rank, self.rank + 1))
        if begin == end:
            return replace(batch, part=slice(0, 1)), 0.0
        return replace(batch, part=slice(begin, end)), float(lengths[begin:end].sum() / lengths.sum())

    def prepare(self, network: nn.Module) -> None:
        """Let all ranks start with the weights of the first, with the dropout of a single process."""
        if self.size == 1:
            return
        for tensor in network.state_dict().values():
            distributed.broadcast(tensor, 0)
        for parent in list(network.modules()):
            for name, child in parent.named_children():
                if isinstance(child, nn.Dropout):
                    setattr(parent, name, SharedDropout(child.p))

    def expect(self, network: nn.Module, batch: Pieces) -> None:
        """Announce the next batch and its part to the network's dropout."""
        for module in network.modules():
            if isinstance(module, SharedDropout):
                lengths = batch.lengths
                module.parts = {
                    2: ((int(lengths.sum()),), batch.plays_of_part()),
                    3: ((len(lengths), int(lengths.max())), batch.part),
                }

    def sum_gradients(self, network: nn.Module, loss: Tensor) -> Tensor:
        """Replace every gradient, and a loss, by its sum over the ranks; the sum is the same on each, to the bit."""
        if self.size == 1:
            return loss
        parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
        sums = torch.cat([loss.detach().reshape(1), *(_gradient(parameter).flatten() for parameter in parameters)])
        distributed.all_reduce(sums)
        total, *gradients = torch.split(sums, [1, *(parameter.numel() for parameter in parameters)])
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient.view_as(parameter)
        return total[0]

    def hand_out(self, content: bytes) -> bytes:
        """Broadcast the first rank's bytes to every rank."""
        if self.size == 1:
            return content
        length = torch.tensor([len(content)])
        distributed.broadcast(length, 0)
        buffer = torch.zeros(int(length), dtype=torch.uint8)
        if self.rank == 0:
            buffer[:] = torch.frombuffer(bytearray(content), dtype=torch.uint8) if content else buffer
        distributed.broadcast(buffer, 0)
        return bytes(buffer.numpy())

    def any(self, is_so: bool) -> bool:  # noqa: FBT001 - the value itself, not a mode
        """Check whether something is so on any rank; all must call it at the same batch."""
        if self.size == 1:
            return is_so
        votes = torch.tensor([float(is_so)])
        distributed.all_reduce(votes)
        return bool(votes > 0)


class SharedDropout(nn.Dropout):
    """Dropout that draws for a whole batch, in the order torch does, and applies a rank's part of it.

    Attributes:
        parts: by the number of dimensions of the input: its first sizes in the whole batch, and this rank's rows of
            it. Two: plays (N, ...). Three: pieces and plays (S, T, ...).
    """

    parts: dict[int, tuple[tuple[int, ...], slice]]

    def forward(self, values: Tensor) -> Tensor:
        """Drop values, and scale the others by 1 / (1 - p)."""
        if not self.training or self.p == 0:
            return values
        sizes, mine = self.parts[values.dim()]
        factors = values.new_empty((*sizes, *values.shape[len(sizes) :])).bernoulli_(1 - self.p).div_(1 - self.p)
        factors = factors[mine]
        return values * (factors[:, : values.shape[1]] if len(sizes) > 1 else factors)


def _gradient(parameter: nn.Parameter) -> Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad


ALONE = Ranks()
"""One process."""
