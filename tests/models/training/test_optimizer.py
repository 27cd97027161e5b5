"""Reading and writing some rows moves all of them as Adam does."""

import numpy as np
import torch

from models.config import NetworkConfig, TrainingConfig
from models.networks.architectures import make_network
from models.plays.catalogue import PAD
from models.training.optimizer import Optimizer, RowAdam

NUM_ROWS, SIZE = 40, 4
RATES = np.concatenate([np.linspace(0.0005, 0.005, 30), np.linspace(0.005, 0.001, 270)])


def drawn_steps(seed: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Draw rows, of which some are rare, and their gradients."""
    rng = np.random.default_rng(seed)
    weights = 1 / np.arange(1, NUM_ROWS + 1) ** 1.5
    steps = []
    for _ in RATES:
        rows = np.sort(rng.choice(NUM_ROWS - 1, 6, replace=False, p=weights[:-1] / weights[:-1].sum()))
        steps.append((torch.from_numpy(rows), torch.from_numpy(rng.normal(0, 1e-3, (6, SIZE))).float()))
    return steps


def test_all_rows_move_as_adam_moves_them() -> None:
    start = torch.randn(NUM_ROWS, SIZE, generator=torch.Generator().manual_seed(1))
    dense, weights = start.clone().requires_grad_(), start.clone()
    adam, oracle = RowAdam(weights), torch.optim.Adam([dense])

    for (rows, gradients), rate in zip(drawn_steps(1), RATES.tolist(), strict=True):
        read = adam.read(rows)
        torch.testing.assert_close(read, dense.detach()[rows], rtol=0, atol=1e-4)
        adam.step(rows, read, gradients, rate)
        dense.grad = torch.zeros_like(dense).index_copy(0, rows, gradients)
        oracle.param_groups[0]["lr"] = rate
        oracle.step()
    adam.settle()

    torch.testing.assert_close(weights, dense.detach(), rtol=0, atol=1e-4)
    assert (weights - start).abs().max() > 0.1
    assert weights[-1].equal(start[-1])  # never had a gradient


def test_rows_that_no_batch_names_are_neither_read_nor_written() -> None:
    weights = torch.full((NUM_ROWS, SIZE), torch.nan)
    weights[:3] = 1.0
    adam = RowAdam(weights)

    for _ in range(3):
        adam.step(torch.arange(3), adam.read(torch.arange(3)), torch.ones(3, SIZE), 0.01)

    assert weights[:3].isfinite().all()
    assert weights[3:].isnan().all()
    assert all(not adam.state[name][3:].any() for name in ("exp_avg", "exp_avg_sq", "step"))


def test_a_network_reads_some_rows_and_keeps_all() -> None:
    network = make_network(NetworkConfig(embedding_size=SIZE, hidden_size=8, contexts=()), NUM_ROWS)
    optimizer = Optimizer(network, TrainingConfig(), is_sampled=True)
    rows, before = np.array([PAD, 1, 5, 9]), network.embedding.weight.clone()

    with optimizer.reading(rows):
        assert network.embedding.weight.equal(before[torch.from_numpy(rows)])
        network.embedding(torch.tensor([2, 3])).sum().backward()
        optimizer.step(rows)

    changed = (network.embedding.weight != before).any(dim=1).nonzero().flatten()
    assert changed.tolist() == [5, 9]


def test_a_restored_optimizer_continues_bit_for_bit() -> None:
    steps, half = drawn_steps(2), len(RATES) // 2
    whole, part = (torch.ones(NUM_ROWS, SIZE) for _ in range(2))
    adam, interrupted = RowAdam(whole), RowAdam(part)
    for place, (rows, gradients) in enumerate(steps):
        if place == half:
            resumed = RowAdam(part)
            resumed.state = {name: moment.clone() for name, moment in interrupted.state.items()}
            interrupted = resumed
        for each in (adam, interrupted):
            each.step(rows, each.read(rows), gradients, float(RATES[place]))

    adam.settle()
    interrupted.settle()

    assert whole.equal(part)
