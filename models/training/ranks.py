"""Ranks: the processes that train one network together, each on its part of every batch.

Law: many ranks end where one process would, but for the order in which float32 sums are taken. All of them draw every
random choice for the whole batch, dropout's too, and each takes its part; the loss is a mean over plays, so a rank's
gradient counts by its share of them. A rank without a piece computes another's for nothing, so that it draws as much.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, distributed, nn

from models.training.criterion import Pieces


@dataclass(frozen=True, slots=True)
class Ranks:
    """One process of those that train together; more than one of them need torch's default process group.

    Attributes:
        rank: 0..size - 1; 0 alone writes and tells.
        size: how many there are.
    """

    rank: int = 0
    size: int = 1

    def part_of(self, batch: Pieces) -> tuple[Pieces, float]:
        """Mark this rank's pieces of a batch; give also the share of its plays they are."""
        lengths = batch.lengths
        begin, end = (len(lengths) * rank // self.size for rank in (self.rank, self.rank + 1))
        if begin == end:
            return replace(batch, part=slice(0, 1)), 0.0
        return replace(batch, part=slice(begin, end)), float(lengths[begin:end].sum() / lengths.sum())

    def prepare(self, network: nn.Module) -> None:
        """Let all ranks begin with the weights of the first, and drop out what one process would."""
        if self.size == 1:
            return
        for tensor in network.state_dict().values():
            distributed.broadcast(tensor, 0)
        for parent in list(network.modules()):
            for name, child in parent.named_children():
                if isinstance(child, nn.Dropout):
                    setattr(parent, name, SharedDropout(child.p))

    def expect(self, network: nn.Module, batch: Pieces) -> None:
        """Tell the network's dropout which part of which batch comes next."""
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
        """Give every rank the first one's bytes."""
        if self.size == 1:
            return content
        length = torch.tensor([len(content)])
        distributed.broadcast(length, 0)
        buffer = torch.zeros(int(length), dtype=torch.uint8)
        if self.rank == 0:
            buffer[:] = torch.frombuffer(bytearray(content), dtype=torch.uint8) if content else buffer
        distributed.broadcast(buffer, 0)
        return bytes(buffer.numpy())

    def any(self, is_so: bool) -> bool:  # noqa: FBT001 - it is what is asked about
        """Say whether something is so on any rank; all must ask at the same batch."""
        if self.size == 1:
            return is_so
        votes = torch.tensor([float(is_so)])
        distributed.all_reduce(votes)
        return bool(votes > 0)


class SharedDropout(nn.Dropout):
    """Dropout that draws for a whole batch, in the order torch does, and applies a rank's part of it.

    Attributes:
        parts: by the number of dimensions of what passes: the first sizes it has in the whole batch, and this rank's
            rows of it. Two: plays (N, ...). Three: pieces and plays (S, T, ...).
    """

    parts: dict[int, tuple[tuple[int, ...], slice]]

    def forward(self, values: Tensor) -> Tensor:
        """Drop, and scale what is left by 1 / (1 - p)."""
        if not self.training or self.p == 0:
            return values
        sizes, mine = self.parts[values.dim()]
        kept = values.new_empty((*sizes, *values.shape[len(sizes) :])).bernoulli_(1 - self.p).div_(1 - self.p)
        kept = kept[mine]
        return values * (kept[:, : values.shape[1]] if len(sizes) > 1 else kept)


def _gradient(parameter: nn.Parameter) -> Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad


ALONE = Ranks()
"""One process."""
